"""How often the rules of verdicts are wrong where the truth is known: the table and the plots of a calibration."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.core.files import write_text
from benchmarks.core.records import MetricKey, Record, Scalar
from benchmarks.metrics.outcomes import unpack
from benchmarks.metrics.statistics import LEVEL, wilson
from benchmarks.networks.names import TWIN, parse
from benchmarks.report.curves import Chart, Curve, charts_figure, wrapped
from benchmarks.report.endings import AT_THE_END, held_out
from benchmarks.report.evidence import seed_of, setting_of
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.plots import Captioned, Look
from benchmarks.work.accuracy import Accuracy
from benchmarks.work.profiles import Profile
from benchmarks.work.training import HELD_OUT, Train

NAME = "calibration"
FILE = f"{NAME}.json"
TITLE = "Calibration: how often verdicts are wrong where the truth is known"
# A rate is too high where chance leaves it above the level with less than one in a thousand.
SURE = 0.999
DEFAULT = "not recorded, a default"
FEWEST = 3  # seeds or rounds that tell a spread
ACCURACY, TRAIN = Accuracy.name, Train.name
COLUMNS = (
    Column("draws", "Draws", "", "", 0),
    Column("wrong", "Wrong", "%", "verdicts", 1),
    Column("right", "Right", "%", "verdicts", 1),
    Column("undecided", "Undecided", "%", "verdicts", 1),
)
# Kinds whose power is drawn over points.
IN_POINTS = ("by a size", "above", "alike", "drop")
# By the number of units; dashes and markers tell them apart without color.
LOOKS = (
    Look("#000000", "o"),
    Look("#D55E00", "s", dash="--"),
    Look("#0072B2", "^", dash="-."),
    Look("#009E73", "v", dash=":"),
    Look("#CC79A7", "D"),
    Look("#E69F00", "P", dash="--"),
    Look("#56B4E9", "X", dash="-."),
)


@dataclass(frozen=True)
class Variation:
    """What trials are drawn with.

    Attributes:
        seeds: Standard deviation over seeds of the difference of two networks, points.
        ends: Standard deviation over seeds of a network's accuracy on held-out images when its training ends, points.
        resolutions: Standard deviation over seeds of a network's top-1 at a resolution, less what all share, points.
        discordant: Share of images on which two networks differ.
        rounds: Standard deviation over rounds of the logarithm of the ratio of two networks' times.
        source: Where these are from, in words.
    """

    seeds: float = 0.8
    ends: float = 0.57
    resolutions: float = 0.3
    discordant: float = 0.1
    rounds: float = 0.04
    source: str = f"seeds, ends, resolutions, images, rounds: {DEFAULT}"

    @property
    def said(self) -> str:
        """In a sentence."""
        return (
            f"Drawn with a standard deviation of {self.seeds:.2f} points over seeds (of a difference of two networks; "
            f"{self.ends:.2f} points of one network when its training ends), of {self.resolutions:.2f} points besides "
            f"at each resolution, and of {self.rounds:.1%} over rounds (of a ratio), and with {self.discordant:.1%} of "
            f"images on which two networks differ; {self.source}."
        )


@dataclass(frozen=True)
class Rate:
    """How often one kind of verdict is wrong, and right, under one truth.

    Attributes:
        kind: Of verdict.
        truth: In words.
        value: The true difference, in points or in logarithms of a ratio.
        units: Seeds, images or rounds of each draw.
        unit: Which of these.
        draws: How many.
        wrong: Draws with a wrong verdict.
        right: Draws with a right one; the others are undecided, or decide less than they could.
    """

    kind: str
    truth: str
    value: float
    units: int
    unit: str
    draws: int
    wrong: int
    right: int

    @property
    def too_wrong(self) -> bool:
        """Whether it is wrong more often than the level allows, by more than chance explains."""
        return wilson(self.wrong, self.draws, SURE).low > LEVEL

    @property
    def row(self) -> dict[str, object]:
        """For a terminal."""
        shares = {"wrong [%]": self.wrong, "right [%]": self.right, "undecided [%]": self.undecided}
        told = {name: f"{100 * number / self.draws:.1f}" for name, number in shares.items()}
        units = f"{self.units:,} {self.unit}"
        return {"verdict": self.kind, "truth": self.truth, "units": units, "draws": self.draws, **told}

    @property
    def undecided(self) -> int:
        """Draws without a decision."""
        return self.draws - self.wrong - self.right


# ---------------------------------------------------------------- what varies


def variation_of(records: Sequence[Record], profile: Profile) -> Variation:
    """The variation that records show where claims are judged; defaults for what they do not tell.

    Accuracies count that claims are judged by: at the last step, on the profile's image sets, at its resolution. On
    images far smaller than those, and on a part of them, networks differ by more.

    Args:
        records: Of one profile.
        profile: This one.
    """
    accuracies = [one for one in records if one.cell.kind == ACCURACY and AT_THE_END in one.metrics]
    pairs = plain_pairs([one for one in accuracies if is_judged(one, profile)])
    spreads, ends = spreads_of(differences_by_seed(pairs)), spreads_of(ends_by_seed(records, profile.ended_on))
    apart = [discordance(first, second) for first, second in pairs if shared_outcomes(first, second)]
    rounds = round_spreads(records)
    sides = resolution_spreads([one for one in accuracies if side_of(one) >= profile.resolution])
    usual = Variation()
    told = {
        f"seeds: of {len(spreads)} rows": bool(spreads),
        f"ends: of {len(ends)} networks": bool(ends),
        f"resolutions: of {len(sides)} rows": bool(sides),
        f"images: of {len(apart)} pairs": bool(apart),
        f"rounds: of {len(rounds)} networks": bool(rounds),
    }
    source = ", ".join(text if known else f"{text.partition(':')[0]}: {DEFAULT}" for text, known in told.items())
    return Variation(
        pooled(spreads, usual.seeds),
        pooled(ends, usual.ends),
        pooled(sides, usual.resolutions),
        float(np.mean(apart)) if apart else usual.discordant,
        float(np.median(rounds)) if rounds else usual.rounds,  # one disturbed run must not set it
        source,
    )


def is_judged(accuracy: Record, profile: Profile) -> bool:
    """Whether claims are judged on the images of an accuracy, as they were shown."""
    return accuracy.cell.options.get("data") in profile.splits.values() and side_of(accuracy) == profile.resolution


def spreads_of(rows: Sequence[Sequence[float]]) -> list[float]:
    """Standard deviation of each row that has enough numbers."""
    return [float(np.std(one, ddof=1)) for one in rows if len(one) >= FEWEST]


def pooled(spreads: Sequence[float], usual: float) -> float:
    """Standard deviations as one; the usual where there are none."""
    return math.sqrt(float(np.mean(np.square(spreads)))) if spreads else usual


def plain_pairs(accuracies: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Accuracies of networks, each with its plain network's of the same seed and setting."""
    known = {(one.cell.model, setting_of(one.cell), seed_of(one)): one for one in accuracies}
    pairs = []
    for (model, setting, seed), one in known.items():
        plain = known.get((parse(model).backbone, setting, seed))
        if plain is not None and plain is not one:
            pairs.append((one, plain))
    return pairs


