"""Trained networks for the kinds of work that look at them: which weights a cell needs, and where they are."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.files import file_hash
from benchmarks.core.records import Cell, Record, Scalar, options_of
from benchmarks.core.versions import versions
from benchmarks.data.errors import DataError
from benchmarks.networks.plugins import fingerprint
from benchmarks.work.kind import Blocked, Inputs, Kind, Waiting
from benchmarks.work.session import Session
from benchmarks.work.training import TRAIN, TrainingOptions, train_command

if TYPE_CHECKING:
    from baselines.backbone import Backbone

TRAINED, GIVEN = "trained", "given"
# What tells where a training was made, by which devices and libraries, and not what was trained by what recipe.
WHERE = ("device", "computes_with", "processes", "drawn", "torch", "torchvision", "pillow")
# Options and inputs that all rows of a table of trained networks must share.
CONDITIONS = ("weights", "epochs", "step_loss", "device")


@dataclass(frozen=True)
class WeightsOptions(TrainingOptions):
    """How the weights that a cell needs were trained; of given weights no more than what they are for is known.

    Attributes:
        weights: ``trained`` here or ``given`` by the user.
    """

    weights: str


def weights_options(model: str, seed: int, session: Session, data: str = "train") -> WeightsOptions:
    """What a cell says of the weights that it needs. Given weights have no seed and no recipe of ours."""
    own = asdict(TRAIN.options_for(model, seed, session, data))
    if session.given_weights(model, data) is None:
        return WeightsOptions(**own, weights=TRAINED)
    known = {name: own[name] for name in ("trained_on", "classes")}
    return WeightsOptions(**{**dict.fromkeys(own), **known}, weights=GIVEN)


def for_seeds(model: str, session: Session, cell: Callable[[int], Cell], data: str = "train") -> list[Cell]:
    """A cell for each seed of a model's weights; given weights are one set."""
    seeds = session.seeds if session.given_weights(model, data) is None else session.seeds[:1]
    return [cell(seed) for seed in seeds]


def weights_name(cell: Cell) -> str:
    """The network and the weights that a cell needs; cells that differ only in what they measure share them."""
    weights = options_of(cell, WeightsOptions)
    return f"{cell.model} {GIVEN if weights.seed is None else weights.seed} {weights.trained_on}"


def weights_of(cell: Cell, session: Session) -> tuple[Path, str] | Blocked | Waiting:
    """Weights file and hash of a cell that needs a trained network."""
    options = options_of(cell, WeightsOptions)
    given = session.given_weights(cell.model, options.trained_on)
    if given is not None:
        return given, file_hash(given)
    assert options.seed is not None
    source = TRAIN.cell(cell.model, options.seed, session, options.trained_on)
    inputs = TRAIN.inputs(source, session)
    record = None if isinstance(inputs, Blocked | Waiting) else session.store.find(source, inputs)
    if record is not None and "weights" not in record.notes:
        return Blocked(f"{cell.model} has no weights: {record.notes['diverged']}", "")
    if record is not None:
        return left_by(record, session)
    if session.profile.trains:
        return inputs if isinstance(inputs, Blocked) else Waiting(source)
    record = None if isinstance(inputs, Blocked | Waiting) else trained_elsewhere(source, inputs, session)
    if record is not None:
        return left_by(record, session)
    where = f" in {session.weights}" if session.weights else ""
    return Blocked(f"no weights of {cell.model}{where}", f"{train_command(source, session)} (or --weights DIR)")


def left_by(record: Record, session: Session) -> tuple[Path, str]:
    """File and hash of the weights that a training left."""
    return session.store.folder / "weights" / record.notes["weights"], record.notes["sha256"]


def trained_elsewhere(source: Cell, inputs: Inputs, session: Session) -> Record | None:
    """The newest training of a cell that left weights and differs only in where it was made; None without one.

    Such as one that several processes shared, on four GPUs: what looks at its weights in one process, or on the CPU, is
    told apart by their hash.
    """

    def of_what(inputs: Mapping[str, Scalar]) -> dict[str, Scalar]:
        return {name: value for name, value in inputs.items() if name not in WHERE}

    made = [
        one for one in session.store.of(source) if "weights" in one.notes and of_what(one.inputs) == of_what(inputs)
    ]
    return made[-1] if made else None


def present(weights: tuple[Path, str] | Blocked | Waiting, cell: Cell) -> Path:
    """The file of the weights that a cell needs.

    Raises:
        DataError: There is none, or not here: records travel without their weights.
    """
    if isinstance(weights, Blocked | Waiting):
        raise DataError(f"no weights for {cell}: {weights}")
    path, _ = weights
    if not path.exists():
        raise DataError(
            f"no weights for {cell}: the training is recorded, but {path} is not there; put the file there, or train "
            "anew in another folder (--results DIR)"
        )
    return path


def loaded_network(cell: Cell, session: Session) -> "Backbone":
    """The network of a cell with its weights.

    Raises:
        DataError: There are none.
    """
    from benchmarks.networks.models import create
    from tdam import load_weights

    weights = present(weights_of(cell, session), cell)
    network = create(cell.model, options_of(cell, WeightsOptions).classes, session.profile.size)
    load_weights(network, weights)
    return network


def evaluated_inputs(kind: Kind, cell: Cell, split: str, session: Session) -> Inputs | Blocked | Waiting:
    """What a cell depends on that shows images to a trained network: weights, images, versions, device kind.

    Args:
        kind: The cell's kind of work.
        cell: The cell.
        split: The image set.
        session: The run's settings.
    """
    inputs = shown_inputs(kind, cell, weights_of(cell, session), split, session)
    if isinstance(inputs, Blocked | Waiting):
        return inputs
    return {**inputs, **evaluated_on(split, session), **versions("opencv-python-headless")}


def evaluated_on(split: str, session: Session) -> dict[str, Scalar]:
    """How many images of a set are evaluated, and where they are decoded if that is not the CPU: pixels differ."""
    decoded: dict[str, Scalar] = {"decode": session.decode} if session.decodes_on_device(split) else {}
    return {"count": session.profile.val_count, **decoded}


def shown_inputs(
    kind: Kind, cell: Cell, weights: tuple[Path, str] | Blocked | Waiting, split: str, session: Session
) -> Inputs | Blocked | Waiting:
    """What a cell depends on that shows images to a network with weights, whether to look at it or to train it further.

    Args:
        kind: The cell's kind of work.
        cell: The cell.
        weights: File and hash of the network's weights, or why there are none.
        split: The image set.
        session: The run's settings.
    """
    if isinstance(weights, Blocked | Waiting):
        return weights
    try:
        images = session.image_set(split).manifest_hash
    except DataError as error:
        return Blocked(str(error), data_command(cell, session))
    return {
        **kind.versioned(session),
        "weights": weights[1],
        "data": images,
        "network": fingerprint(cell.model),
        "device": session.device_kind,
        **versions("torch", "torchvision", "pillow"),
    }


def data_command(cell: Cell, session: Session) -> str:
    """What runs a cell whose data are missing."""
    return f"{session.program} run --profile {cell.profile} --data-root DIR{session.limit_told}"


def known_inputs(kind: Kind, cell: Cell, session: Session) -> Inputs:
    """Inputs of a cell that is about to run, when nothing can be missing any more.

    Raises:
        DataError: Something is.
    """
    inputs = kind.inputs(cell, session)
    if isinstance(inputs, Blocked | Waiting):
        raise DataError(f"{cell} lost what it depends on while the run was going on: {inputs}")
    return inputs
