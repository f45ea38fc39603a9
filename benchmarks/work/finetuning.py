"""Fine-tuning trained networks for another task, by the method of another paper."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchmarks.core.records import Cell, Record, new_record, options_of
from benchmarks.work.kind import Advance, Blocked, Inputs, Waiting
from benchmarks.work.profiles import Recipe, Transfer
from benchmarks.work.session import Session
from benchmarks.work.training import (
    HalfAsLongAgain,
    TrainingKind,
    chance_of,
    recipe_hash,
    trained_inputs,
    training_images,
    with_epochs,
)
from benchmarks.work.weights import (
    CONDITIONS,
    WeightsOptions,
    known_inputs,
    left_by,
    loaded_network,
    present,
    shown_inputs,
    weights_of,
    weights_options,
)

if TYPE_CHECKING:
    from torch import nn

    from benchmarks.work.heldout import HeldOut


@dataclass(frozen=True)
class FineTuneOptions(WeightsOptions):
    """What a cell says of a fine-tuning, beside its pretraining.

    Attributes:
        target: A name in the profile's transfers.
        tuned_on: The image set.
        method: A name in ``benchmarks.work.methods``.
        tuning_recipe: The recipe's hash.
        tuning_seed: Of the head's weights, order and augmentation.
    """

    target: str
    tuned_on: str
    method: str
    tuning_recipe: str
    tuning_seed: int


class FineTune(TrainingKind):
    """Training a head on a pretrained network, and the network with it."""

    name = "finetune"
    version = 2
    longer: ClassVar[str | None] = "finetune_longer"
    judged_by: ClassVar[str | None] = "transfer"
    options = FineTuneOptions
    conditions = CONDITIONS
    trains_on = "tuned_on"

    def options_for(self, model: str, target: str, seed: int, session: Session) -> FineTuneOptions:
        """What a fine-tuning for one of the profile's transfers is told. Its seed is that of the pretraining."""
        transfer = transfer_of(target, session)
        return FineTuneOptions(
            **asdict(weights_options(model, seed, session)),
            target=target,
            tuned_on=transfer.train,
            method=transfer.method,
            tuning_recipe=recipe_hash(tuning_recipe(target, session)),
            tuning_seed=seed,
        )

    def cell(self, model: str, target: str, seed: int, session: Session) -> Cell:
        """The cell of one run."""
        return Cell.of(self.name, model, session.profile.name, self.options_for(model, target, seed, session))

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Pretrained weights, training images, versions, what the processor computes with."""
        split = self.images_of(cell)
        inputs = shown_inputs(self, cell, weights_of(cell, session), split, session)
        if isinstance(inputs, Blocked | Waiting):
            return inputs
        return {**inputs, **self.followed_inputs(cell, session), **trained_inputs(split, session)}

    def recipe(self, cell: Cell, session: Session) -> Recipe:
        """What a cell is tuned by."""
        return tuning_recipe(options_of(cell, FineTuneOptions).target, session)

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Fine-tune one network."""
        import torch

        from benchmarks.work.loop import Training
        from benchmarks.work.methods import METHODS

        (cell,) = cells
        options = options_of(cell, FineTuneOptions)
        images, recipe = session.image_set(options.tuned_on), self.recipe(cell, session)
        followed = self.followed(cell, session)
        chance = chance_of(followed, len(images.classes))
        record = new_record(cell, known_inputs(self, cell, session), {}, notes={**chance, "missing": images.missing})
        backbone = loaded_network(cell, session)
        torch.manual_seed(options.tuning_seed)
        method = METHODS[options.method]
        objective = method.objective(method.network(backbone, len(images.classes)))
        data = training_images(options.tuned_on, session, followed)
        training = Training(objective, recipe, options.tuning_seed, data)
        weights = session.store.path("weights", f"{cell.model}-{options.target}-{record.id}", ".safetensors")
        yield self.trained(record, training, weights, advance, session)

    def held_out(self, cell: Cell, session: Session) -> str | None:
        """The image set that a fine-tuning is followed on: its target's."""
        return transfer_of(options_of(cell, FineTuneOptions).target, session).held_out

    def shown(self, cell: Cell, split: str, session: Session) -> "HeldOut":
        """Held-out images, shown as a fine-tuning's networks are evaluated."""
        from benchmarks.work.heldout import HeldOut
        from benchmarks.work.passes import View, evaluated

        transfer = transfer_of(options_of(cell, FineTuneOptions).target, session)
        view = View(transfer.recipe.resolution, transfer.crop, squashed=True)
        return HeldOut(evaluated(split, session), view, transfer.multi_label)


FINETUNE = FineTune()


class FineTuneLonger(HalfAsLongAgain, FineTune):
    """The usual fine-tuning half as long again: how far it comes tells whether the usual one had ended."""

    name = "finetune_longer"
    version = 2


FINETUNE_LONGER = FineTuneLonger()


def tuning_recipe(target: str, session: Session) -> Recipe:
    """The recipe of a fine-tuning, with this run's number of epochs."""
    return with_epochs(transfer_of(target, session).recipe, session)


def transfer_of(target: str, session: Session) -> Transfer:
    """What the profile has for a target.

    Raises:
        ValueError: Nothing.
    """
    transfers = session.profile.transfers
    if target not in transfers:
        raise ValueError(f"unknown target {target!r}; choose one of {', '.join(transfers)}")
    return transfers[target]


def tuned_weights(cell: Cell, session: Session) -> tuple[Path, str] | Blocked | Waiting:
    """File and hash of the weights that a fine-tuning cell left."""
    inputs = FINETUNE.inputs(cell, session)
    if isinstance(inputs, Blocked | Waiting):
        return inputs
    record = session.store.find(cell, inputs)
    if record is None:
        return Waiting(cell)
    if "weights" not in record.notes:
        return Blocked(f"the fine-tuning of {cell.model} left no weights: {record.notes['diverged']}", "")
    return left_by(record, session)


def tuned_network(cell: Cell, num_classes: int, session: Session) -> "nn.Module":
    """The network that a fine-tuning cell left.

    Raises:
        DataError: There are no weights of it.
    """
    from safetensors.torch import load_file

    from benchmarks.networks.models import create
    from benchmarks.work.methods import METHODS

    weights = present(tuned_weights(cell, session), cell)
    options = options_of(cell, FineTuneOptions)
    backbone = create(cell.model, options.classes, session.profile.size)
    network = METHODS[options.method].network(backbone, num_classes)
    network.load_state_dict(load_file(weights))
    return network