def side_of(record: Record) -> int:
    """The resolution of an accuracy's images; 0 where it is not told."""
    return int(str(record.cell.options.get("resolution", 0)))


def ends_by_seed(records: Sequence[Record], ended_on: str | None = None) -> list[list[float]]:
    """Accuracies on held-out images at the end of each network's trainings over seeds, %, as endings are judged."""
    rows: dict[object, list[float]] = {}
    for one in records:
        end = end_told(one, ended_on)
        if end is not None:
            rows.setdefault((one.cell.model, setting_of(one.cell)), []).append(end)
    return list(rows.values())


def end_told(record: Record, ended_on: str | None) -> float | None:
    """How far a training came by what a record tells, %; None of records that tell of none."""
    if ended_on is None:
        told = record.cell.kind == TRAIN and record.samples.get(HELD_OUT) and "diverged" not in record.notes
        return held_out(record) if told else None
    told = (record.cell.kind, record.cell.options.get("data")) == (ACCURACY, ended_on) and seed_of(record) is not None
    return record.metrics[AT_THE_END].value if told else None


def differences_by_seed(pairs: Sequence[tuple[Record, Record]]) -> list[list[float]]:
    """Differences of top-1 to the plain network, of each row and setting over seeds, points."""
    rows: dict[object, list[float]] = {}
    for one, plain in pairs:
        first, second = one.metrics[AT_THE_END].value, plain.metrics[AT_THE_END].value
        if first is not None and second is not None and seed_of(one) is not None:
            rows.setdefault((one.cell.model, setting_of(one.cell)), []).append(first - second)
    return list(rows.values())


