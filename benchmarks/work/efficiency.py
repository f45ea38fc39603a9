"""Speed and memory."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record, options_of
from benchmarks.core.versions import versions
from benchmarks.networks.names import TWIN
from benchmarks.networks.plugins import fingerprint
from benchmarks.work.choices import choice
from benchmarks.work.kind import Advance, Amount, Change, Inputs, Kind, MetricSpec
from benchmarks.work.session import Session

if TYPE_CHECKING:
    from benchmarks.measure.efficiency import Efficiency, Settings

TRAINING, INFERENCE = "training", "inference"
DTYPES = ("float32", "bfloat16", "float16")
RESOLUTION, CUDA_BATCH = 224, 256
SLOWER = "its forward pass has become slower"


@dataclass(frozen=True)
class MeasuringChoices:
    """What the user may choose for measurements of speed and memory."""

    batch: int | None = choice(None, "Images of a step.", kind="int", least=1, shown="the profile's")
    dtype: str = choice("float32", "Number format; other than float32 by autocast.", allowed=DTYPES)
    channels_last: bool = choice(True, "Memory format.", kind="flag", flag="--channels-last/--contiguous")
    compile: bool = choice(False, "Compile the networks.", kind="flag", flag="--compile")
    budget: float | None = choice(
        None,
        "Seconds of rounds for each backbone and mode, until ratios are known to 2 %.",
        kind="float",
        least=0,
        shown="the profile's",
    )


@dataclass(frozen=True)
class EfficiencyOptions:
    """What a cell says of a measurement.

    Attributes:
        models: Measured together, separated by commas, the plain network first.
        mode: ``training`` or ``inference``.
        device: ``cpu``, ``cuda`` or ``mps``.
        dtype: Number format.
        batch: Images of a step.
        resolution: Side of an image in pixels.
        channels_last: Memory format.
        compile: Whether networks are compiled.
        rounds: Counted rounds, at least.
        warmup: Rounds before them.
        budget: Seconds of further rounds, until all ratios are precise.
    """

    models: str
    mode: str
    device: str
    dtype: str
    batch: int
    resolution: int
    channels_last: bool
    compile: bool
    rounds: int
    warmup: int
    budget: float


class EfficiencyKind(Kind):
    """Speed and memory of a backbone's models, measured in one interleaved run in a process of its own."""

    name = "efficiency"
    version = 2
    alone = True
    options = EfficiencyOptions
    choices = MeasuringChoices
    conditions = ("device", "dtype", "channels_last", "compile", "processor")
    metrics = (
        MetricSpec("seconds", Change.TIME, SLOWER),
        MetricSpec("warmup_seconds", Change.NEVER, "rounds that do not count"),
        MetricSpec("fps", Change.NEVER, "judged through seconds, paired by round"),
        MetricSpec("memory", Change.MEMORY, "it holds more in memory than it did"),
        MetricSpec("reserved", Change.NEVER, "the allocator's choice"),
    )

    def cell(self, backbone: str, models: Sequence[str], mode: str, session: Session) -> Cell:
        """The cell of one backbone in ``training`` or ``inference``."""
        plan, chosen = session.profile.efficiency, session.chosen(MeasuringChoices)
        usual = plan.training_batch if mode == TRAINING else plan.inference_batch
        options = EfficiencyOptions(
            models=",".join(models),
            mode=mode,
            device=session.device_kind,
            dtype=chosen.dtype,
            batch=chosen.batch or (CUDA_BATCH if session.device_kind == "cuda" else usual),
            resolution=RESOLUTION,
            channels_last=chosen.channels_last,
            compile=chosen.compile,
            rounds=plan.rounds,
            warmup=plan.warmup,
            budget=plan.budget if chosen.budget is None else chosen.budget,
        )
        return Cell.of(self.name, backbone, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs:
        """Versions, and the device by name."""
        from benchmarks.measure.device import device_name

        models = options_of(cell, EfficiencyOptions).models.split(",")
        return {
            **self.versioned(session),
            "networks": ",".join(dict.fromkeys(map(fingerprint, models))),
            **({} if session.elsewhere else {"processor": device_name(session.device)}),
            **versions("torch"),
        }

    def group(self, cell: Cell) -> object:
        """Each on its own."""
        return cell

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Turns of all models."""
        from benchmarks.measure.efficiency import schedule

        (cell,) = cells
        return Amount(len(schedule(*self.settings(cell, session))), "turns")

    def settings(self, cell: Cell, session: Session) -> "tuple[list[str], Settings]":
        """Names and settings of a measurement; the plain network stands in it twice."""
        from benchmarks.measure.efficiency import Settings

        options = options_of(cell, EfficiencyOptions)
        names = options.models.split(",")
        settings = Settings(
            mode=options.mode,
            device=session.device,
            dtype=options.dtype,
            batch=options.batch,
            resolution=options.resolution,
            channels_last=options.channels_last,
            compile=options.compile,
            rounds=options.rounds,
            warmup=options.warmup,
            budget=options.budget,
        )
        return [*names, f"{names[0]}{TWIN}"], settings

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Measure one backbone in one mode."""
        from benchmarks.measure.efficiency import run_in_own_process

        (cell,) = cells
        names, settings = self.settings(cell, session)
        before, planned = 0, self.amount(cells, session).total

        def progress(done: int, total: int) -> None:
            nonlocal before
            # Rounds beyond the planned ones are no progress towards them.
            advance(min(done, planned) - before)
            before = min(done, planned)

        measured = run_in_own_process(names, settings, progress)
        metrics, samples = efficiency_metrics(measured, settings.batch)
        notes = {"stopped": why_stopped(measured, settings)}
        yield new_record(cell, self.inputs(cell, session), metrics, samples, notes)


EFFICIENCY = EfficiencyKind()


def why_stopped(measured: "Mapping[str, Efficiency]", settings: "Settings") -> str:
    """After how many rounds a measurement stopped, and why."""
    from benchmarks.measure.efficiency import PRECISE, half_width

    rounds = max(len(result.seconds) for result in measured.values())
    width = half_width(measured)
    if width < PRECISE:
        return f"{rounds} rounds, all ratios known to {width:.1%}"
    known = f"the widest ratio known to {width:.1%}" if math.isfinite(width) else "which tell nothing of noise"
    return f"{rounds} rounds in a budget of {settings.budget or 0:g} s, {known}"


def efficiency_metrics(
    measured: "Mapping[str, Efficiency]", batch: int
) -> tuple[dict[MetricKey, Metric], dict[MetricKey, list[float]]]:
    """Images a second (median and its interval) and peak memory of each model, and all samples."""
    from benchmarks.measure.efficiency import instability
    from benchmarks.metrics.statistics import median_interval

    metrics: dict[MetricKey, Metric] = {}
    samples: dict[MetricKey, list[float]] = {}
    for name, result in measured.items():
        samples[MetricKey("seconds", of=name)] = result.seconds
        samples[MetricKey("warmup_seconds", of=name)] = result.warmup_seconds
        speed = Metric(None, "images/s", status=result.status)
        if result.seconds:
            median, low, high = median_interval(result.seconds)
            status = instability(result.seconds) or result.status
            speed = Metric(batch / median, "images/s", len(result.seconds), batch / high, batch / low, status)
        metrics[MetricKey("fps", of=name)] = speed
        metrics[MetricKey("memory", of=name)] = Metric(result.peak_bytes, "bytes", status=result.status)
        metrics[MetricKey("reserved", of=name)] = Metric(result.reserved_bytes, "bytes", status=result.status)
    return metrics, samples
