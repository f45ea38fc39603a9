"""Networks of given weights, image by image: what was right, which steps stood, which boxes were made, what they hit.

On the processor (or CUDA device) and with the libraries that the reference was made with all of it is as it was, to the
last bit. On others sums are rounded otherwise: probabilities may move by a little, two classes of nearly the same
probability may change places, and of few images a pixel of a map at a threshold may change a box. What follows from
these, the steps that stand and which images are right, may be otherwise only where two steps were nearly as probable,
or a class or a box of that image is another.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.core.records import Metric, MetricKey, Record
from benchmarks.metrics.accuracy import CLASSES, SCORES
from benchmarks.metrics.outcomes import unpack
from benchmarks.report.gate.numbers import ROUNDING, Comparison, State, digits, kind_of, told
from benchmarks.work.accuracy import RUNNER_UP
from benchmarks.work.workers import COMPUTED_WITH

if TYPE_CHECKING:
    import pandas as pd

Bools = npt.NDArray[np.bool_]
Folders = tuple[Path, Path]

# What rounding may do on another processor: ten times what was seen there, AVX2 and SSE against AVX-512. Probabilities
# and indices move by so much;
MOVED = 1e-5
# of so many images, at least of one, a box or what follows from it may be another.
FLIPPED = 0.005


class Rounding(NamedTuple):
    """What rounding may do, and where.

    Attributes:
        where: On which pair of devices, in words.
        moved: By how much probabilities and indices may move; what is nearer than twice that in the reference is tied.
        flipped: Of which share of images, at least of one, a box or what follows from it may be another.
    """

    where: str
    moved: float
    flipped: float

    @property
    def tied(self) -> float:
        """How near two probabilities are that may change places."""
        return 2 * self.moved


SAME_BITS = Rounding("this processor is the reference's", 0.0, 0.0)
OTHER_PROCESSOR = Rounding("another processor than the reference's", MOVED, FLIPPED)
# PyTorch lets CUDA devices round what convolutions multiply to TF32's 10 bits. The gate's networks with factors rounded
# so on a CPU: probabilities moved by 0.0013 at most, and of 2.2 % of the rows a box or an overlap was another.
OTHER_DEVICE = Rounding("a CUDA device that is not the reference's, or beside a CPU", 1e-2, 0.05)
CPU = "cpu"
# What decides the last bits, beside the processor.
LIBRARIES = ("torch", "torchvision", "pillow", "opencv-python-headless")
# What must be the same before any number can be, by the names of records' inputs.
SHOWN: Mapping[str, str] = {
    "weights": "the weights are not those of the reference",
    "data": "other images are shown, or under other labels",
    "count": "other images are shown",
    "boxes": "images have other true boxes",
}
KEYS = ["id", "step"]
# Columns that tell what an image is, and the beginning of those that tell whether a step stands under a rule.
FACTS = ("label", "cluster", "objects")
STANDS = "stands_"
PREDICTED = "networks are shown something else, or compute something else"
DERIVED = "boxes, the steps that stand or what they hit come out otherwise on the same images"


@dataclass(frozen=True)
class Pair:
    """Two records of one cell of given weights.

    Attributes:
        reference: The one that is compared with.
        now: The one that is compared.
    """

    reference: Record
    now: Record

    @cached_property
    def rounding(self) -> Rounding:
        """What rounding may do: nothing where processor and libraries are the same."""
        processors = [record.notes.get(COMPUTED_WITH) for record in pair_of(self)]
        same = all(self.reference.inputs.get(name) == self.now.inputs.get(name) for name in LIBRARIES)
        if same and None not in processors and processors[0] == processors[1]:
            return SAME_BITS
        on_cpu = all(record.inputs.get("device", CPU) == CPU for record in pair_of(self))
        return OTHER_PROCESSOR if on_cpu else OTHER_DEVICE

    @property
    def alike(self) -> bool:
        """Whether nothing may be rounded otherwise."""
        return self.rounding == SAME_BITS

    def flips(self, count: int) -> int:
        """Of how many among so many things rounding may change what follows from a threshold."""
        return 0 if self.alike else max(1, round(self.rounding.flipped * count))

    def compared(self, number: str, same: bool, values: tuple[str, str], allowed: str, symptom: str) -> Comparison:
        """A comparison of the pair."""
        state = State.SAME if same else State.CHANGED
        return Comparison(told(self.now.cell), number, state, *values, f"{allowed}: {self.rounding.where}", symptom)


def compare_images(reference: Record, now: Record, folders: Folders | None = None) -> Iterator[Comparison]:
    """All comparisons of two records of one cell of given weights.

    Args:
        reference: The one that is compared with.
        now: The one that is compared.
        folders: The results folders of both; None leaves out what they keep of each image beside the records.

    Raises:
        ValueError: Nothing is declared of a number; or what was kept of each image is missing.
    """
    pair = Pair(reference, now)
    for name, symptom in SHOWN.items():
        before, after = reference.inputs.get(name), now.inputs.get(name)
        if before != after:
            yield pair.compared(name, False, (str(before), str(after)), "must be equal", symptom)
    tables = None
    if folders is not None and kind_of(now.cell).per_image is not None:
        tables = table_of(reference, folders[0]), table_of(now, folders[1])
    alike = tables is not None and tables[0][KEYS].equals(tables[1][KEYS])
    may_differ = explained(pair, *tables) if tables is not None and alike else None
    yield from metrics(pair)
    yield from outcomes(pair, may_differ)
    yield from samples(pair)
    if tables is not None:
        yield from other_rows(pair, *tables) if may_differ is None else columns(pair, *tables, may_differ)


def pair_of(pair: Pair) -> tuple[Record, Record]:
    """Both records, the reference's first."""
    return pair.reference, pair.now


