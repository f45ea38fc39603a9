"""The kinds of work: what each depends on, and how a group of its cells is run. One class each.

A task tells a cell's ``inputs`` (all else that can change its numbers), or why they cannot be told yet; ``run`` does
the work.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.data.images import DataError
from benchmarks.identity import code_version, network_version, versions
from benchmarks.records import Cell, Metric, Record, Scalar, canonical, file_hash, new_record, write_atomically
from benchmarks.session import Session

if TYPE_CHECKING:
    from baselines.backbone import Backbone
    from benchmarks.measure.efficiency import Settings

# Which weights a file holds, and where they go.
READING_CODE = ("../baselines/checkpoints.py", "../baselines/published.py", "../tdam/released.py")
Inputs = Mapping[str, Scalar]


@dataclass(frozen=True)
class Blocked:
    """A cell that cannot run: why, and the command that would change that."""

    reason: str
    command: str


@dataclass(frozen=True)
class Waiting:
    """A cell whose inputs another cell of this plan makes."""

    cell: Cell


@dataclass(frozen=True)
class Amount:
    """How much work there is: ``total`` units, such as images."""

    total: int
    unit: str


Advance = Callable[[int], None]


class Task(Protocol):
    """A kind of work.

    Attributes:
        name: As in cells.
        shared: Whether all processes of a torchrun share its work; else the first does it alone.
        parallel: Whether groups may run at the same time on the CPU, each in a process of its own.
    """

    name: str
    shared: bool
    parallel: bool

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """What the cell's numbers depend on besides the cell."""

    def group(self, cell: Cell) -> object:
        """Cells of equal group run in one go."""

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """How much work a group is, for the progress bar."""

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Run a group; each cell's record as soon as it is there. ``advance`` is told what is done, in units."""


