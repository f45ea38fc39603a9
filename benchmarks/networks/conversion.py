"""Weights from one layout to another: read in any, written as safetensors in ours, or as the authors lay them out."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from baselines.backbone import Backbone
from baselines.checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from baselines.published import classes_of
from benchmarks.core.files import file_hash, write_atomically
from benchmarks.networks.models import SIZES, create
from benchmarks.networks.names import parse
from benchmarks.networks.weight_files import OURS, check_target
from tdam import authors_state, layout_of, load_weights


@dataclass(frozen=True)
class Converted:
    """What was converted.

    Attributes:
        target: The file that was written.
        facts: What it says of itself: ``model``, ``size``, ``num_classes``, ``layout``, and of the file it came from
            ``source`` (its name), ``source_sha256`` and ``source_layout``.
        network: With the weights.
    """

    target: Path
    facts: Mapping[str, str]
    network: Backbone


def convert(source: Path, target: Path, model: str) -> Converted:
    """Read weights in whatever layout, and write them beside nothing else.

    Args:
        source: Weights in any layout that ``tdam.load_weights`` reads.
        target: New file: ``.safetensors`` for our layout, ``.pth`` for the authors'.
        model: The network's name. Whether it is of the paper's size or a small version tell the weights.

    Raises:
        ValueError: The file is there already, or of another kind.
        CheckpointError: The weights cannot be read, are of another network, or cannot be laid out so.
    """
    check_target(target)
    state = read_checkpoint(source)
    size, network = fitting(model, state)
    ours = target.suffix.lower() == OURS
    facts = {
        "model": model,
        "size": size,
        "num_classes": str(classes_of(state)),
        "layout": "tdam-bench" if ours else "the authors'",
        "source": source.name,
        "source_sha256": file_hash(source),
        "source_layout": layout_of(network, state),
    }
    tensors = network.state_dict() if ours else authors_state(network)
    write_atomically(target, functools.partial(write_checkpoint, state=tensors, facts=facts))
    return Converted(target, facts, network)


def fitting(model: str, state: Mapping[str, Tensor]) -> tuple[str, Backbone]:
    """The size of a network whose shapes are those of a state dict, and that network with these weights.

    Raises:
        CheckpointError: They are of another network; the message is that of the paper's size.
    """
    refusals = []
    for size, backbones in SIZES.items():
        if backbones and parse(model).backbone not in backbones:
            continue
        network = create(model, classes_of(state), size)
        try:
            load_weights(network, state)
        except CheckpointError as error:
            refusals.append(error)
        else:
            return size, network
    raise refusals[0]
