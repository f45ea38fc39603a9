"""Training: the weights of a network, from the profile's data by its recipe; and the same for longer, as a check."""

import contextlib
import functools
import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchmarks.core.files import canonical
from benchmarks.core.records import Cell, Metric, MetricKey, Record, Scalar, new_record, options_of
from benchmarks.core.versions import versions
from benchmarks.data.errors import DataError
from benchmarks.networks.names import parse
from benchmarks.networks.plugins import fingerprint
from benchmarks.work.choices import choice
from benchmarks.work.kind import Advance, Amount, Blocked, Change, Inputs, Kind, MetricSpec, Waiting
from benchmarks.work.profiles import Recipe
from benchmarks.work.saving import MINUTES, Keeping
from benchmarks.work.session import Session
from benchmarks.work.training_log import LogFiles
from benchmarks.work.workers import BEFORE

if TYPE_CHECKING:
    from torch import nn

    from benchmarks.work.heldout import HeldOut
    from benchmarks.work.loop import Trained, Training, TrainingData

LOSS, LR, HELD_OUT = MetricKey("loss"), MetricKey("lr"), MetricKey("held_out")
ENDED = MetricKey("ended")
# What a longer training is to the usual one; it tells whether that was long enough.
LONGER = 1.5
USUAL = {"processes": 1, "drawn": "in turn"}


@dataclass(frozen=True)
class TrainingChoices:
    """What the user may choose for trainings."""

    epochs: int | None = choice(None, "Epochs of training.", kind="int", least=1, shown="the recipe's")
    step_loss: str = choice(
        "highest", "Which step's prediction enters the loss of networks with feedback.", allowed=("highest", "last")
    )
    checkpoint_every: float = choice(
        MINUTES, "Minutes between the checkpoints of a training inside an epoch.", kind="float", least=0
    )
    tensorboard: bool = choice(False, "Log trainings for TensorBoard too, beside the CSV in logs/.", kind="flag")


@dataclass(frozen=True)
class TrainingOptions:
    """What a cell says of a training; networks without feedback pass over ``step_loss``.

    Attributes:
        seed: Of weights, order and augmentation.
        recipe: The recipe's hash.
        epochs: The user's number of epochs, None for the recipe's.
        trained_on: The image set.
        classes: K.
        step_loss: What enters the loss, see ``benchmarks.work.loop``.
        class_list: Hash of the user's list of classes, None for the suite's.
    """

    seed: int | None
    recipe: str | None
    epochs: int | None
    trained_on: str
    classes: int
    step_loss: str | None
    class_list: str | None