class Costs:
    """Parameters and FLOPs at the paper's size; the same in every profile."""

    name = "cost"
    shared = False
    parallel = False

    @staticmethod
    def cell(model: str) -> Cell:
        """The cell of one model."""
        return Cell("cost", model, "any", {"convention": "fvcore", "resolution": 224})

    def inputs(self, cell: Cell, session: Session) -> Inputs:
        """Counting code, networks and library versions."""
        return {
            "code": code_version("measure/cost.py"),
            "network": network_version(cell.model, "paper"),
            **versions("fvcore", "torch"),
        }

    def group(self, cell: Cell) -> object:
        """All together."""
        return "all"

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """One model a cell."""
        return Amount(len(cells), "models")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Count one model after the other."""
        from benchmarks.measure.cost import count_flops, count_parameters
        from benchmarks.models import create

        for cell in cells:
            network = create(cell.model)
            flops = count_flops(network, str(cell.options["convention"]), int(str(cell.options["resolution"])))
            metrics = {
                "parameters": Metric(count_parameters(network), "1"),
                "flops": Metric(flops.total, "multiply-accumulates"),
            }
            notes = {"by_operator": flops.by_operator, "left_out": flops.left_out}
            yield new_record(cell, self.inputs(cell, session), metrics, notes=notes)
            advance(1)


class Trainings:
    """Training a model on the profile's data."""

    name = "train"
    shared = True
    parallel = True

    @staticmethod
    def cell(model: str, seed: int, session: Session) -> Cell:
        """The cell of one training run; networks without feedback pass over ``step_loss`` and ``zero_init``."""
        recipe = session.recipe_of(model)
        options: dict[str, Scalar] = {
            "seed": seed,
            "recipe": hashlib.sha256(canonical(asdict(recipe)).encode()).hexdigest()[:8],
            "classes": session.classes,
            "step_loss": session.step_loss,
            "zero_init": session.zero_init,
        }
        return Cell("train", model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked:
        """Training images, training code, networks, versions, device kind."""
        try:
            data = session.image_set("train").manifest_hash
        except DataError as error:
            return Blocked(str(error), f"tdam-bench train {cell.model} --profile {cell.profile} --data-root DIR")
        count = session.profile.train_count
        return {
            "data": data,
            "count": count,
            "code": code_version("training.py", "data/images.py"),
            "network": network_version(cell.model, session.profile.size),
            "device": session.device_kind,
            **versions("torch", "torchvision"),
        }

    def group(self, cell: Cell) -> object:
        """Each on its own."""
        return cell

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images of all epochs."""
        images = len(session.image_set("train"))
        count = min(images, session.profile.train_count or images)
        return Amount(sum(session.recipe_of(cell.model).epochs * count for cell in cells), "images")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Train one model."""
        import torch

        from benchmarks.training import Training, train

        (cell,) = cells
        seed = int(str(cell.options["seed"]))
        torch.manual_seed(seed)
        recipe = session.recipe_of(cell.model)
        training = Training(
            trained_network(cell, session),
            session.image_set("train"),
            recipe,
            seed,
            str(cell.options["step_loss"]),
            torch.device(session.device),
            session.workers,
            session.profile.train_count,
        )
        record = new_record(cell, known_inputs(self, cell, session), {})
        weights = session.store.path("weights", f"{cell.model}-{record.id}", ".safetensors")
        with threads_of_training(session):
            trained = train(training, weights, advance)
        metrics = {"loss": Metric(trained.history["loss"][-1], "nat", n=recipe.epochs)}
        notes = {"weights": weights.name, "sha256": trained.sha256, "recipe": asdict(recipe)}
        yield replace(record, metrics=metrics, samples=trained.history, notes=notes)


class Accuracies:
    """Top-1 and top-5 on one image set, under the three step protocols; predictions are kept per image."""

    name = "accuracy"
    shared = True
    parallel = False

    @staticmethod
    def cell(model: str, split: str, seed: int, session: Session) -> Cell:
        """The cell of one model on one image set. Given weights have no seed of ours."""
        trained = Trainings.cell(model, seed, session)
        options: dict[str, Scalar] = {"data": split, "resolution": session.profile.resolution, "dtype": "float32"}
        options["crop"] = session.profile.crop_of(model.partition("-")[0])
        if session.given_weights(model) is None:
            options |= trained.options
        else:
            options |= {"weights": "given", "classes": session.classes}
        return Cell("accuracy", model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Weights, images, evaluating code, versions, device kind."""
        weights = weights_of(cell, session)
        if isinstance(weights, Blocked | Waiting):
            return weights
        try:
            data = session.image_set(str(cell.options["data"])).manifest_hash
        except DataError as error:
            return Blocked(str(error), f"tdam-bench run table1 --profile {cell.profile} --data-root DIR")
        return {
            "weights": weights[1],
            "data": data,
            "count": session.profile.val_count,
            "code": code_version("evaluation.py", "maps.py", "protocols", "data/images.py", *READING_CODE),
            "network": network_version(cell.model, session.profile.size),
            "device": session.device_kind,
            **versions("torch", "torchvision", "pillow", "opencv-python-headless"),
        }

    def group(self, cell: Cell) -> object:
        """One pass over the images serves every model that sees them alike."""
        return tuple(cell.options[name] for name in ("data", "resolution", "crop"))

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images; all models see each of them in one go."""
        images = len(session.image_set(str(cells[0].options["data"])))
        return Amount(min(images, session.profile.val_count or images), "images")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """One pass over one image set."""
        import torch

        from benchmarks.evaluation import predict

        options = cells[0].options
        split = str(options["data"])
        images = session.image_set(split)
        count = self.amount(cells, session).total
        networks = {str(cell): loaded_network(cell, session) for cell in cells}
        predictions = predict(
            networks,
            images,
            int(str(options["resolution"])),
            float(str(options["crop"])),
            torch.device(session.device),
            session.profile.batch,
            session.workers,
            session.profile.val_count,
            advance,
        )
        for cell in cells:
            yield accuracy_record(cell, known_inputs(self, cell, session), predictions[str(cell)], count, session)


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
        from benchmarks.measure.names import TWIN

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


TASKS: dict[str, Task] = {task.name: task for task in (Costs(), Trainings(), Accuracies(), Efficiencies())}


@contextlib.contextmanager
def threads_of_training(session: Session) -> Iterator[None]:
    """One thread for training on the CPU: the same bits on any number of cores, which train several models instead."""
    import torch

    threads = torch.get_num_threads()
    if session.device_kind == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def known_inputs(task: Task, cell: Cell, session: Session) -> Inputs:
    """Inputs of a cell that is about to run, when nothing can be missing any more."""
    inputs = task.inputs(cell, session)
    if isinstance(inputs, Blocked | Waiting):
        raise DataError(f"{cell} lost what it depends on while the run was going on: {inputs}")
    return inputs


def training_cell(cell: Cell, session: Session) -> Cell:
    """The training run whose weights an accuracy cell uses."""
    return Trainings.cell(cell.model, int(str(cell.options["seed"])), session)


def weights_of(cell: Cell, session: Session) -> tuple[Path, str] | Blocked | Waiting:
    """Weights file and hash of an accuracy cell."""
    given = session.given_weights(cell.model)
    if given is not None:
        return given, file_hash(given)
    source = training_cell(cell, session)
    inputs = TASKS["train"].inputs(source, session)
    record = None if isinstance(inputs, Blocked | Waiting) else session.store.find(source, inputs)
    if record is not None:
        return session.store.folder / "weights" / record.notes["weights"], record.notes["sha256"]
    if session.profile.trains:
        return inputs if isinstance(inputs, Blocked) else Waiting(source)
    where = f" in {session.weights}" if session.weights else ""
    return Blocked(
        f"no weights of {cell.model}{where}",
        f"tdam-bench train {cell.model} --profile {cell.profile} --data-root DIR (or --weights DIR)",
    )


def trained_network(cell: Cell, session: Session) -> "Backbone":
    """A fresh network for a training cell."""
    from benchmarks.models import create

    return create(cell.model, session.classes, session.profile.size, zero_init=str(cell.options["zero_init"]))


def loaded_network(cell: Cell, session: Session) -> "Backbone":
    """The network of an accuracy cell with its weights."""
    from benchmarks.models import create, load_weights

    weights = weights_of(cell, session)
    if isinstance(weights, Blocked | Waiting):
        raise DataError(f"no weights for {cell}: {weights}")
    network = create(cell.model, session.classes, session.profile.size)
    load_weights(network, weights[0])
    return network


def accuracy_record(cell: Cell, inputs: Inputs, predictions: Any, count: int, session: Session) -> Record:
    """Numbers of one model under every protocol; the predictions go beside the record."""
    from benchmarks import distributed
    from benchmarks.protocols.accuracy import PROTOCOLS, accuracy

    table = predictions.table
    record = new_record(cell, inputs, {})
    seen = table["id"].nunique()
    if not seen:
        raise DataError(f"no image of {cell.options['data']} could be read; the first: {predictions.unreadable[0]}")
    status = "ok" if seen == count else f"partial: {count - seen} of {count} images unreadable"
    metrics = {}
    for protocol in PROTOCOLS:
        for name, share in accuracy(table, protocol).items():
            low, value, high = (100 * x for x in (share.low, share.value, share.high))
            metrics[f"{protocol}/{name}"] = Metric(value, "%", share.n, low, high, status)
    path = session.store.path("predictions", f"{cell.model}-{record.id}", ".parquet")
    if distributed.rank() == 0:
        write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))
    notes = {"predictions": path.name, "unreadable": predictions.unreadable, "steps": int(table["step"].max())}
    return replace(record, metrics=metrics, notes=notes)


def efficiency_metrics(measured: Mapping[str, Any], batch: int) -> tuple[dict[str, Metric], dict[str, list[float]]]:
    """Images a second (median and its interval) and peak memory of each model, and all samples."""
    from benchmarks.measure.efficiency import instability, median_interval

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