def resolution_spreads(accuracies: Sequence[Record]) -> list[float]:
    """Standard deviation over seeds of each network's top-1 at a resolution, less what all of its resolutions share."""
    sweeps: dict[object, dict[int | None, dict[Scalar, float]]] = {}
    for one in accuracies:
        side, share = one.cell.options.get("resolution"), one.metrics[AT_THE_END].value
        rest = frozenset(pair for pair in setting_of(one.cell) if pair[0] not in ("resolution", "crop"))
        if share is not None and seed_of(one) is not None:
            sweeps.setdefault((one.cell.model, rest), {}).setdefault(seed_of(one), {})[side] = share
    spreads = []
    for by_seed in sweeps.values():
        sides = set.intersection(*(set(one) for one in by_seed.values()))
        if len(by_seed) >= FEWEST and len(sides) >= FEWEST:
            shares = np.array([[one[side] for side in sorted(sides, key=str)] for one in by_seed.values()])
            rest_of = shares - shares.mean(0) - shares.mean(1, keepdims=True) + shares.mean()
            freedom = (shares.shape[0] - 1) * (shares.shape[1] - 1)
            spreads.append(math.sqrt(float((rest_of**2).sum()) / freedom))
    return spreads


def shared_outcomes(one: Record, plain: Record) -> bool:
    """Whether two records have outcomes of the same images."""
    same = one.notes.get("images") == plain.notes.get("images")
    return same and AT_THE_END in one.outcomes and AT_THE_END in plain.outcomes


def discordance(one: Record, plain: Record) -> float:
    """Share of images on which two networks differ."""
    first, second = (unpack(record.outcomes[AT_THE_END], record.metrics[AT_THE_END].n or 0) for record in (one, plain))
    return float((first != second).mean())


def round_spreads(records: Sequence[Record]) -> list[float]:
    """Standard deviation over rounds of the logarithm of each network's time over its plain network's."""
    spreads = []
    for run in (one for one in records if one.cell.kind == "efficiency"):
        plain = run.samples.get(MetricKey("seconds", of=run.cell.model), [])
        for key, times in run.samples.items():
            counts = key.name == "seconds" and key.of not in (run.cell.model, f"{run.cell.model}{TWIN}")
            if counts and len(times) == len(plain) >= FEWEST:
                spreads.append(float(np.std(np.log(times) - np.log(plain), ddof=1)))
    return spreads


# ---------------------------------------------------------------- what is shown


def write(folder: Path, listed: Sequence[Rate], variation: Variation) -> Path:
    """Leave a calibration in a results folder."""
    content = {"variation": asdict(variation), "rates": [asdict(rate) for rate in listed]}
    write_text(folder / FILE, json.dumps(content, indent=1))
    return folder / FILE


