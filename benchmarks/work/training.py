"""Training, and the trained networks that other tasks work with."""

import contextlib
import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.identity import code_version, network_version, versions
from benchmarks.core.records import Cell, Metric, Record, Scalar, canonical, file_hash, new_record
from benchmarks.data.images import DataError
from benchmarks.data.selected import read_class_list
from benchmarks.work.kind import Advance, Amount, Blocked, Inputs, Task, Waiting
from benchmarks.work.profiles import Recipe
from benchmarks.work.session import Session

if TYPE_CHECKING:
    from baselines.backbone import Backbone

# Which weights a file holds, and where they go.
TRAINING_CODE = ("work/loop.py", "data/images.py", "data/selected.py")
USUAL = {"processes": 1, "workers": 0}
READING_CODE = ("../baselines/checkpoints.py", "../baselines/published.py", "../tdam/released.py")


@functools.cache
def recipe_hash(recipe: Recipe) -> str:
    """Hash of a recipe, 8 hexadecimal digits."""
    return hashlib.sha256(canonical(asdict(recipe)).encode()).hexdigest()[:8]


class Trainings:
    """Training a model on the profile's data, or on the reduced data set."""

    name = "train"
    shared = True
    parallel = True

    @staticmethod
    def cell(model: str, seed: int, session: Session, data: str = "train") -> Cell:
        """The cell of one training run; networks without feedback pass over ``step_loss`` and ``zero_init``."""
        recipe = session.recipe_of(model)
        options: dict[str, Scalar] = {
            "seed": seed,
            "recipe": recipe_hash(recipe),
            "trained_on": data,
            "classes": session.classes_of(data),
            "step_loss": session.step_loss,
            "zero_init": session.zero_init,
        }
        if data == session.profile.reduced.train and session.class_list is not None:
            options["class_list"] = names_hash(read_class_list(session.class_list))
        return Cell("train", model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked:
        """Training images, training code, networks, versions, device kind."""
        try:
            data = session.image_set(str(cell.options["trained_on"])).manifest_hash
        except DataError as error:
            return Blocked(str(error), train_command(cell))
        count = session.profile.train_count
        return {
            "data": data,
            "count": count,
            "code": code_version(*TRAINING_CODE),
            "network": network_version(cell.model, session.profile.size),
            "device": session.device_kind,
            **drawing(session),
            **versions("torch", "torchvision", "pillow"),
        }

    def group(self, cell: Cell) -> object:
        """Each on its own."""
        return cell

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images of all epochs."""
        sizes = {cell: len(session.image_set(str(cell.options["trained_on"]))) for cell in cells}
        counts = {cell: min(size, session.profile.train_count or size) for cell, size in sizes.items()}
        return Amount(sum(session.recipe_of(cell.model).epochs * count for cell, count in counts.items()), "images")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Train one model."""
        import torch

        from benchmarks.networks.models import create
        from benchmarks.work.loop import Classification, Diverged, Training, train

        (cell,) = cells
        seed = int(str(cell.options["seed"]))
        torch.manual_seed(seed)
        recipe = session.recipe_of(cell.model)
        classes, zero_init = int(str(cell.options["classes"])), str(cell.options["zero_init"])
        network = create(cell.model, classes, session.profile.size, zero_init)
        training = Training(
            Classification(network, str(cell.options["step_loss"]), recipe.label_smoothing),
            session.image_set(str(cell.options["trained_on"])),
            recipe,
            seed,
            torch.device(session.device),
            session.workers,
            session.profile.train_count,
        )
        record = new_record(cell, known_inputs(self, cell, session), {})
        weights = session.store.path("weights", f"{cell.model}-{record.id}", ".safetensors")
        try:
            with threads_of_training(session):
                trained = train(training, weights, advance)
        except Diverged as error:
            yield diverged(record, training.history, str(error))
            return
        metrics = {"loss": Metric(trained.history["loss"][-1], "nat", n=recipe.epochs)}
        notes = {"weights": weights.name, "sha256": trained.sha256, "recipe": asdict(recipe)}
        yield replace(record, metrics=metrics, samples=trained.history, notes=notes)


def drawing(session: Session) -> dict[str, Scalar]:
    """What else decides which random numbers a training draws, where it is not the usual: one process, no workers."""
    from benchmarks.core import distributed

    unusual: dict[str, Scalar] = {"processes": distributed.size(), "workers": session.workers}
    return {name: value for name, value in unusual.items() if value != USUAL[name]}


def names_hash(names: Sequence[str]) -> str:
    """Hash of class names, 12 hexadecimal digits."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def diverged(record: Record, history: dict[str, list[float]], reason: str) -> Record:
    """What a training leaves whose loss is no longer a number: its curve up to there, and no weights."""
    metrics = {"loss": Metric(None, "nat", n=len(history["loss"]), status=reason)}
    return replace(record, metrics=metrics, samples=history, notes={"diverged": reason})


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


def train_command(cell: Cell) -> str:
    """What trains a cell's network."""
    reduced = "" if cell.options["trained_on"] == "train" else " --reduced"
    return f"tdam-bench train {cell.model} --profile {cell.profile} --data-root DIR{reduced}"


def seeds_of(model: str, session: Session, data: str = "train") -> tuple[int, ...]:
    """The run's seeds; given weights are one set."""
    return session.seeds if session.given_weights(model, data) is None else session.seeds[:1]


def training_cells(model: str, session: Session, data: str = "train") -> list[Cell]:
    """What an experiment has to train of a model: a cell for each seed; none where weights are given or looked for."""
    if not session.profile.trains or session.given_weights(model, data) is not None:
        return []
    return [Trainings.cell(model, seed, session, data) for seed in session.seeds]


def weights_options(model: str, seed: int, session: Session, data: str = "train") -> dict[str, Scalar]:
    """What a cell says of the weights that it needs: how they are trained. Given weights have no seed of ours."""
    if session.given_weights(model, data) is None:
        return dict(Trainings.cell(model, seed, session, data).options)
    return {"weights": "given", "trained_on": data, "classes": session.classes_of(data)}


def weights_name(cell: Cell) -> str:
    """The network and the weights that a cell needs; cells that differ only in what they measure share them."""
    return f"{cell.model} {cell.options.get('seed', 'given')} {cell.options['trained_on']}"


def training_cell(cell: Cell, session: Session) -> Cell:
    """The training run whose weights a cell uses."""
    return Trainings.cell(cell.model, int(str(cell.options["seed"])), session, str(cell.options["trained_on"]))


def weights_of(cell: Cell, session: Session) -> tuple[Path, str] | Blocked | Waiting:
    """Weights file and hash of a cell that needs a trained network."""
    given = session.given_weights(cell.model, str(cell.options["trained_on"]))
    if given is not None:
        return given, file_hash(given)
    source = training_cell(cell, session)
    inputs = Trainings().inputs(source, session)
    record = None if isinstance(inputs, Blocked | Waiting) else session.store.find(source, inputs)
    if record is not None and "weights" not in record.notes:
        return Blocked(f"{cell.model} has no weights: {record.notes['diverged']}", "")
    if record is not None:
        return session.store.folder / "weights" / record.notes["weights"], record.notes["sha256"]
    if session.profile.trains:
        return inputs if isinstance(inputs, Blocked) else Waiting(source)
    where = f" in {session.weights}" if session.weights else ""
    return Blocked(f"no weights of {cell.model}{where}", f"{train_command(source)} (or --weights DIR)")


def loaded_network(cell: Cell, session: Session) -> "Backbone":
    """The network of a cell with its weights."""
    from benchmarks.networks.models import create, load_weights

    weights = weights_of(cell, session)
    if isinstance(weights, Blocked | Waiting):
        raise DataError(f"no weights for {cell}: {weights}")
    network = create(cell.model, int(str(cell.options["classes"])), session.profile.size)
    load_weights(network, weights[0])
    return network


def evaluated_inputs(cell: Cell, session: Session, *code: str) -> Inputs | Blocked | Waiting:
    """What a cell depends on that shows images to a trained network: weights, images, code, versions, device kind.

    Args:
        cell: Its option ``data`` names the image set.
        session: The run's settings.
        code: Files that decide the numbers besides the reading of images and weights, as ``code_version`` takes them.
    """
    weights = weights_of(cell, session)
    if isinstance(weights, Blocked | Waiting):
        return weights
    try:
        data = session.image_set(str(cell.options["data"])).manifest_hash
    except DataError as error:
        return Blocked(str(error), f"tdam-bench run --profile {cell.profile} --data-root DIR")
    return {
        "weights": weights[1],
        "data": data,
        "count": session.profile.val_count,
        "code": code_version(*code, "data/images.py", *READING_CODE),
        "network": network_version(cell.model, session.profile.size),
        "device": session.device_kind,
        **versions("torch", "torchvision", "pillow", "opencv-python-headless"),
    }


def known_inputs(task: Task, cell: Cell, session: Session) -> Inputs:
    """Inputs of a cell that is about to run, when nothing can be missing any more."""
    inputs = task.inputs(cell, session)
    if isinstance(inputs, Blocked | Waiting):
        raise DataError(f"{cell} lost what it depends on while the run was going on: {inputs}")
    return inputs
