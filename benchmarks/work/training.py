"""Training: the weights of a network, from the profile's data by its recipe."""

import contextlib
import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.core.files import canonical
from benchmarks.core.records import Cell, Metric, MetricKey, Record, Scalar, new_record, options_of
from benchmarks.core.versions import versions
from benchmarks.data.errors import DataError
from benchmarks.networks.names import parse
from benchmarks.networks.plugins import fingerprint
from benchmarks.work.choices import choice
from benchmarks.work.kind import Advance, Amount, Blocked, Change, Inputs, Kind, MetricSpec
from benchmarks.work.profiles import Recipe
from benchmarks.work.session import Session

if TYPE_CHECKING:
    from benchmarks.work.loop import TrainingData

LOSS, LR = MetricKey("loss"), MetricKey("lr")
USUAL = {"processes": 1, "workers": 0}


@dataclass(frozen=True)
class TrainingChoices:
    """What the user may choose for trainings."""

    epochs: int | None = choice(None, "Epochs of training.", kind="int", least=1, shown="the recipe's")
    step_loss: str = choice(
        "highest", "Which step's prediction enters the loss of networks with feedback.", allowed=("highest", "last")
    )
    zero_init: str = choice(
        "first", "Which norm of blocks with feedback starts at zero.", allowed=("first", "last", "none")
    )


@dataclass(frozen=True)
class TrainingOptions:
    """What a cell says of a training; networks without feedback pass over ``step_loss`` and ``zero_init``.

    Attributes:
        seed: Of weights, order and augmentation.
        recipe: The recipe's hash.
        epochs: The user's number of epochs, None for the recipe's.
        trained_on: The image set.
        classes: K.
        step_loss: What enters the loss, see ``benchmarks.work.loop``.
        zero_init: Where blocks with feedback start at zero, see ``tdam.resnet``.
        class_list: Hash of the user's list of classes, None for the suite's.
    """

    seed: int | None
    recipe: str | None
    epochs: int | None
    trained_on: str
    classes: int
    step_loss: str | None
    zero_init: str | None
    class_list: str | None


class Train(Kind):
    """Training a model on the profile's data, or on the reduced data set."""

    name = "train"
    version = 1
    options = TrainingOptions
    choices = TrainingChoices
    conditions = ("epochs", "step_loss", "zero_init", "device")
    metrics = (
        MetricSpec(
            "loss", Change.NEAR, "training sees other images, another recipe or another network", tolerance=0.02
        ),
        MetricSpec("lr", Change.NEVER, "it is the recipe's"),
    )
    trains_on = "trained_on"
    shared = True
    parallel = True

    def options_for(self, model: str, seed: int, session: Session, data: str) -> TrainingOptions:
        """What a training of a model is told."""
        chosen = session.chosen(TrainingChoices)
        listed = data == session.profile.reduced.train and session.class_list is not None
        return TrainingOptions(
            seed=seed,
            recipe=recipe_hash(recipe_of(model, session)),
            epochs=chosen.epochs,
            trained_on=data,
            classes=session.classes_of(data),
            step_loss=chosen.step_loss,
            zero_init=chosen.zero_init,
            class_list=class_list_hash(session) if listed else None,
        )

    def cell(self, model: str, seed: int, session: Session, data: str = "train") -> Cell:
        """The cell of one training run."""
        return Cell.of(self.name, model, session.profile.name, self.options_for(model, seed, session, data))

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked:
        """Training images, versions, what the processor computes with."""
        split = options_of(cell, TrainingOptions).trained_on
        try:
            data = session.image_set(split).manifest_hash
        except DataError as error:
            return Blocked(str(error), train_command(cell, session))
        return {
            **self.versioned(session),
            "data": data,
            "network": fingerprint(cell.model),
            "device": session.device_kind,
            **trained_inputs(split, session),
            **versions("torch", "torchvision", "pillow"),
        }

    def group(self, cell: Cell) -> object:
        """Each on its own."""
        return cell

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images of all epochs."""
        total = 0
        for cell in cells:
            images = len(session.image_set(options_of(cell, TrainingOptions).trained_on))
            count = min(images, session.profile.train_count or images)
            total += count * recipe_of(cell.model, session).epochs
        return Amount(total, "images")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Train one model."""
        import torch

        from benchmarks.networks.models import create
        from benchmarks.work.loop import Classification, Diverged, Training, train
        from benchmarks.work.weights import known_inputs

        (cell,) = cells
        options = options_of(cell, TrainingOptions)
        assert options.seed is not None
        torch.manual_seed(options.seed)
        recipe = recipe_of(cell.model, session)
        network = create(cell.model, options.classes, session.profile.size, options.zero_init)
        objective = Classification(network, str(options.step_loss), recipe.label_smoothing)
        training = Training(objective, recipe, options.seed, training_images(options.trained_on, session))
        record = new_record(cell, known_inputs(self, cell, session), {})
        weights = session.store.path("weights", f"{cell.model}-{record.id}", ".safetensors")
        try:
            with threads_of_training(session):
                trained = train(training, weights, advance)
        except Diverged as error:
            yield diverged(record, training.history, str(error))
            return
        metrics = {LOSS: Metric(trained.history["loss"][-1], "nat", n=recipe.epochs)}
        notes = {"weights": weights.name, "sha256": trained.sha256, "recipe": asdict(recipe)}
        yield replace(record, metrics=metrics, samples=curves(trained.history), notes=notes)


