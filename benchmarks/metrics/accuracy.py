"""Top-1 and top-5 accuracy of networks that predict once a step, under a step rule, with Wilson intervals.

Predictions are a table with one row for each image and step and the columns ``COLUMNS``: the image's id and label, the
step from 1 (a feedforward network has step 1 only), the five best classes (-1 where there are fewer) with their softmax
probabilities in descending order, and the box of the best class by the box rule that step rules look at, in pixels of
that rule's own. Boxes may be unknown (nan) where none can change a result, see
``benchmarks.metrics.rules.StepRule.unsure``.
"""

import numpy as np
import pandas as pd

from benchmarks.metrics.rules import StepRule
from benchmarks.metrics.statistics import Proportion, wilson

TOP = 5
CLASSES = tuple(f"class_{rank}" for rank in range(1, TOP + 1))
SCORES = tuple(f"score_{rank}" for rank in range(1, TOP + 1))
BOX = ("box_x", "box_y", "box_w", "box_h")
COLUMNS = ("id", "label", "step", *CLASSES, *SCORES, *BOX)


def accuracy(predictions: pd.DataFrame, rule: StepRule) -> dict[str, Proportion]:
    """Accuracy as ``{"top1": ..., "top5": ...}``, fractions 0 to 1 of the images with 95 % Wilson intervals.

    Args:
        predictions: One row for each image and step, with the columns ``COLUMNS``.
        rule: Says which steps stand.

    Raises:
        ValueError: As ``correct``; or there is no image.
    """
    hits = {f"top{k}": correct(predictions, rule, k) for k in (1, TOP)}
    return {name: wilson(int(hit.sum()), len(hit)) for name, hit in hits.items()}


def correct(predictions: pd.DataFrame, rule: StepRule, k: int) -> "pd.Series[bool]":
    """Whether each image's label is among the k best classes of any step that stands.

    Args:
        predictions: One row for each image and step, with the columns ``COLUMNS``; rows in any order.
        rule: Says which steps stand.
        k: 1 to 5.

    Returns:
        One entry for each image, indexed by id in ascending order.

    Raises:
        ValueError: Unknown k; missing columns or values, boxes where they decide a result among them; an image that has
            a step twice, steps other than 1 to T with the same T for all, or several labels.
    """
    if not 1 <= k <= TOP:
        raise ValueError(f"top-{k} is not kept; choose k from 1 to {TOP}")
    table = check_predictions(predictions)
    steps = int(table["step"].max()) if len(table) else 1
    classes = table[list(CLASSES[:k])].to_numpy().reshape(-1, steps, k)
    labels = table["label"].to_numpy().reshape(-1, steps, 1)
    hits = ((classes == labels) & (classes >= 0)).any(axis=2)
    scores = table["score_1"].to_numpy(dtype=np.float64).reshape(-1, steps)
    boxes = table[list(BOX)].to_numpy(dtype=np.float64).reshape(-1, steps, 4)
    if rule.unsure is None or rule.settled is None:
        result = (hits & rule.standing(scores, boxes)).any(axis=1)
    else:
        result = (hits & rule.settled(scores)).any(axis=1)
        unsure = rule.unsure(hits, scores)
        if np.isnan(boxes[unsure]).any():
            raise ValueError("predictions have unknown boxes where they decide a result; evaluate anew")
        result[unsure] = (hits[unsure] & rule.standing(scores[unsure], boxes[unsure])).any(axis=1)
    return pd.Series(result, index=pd.Index(table["id"].iloc[::steps], name="id"), name="correct")


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
        numbers = table.loc[table["id"] == odd.index[0], "step"].tolist()
        raise ValueError(f"image {odd.index[0]!r} has steps {numbers}; every image needs 1 to {steps}")
    labels = table.groupby("id", sort=False)["label"].nunique()
    if (labels > 1).any():
        raise ValueError(f"image {labels.idxmax()!r} has {labels.max()} labels; it needs one")
    return table