class TrainingKind(Kind):
    """What all kinds of work that train have in common.

    Attributes:
        trains_on: As of any kind; here it is always told.
    """

    metrics: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec(
            "loss", Change.NEAR, "training sees other images, another recipe or another network", tolerance=0.02
        ),
        MetricSpec("lr", Change.NEVER, "it is the recipe's"),
        MetricSpec("held_out", Change.NEVER, "judged through the accuracy of the weights"),
    )
    trains_on: ClassVar[str]
    shared = True
    parallel = True

    @abstractmethod
    def recipe(self, cell: Cell, session: Session) -> Recipe:
        """What a cell is trained by."""

    @abstractmethod
    def held_out(self, cell: Cell, session: Session) -> str | None:
        """The image set that a cell's training is followed on, None for none."""

    @abstractmethod
    def shown(self, cell: Cell, split: str, session: Session) -> "HeldOut":
        """Held-out images, shown as a cell's networks are evaluated."""

    def images_of(self, cell: Cell) -> str:
        """Name of the image set that a cell trains on."""
        return str(cell.options[self.trains_on])

    def followed(self, cell: Cell, session: Session) -> "HeldOut | None":
        """The images that a cell's training is followed on, None for none."""
        split = self.held_out(cell, session)
        return None if split is None else self.shown(cell, split, session)

    def followed_inputs(self, cell: Cell, session: Session) -> Inputs:
        """What a cell's numbers depend on of the images that its training is followed on.

        Raises:
            DataError: They cannot be opened.
        """
        split = self.held_out(cell, session)
        return {} if split is None else {"held_out": session.image_set(split).manifest_hash}

    def group(self, cell: Cell) -> object:
        """Each on its own."""
        return cell

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images of all epochs."""
        total = 0
        for cell in cells:
            images = len(session.image_set(self.images_of(cell)))
            count = min(images, session.profile.train_count or images)
            total += count * self.recipe(cell, session).epochs
        return Amount(total, "images")

    def judged(self, cell: Cell, network: "nn.Module", session: Session) -> dict[MetricKey, Metric]:
        """What is measured of a trained network that leaves no weights; nothing of one that does."""
        return {}

    def trained(
        self, record: Record, training: "Training", weights: Path, advance: Advance, session: Session
    ) -> Record:
        """Train, and the whole record: of what came to its end, or of a loss that is no longer a number.

        Args:
            record: What is known before.
            training: What to train, on which images.
            weights: Where the weights go.
            advance: Told of images.
            session: The run's settings.
        """
        from benchmarks.work.loop import Diverged, train

        try:
            with on_one_thread(session):
                trained = train(training, weights, advance, keeping_of(record, session))
                record = replace(record, metrics=self.judged(record.cell, training.result, session))
        except Diverged as error:
            return diverged(record, training.history, str(error))
        return self.finished(record, trained, training.recipe)

    def finished(self, record: Record, trained: "Trained", recipe: Recipe) -> Record:
        """The record of a training that came to its end, which is partial where images of its set were missing."""
        missing = len(record.notes.get("missing", ()))
        status = f"partial: {missing} training images missing" if missing else "ok"
        metrics = {**record.metrics, LOSS: Metric(trained.history["loss"][-1], "nat", n=recipe.epochs, status=status)}
        notes = {**record.notes, "recipe": asdict(recipe), **weights_notes(trained)}
        return replace(record, metrics=metrics, samples=curves(trained.history), notes=notes)


class Train(TrainingKind):
    """Training a model on the profile's data, or on the reduced data set."""

    name = "train"
    version = 2
    longer: ClassVar[str | None] = "train_longer"
    judged_by: ClassVar[str | None] = "accuracy"
    options = TrainingOptions
    choices: ClassVar[type | None] = TrainingChoices
    conditions = ("epochs", "step_loss", "device")
    trains_on = "trained_on"

    def options_for(self, model: str, seed: int, session: Session, data: str) -> TrainingOptions:
        """What a training of a model is told."""
        chosen = session.chosen(TrainingChoices)
        listed = data == session.profile.reduced.train and session.class_list is not None
        return TrainingOptions(
            seed=seed,
            recipe=recipe_hash(recipe_of(model, session, data)),
            epochs=chosen.epochs,
            trained_on=data,
            classes=session.classes_of(data),
            step_loss=chosen.step_loss,
            class_list=class_list_hash(session) if listed else None,
        )

    def cell(self, model: str, seed: int, session: Session, data: str = "train") -> Cell:
        """The cell of one training run."""
        return Cell.of(self.name, model, session.profile.name, self.options_for(model, seed, session, data))

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Training images, versions, what the processor computes with."""
        split = self.images_of(cell)
        try:
            data = session.image_set(split).manifest_hash
            followed = self.followed_inputs(cell, session)
        except DataError as error:
            return Blocked(str(error), train_command(cell, session))
        return {
            **self.versioned(session),
            "data": data,
            **followed,
            "network": fingerprint(cell.model),
            "device": session.device_kind,
            **trained_inputs(split, session),
            **versions("torch", "torchvision", "pillow"),
        }

    def recipe(self, cell: Cell, session: Session) -> Recipe:
        """What a cell is trained by."""
        return recipe_of(cell.model, session, self.images_of(cell))

    def held_out(self, cell: Cell, session: Session) -> str | None:
        """The image set that a training is followed on: the profile's, or that of its reduced data."""
        return held_out_of(self.images_of(cell), session)

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Train one model."""
        import torch

        from benchmarks.networks.models import create
        from benchmarks.work.loop import Classification, Training
        from benchmarks.work.weights import known_inputs

        (cell,) = cells
        options = options_of(cell, TrainingOptions)
        assert options.seed is not None
        torch.manual_seed(options.seed)
        recipe = self.recipe(cell, session)
        network = create(cell.model, options.classes, session.profile.size)
        objective = Classification(network, str(options.step_loss), recipe.label_smoothing)
        followed = self.followed(cell, session)
        training = Training(objective, recipe, options.seed, training_images(options.trained_on, session, followed))
        record = new_record(cell, known_inputs(self, cell, session), {}, notes=chance_of(followed, options.classes))
        weights = session.store.path("weights", f"{cell.model}-{record.id}", ".safetensors")
        yield self.trained(record, training, weights, advance, session)

    def shown(self, cell: Cell, split: str, session: Session) -> "HeldOut":
        """Held-out images, shown as a training's networks are evaluated, in batches of the training's size.

        On one thread, as trainings run side by side, the larger ones of evaluations are slower, by up to a half.
        """
        from benchmarks.work.heldout import HeldOut
        from benchmarks.work.passes import View, evaluated

        view = View(session.profile.resolution, session.profile.crop_of(parse(cell.model).backbone))
        return HeldOut(replace(evaluated(split, session), batch=self.recipe(cell, session).batch), view)


TRAIN = Train()


class HalfAsLongAgain(TrainingKind):
    """Makes a kind of training one that lasts half as long again, and keeps only how far it came, no weights."""

    longer: ClassVar[str | None] = None
    metrics: ClassVar[tuple[MetricSpec, ...]] = (
        *TrainingKind.metrics,
        MetricSpec("ended", Change.NEVER, "judged through the accuracy of the weights"),
    )

    def ended_on(self, cell: Cell, session: Session) -> str | None:
        """The image set on which it is judged whether the usual training had ended; None where its curve tells."""
        return session.profile.ended_on_after(self.images_of(cell))

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """The usual training's, and the images that tell whether it had ended, where they are others."""
        inputs = super().inputs(cell, session)  # type: ignore[safe-super]
        split = self.ended_on(cell, session)
        if isinstance(inputs, Blocked | Waiting) or split is None:
            return inputs
        return {**inputs, "ended_on": session.image_set(split).manifest_hash}

    def judged(self, cell: Cell, network: "nn.Module", session: Session) -> dict[MetricKey, Metric]:
        """How far it came on the images that tell whether the usual training had ended, where they are others."""
        split = self.ended_on(cell, session)
        if split is None:
            return {}
        shown = self.shown(cell, split, session)
        return {ENDED: Metric(shown(network), "%", n=shown.show.total)}

    def recipe(self, cell: Cell, session: Session) -> Recipe:
        """The usual training's, lengthened."""
        return lengthened(super().recipe(cell, session))  # type: ignore[safe-super]

    def finished(self, record: Record, trained: "Trained", recipe: Recipe) -> Record:
        """The usual training's record, without the weights."""
        return without_weights(super().finished(record, trained, recipe), trained)