# ---------------------------------------------------------------- what records hold


def metrics(pair: Pair) -> Iterator[Comparison]:
    """Every metric with its interval."""
    kind = kind_of(pair.now.cell)
    for key in sorted({*pair.reference.metrics, *pair.now.metrics}):
        before, after = (record.metrics.get(key) for record in pair_of(pair))
        same = before is not None and after is not None and same_metric(before, after, pair)
        values = shown_metric(before), shown_metric(after)
        yield pair.compared(str(key), same, values, margin_of(before, pair), kind.spec(key.name).symptom or DERIVED)


def same_metric(before: Metric, after: Metric, pair: Pair) -> bool:
    """Whether a metric, its interval and what it is of are as they were."""
    margin = allowed(before, pair)
    ends = [(before.value, after.value), (before.low, after.low), (before.high, after.high)]
    unlike = (before.n, before.unit, before.status) != (after.n, after.unit, after.status)
    return not unlike and all(near(one, other, margin) for one, other in ends)


def allowed(metric: Metric, pair: Pair) -> float:
    """By how much a metric may differ: by what the images do that may, or by their share of it."""
    if pair.alike or metric.value is None:
        return 0.0
    if metric.unit == "%" and metric.n:
        return 100 * pair.flips(metric.n) / metric.n + pair.rounding.moved
    return pair.rounding.flipped * abs(metric.value) + pair.rounding.moved


def near(a: float | None, b: float | None, margin: float) -> bool:
    """Whether two numbers are equal but for rounding and a margin; what is unknown equals itself."""
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=ROUNDING, abs_tol=max(margin, ROUNDING))


def shown_metric(metric: Metric | None) -> str:
    """A metric in words."""
    if metric is None or metric.value is None:
        return "nothing" if metric is None else f"nothing ({metric.status})"
    between = "" if metric.low is None else f" ({digits(metric.low)} to {digits(metric.high)})"
    of = "" if metric.n is None else f" of {metric.n}"
    return f"{digits(metric.value)}{between}{of}"


