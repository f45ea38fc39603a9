"""Fine-tuning trained networks for another task, by the method of another paper."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from benchmarks.core.identity import code_version, network_version, versions
from benchmarks.core.records import Cell, Metric, Record, Scalar, new_record
from benchmarks.data.images import DataError
from benchmarks.work.kind import Advance, Amount, Blocked, Inputs, Waiting
from benchmarks.work.profiles import Recipe, Transfer
from benchmarks.work.session import Session
from benchmarks.work.training import (
    READING_CODE,
    TRAINING_CODE,
    drawing,
    known_inputs,
    loaded_network,
    recipe_hash,
    threads_of_training,
    weights_of,
    weights_options,
)

if TYPE_CHECKING:
    from torch import nn


class FineTunings:
    """Training a head on a pretrained network, and the network with it."""

    name = "finetune"
    shared = True
    parallel = True

    @staticmethod
    def cell(model: str, target: str, seed: int, session: Session) -> Cell:
        """The cell of one run; ``target`` is a name in the profile's transfers. Its seed is that of the pretraining."""
        recipe = tuning_recipe(target, session)
        options: dict[str, Scalar] = {
            "target": target,
            "tuned_on": session.profile.transfers[target].train,
            "method": session.profile.transfers[target].method,
            "tuning_recipe": recipe_hash(recipe),
            "tuning_seed": seed,
            **weights_options(model, seed, session),
        }
        return Cell("finetune", model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Pretrained weights, training images, code, networks, versions, device kind."""
        weights = weights_of(cell, session)
        if isinstance(weights, Blocked | Waiting):
            return weights
        try:
            data = session.image_set(str(cell.options["tuned_on"])).manifest_hash
        except DataError as error:
            return Blocked(str(error), f"tdam-bench run table7-tasks --profile {cell.profile} --data-root DIR")
        return {
            "weights": weights[1],
            "data": data,
            "count": session.profile.train_count,
            "code": code_version(*TRAINING_CODE, *READING_CODE, *method_code(cell)),
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
        total = 0
        for cell in cells:
            images = len(session.image_set(str(cell.options["tuned_on"])))
            count = min(images, session.profile.train_count or images)
            total += count * tuning_recipe(str(cell.options["target"]), session).epochs
        return Amount(total, "images")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Fine-tune one network."""
        import torch

        from benchmarks.work.loop import Training, train
        from benchmarks.work.methods import METHODS

        (cell,) = cells
        o: Any = cell.options
        images, recipe = session.image_set(o["tuned_on"]), tuning_recipe(o["target"], session)
        record = new_record(cell, known_inputs(self, cell, session), {})
        backbone = loaded_network(cell, session)
        torch.manual_seed(o["tuning_seed"])
        method = METHODS[o["method"]]
        objective = method.objective(method.network(backbone, len(images.classes)))
        count = session.profile.train_count
        device = torch.device(session.device)
        training = Training(objective, images, recipe, o["tuning_seed"], device, session.workers, count)
        weights = session.store.path("weights", f"{cell.model}-{o['target']}-{record.id}", ".safetensors")
        with threads_of_training(session):
            trained = train(training, weights, advance)
        status = f"partial: {len(images.missing)} training images missing" if images.missing else "ok"
        metrics = {"loss": Metric(trained.history["loss"][-1], "nat", n=recipe.epochs, status=status)}
        notes = {"weights": weights.name, "sha256": trained.sha256, "recipe": asdict(recipe), "missing": images.missing}
        yield replace(record, metrics=metrics, samples=trained.history, notes=notes)


def tuning_recipe(target: str, session: Session) -> Recipe:
    """The recipe of a fine-tuning, with this run's number of epochs."""
    return session.with_epochs(transfer_of(target, session).recipe)


def transfer_of(target: str, session: Session) -> Transfer:
    """What the profile has for a target.

    Raises:
        ValueError: Nothing.
    """
    transfers = session.profile.transfers
    if target not in transfers:
        raise ValueError(f"unknown target {target!r}; choose one of {', '.join(transfers)}")
    return transfers[target]


def method_code(cell: Cell) -> tuple[str, ...]:
    """Files that decide what a cell's method computes."""
    name = str(cell.options["method"]).replace("-", "_")
    return ("work/methods/method.py", f"work/methods/{name}.py")


def tuned_weights(cell: Cell, session: Session) -> dict[str, str] | Blocked | Waiting:
    """File name (``weights``) and ``sha256`` of the fine-tuned weights that a fine-tuning cell left."""
    inputs = FineTunings().inputs(cell, session)
    if isinstance(inputs, Blocked | Waiting):
        return inputs
    record = session.store.find(cell, inputs)
    if record is None:
        return Waiting(cell)
    return {name: str(record.notes[name]) for name in ("weights", "sha256")}


def tuned_network(cell: Cell, num_classes: int, session: Session) -> "nn.Module":
    """The network that a fine-tuning cell left."""
    from safetensors.torch import load_file

    from benchmarks.networks.models import create
    from benchmarks.work.methods import METHODS

    weights = tuned_weights(cell, session)
    if isinstance(weights, Blocked | Waiting):
        raise DataError(f"no weights for {cell}: {weights}")
    backbone = create(cell.model, int(str(cell.options["classes"])), session.profile.size)
    network = METHODS[str(cell.options["method"])].network(backbone, num_classes)
    network.load_state_dict(load_file(session.store.folder / "weights" / weights["weights"]))
    return network
