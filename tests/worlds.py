"""Worlds in which networks have the numbers that a test gives them: their records, by several seeds or given weights.

Trainings came to their end, unless a world says otherwise.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.core.records import Cell, Metric, MetricKey, Record, Scalar, new_record
from benchmarks.metrics.outcomes import pack
from benchmarks.networks.names import TWIN
from benchmarks.papers.tdam.queries import RESOLUTIONS, TRAINED_AT, scaled
from benchmarks.papers.tdam.recipes import PROFILES
from benchmarks.report.endings import AT_THE_END
from benchmarks.report.evidence import Evidence
from benchmarks.work.cost import COST, FLOPS, PARAMETERS
from benchmarks.work.kinds import KINDS
from benchmarks.work.profiles import Profile
from benchmarks.work.training import ENDED, HELD_OUT
from tests.recorded import inputs_of, weights_of

RULES = ("last", "released")
BEST = 252  # the resolution at which every sweep here is best


@dataclass(frozen=True)
class World:
    """What networks are like, whatever their numbers.

    Attributes:
        seeds: Of every row.
        spread: Standard deviation over seeds, points.
        held_out: Accuracy on held-out images at the end of every training, %; by model where they differ.
        gain: What half as many epochs again bring, points; None where no longer training is recorded.
        seconds: Of a training, None where it did not tell.
        profile: Name of the profile.
    """

    seeds: int = 6
    spread: float = 0.02
    held_out: float | Mapping[str, float] = 90.0
    gain: float | None = 0.2
    seconds: float | None = 360.0
    profile: str = "mini"

    @property
    def settings(self) -> Profile:
        """The profile."""
        return PROFILES[self.profile]

    def evidence(self, *groups: Sequence[Record]) -> Evidence:
        """All records and the trainings behind them."""
        records = [record for group in groups for record in group]
        cells = [record.cell for record in records]
        tunings = dict.fromkeys(tuning_of(cell) for cell in cells if cell.kind == "transfer")
        trainings = dict.fromkeys(training_of(cell) for cell in [*cells, *tunings] if "weights" in cell.options)
        made = [record for cell in (*tunings, *trainings) for record in self.trained(cell)]
        command = f"tdam-bench run --profile {self.profile}"
        return Evidence(self.settings, Path("results"), [*made, *records], command=command)

    def scattered(self, value: float, what: str, spread: float | None = None) -> list[float]:
        """A number by seed: its mean is the value and its standard deviation the spread, whatever it is of."""
        noise = np.random.default_rng(zlib.crc32(what.encode())).standard_normal(self.seeds)
        if self.seeds < 2:
            return [value]
        noise = (noise - noise.mean()) / noise.std(ddof=1)
        return [float(one) for one in value + (self.spread if spread is None else spread) * noise]

    def trained(self, cell: Cell, curve: Sequence[float] = (40.0, 85.0)) -> list[Record]:
        """A training, how far it came where that is judged, and of the first seed the longer one."""
        ends = self.held_out if isinstance(self.held_out, Mapping) else {}
        end = ends.get(cell.model, 90.0 if ends else self.held_out)
        assert isinstance(end, float)
        notes = {"chance": 10.0, "sha256": weights_of(cell), "recipe": {"epochs": 3}}
        notes |= {} if self.seconds is None else {"seconds": self.seconds}
        usual = new_record(cell, inputs_of(cell), {}, {HELD_OUT: [*curve, end]}, notes)
        split = self.settings.ended_on_after(str(cell.options[str(KINDS[cell.kind].trains_on)]))
        made = [usual] if split is None else [usual, self.ended_at(cell, split, end)]
        if self.gain is None or 0 not in (cell.options.get("seed"), cell.options.get("tuning_seed")):
            return made
        longer = replace(cell, kind=f"{cell.kind}_longer")
        rest = {name: note for name, note in notes.items() if name != "sha256"}
        ended = {ENDED: Metric(end + self.gain, "%")} if split else {}
        return [*made, new_record(longer, inputs_of(longer), ended, {HELD_OUT: [*curve, end + self.gain]}, rest)]

    def ended_at(self, cell: Cell, split: str, share: float) -> Record:
        """How far a training came on the image set that tells whether it had ended, %."""
        key = AT_THE_END
        if "target" in cell.options:
            key = MetricKey("map" if self.settings.transfers[str(cell.options["target"])].multi_label else "top1")
        options = {**cell.options, "data": split, "weights": "trained"}
        judged = replace(cell, kind=str(KINDS[cell.kind].judged_by), options=options)
        return new_record(judged, {"weights": weights_of(cell)}, {key: Metric(share, "%")})

    def by_seed(
        self, kind: str, model: str, options: Mapping[str, Scalar], numbers: Mapping[MetricKey, float], scale: float = 1
    ) -> list[Record]:
        """A record of each seed, with numbers that scatter, each by itself."""
        values = {
            key: self.scattered(value, f"{kind} {model} {options} {key}", self.spread * scale)
            for key, value in numbers.items()
        }
        return [
            seeded(Cell(kind, model, self.profile, options), seed, {key: one[seed] for key, one in values.items()})
            for seed in range(self.seeds)
        ]

    # ---------------------------------------------------------------- what is measured of networks

    def top1(self, model: str, value: float, split: str = "v1", side: int | None = None) -> list[Record]:
        """Top-1 on one of the paper's two sets, or at one of its resolutions."""
        data = self.settings.splits[split] if side is None else self.settings.looks
        resolution = scaled(side or TRAINED_AT, self.settings)
        options = {"data": data, "resolution": resolution, "trained_on": "train", "weights": "trained"}
        return self.by_seed("accuracy", model, options, dict.fromkeys(ruled("top1"), value))

    def reduced_top1(self, model: str, value: float) -> list[Record]:
        """Top-1 on the reduced data set."""
        reduced = self.settings.reduced
        options = {"data": reduced.val, "trained_on": reduced.train, "weights": "trained"}
        return self.by_seed("accuracy", model, options, dict.fromkeys(ruled("top1"), value))

    def sweep(self, model: str, best: float, last: float) -> list[Record]:
        """Top-1 at all resolutions: the best one, and that at 448."""
        values = {**dict.fromkeys(RESOLUTIONS, best - 10), BEST: best, 448: last}
        return [record for side, value in values.items() for record in self.top1(model, value, side=side)]

    def localized(self, model: str, top1_loc: float, moved: Mapping[str, float] | None = None) -> list[Record]:
        """Top-1 localization, and how often boxes move by how many objects there are."""
        numbers = dict.fromkeys(ruled("top1_loc", boxes="gradcam"), top1_loc)
        numbers |= {MetricKey("moved", of=objects): share for objects, share in (moved or {}).items()}
        options = {"data": self.settings.looks, "trained_on": "train", "weights": "trained"}
        return self.by_seed("localization", model, options, numbers)

    def selective(self, model: str, medians: Mapping[str, float]) -> list[Record]:
        """Median class selectivity by step, from 0 to 1."""
        numbers = {MetricKey("median", of=step): median for step, median in medians.items()}
        options = {"data": self.settings.looks, "trained_on": "train", "weights": "trained"}
        return self.by_seed("selectivity", model, options, numbers, scale=0.1)

    def transferred(self, model: str, target: str, value: float) -> list[Record]:
        """Top-1, or mAP, at another task."""
        transfer = self.settings.transfers[target]
        key = MetricKey("map" if transfer.multi_label else "top1")
        options = {
            "target": target,
            "tuned_on": transfer.train,
            "data": transfer.test,
            "trained_on": "train",
            "weights": "trained",
        }
        return self.by_seed("transfer", model, options, {key: value})

    def learned(self, model: str, value: float, longer: float | None = None) -> list[Record]:
        """Trainings by what they reach on held-out images, %."""
        cells = [
            Cell("train", model, self.profile, {"seed": seed, "trained_on": "train"}) for seed in range(self.seeds)
        ]
        ends = self.scattered(value, f"train {model}")
        made = [record for cell, end in zip(cells, ends, strict=True)
                for record in replace(self, held_out=end).trained(cell, (value, value))]  # fmt: skip
        if longer is None:
            return made
        reached = {"samples": {HELD_OUT: [longer]}, "metrics": {ENDED: Metric(longer, "%")}}
        return [replace(one, **reached) if one.cell.kind == "train_longer" else one for one in made]