def margin_of(metric: Metric | None, pair: Pair) -> str:
    """What a metric is allowed, in words."""
    margin = 0.0 if metric is None else allowed(metric, pair)
    return f"within {margin:.2g}" if margin else "exact"


def outcomes(pair: Pair, may_differ: Bools | None = None) -> Iterator[Comparison]:
    """Which images are right, one by one.

    Args:
        pair: The records.
        may_differ: Of which images in the order of their ids rounding explains it, see :func:`explained`; None if that
            is not known, and of outcomes in another order it does not matter.
    """
    kind = kind_of(pair.now.cell)
    for key in sorted({*pair.reference.outcomes, *pair.now.outcomes}):
        before, after = (outcome_of(record, key) for record in pair_of(pair))
        if before is None or after is None or len(before) != len(after):
            differ, most, why = max(len(one) for one in (before, after) if one is not None), 0, 0
        else:
            strange = np.zeros_like(before)
            if may_differ is not None and key.name != RUNNER_UP and len(may_differ) == len(before):
                strange = (before != after) & ~may_differ
            differ, most, why = int((before != after).sum()), pair.flips(len(before)), int(strange.sum())
        values = "the same images", f"{differ} others{unexplained(why)}" if differ else "the same"
        symptom = kind.spec(key.name).symptom
        same = differ <= most and not why
        yield pair.compared(f"{key}, image by image", same, values, f"{most} may differ", symptom)


def unexplained(count: int) -> str:
    """How many differences rounding does not explain, in words."""
    return f", {count} of them by no rounding" if count else ""


def outcome_of(record: Record, key: MetricKey) -> Bools | None:
    """Whether each image was right, None where a record does not tell."""
    n = record.metrics[key].n if key in record.metrics else None
    return unpack(record.outcomes[key], n) if key in record.outcomes and n else None


def samples(pair: Pair) -> Iterator[Comparison]:
    """Raw samples, such as the index of every channel."""
    kind = kind_of(pair.now.cell)
    for key in sorted({*pair.reference.samples, *pair.now.samples}):
        before, after = (np.array(record.samples.get(key, ())) for record in pair_of(pair))
        differ = (
            max(len(before), len(after))
            if before.shape != after.shape
            else int((~close(before, after, pair.rounding.moved)).sum())
        )
        most = pair.flips(len(before))
        values = f"{len(before)} values", f"{len(after)}, {differ} others" if differ else "the same"
        symptom = kind.spec(key.name).symptom or DERIVED
        yield pair.compared(f"{key}, one by one", differ <= most, values, f"{most} may differ", symptom)


def close(before: npt.NDArray[np.number], after: npt.NDArray[np.number], moved: float) -> Bools:
    """Where two arrays are equal, unknown values too; numbers that are no integers but for what rounding moves them."""
    if before.dtype.kind != "f" or not moved:
        unknown = (before != before) & (after != after)
        return np.asarray((before == after) | unknown)
    return np.asarray(np.isclose(before, after, rtol=0.0, atol=moved, equal_nan=True))


# ---------------------------------------------------------------- what is kept of each image


def table_of(record: Record, folder: Path) -> "pd.DataFrame":
    """What a record's network made of each image, a row for each image and step in their order.

    Raises:
        ValueError: It is missing.
    """
    import pandas as pd

    kept = str(kind_of(record.cell).per_image)
    path = folder / kept / str(record.notes.get(kept))
    if not path.is_file():
        raise ValueError(f"{path}, what is known of each image of {record.cell}, is missing; restore it")
    try:
        return pd.read_parquet(path).sort_values(KEYS, ignore_index=True)
    except (OSError, ValueError, KeyError) as error:  # Arrow's own errors are values' or the system's
        what = f"{path}, what is known of each image of {record.cell}"
        raise ValueError(f"{what}, is damaged ({error}); restore it") from error


def other_rows(pair: Pair, before: "pd.DataFrame", after: "pd.DataFrame") -> Iterator[Comparison]:
    """The tables are of other images or steps."""
    values = f"{before['id'].nunique()} images", f"{after['id'].nunique()}, or others, or other steps"
    yield pair.compared("images", False, values, "must be equal", SHOWN["count"])


