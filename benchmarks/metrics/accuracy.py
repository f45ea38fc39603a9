"""Top-1 and top-5 accuracy of networks that predict once a step, under a step rule, with Wilson intervals.

Predictions are a table with one row for each image and step and the columns ``COLUMNS``: the image's id and label, the
step from 1 (a feedforward network has step 1 only), the five best classes (-1 where there are fewer) with their softmax
probabilities in descending order, and the box of the best class by the box rule that step rules look at, in pixels of
that rule's own. Boxes may be unknown (nan) where none can change a result: where the best classes of all steps are the
same and ``benchmarks.metrics.rules.StepRule.unsure`` is false.

A rule that lets several steps stand gives a network more than one guess at an image. What the same number of guesses
would bring without further steps is told by the runner-up classes: of the network itself on the same images
(:func:`correct_with_runners_up`), and of any network on the images where it is least sure
(:func:`runner_up_by_margin`).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.metrics.rules import Bools, Floats, StepRule
from benchmarks.metrics.statistics import Proportion, clustered, wilson

TOP = 5
CLASSES = tuple(f"class_{rank}" for rank in range(1, TOP + 1))
SCORES = tuple(f"score_{rank}" for rank in range(1, TOP + 1))
BOX = ("box_x", "box_y", "box_w", "box_h")
COLUMNS = ("id", "label", "step", *CLASSES, *SCORES, *BOX)


def accuracy(predictions: pd.DataFrame, rule: StepRule) -> dict[str, Proportion]:
    """Accuracy as ``{"top1": ..., "top5": ...}``, fractions 0 to 1 of the images with 95 % intervals.

    Args:
        predictions: One row for each image and step, with the columns ``COLUMNS``.
        rule: Says which steps stand.

    Raises:
        ValueError: As ``correct``; or there is no image.
    """
    hits = {f"top{k}": correct(predictions, rule, k) for k in (1, TOP)}
    return {name: share_of(hit.to_numpy(), predictions) for name, hit in hits.items()}


def share_of(hits: Bools, table: pd.DataFrame) -> Proportion:
    """The share of images that are hits, with its 95 % interval; images of one cluster are not independent.

    Args:
        hits: One for each image, in the ascending order of ids.
        table: One row for each image and step; where it has a column ``cluster``, images of one number show the same.
    """
    if "cluster" not in table:
        return wilson(int(hits.sum()), len(hits))
    return clustered(hits, table.drop_duplicates("id").sort_values("id")["cluster"].tolist())


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
    steps = by_step(predictions)
    hits, scores = np.asarray(steps.hits[:, :, :k].any(axis=2)), steps.scores
    if rule.settled is None:
        result = np.asarray((hits & rule.standing(scores, steps.boxes)).any(axis=1))
    else:
        result = np.asarray((hits & rule.settled(scores)).any(axis=1))
        unsure = rule.unsure(hits, scores)
        result[unsure] = (hits[unsure] & standing_at(unsure, steps, rule)).any(axis=1)
    return pd.Series(result, index=steps.ids, name="correct")


def guesses(predictions: pd.DataFrame, rule: StepRule) -> "pd.Series[int]":
    """How many guesses each image gets: the different best classes of the steps that stand.

    Args:
        predictions: One row for each image and step, with the columns ``COLUMNS``; rows in any order.
        rule: Says which steps stand.

    Returns:
        One entry of at least 1 for each image, indexed by id in ascending order.

    Raises:
        ValueError: As ``correct``; boxes are unknown where the best classes of two steps differ.
    """
    steps = by_step(predictions)
    best = steps.classes[:, :, 0]
    counts = np.ones(len(best), dtype=np.int64)
    if rule.settled is not None:
        differ = (best != best[:, :1]).any(axis=1)
        standing = standing_at(differ, steps, rule)
        # A class counts at the first of the steps with it that stand.
        same = (best[differ, :, None] == best[differ, None, :]) & standing[:, None, :]
        earlier = np.tril(np.ones(best.shape[1:] * 2, dtype=bool), k=-1)
        counts[differ] = (standing & ~(same & earlier).any(axis=2)).sum(axis=1)
    return pd.Series(counts, index=steps.ids, name="guesses")


def correct_with_runners_up(predictions: pd.DataFrame, rule: StepRule) -> "pd.Series[bool]":
    """Whether each image is right by as many guesses as a rule gives it, but without its further steps.

    The guesses are the best classes of the steps that stand whatever the boxes are: at an image with two guesses its
    best class and its runner-up. No more than five are kept.

    Args:
        predictions: One row for each image and step, with the columns ``COLUMNS``; rows in any order.
        rule: One that looks at boxes.

    Returns:
        One entry for each image, indexed by id in ascending order.

    Raises:
        ValueError: As :func:`guesses`; or the rule lets one step stand, so that there are no further guesses.
    """
    if rule.settled is None:
        raise ValueError(f"the step rule {rule.name!r} gives one guess; pass one that looks at boxes")
    steps, allowed = by_step(predictions), guesses(predictions, rule).to_numpy()
    ranks = np.arange(TOP)
    hits = (steps.hits & (ranks < allowed[:, None, None])).any(axis=2)
    return pd.Series((hits & rule.settled(steps.scores)).any(axis=1), index=steps.ids, name="correct")


def runner_up_by_margin(predictions: pd.DataFrame, rule: StepRule) -> Bools:
    """Whether the runner-up class is right, by image, in ascending order of margin.

    The margin is the probability of the best class minus that of the second; images of equal margin come in the order
    of their ids. The first g entries tell what g further guesses bring where a network is least sure.

    Args:
        predictions: One row for each image and step, with the columns ``COLUMNS``; rows in any order.
        rule: One that lets one step of each image stand.

    Returns:
        One entry for each image (N,).

    Raises:
        ValueError: As ``correct``; or the rule may let several steps stand.
    """
    if rule.settled is not None:
        raise ValueError(f"the step rule {rule.name!r} may let several steps stand; pass one that lets one stand")
    steps = by_step(predictions)
    place = np.arange(len(steps.scores)), rule.standing(steps.scores, steps.boxes).argmax(axis=1)
    margin = steps.scores[place] - np.nan_to_num(steps.seconds[place])
    right: Bools = steps.hits[place][:, 1]
    return right[np.argsort(margin, kind="stable")]


class Steps(NamedTuple):
    """Predictions by image, in ascending order of ids, and step.

    Attributes:
        ids: Of the images (N,).
        classes: Best classes in descending order (N, T, 5).
        hits: Whether each of them is the label (N, T, 5).
        scores: Probability of the best (N, T).
        seconds: Probability of the second (N, T), nan where there is none.
        boxes: x, y, w, h of the best class's box (N, T, 4), nan where it is unknown.
    """

    ids: "pd.Index[str]"
    classes: npt.NDArray[np.int64]
    hits: npt.NDArray[np.bool_]
    scores: Floats
    seconds: Floats
    boxes: Floats


def by_step(predictions: pd.DataFrame) -> Steps:
    """Predictions as arrays.

    Raises:
        ValueError: As ``correct`` tells of predictions.
    """
    table = check_predictions(predictions)
    steps = int(table["step"].max()) if len(table) else 1
    classes = table[list(CLASSES)].to_numpy().reshape(-1, steps, TOP)
    labels = table["label"].to_numpy().reshape(-1, steps, 1)
    first, second = (table[name].to_numpy(dtype=np.float64).reshape(-1, steps) for name in SCORES[:2])
    boxes = table[list(BOX)].to_numpy(dtype=np.float64).reshape(-1, steps, 4)
    ids = pd.Index(table["id"].iloc[::steps], name="id")
    return Steps(ids, classes, (classes == labels) & (classes >= 0), first, second, boxes)


def standing_at(where: Bools, steps: Steps, rule: StepRule) -> Bools:
    """The steps (n, T) that stand of some images (N,), whose boxes decide.

    Raises:
        ValueError: A box of theirs is unknown.
    """
    boxes = steps.boxes[where]
    if np.isnan(boxes).any():
        raise ValueError("predictions have unknown boxes where they decide a result; evaluate anew")
    return rule.standing(steps.scores[where], boxes)


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
