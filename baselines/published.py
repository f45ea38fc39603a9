"""Weights in the layouts of the FcaNet, ECANet and CBAM repositories, read into our networks by rule."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from baselines.backbone import Backbone
from baselines.checkpoints import NOTHING_FITS, Checkpoint, CheckpointError, load_renamed, read_checkpoint

# Our key to theirs. The repositories' blocks and stems carry torchvision's names, as ours do.
LAYOUTS: dict[str, tuple[tuple[str, str], ...]] = {
    "se": (
        (r"\.attention\.reduce\.", ".se.fc.0."),
        (r"\.attention\.expand\.", ".se.fc.2."),
    ),
    "cbam": (
        (r"\.attention\.mlp\.0\.", ".cbam.ChannelGate.mlp.1."),
        (r"\.attention\.mlp\.2\.", ".cbam.ChannelGate.mlp.3."),
        (r"\.attention\.conv\.", ".cbam.SpatialGate.spatial.conv."),
        (r"\.attention\.norm\.", ".cbam.SpatialGate.spatial.bn."),
    ),
    "eca": ((r"\.attention\.conv\.", ".eca.conv."),),
    "fca": (
        (r"\.attention\.reduce\.", ".att.fc.0."),
        (r"\.attention\.expand\.", ".att.fc.2."),
    ),
}
MARKERS = {".se.fc.": "se", ".cbam.": "cbam", ".eca.": "eca", ".att.": "fca"}
DCT_FILTER = ".att.dct_layer.weight"


def load_published(model: Backbone, checkpoint: Checkpoint) -> None:
    """Load weights that the FcaNet, ECANet or CBAM repository published (also SE in their manner).

    Args:
        model: A network of this package with the attention that the checkpoint holds; CBAM's repository has biases
            in the MLP (``attention=partial(CBAM, bias=True)``), ECANet's released networks kernel size 3 throughout.
        checkpoint: Path or mapping, with or without ``state_dict`` and ``module.``.

    Raises:
        CheckpointError: The checkpoint cannot be read, or belongs to another network; the model is untouched.
    """
    state = read_checkpoint(checkpoint)
    layout = LAYOUTS.get(attention_of(state) or "", ())
    check_filters(model, state)
    weights = {key: value for key, value in state.items() if not key.endswith(DCT_FILTER)}

    def rename(key: str) -> str:
        for pattern, theirs in layout:
            key = re.sub(pattern, theirs, key)
        return key

    load_renamed(model, weights, rename, lambda: configuration(state))


def attention_of(state: Mapping[str, Tensor]) -> str | None:
    """Which attention a published state dict holds; None for a plain network."""
    for marker, attention in MARKERS.items():
        if any(marker in key for key in state):
            return attention
    return None


def check_filters(model: Backbone, state: Mapping[str, Tensor]) -> None:
    """FcaNet stores its DCT filters; they are computed here, and must be the same ones."""
    ours = dict(model.named_buffers())
    for key in (key for key in state if key.endswith(DCT_FILTER)):
        name = key.replace(DCT_FILTER, ".attention.filter")
        if name not in ours:
            continue  # another attention: the missing keys will tell
        if ours[name].shape != state[key].shape:
            raise CheckpointError(
                f"{key} has a filter of {tuple(state[key].shape)}, this network one of {tuple(ours[name].shape)}: "
                "build it with attention='fca', which takes each stage's own size"
            )
        if not torch.allclose(ours[name].double(), state[key].double(), atol=1e-5):
            raise CheckpointError(
                f"{key} holds other frequencies than FCA-TS's 16; this network computes its own filter"
            )


def configuration(state: Mapping[str, Tensor]) -> str:
    """Name the network of this package that a published state dict would fit."""
    if any(".RA_block." in key for key in state):
        return "a network of tdam: use tdam.load_released"
    name = RESNETS.get((is_basic(state), block_counts(state)))
    if name is None or state["conv1.weight"].shape[0] != 64:
        return NOTHING_FITS
    attention = attention_of(state)
    options = [f"attention={attention!r}"] if attention else []
    if attention == "cbam" and any(key.endswith("ChannelGate.mlp.1.bias") for key in state):
        options = ["attention=functools.partial(baselines.CBAM, bias=True)"]
    if attention == "eca":
        options = [f"attention={eca_constructor(state)}"]
    return f"baselines.{name}({', '.join([*options, *class_option(state)])})"


def eca_constructor(state: Mapping[str, Tensor]) -> str:
    """ECA with the kernel sizes that a state dict holds, by the channels of each block."""
    sizes = {}
    for key, kernel in state.items():
        if key.endswith(".eca.conv.weight"):
            block = key.removesuffix(".eca.conv.weight")
            last = max(name for name in state if re.fullmatch(rf"{re.escape(block)}\.conv\d\.weight", name))
            sizes[state[last].shape[0]] = kernel.shape[-1]
    if len(set(sizes.values())) == 1:
        return f"functools.partial(baselines.ECA, kernel_size={next(iter(sizes.values()))})"
    return f"lambda channels: baselines.ECA(channels, {sizes}[channels])"


def class_option(state: Mapping[str, Tensor]) -> list[str]:
    """``num_classes`` as an option, where it is not ImageNet's."""
    head = next((state[key] for key in ("fc.bias", "head.bias") if key in state), None)
    return [] if head is None or head.shape[0] == 1000 else [f"num_classes={head.shape[0]}"]


def is_basic(state: Mapping[str, Tensor]) -> bool:
    """Whether a ResNet's blocks have two convolutions."""
    return not any(key.endswith("conv3.weight") for key in state)


RESNETS: dict[tuple[bool, tuple[int, ...]], str] = {
    (True, (2, 2, 2, 2)): "resnet18",
    (True, (3, 4, 6, 3)): "resnet34",
    (False, (3, 4, 6, 3)): "resnet50",
    (False, (3, 4, 23, 3)): "resnet101",
}


def block_counts(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Blocks in each of ResNet's stages, read off the keys."""
    found = {match.groups() for key in state if (match := re.match(r"layer(\d)\.(\d+)\.", key))}
    return tuple(len({block for stage, block in found if stage == str(number)}) for number in range(1, 5))