def ruled(name: str, boxes: str = "") -> list[MetricKey]:
    """A share under both step rules that claims are judged by."""
    return [MetricKey(name, steps=rule, boxes=boxes) for rule in RULES]


def seeded(cell: Cell, seed: int, numbers: Mapping[MetricKey, float]) -> Record:
    """The record of one seed."""
    seeds = {"seed": seed, "tuning_seed": seed} if cell.kind == "transfer" else {"seed": seed}
    own = replace(cell, options={**cell.options, **seeds})
    return new_record(own, inputs_of(own), {key: Metric(value, "%", 2000) for key, value in numbers.items()})


def tuning_of(cell: Cell) -> Cell:
    """The fine-tuning behind a cell."""
    return replace(cell, kind="finetune")


def training_of(cell: Cell) -> Cell:
    """The training from scratch behind a cell."""
    return replace(cell, kind="train", options={name: cell.options[name] for name in ("seed", "trained_on")})


# ---------------------------------------------------------------- what needs no training


def counts(numbers: Mapping[str, tuple[float, float]], blocks: Mapping[str, range] | None = None) -> list[Record]:
    """Parameters in M and FLOPs in G by model, and which blocks of which stage have the module."""
    notes = {"feedback": {stage: list(places) for stage, places in (blocks or {}).items()}}
    return [
        new_record(
            COST.cell(model, convention),
            {},
            {PARAMETERS: Metric(1e6 * parameters, "1"), FLOPS: Metric(1e9 * flops, "1")},
            notes=notes,
        )
        for model, (parameters, flops) in numbers.items()
        for convention in ("fvcore", "ptflops-0.6")
    ]


