"""Networks of given weights, image by image: what was right, which steps stood, which boxes were made, what they hit.

On the processor and with the libraries that the reference was made with all of it is as it was, to the last bit. On
others sums are rounded otherwise: probabilities may move by a little, two classes of nearly the same probability may
change places, and of few images a pixel of a map at a threshold may change a box.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.core.records import Metric, MetricKey, Record
from benchmarks.metrics.accuracy import CLASSES, SCORES
from benchmarks.metrics.outcomes import unpack
from benchmarks.report.gate.numbers import ROUNDING, Comparison, State, digits, kind_of, told
from benchmarks.work.workers import COMPUTED_WITH

if TYPE_CHECKING:
    import pandas as pd

Bools = npt.NDArray[np.bool_]
Folders = tuple[Path, Path]

# What rounding may do on another processor: ten times what was seen there, AVX2 and SSE against AVX-512. Probabilities
# and indices move by so much;
MOVED = 1e-5
# two classes that are nearer to each other than this in the reference may change places;
TIED = 2 * MOVED
# of so many images, at least of one, a box or what follows from it may be another.
FLIPPED = 0.005
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
    def alike(self) -> bool:
        """Whether processor and libraries are the same, so that nothing may be rounded otherwise."""
        processors = [record.notes.get(COMPUTED_WITH) for record in (self.reference, self.now)]
        same = all(self.reference.inputs.get(name) == self.now.inputs.get(name) for name in LIBRARIES)
        return same and None not in processors and processors[0] == processors[1]

    def flips(self, count: int) -> int:
        """Of how many among so many things rounding may change what follows from a threshold."""
        return 0 if self.alike else max(1, round(FLIPPED * count))

    def compared(self, number: str, same: bool, values: tuple[str, str], allowed: str, symptom: str) -> Comparison:
        """A comparison of the pair."""
        where = "this processor is the reference's" if self.alike else "another processor than the reference's"
        state = State.SAME if same else State.CHANGED
        return Comparison(told(self.now.cell), number, state, *values, f"{allowed}: {where}", symptom)


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
    yield from metrics(pair)
    yield from outcomes(pair)
    yield from samples(pair)
    if folders is not None and kind_of(now.cell).per_image is not None:
        yield from columns(pair, table_of(reference, folders[0]), table_of(now, folders[1]))


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
        return 100 * pair.flips(metric.n) / metric.n + MOVED
    return FLIPPED * abs(metric.value) + MOVED


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


def outcomes(pair: Pair) -> Iterator[Comparison]:
    """Which images are right, one by one."""
    kind = kind_of(pair.now.cell)
    for key in sorted({*pair.reference.outcomes, *pair.now.outcomes}):
        before, after = (outcome_of(record, key) for record in pair_of(pair))
        if before is None or after is None or len(before) != len(after):
            differ, most = max(len(one) for one in (before, after) if one is not None), 0
        else:
            differ, most = int((before != after).sum()), pair.flips(len(before))
        values = "the same images", f"{differ} others" if differ else "the same"
        symptom = kind.spec(key.name).symptom
        yield pair.compared(f"{key}, image by image", differ <= most, values, f"{most} may differ", symptom)


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
            max(len(before), len(after)) if before.shape != after.shape else int((~close(before, after, pair)).sum())
        )
        most = pair.flips(len(before))
        values = f"{len(before)} values", f"{len(after)}, {differ} others" if differ else "the same"
        symptom = kind.spec(key.name).symptom or DERIVED
        yield pair.compared(f"{key}, one by one", differ <= most, values, f"{most} may differ", symptom)


def close(before: npt.NDArray[np.number], after: npt.NDArray[np.number], pair: Pair) -> Bools:
    """Where two arrays are equal, unknown values too; but for rounding on another processor."""
    if before.dtype.kind != "f" or pair.alike:
        unknown = (before != before) & (after != after)
        return np.asarray((before == after) | unknown)
    return np.asarray(np.isclose(before, after, rtol=0.0, atol=MOVED, equal_nan=True))


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
    return pd.read_parquet(path).sort_values(KEYS, ignore_index=True)


def columns(pair: Pair, before: "pd.DataFrame", after: "pd.DataFrame") -> Iterator[Comparison]:
    """Every column of the tables of images, row by row."""
    if not before[KEYS].equals(after[KEYS]):
        values = f"{before['id'].nunique()} images", f"{after['id'].nunique()}, or others, or other steps"
        yield pair.compared("images", False, values, "must be equal", SHOWN["count"])
        return
    names = [name for name in dict.fromkeys((*before, *after)) if name not in KEYS]
    for name in names:
        predicted = name in (*CLASSES, *SCORES, "label")
        symptom = PREDICTED if predicted else DERIVED
        if name not in before or name not in after:
            values = ("a column", "none") if name in before else ("no column", "one")
            yield pair.compared(name, False, values, "must be equal", symptom)
            continue
        differ = ~close(before[name].to_numpy(), after[name].to_numpy(), pair)
        most = 0 if name in SCORES else pair.flips(len(before))
        untied = differ & ~tied(before, name) if name in CLASSES else np.zeros_like(differ)
        same = int(differ.sum()) <= most and not untied.any()
        values = shown_rows(before, after, name, untied if untied.any() else differ)
        yield pair.compared(name, same, values, f"{most} of {len(before)} rows may differ", symptom)


def tied(table: "pd.DataFrame", name: str) -> Bools:
    """Where a class of the reference is so near to the one before or after it that rounding may swap them.

    Of the last one that is kept nobody knows what comes after: its rows are tied.
    """
    rank = CLASSES.index(name)
    if rank == len(CLASSES) - 1:
        return np.ones(len(table), dtype=bool)
    own, *beside = (table[SCORES[place]].to_numpy() for place in (rank, rank - 1, rank + 1) if place >= 0)
    return np.asarray(np.any([np.abs(own - other) < TIED for other in beside], axis=0))


def shown_rows(before: "pd.DataFrame", after: "pd.DataFrame", name: str, differ: Bools) -> tuple[str, str]:
    """The first of the rows that differ, in words, and how many there are."""
    if not differ.any():
        return f"{len(before)} rows", "the same"
    place = int(differ.argmax())
    image = f"at {before['id'][place]} step {before['step'][place]}"
    return f"{before[name][place]} {image}", f"{after[name][place]} there, {int(differ.sum())} rows differ"
