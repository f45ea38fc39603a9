"""Speed and memory."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.core.identity import code_version, network_version, versions
from benchmarks.core.records import Cell, Metric, Record, Scalar, new_record
from benchmarks.work.kind import Advance, Amount, Inputs
from benchmarks.work.session import Session

if TYPE_CHECKING:
    from benchmarks.measure.efficiency import Settings


class Efficiencies:
    """Speed and memory of a backbone's models, measured in one interleaved run in a process of its own."""

    name = "efficiency"
    shared = False
    parallel = False

    @staticmethod
    def cell(backbone: str, models: Sequence[str], mode: str, session: Session) -> Cell:
        """The cell of one backbone in ``training`` or ``inference``."""
        plan = session.profile.efficiency
        batch = plan.training_batch if mode == "training" else plan.inference_batch
        options: dict[str, Scalar] = {
            "models": ",".join(models),
            "mode": mode,
            "device": session.device_kind,
            "dtype": session.dtype,
            "batch": session.batch or (256 if session.device_kind == "cuda" else batch),
            "resolution": 224,
            "channels_last": session.channels_last,
            "compile": session.compile,
            "rounds": plan.rounds,
            "warmup": plan.warmup,
        }
        return Cell("efficiency", backbone, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs:
        """Measuring code, networks, versions and the device by name."""
        from benchmarks.measure.efficiency import device_name

        networks = [network_version(name, "paper") for name in str(cell.options["models"]).split(",")]
        return {
            "code": code_version("measure/efficiency.py", "measure/memory.py"),
            "networks": ",".join(networks),
            "device": device_name(session.device),
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
        from benchmarks.networks.names import TWIN

        o: Mapping[str, Any] = cell.options
        names = o["models"].split(",")
        fields = ("mode", "dtype", "batch", "resolution", "channels_last", "compile", "rounds", "warmup")
        settings = Settings(device=session.device, threads=None, **{name: o[name] for name in fields})
        return [*names, f"{names[0]}{TWIN}"], settings

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Measure one backbone in one mode."""
        from benchmarks.measure.efficiency import run_in_own_process

        (cell,) = cells
        names, settings = self.settings(cell, session)
        before = 0

        def progress(done: int, total: int) -> None:
            nonlocal before
            advance(done - before)
            before = done

        measured = run_in_own_process(names, settings, progress)
        metrics, samples = efficiency_metrics(measured, settings.batch)
        yield new_record(cell, self.inputs(cell, session), metrics, samples)


def efficiency_metrics(measured: Mapping[str, Any], batch: int) -> tuple[dict[str, Metric], dict[str, list[float]]]:
    """Images a second (median and its interval) and peak memory of each model, and all samples."""
    from benchmarks.measure.efficiency import instability
    from benchmarks.metrics.statistics import median_interval

    metrics: dict[str, Metric] = {}
    samples: dict[str, list[float]] = {}
    for name, result in measured.items():
        samples[f"{name}/seconds"] = result.seconds
        samples[f"{name}/warmup_seconds"] = result.warmup_seconds
        if not result.seconds:
            metrics[f"{name}/fps"] = Metric(None, "images/s", status=result.status)
        else:
            median, low, high = median_interval(result.seconds)
            status = instability(result.seconds) or result.status
            metrics[f"{name}/fps"] = Metric(
                batch / median, "images/s", len(result.seconds), batch / high, batch / low, status
            )
        metrics[f"{name}/memory"] = Metric(result.peak_bytes, "bytes", status=result.status)
        metrics[f"{name}/reserved"] = Metric(result.reserved_bytes, "bytes", status=result.status)
    return metrics, samples