def columns(pair: Pair, before: "pd.DataFrame", after: "pd.DataFrame", may_differ: Bools) -> Iterator[Comparison]:
    """Every column of tables of the same images and steps, row by row; ``may_differ`` as :func:`explained` gives it."""
    names = [name for name in dict.fromkeys((*before, *after)) if name not in KEYS]
    by_row = may_differ.repeat(len(before) // len(may_differ))
    for name in names:
        predicted = name in (*CLASSES, *SCORES, "label")
        symptom = PREDICTED if predicted else DERIVED
        if name not in before or name not in after:
            values = ("a column", "none") if name in before else ("no column", "one")
            yield pair.compared(name, False, values, "must be equal", symptom)
            continue
        differ = ~close(before[name].to_numpy(), after[name].to_numpy(), pair.rounding.moved if name in SCORES else 0)
        most = 0 if name in SCORES else pair.flips(len(before))
        strange = differ & ~explained_in(pair, before, name, by_row)
        same = int(differ.sum()) <= most and not strange.any()
        values = shown_rows(before, after, name, strange if strange.any() else differ)
        yield pair.compared(name, same, values, f"{most} of {len(before)} rows may differ", symptom)


def explained_in(pair: Pair, table: "pd.DataFrame", name: str, by_row: Bools) -> Bools:
    """Of which rows of a column rounding may explain a difference.

    Args:
        pair: The records.
        table: The reference's.
        name: The column.
        by_row: Of which rows steps may stand that did not, see :func:`explained`.
    """
    if name in CLASSES:
        return tied(pair, table, name)
    if name.startswith(STANDS):
        return by_row
    # Of boxes and overlaps no margin is kept: they are counted.
    return np.full(len(table), name not in FACTS)


def explained(pair: Pair, before: "pd.DataFrame", after: "pd.DataFrame") -> Bools:
    """Of which images rounding explains that other steps stand, or that they are right or wrong (images,).

    Rules look at steps' probabilities, classes and boxes: two steps were nearly as probable, or a class, a box or an
    overlap of the image is another, which is judged by itself. Both tables have the same rows, in order.
    """
    images = before["id"].nunique()
    ranked = np.sort(before[SCORES[0]].to_numpy().reshape(images, -1), axis=1)
    near: Bools = np.asarray((np.diff(ranked, axis=1) < pair.rounding.tied).any(axis=1))
    for name in before:
        told_by_others = name in (*KEYS, *SCORES, *FACTS) or name.startswith(STANDS)
        if not told_by_others and name in after:
            differ = ~close(before[name].to_numpy(), after[name].to_numpy(), 0)
            near = near | np.asarray(differ.reshape(images, -1).any(axis=1))
    return near


def tied(pair: Pair, table: "pd.DataFrame", name: str) -> Bools:
    """Where a class of the reference is so near to the one before or after it that rounding may swap them.

    Of the last one that is kept nobody knows what comes after: its rows are tied.
    """
    rank = CLASSES.index(name)
    if rank == len(CLASSES) - 1:
        return np.ones(len(table), dtype=bool)
    own, *beside = (table[SCORES[place]].to_numpy() for place in (rank, rank - 1, rank + 1) if place >= 0)
    return np.asarray(np.any([np.abs(own - other) < pair.rounding.tied for other in beside], axis=0))


def shown_rows(before: "pd.DataFrame", after: "pd.DataFrame", name: str, differ: Bools) -> tuple[str, str]:
    """The first of the rows that differ, in words, and how many there are."""
    if not differ.any():
        return f"{len(before)} rows", "the same"
    place = int(differ.argmax())
    image = f"at {before['id'][place]} step {before['step'][place]}"
    return f"{before[name][place]} {image}", f"{after[name][place]} there, {int(differ.sum())} rows differ"
