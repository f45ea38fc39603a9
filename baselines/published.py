"""Weights in the layouts of the FcaNet, ECANet and CBAM repositories, read into our networks by rule."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from baselines.backbone import Backbone
from baselines.checkpoints import Checkpoint, CheckpointError, load_renamed, read_checkpoint

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

    load_renamed(model, weights, rename, configuration)


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
        fits = name in ours and ours[name].shape == state[key].shape
        if fits and not torch.allclose(ours[name].double(), state[key].double(), atol=1e-5):
            raise CheckpointError(
                f"{key} holds other frequencies than FCA-TS's 16; this network computes its own filter"
            )


def configuration(state: Mapping[str, Tensor]) -> str:
    """Name the network of this package that a state dict would fit."""
    depths = block_counts(state)
    basic = not any(key.endswith("conv3.weight") for key in state)
    name = RESNETS.get((basic, depths))
    if name is None:
        return "no network of this package that its keys tell"
    attention = attention_of(state)
    options = [f"attention={attention!r}"] if attention else []
    if attention == "cbam" and any(key.endswith("ChannelGate.mlp.1.bias") for key in state):
        options = ["attention=functools.partial(baselines.CBAM, bias=True)"]
    if attention == "eca":
        sizes = {value.shape[-1] for key, value in state.items() if ".eca.conv." in key}
        if len(sizes) == 1:
            options = [f"attention=functools.partial(baselines.ECA, kernel_size={sizes.pop()})"]
    classes = state["fc.bias"].shape[0] if "fc.bias" in state else 1000
    options += [f"num_classes={classes}"] if classes != 1000 else []
    return f"baselines.{name}({', '.join(options)})"


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