class TrainLonger(HalfAsLongAgain, Train):
    """The usual training half as long again: how far it comes tells whether the usual one had ended."""

    name = "train_longer"
    version = 2
    choices = None  # the usual training's


TRAIN_LONGER = TrainLonger()


def lengthened(recipe: Recipe) -> Recipe:
    """A recipe for a longer training: all of its rate's course lengthens with it, but for the warm-up."""
    return replace(recipe, epochs=round(LONGER * recipe.epochs))


def weights_notes(trained: "Trained") -> dict[str, object]:
    """What a record tells of the weights that a training left, and of how long it took before it was cut off."""
    before = {BEFORE: round(trained.before, 3)} if trained.before else {}
    return {"weights": trained.weights.name, "sha256": trained.sha256, **before}


def without_weights(record: Record, trained: "Trained") -> Record:
    """A training's record without its weights, which are deleted."""
    trained.weights.unlink(missing_ok=True)
    notes = {name: note for name, note in record.notes.items() if name not in ("weights", "sha256")}
    return replace(record, notes=notes)


def keeping_of(record: Record, session: Session) -> Keeping:
    """How often a training is saved, and where it is logged: in the results folder, by the name of its record."""
    chosen = session.chosen(TrainingChoices)
    name = f"{record.cell.kind}-{record.cell.model}-{record.id}"
    board = session.store.path("logs", f"tensorboard/{name}", "") if chosen.tensorboard else None
    return Keeping(chosen.checkpoint_every, LogFiles(session.store.path("logs", name, ".csv"), board))


def held_out_of(split: str, session: Session) -> str | None:
    """The image set that a training on one of the profile's own is followed on."""
    reduced = session.profile.reduced
    return reduced.held_out if split == reduced.train else session.profile.held_out


def chance_of(followed: "HeldOut | None", classes: int) -> dict[str, float]:
    """What guessing gives on held-out images, %, as a note."""
    return {"chance": 100 / classes if followed is None else followed.chance}


def recipe_of(model: str, session: Session, data: str) -> Recipe:
    """The training recipe of a model: its backbone's, with this run's number of epochs."""
    return with_epochs(session.profile.recipe_of(parse(model).backbone, data), session)


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

    How many of them, what the processor computes with, and, where it is not the usual one process without loader
    processes, how many processes there are and how random numbers are drawn.
    """
    from benchmarks.core import distributed
    from benchmarks.measure.device import computes_with

    how = "by image" if session.loaders(split) else "in turn"
    unusual: dict[str, Scalar] = {"processes": session.processes or distributed.size(), "drawn": how}
    drawn = {name: value for name, value in unusual.items() if value != USUAL[name]}
    here = {} if session.elsewhere else {"computes_with": computes_with(session.device)}
    return {"count": session.profile.train_count, **here, **drawn}


def training_images(split: str, session: Session, held_out: "HeldOut | None") -> "TrainingData":
    """What a training loop is shown of an image set, on which device, and what it is followed on."""
    import torch

    from benchmarks.core import distributed
    from benchmarks.work.loop import TrainingData

    images, count = session.image_set(split), session.profile.train_count
    # Several processes have their own parts of each epoch.
    repeats = session.shown if distributed.size() == 1 and session.keeps_shown(split) else None
    return TrainingData(images, torch.device(session.device), session.loaders(split), count, held_out, repeats)


def curves(history: dict[str, list[float]]) -> dict[MetricKey, list[float]]:
    """A training's history as samples."""
    return {MetricKey(name): values for name, values in history.items()}


def diverged(record: Record, history: dict[str, list[float]], reason: str) -> Record:
    """What a training leaves whose loss is no longer a number: its curve up to there, and no weights."""
    metrics = {LOSS: Metric(None, "nat", n=len(history["loss"]), status=reason)}
    return replace(record, metrics=metrics, samples=curves(history), notes={**record.notes, "diverged": reason})


@contextlib.contextmanager
def on_one_thread(session: Session) -> Iterator[None]:
    """One thread on the CPU: the same bits on any number of cores, and no core waits for another that is busy."""
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
