"""Trainings of a few steps, by the recipes of ``mini`` on its first scenes: what they come to must never change.

One goes through the loop that trains everything, from one of the gate's networks, with all that follows from the seed:
the order of images, how they are framed, the learning rate, what the network is followed on. It computes in float64,
for six steps carry what float32 rounds into the fourth digit of a loss. The others go through the kinds of work, of
which two steps tell that they pass on what they are told.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from baselines.backbone import Backbone
from benchmarks.core.progress import Bar
from benchmarks.core.records import Cell, Record
from benchmarks.core.store import Store
from benchmarks.networks.models import create
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import GATE_FOLDER
from benchmarks.papers.tdam.recipes import GATE_NETWORKS, MINI
from benchmarks.papers.tdam.rules import RULES
from benchmarks.work.finetuning import FINETUNE
from benchmarks.work.heldout import HeldOut
from benchmarks.work.loop import Classification, Objective, Training, TrainingData
from benchmarks.work.passes import Show, View
from benchmarks.work.probe import Probed
from benchmarks.work.profiles import Profile, Recipe
from benchmarks.work.runner import run
from benchmarks.work.session import Session
from benchmarks.work.training import TRAIN
from benchmarks.work.transfer import TRANSFER, TransferChoices
from tdam import load_weights

Numbers = dict[str, float]
CPU = torch.device("cpu")
NETWORK, UNTRAINED = GATE_NETWORKS[-1], "resnet18"
WEIGHTS = GATE_FOLDER / "weights"
SEED = 3
FINE_GRAINED = "ws-dan"
EPOCHS, STEPS_PER_EPOCH = 3, 2
# Evaluated few at a time: a network that were evaluated as it is trained would see them otherwise.
FOLLOWED, FOLLOWED_BATCH = 48, 4
# Images of each of the two steps that kinds of work are given, and the threshold of F1 after so few.
FEW, SAID_ABOVE = 8, 0.5


@contextmanager
def own_session(profile: Profile) -> Iterator[Session]:
    """A session in an empty folder with the gate's networks; random numbers are as before afterwards."""
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        store, cache = Store(Path(folder) / "results"), Path(folder) / "cache"
        choices: dict[type, object] = {TransferChoices: TransferChoices(threshold=SAID_ABOVE)}
        yield Session(profile, store, cache, RULES, weights=WEIGHTS, choices=choices)


# ---------------------------------------------------------------- the loop


