"""Top-1 and top-5 accuracy of networks that predict once a step, under three protocols, with Wilson intervals.

Predictions are a table with one row for each image and step and the columns ``COLUMNS``: the image's id and label, the
step from 1 (a feedforward network has step 1 only), the five best classes (-1 where there are fewer) with their softmax
probabilities in descending order, and the box of the best class by the released rule. Boxes may be unknown (nan) where
no box can change a result, see ``undecided``.

Sources: the authors' released evaluation for ``released`` (``tdam/DEVIATIONS.md``, entry 14); the paper's "most
confident prediction" for ``confident``. With a single step the three protocols agree.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.metrics.boxes import ious
from benchmarks.metrics.statistics import Proportion, wilson

PROTOCOLS = ("last", "confident", "released")
TOP = 5
CLASSES = tuple(f"class_{rank}" for rank in range(1, TOP + 1))
SCORES = tuple(f"score_{rank}" for rank in range(1, TOP + 1))
BOX = ("box_x", "box_y", "box_w", "box_h")
COLUMNS = ("id", "label", "step", *CLASSES, *SCORES, *BOX)
MERGED_ABOVE = 0.5  # IoU

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def accuracy(predictions: pd.DataFrame, protocol: str) -> dict[str, Proportion]:
    """Accuracy as ``{"top1": ..., "top5": ...}``, fractions 0 to 1 of the images with 95 % Wilson intervals.

    Args:
        predictions: One row for each image and step, with the columns ``COLUMNS``.
        protocol: A name in ``PROTOCOLS``.

    Raises:
        ValueError: As ``correct``; or there is no image.
    """
    hits = {f"top{k}": correct(predictions, protocol, k) for k in (1, TOP)}
    return {name: wilson(int(hit.sum()), len(hit)) for name, hit in hits.items()}


def correct(predictions: pd.DataFrame, protocol: str, k: int) -> "pd.Series[bool]":
    """Whether each image's label is among the k best classes of what the protocol lets stand.

    - ``last``: the last step.
    - ``confident``: the step with the highest probability of its best class; of equals, the earlier.
    - ``released``: any step that remains after merging those that look at the same place, see ``remaining_steps``.

    Args:
        predictions: One row for each image and step, with the columns ``COLUMNS``; rows in any order.
        protocol: A name in ``PROTOCOLS``.
        k: 1 to 5.

    Returns:
        One entry for each image, indexed by id in ascending order.

    Raises:
        ValueError: Unknown protocol or k; missing columns or values; an image that has a step twice, steps other than
            1 to T with the same T for all, or several labels.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    if not 1 <= k <= TOP:
        raise ValueError(f"top-{k} is not kept; choose k from 1 to {TOP}")
    table = check_predictions(predictions)
    steps = int(table["step"].max()) if len(table) else 1
    classes = table[list(CLASSES[:k])].to_numpy().reshape(-1, steps, k)
    labels = table["label"].to_numpy().reshape(-1, steps, 1)
    hits = ((classes == labels) & (classes >= 0)).any(axis=2)
    scores = table["score_1"].to_numpy(dtype=np.float64).reshape(-1, steps)
    images = np.arange(len(hits))
    if protocol == "last":
        result = hits[:, -1]
    elif protocol == "confident":
        result = hits[images, scores.argmax(axis=1)]
    else:
        boxes = table[list(BOX)].to_numpy(dtype=np.float64).reshape(-1, steps, 4)
        result = hits[images, scores.argmax(axis=1)]
        unsure = undecided(hits, scores)
        if np.isnan(boxes[unsure]).any():
            raise ValueError("predictions have unknown boxes where they decide a result; evaluate anew")
        remaining = remaining_steps(scores[unsure], boxes[unsure])
        result[unsure] = (hits[unsure] & remaining).any(axis=1)
    return pd.Series(result, index=pd.Index(table["id"].iloc[::steps], name="id"), name="correct")


def undecided(hits: Bools, scores: Floats | npt.NDArray[np.float32]) -> Bools:
    """Where the released protocol needs boxes: some step is right, and the most confident one is not.

    The most confident step stands whatever it is merged with, and where no step is right, none that stands is.

    Args:
        hits: Whether each step is right (images, steps).
        scores: Highest probability of each step (images, steps).

    Returns:
        Mask (images,).
    """
    confident: Bools = hits[np.arange(len(hits)), scores.argmax(axis=1)]
    return hits.any(axis=1) & ~confident


def remaining_steps(scores: Floats, boxes: Floats) -> Bools:
    """Steps whose predictions remain when those that look at the same place are merged, as the released code does.

    Steps come in order. One whose box overlaps that of a prediction standing so far (IoU above 0.5) is merged with it,
    with the earliest if there are several: the more confident of the two stands for both with its class and box, of
    equals the earlier. Predictions that stood already are not compared again when a box changes. The choices for more
    than two steps are this suite's; the paper's tables have two.

    Args:
        scores: Highest probability of each step (images, steps).
        boxes: Boxes (images, steps, 4) as x, y, w, h in pixels.

    Returns:
        Mask (images, steps).
    """
    images = np.arange(len(scores))
    # A place keeps the step that stands there; -1 is a place that none has taken.
    places = np.full(scores.shape, -1)
    for step in range(scores.shape[1]):
        waiting = np.ones(len(scores), dtype=bool)
        for place in range(step):
            standing = places[:, place]
            overlap = ious(boxes[images, standing], boxes[:, step]) > MERGED_ABOVE
            merged = waiting & (standing >= 0) & overlap
            better = merged & (scores[:, step] > scores[images, standing])
            places[better, place] = step
            waiting &= ~merged
        places[waiting, step] = step
    taken = places >= 0
    remaining = np.zeros(scores.shape, dtype=bool)
    remaining[np.nonzero(taken)[0], places[taken]] = True
    return remaining


def check_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions ordered by id and step.

    Raises:
        ValueError: As ``correct`` tells.
    """
    missing = [name for name in COLUMNS if name not in predictions.columns]
    if missing:
        raise ValueError(f"predictions lack the columns {', '.join(missing)}; they need {', '.join(COLUMNS)}")
    unknown = [name for name in COLUMNS if name not in (*SCORES[1:], *BOX) and predictions[name].isna().any()]
    if unknown:
        raise ValueError(f"predictions have unknown values in {', '.join(unknown)}; was the network's output finite?")
    table = predictions.sort_values(["id", "step"])
    twice = table[table.duplicated(["id", "step"])]
    if len(twice):
        row = twice.iloc[0]
        raise ValueError(f"image {row['id']!r} has step {row['step']} more than once; keep one run of one model")
    counts = table.groupby("id", sort=False)["step"].agg(["size", "min", "max"])
    steps = counts["size"].max()
    odd = counts[(counts["size"] != steps) | (counts["min"] != 1) | (counts["max"] != steps)]
    if len(odd):
        found = table.loc[table["id"] == odd.index[0], "step"].tolist()
        raise ValueError(f"image {odd.index[0]!r} has steps {found}; every image needs 1 to {steps}")
    labels = table.groupby("id", sort=False)["label"].nunique()
    if (labels > 1).any():
        raise ValueError(f"image {labels.idxmax()!r} has {labels.max()} labels; it needs one")
    return table