TRAIN = Train()


def recipe_of(model: str, session: Session) -> Recipe:
    """The training recipe of a model: its backbone's, with this run's number of epochs."""
    return with_epochs(session.profile.recipe_of(parse(model).backbone), session)


def with_epochs(recipe: Recipe, session: Session) -> Recipe:
    """A recipe with this run's number of epochs."""
    epochs = session.chosen(TrainingChoices).epochs
    if epochs is None:
        return recipe
    return replace(recipe, epochs=epochs, warmup_epochs=min(recipe.warmup_epochs, epochs - 1))


@functools.cache
def recipe_hash(recipe: Recipe) -> str:
    """Hash of a recipe, 8 hexadecimal digits."""
    return hashlib.sha256(canonical(asdict(recipe)).encode()).hexdigest()[:8]


def class_list_hash(session: Session) -> str:
    """Hash of the names in the user's list of classes, 12 hexadecimal digits."""
    from benchmarks.data.selected import read_class_list

    assert session.class_list is not None
    return hashlib.sha256("\n".join(read_class_list(session.class_list)).encode()).hexdigest()[:12]


def trained_inputs(split: str, session: Session) -> dict[str, Scalar]:
    """What decides the bits of whatever is trained on an image set, besides its images.

    How many of them, what the processor computes with, and, where it is not the usual one process without workers, how
    random numbers are drawn.
    """
    from benchmarks.core import distributed
    from benchmarks.measure.device import computes_with

    unusual: dict[str, Scalar] = {"processes": distributed.size(), "workers": session.loaders(split)}
    drawn = {name: value for name, value in unusual.items() if value != USUAL[name]}
    return {"count": session.profile.train_count, "computes_with": computes_with(session.device), **drawn}


def training_images(split: str, session: Session) -> "TrainingData":
    """What a training loop is shown of an image set, and on which device."""
    import torch

    from benchmarks.work.loop import TrainingData

    images, count = session.image_set(split), session.profile.train_count
    return TrainingData(images, torch.device(session.device), session.loaders(split), count)


def curves(history: dict[str, list[float]]) -> dict[MetricKey, list[float]]:
    """A training's history as samples."""
    return {MetricKey(name): values for name, values in history.items()}


def diverged(record: Record, history: dict[str, list[float]], reason: str) -> Record:
    """What a training leaves whose loss is no longer a number: its curve up to there, and no weights."""
    metrics = {LOSS: Metric(None, "nat", n=len(history["loss"]), status=reason)}
    return replace(record, metrics=metrics, samples=curves(history), notes={"diverged": reason})


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


def train_command(cell: Cell, session: Session) -> str:
    """What trains a cell's network."""
    reduced = "" if options_of(cell, TrainingOptions).trained_on == "train" else " --reduced"
    return f"{session.program} train {cell.model} --profile {cell.profile} --data-root DIR{reduced}"