class Precise(Objective):
    """An objective, or a network alone, in float64; images come in float32.

    Args:
        inner: It.
        network: The network in it.
    """

    def __init__(self, inner: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.inner, self.network = inner.double(), network

    def forward(self, images: Tensor, *targets: Tensor) -> Tensor:
        out: Tensor = self.inner(images.double(), *targets)
        return out


def training() -> Probed:
    """By epoch losses, learning rates and held-out accuracies of a trained network that is trained on."""
    recipe = replace(MINI.recipe_of(parse(NETWORK).backbone), epochs=EPOCHS, warmup_epochs=1.0)
    # Half a batch more than the steps, which is dropped.
    count = STEPS_PER_EPOCH * recipe.batch + recipe.batch // 2
    with own_session(replace(MINI, train_count=count, val_count=FOLLOWED)) as session:
        images, held_out = (session.image_set(split) for split in ("train", MINI.splits["v1"]))
        look = HeldOut(Show(held_out, CPU, FOLLOWED_BATCH), View(MINI.resolution, 1.0))
        network = trained_network()
        objective = Precise(Classification(network, "highest", recipe.label_smoothing), network)
        data = TrainingData(images, CPU, held_out=lambda network: look(Precise(network, network)))
        own = Training(objective, recipe, SEED, data)
        for _ in range(EPOCHS):
            own.run_epoch(lambda images: None)
    told = {"loss": "loss", "lr": "learning rate", "held_out": "held-out accuracy"}
    numbers = {
        f"epoch {epoch}: {told[name]}": value
        for name, values in own.history.items()
        for epoch, value in enumerate(values, start=1)
    }
    return Probed({**numbers, **lengths(network)})


def trained_network() -> Backbone:
    """The gate's network with several steps, with its weights."""
    network = create(NETWORK, MINI.num_classes, MINI.size)
    load_weights(network, WEIGHTS / f"{NETWORK}.safetensors")
    return network


def lengths(network: nn.Module) -> Numbers:
    """How long the parameters and the other state of a network are, as vectors."""
    groups = {"parameters": network.parameters(), "running statistics": network.buffers()}
    numbers: Numbers = {}
    for name, tensors in groups.items():
        real = [one.detach().double().flatten() for one in tensors if one.is_floating_point()]
        numbers[f"length of {name}"] = float(torch.cat(real).norm())
    return numbers


# ---------------------------------------------------------------- the kinds of work


def two_steps(recipe: Recipe) -> Recipe:
    """A recipe of two steps, each an epoch; the first at its highest learning rate."""
    return replace(recipe, epochs=2, batch=FEW, reference_batch=FEW, warmup_epochs=0)


def short_profile() -> Profile:
    """``mini``, with two steps of each training, and few images of each set."""
    transfers = {name: replace(one, recipe=two_steps(one.recipe)) for name, one in MINI.transfers.items()}
    recipe = two_steps(MINI.recipe_of(parse(UNTRAINED).backbone))
    return replace(MINI, train_count=FEW, val_count=FOLLOWED, recipe=recipe, recipes={}, transfers=transfers)


def tasks() -> Probed:
    """What kinds of work leave of a training, of fine-tunings but WS-DAN's, and of the tasks that these are for.

    Raises:
        RuntimeError: One of them failed.
    """
    with own_session(short_profile()) as session:
        others = [name for name, one in session.profile.transfers.items() if one.method != FINE_GRAINED]
        return numbers_left([TRAIN.cell(UNTRAINED, SEED, session), *tuned(others, session)], session)


def fine_grained() -> Probed:
    """What kinds of work leave of a fine-tuning by WS-DAN, and of its task.

    Near zero its signed square root is steep: what float32 rounds stands in the fourth digit of the second loss. Of its
    tasks the last, which is tuned at the lowest rate: at a higher one a crop may lie elsewhere for it.

    Raises:
        RuntimeError: One of them failed.
    """
    with own_session(short_profile()) as session:
        *_, last = (name for name, one in session.profile.transfers.items() if one.method == FINE_GRAINED)
        return numbers_left(tuned([last], session), session)


def tuned(targets: Iterable[str], session: Session) -> list[Cell]:
    """A fine-tuning of the gate's network for each target, and its evaluation."""
    return [kind.cell(NETWORK, target, SEED, session) for target in targets for kind in (FINETUNE, TRANSFER)]


def numbers_left(cells: Sequence[Cell], session: Session) -> Probed:
    """The numbers of the records that running cells leaves.

    Raises:
        RuntimeError: One of them failed.
    """
    summary = run(cells, session, Bar(None))
    for reason in [*summary.failed.values(), *(one.reason for one in summary.blocked)]:
        raise RuntimeError(reason)
    numbers = [numbers_of(record) for record in session.store.records()]
    return Probed({name: value for one in numbers for name, value in one.items()})


def numbers_of(record: Record) -> Numbers:
    """A record's numbers with the ends of their intervals, and the first two of all samples."""
    name = " ".join(str(part) for part in (record.cell.kind, record.cell.options.get("target")) if part is not None)
    ends = {"": "value", " from": "low", " to": "high"}
    told = {
        f"{name}: {key}{end}": getattr(metric, part)
        for key, metric in record.metrics.items()
        for end, part in ends.items()
    }
    numbers = {key: value for key, value in told.items() if value is not None}
    for key, values in record.samples.items():
        numbers |= {f"{name}: {key} {place}": value for place, value in enumerate(values[:2], start=1)}
    return numbers