def read(folder: Path) -> tuple[list[Rate], Variation] | None:
    """A results folder's calibration; None where there is none."""
    path = folder / FILE
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return [Rate(**rate) for rate in content["rates"]], Variation(**content["variation"])


def table(listed: Sequence[Rate], variation: Variation) -> Table:
    """The rates, a row for each kind and truth."""
    lines = [Line(rate.kind, f"{rate.truth}, {rate.units:,} {rate.unit}", rate.kind, values(rate)) for rate in listed]
    worst = max(listed, key=lambda rate: rate.wrong / rate.draws)
    notes = [
        "Trials of which the truth is known, decided by the functions that decide this report; what is wrong of each "
        "kind is said in `benchmarks/suite/calibration.py`. At most 5 % may be: the highest rate here is "
        f"{100 * worst.wrong / worst.draws:.1f} % ({worst.kind}, {worst.truth}, {worst.units:,} {worst.unit}).",
        variation.said,
        "Intervals are those of the share of draws. Right is what is decided and so: the power where there is "
        "something to find.",
    ]
    return Table(NAME, TITLE, notes, COLUMNS, lines)


def values(rate: Rate) -> dict[str, Value]:
    """A row's numbers."""
    numbers = {"wrong": rate.wrong, "right": rate.right, "undecided": rate.undecided}
    shares = {name: wilson(number, rate.draws) for name, number in numbers.items()}
    shown = {
        name: Value(measured=100 * share.value, low=100 * share.low, high=100 * share.high, record=FILE)
        for name, share in shares.items()
    }
    return {"draws": Value(measured=rate.draws, record=FILE), **shown}


def figures(listed: Sequence[Rate], variation: Variation) -> Iterator[Captioned]:
    """How often what is there is found, over how much is there: in points, and in percent of a ratio."""
    points = [rate for rate in listed if rate.truth.endswith("points") or rate.truth == "nothing there"]
    of_points = [rate for rate in points if rate.unit != "rounds" and rate.kind in IN_POINTS]
    of_rest = [rate for rate in listed if rate.unit == "rounds" and rate.value >= 0]
    for name, rates, label, scale in (
        ("points", of_points, "true difference [points]", 1.0),
        ("ratios", of_rest, "true difference [%]", 100.0),
    ):
        kinds = list(dict.fromkeys(rate.kind for rate in rates))
        units = sorted({(rate.unit, rate.units) for rate in rates})
        looks = {key: LOOKS[place % len(LOOKS)] for place, key in enumerate(units)}
        charts = [Chart(kind, power([rate for rate in rates if rate.kind == kind], looks, scale)) for kind in kinds]
        caption = (
            f"How often a verdict finds what is there: the share of draws [%] that are decided, and rightly, over the "
            f"{label}, by kind of verdict and number of {', '.join(dict.fromkeys(unit for unit, _ in units))}. Bands "
            f"are 95 % intervals of the share. {variation.said}"
        )
        legend = {f"{number:,} {unit}": look for (unit, number), look in looks.items()}
        figure = charts_figure(wrapped("right verdicts [%]", charts, 4), label, legend) if charts else None
        yield Captioned(f"{NAME}-{name}", caption, figure)


def power(listed: Sequence[Rate], looks: Mapping[tuple[str, int], Look], scale: float) -> list[Curve]:
    """One kind's power over the true difference, for each number of units, with its Monte Carlo interval."""
    curves = []
    for unit, units in dict.fromkeys((rate.unit, rate.units) for rate in listed):
        mine = sorted((one for one in listed if (one.unit, one.units) == (unit, units)), key=lambda rate: rate.value)
        shares = [wilson(rate.right, rate.draws) for rate in mine]
        x = [rate.value if scale == 1 else scale * math.expm1(rate.value) for rate in mine]
        y, low, high = ([100 * getattr(share, end) for share in shares] for end in ("value", "low", "high"))
        curves.append(Curve(looks[unit, units], x, y, low, high))
    return curves
