"""Weights in the layouts of the FcaNet, ECANet and CBAM repositories, read into our networks and written by rule.

Of timm's networks with CBAM they are read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.backbone import Backbone
from baselines.cbam import CBAM
from baselines.checkpoints import NOTHING_FITS, Checkpoint, CheckpointError, load_renamed, read_checkpoint
from baselines.eca import ECA
from baselines.fca import FCA
from baselines.se import SE


@dataclass(frozen=True)
class Layout:
    """How others name what stands in a block's attention slot.

    Attributes:
        attention: Its name here.
        marker: What their keys have in them, and no other layout's.
        names: Our key to theirs. Blocks and stems carry torchvision's names, theirs and ours.
        mean_first: End of their keys of CBAM's spatial kernels where these read the mean before the maximum.
    """

    attention: str
    marker: str
    names: tuple[tuple[str, str], ...]
    mean_first: str = ""

    def rename(self, key: str) -> str:
        """Our key to theirs."""
        for pattern, theirs in self.names:
            key = re.sub(pattern, theirs, key)
        return key


PLAIN = Layout("", "", ())
WRITTEN: dict[type[nn.Module], Layout] = {
    nn.Identity: PLAIN,
    SE: Layout(
        "se",
        ".se.fc.",
        (
            (r"\.attention\.reduce\.", ".se.fc.0."),
            (r"\.attention\.expand\.", ".se.fc.2."),
        ),
    ),
    CBAM: Layout(
        "cbam",
        ".cbam.",
        (
            (r"\.attention\.mlp\.0\.", ".cbam.ChannelGate.mlp.1."),
            (r"\.attention\.mlp\.2\.", ".cbam.ChannelGate.mlp.3."),
            (r"\.attention\.conv\.", ".cbam.SpatialGate.spatial.conv."),
            (r"\.attention\.norm\.", ".cbam.SpatialGate.spatial.bn."),
        ),
    ),
    ECA: Layout("eca", ".eca.", ((r"\.attention\.conv\.", ".eca.conv."),)),
    FCA: Layout(
        "fca",
        ".att.",
        (
            (r"\.attention\.reduce\.", ".att.fc.0."),
            (r"\.attention\.expand\.", ".att.fc.2."),
        ),
    ),
}
# timm.create_model("resnet50", block_args={"attn_layer": "cbam"}). In training its spatial gate's running statistics
# follow ten times as fast as the authors'.
TIMM_CBAM = Layout(
    "cbam",
    ".se.channel.",
    (
        (r"\.attention\.mlp\.0\.", ".se.channel.fc1."),
        (r"\.attention\.mlp\.2\.", ".se.channel.fc2."),
        (r"\.attention\.conv\.", ".se.spatial.conv.conv."),
        (r"\.attention\.norm\.", ".se.spatial.conv.bn."),
    ),
    mean_first=".se.spatial.conv.conv.weight",
)
MARKED = (*(layout for layout in WRITTEN.values() if layout.marker), TIMM_CBAM)
DCT_FILTER = ".att.dct_layer.weight"
CBAM_BIASES = (".ChannelGate.mlp.1.bias", ".se.channel.fc1.bias")


def load_published(model: Backbone, checkpoint: Checkpoint) -> None:
    """Load weights that the FcaNet, ECANet or CBAM repository published (also SE in their manner), or timm's of CBAM.

    Args:
        model: A network of this package with the attention that the checkpoint holds; CBAM's repository has biases
            in the MLP (``attention=partial(CBAM, bias=True)``), ECANet's released networks kernel size 3 throughout.
        checkpoint: Path or mapping, with or without ``state_dict`` and ``module.``.

    Raises:
        CheckpointError: The checkpoint cannot be read, or belongs to another network; the model is untouched.
    """
    state = read_checkpoint(checkpoint)
    layout = layout_of(state)
    check_filters(model, state)
    weights = {
        key: maximum_first(key, value) if layout.mean_first and key.endswith(layout.mean_first) else value
        for key, value in state.items()
        if not key.endswith(DCT_FILTER)
    }
    load_renamed(model, weights, layout.rename, lambda: configuration(state))


def published_state(model: Backbone) -> dict[str, Tensor]:
    """A ResNet's weights as the repository of its attention lays them out; torchvision's layout of a plain one.

    Biases that a repository's CBAM has and the network has not are left out.

    Raises:
        CheckpointError: No repository has this attention.
    """
    attention = next(model.blocks()).attention
    layout = WRITTEN.get(type(attention))
    if layout is None:
        raise CheckpointError(f"no layout of others is known for the attention {type(attention).__name__}")
    filters = {
        name.replace(".attention.filter", DCT_FILTER): value
        for name, value in model.named_buffers()
        if name.endswith(".attention.filter")
    }
    return {**{layout.rename(key): value for key, value in model.state_dict().items()}, **filters}


def layout_of(state: Mapping[str, Tensor]) -> Layout:
    """The layout of a published state dict."""
    return next((layout for layout in MARKED if any(layout.marker in key for key in state)), PLAIN)


def maximum_first(key: str, kernel: Tensor) -> Tensor:
    """The spatial kernel of CBAM that reads the maximum before the mean, from one that reads them the other way round.

    Raises:
        CheckpointError: The kernel does not read these two maps.
    """
    if kernel.dim() != 4 or kernel.shape[1] != 2:
        raise CheckpointError(
            f"{key} is {tuple(kernel.shape)}: CBAM's reads 2 maps, mean and maximum; timm's light CBAM (lcbam) reads "
            "half their sum, which is another module and not built here"
        )
    return kernel.flip(1)


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
    attention = layout_of(state).attention
    options = [f"attention={attention!r}"] if attention else []
    if attention == "cbam" and any(key.endswith(CBAM_BIASES) for key in state):
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
    classes = classes_of(state)
    return [] if classes == IMAGENET_CLASSES else [f"num_classes={classes}"]


def classes_of(state: Mapping[str, Tensor]) -> int:
    """Classes of a network by its weights, in whichever layout; ImageNet's where they do not tell."""
    return next((state[key].shape[0] for key in HEADS if key in state and state[key].dim()), IMAGENET_CLASSES)


def is_basic(state: Mapping[str, Tensor]) -> bool:
    """Whether a ResNet's blocks have two convolutions."""
    return not any(key.endswith("conv3.weight") for key in state)


IMAGENET_CLASSES = 1000
# Biases of classifiers: ResNet's and the authors' ConvNeXt's, torchvision's ConvNeXt's and MobileNetV3's.
HEADS = ("fc.bias", "head.bias", "classifier.2.bias", "classifier.3.bias")
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