def timed(
    plain: str, seconds: Mapping[str, float], noise: float = 0.005, memory: Mapping[str, float] | None = None
) -> list[Record]:
    """A run of networks in turn in each mode: seconds of a round, whose logarithm scatters, and peak memory in GB."""
    times = {plain: 1.0, **seconds, f"{plain}{TWIN}": 1.0}
    samples, metrics = {}, {}
    for name, second in times.items():
        draw = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(12)
        draw = noise * (draw - draw.mean()) / draw.std(ddof=1)
        samples[MetricKey("seconds", of=name)] = (second * np.exp(draw)).tolist()
        metrics[MetricKey("fps", of=name)] = Metric(4 / second, "images/s", 12)
    metrics |= {MetricKey("memory", of=name): Metric(1e9 * gb, "bytes") for name, gb in (memory or {}).items()}
    options = {"models": ",".join(times), "batch": 4}
    return [
        new_record(
            Cell("efficiency", plain, "mini", {**options, "mode": mode}), {"processor": "a CPU"}, metrics, samples
        )
        for mode in ("training", "inference")
    ]


def given(model: str, hits: np.ndarray, split: str = "v1", profile: str = "full") -> list[Record]:
    """Which images a network with weights from outside has right, under every rule."""
    settings = PROFILES[profile]
    options: dict[str, Scalar] = {"data": settings.splits[split], "resolution": scaled(224, settings), "seed": None}
    cell = Cell("accuracy", model, profile, {**options, "trained_on": "train", "weights": "given"})
    metrics = {key: Metric(100 * float(hits.mean()), "%", len(hits)) for key in ruled("top1")}
    record = new_record(cell, {"weights": f"given {model}"}, metrics, notes={"images": split})
    return [replace(record, outcomes={key: pack(hits) for key in metrics})]
