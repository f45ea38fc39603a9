"""Weights in the layout of the authors' released code, read into our networks and written from them by rule."""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from baselines.backbone import Backbone
from baselines.checkpoints import NOTHING_FITS, Checkpoint, CheckpointError, load_renamed, read_checkpoint
from baselines.convnext import ConvNeXt
from baselines.published import RESNETS, block_counts, class_option, is_basic, load_published, published_state
from baselines.published import configuration as published_configuration
from baselines.resnet import ResNet
from tdam.attention import KINDS, TopDownAttention
from tdam.feedback import Feedback
from tdam.placements import PLACEMENTS, Blocks

Rule = tuple[str, str | Callable[[re.Match[str]], str]]

# Our key to theirs. Their step norms are counted from the step past the first: bn3_1 is bn3 at step 2; ours hang in
# the loop, by step and by position in the chain.
RESNET_RULES: tuple[Rule, ...] = ((r"loop\.norms\.(\d+)\.(\d+)\.", lambda m: f"bn{int(m[2]) + 1}_{int(m[1]) + 1}."),)
CONVNEXT_LAYERS = {"0": "dwconv", "2": "norm", "3": "pwconv1", "5": "pwconv2"}
CONVNEXT_RULES: tuple[Rule, ...] = (
    (r"\.block\.(\d)\.", lambda m: f".{CONVNEXT_LAYERS[m[1]]}."),
    (r"\.layer_scale$", ".gamma"),
    (r"^features\.([02468])\.", lambda m: f"downsample_layers.{int(m[1]) // 2}."),
    (r"^features\.([1357])\.", lambda m: f"stages.{int(m[1]) // 2}."),
    (r"^classifier\.0\.", "norm."),
    (r"^classifier\.2\.", "head."),
)
# The authors' ConvNeXt, with or without TD, is that of its own paper's repository.
CONVNEXT_START = "downsample_layers."
LAYOUTS: dict[type[Backbone], tuple[Rule, ...]] = {ResNet: RESNET_RULES, ConvNeXt: CONVNEXT_RULES}

PAPER_WIDTHS = {"resnet18": 64, "resnet34": 64, "resnet50": 64, "resnet101": 64, "convnext_tiny": 96}


def load_weights(model: Backbone, checkpoint: Checkpoint) -> None:
    """Load weights in whichever layout the file has: ours, the TDAM authors', or the attention repositories'.

    Args:
        model: A network of ``tdam`` or ``baselines``.
        checkpoint: Path or mapping, with or without ``state_dict`` and ``module.``.

    Raises:
        CheckpointError: The checkpoint cannot be read or belongs to another network.
    """
    state = read_checkpoint(checkpoint)
    READERS[layout_of(model, state)](model, state)


def layout_of(model: Backbone, state: Mapping[str, Tensor]) -> str:
    """Which layout a state dict is in that is to be read into a network: a key of ``READERS``."""
    if set(state) == set(model.state_dict()):
        return OWN
    released = any(".RA_block." in key or key.startswith(CONVNEXT_START) for key in state)
    return RELEASED if released or model.steps > 1 else PUBLISHED


def load_own(model: Backbone, state: Mapping[str, Tensor]) -> None:
    """Load weights whose keys are the model's.

    Raises:
        CheckpointError: They are of other shapes.
    """
    load_renamed(model, state, lambda key: key, lambda: "another network of this suite")


def load_released(model: Backbone, checkpoint: Checkpoint) -> None:
    """Load weights that the authors released, or that their code wrote.

    Args:
        model: A TD network (or a plain one) of the checkpoint's configuration.
        checkpoint: Path or mapping, with or without ``state_dict`` and ``module.``.

    Raises:
        CheckpointError: The checkpoint cannot be read, or belongs to another network; the model is untouched. The
            message names missing and left-over keys and the configuration that would fit.
    """
    rename = renaming(model)
    content = read_checkpoint(checkpoint)
    unused = unused_attention(model)
    state = {key: value for key, value in content.items() if key.split(".RA_block.")[0] not in unused}
    load_renamed(model, state, rename, lambda: configuration(content))


OWN, RELEASED, PUBLISHED = "tdam-bench", "TDAM authors", "attention repositories or timm"
READERS: dict[str, Callable[[Backbone, Mapping[str, Tensor]], None]] = {
    OWN: load_own,
    RELEASED: load_released,
    PUBLISHED: load_published,
}


def authors_state(model: Backbone) -> dict[str, Tensor]:
    """A network's weights in the layout of the code that its authors published, as :func:`load_weights` reads it.

    Of TD networks and ConvNeXt that is the TDAM authors', of ResNets without feedback the attention repositories'.

    Raises:
        CheckpointError: No such layout is known, or it would not hold what this network has.
    """
    loops = [block.loop for block in model.blocks() if isinstance(block.loop, Feedback)]
    if isinstance(model, ResNet) and not loops:
        return published_state(model)
    rename = renaming(model)
    if not all(isinstance(loop.attention, TopDownAttention) for loop in loops):
        raise CheckpointError("the authors' layout always has top-down attention, which this network has not")
    state = {rename(key): as_released(rename(key), value) for key, value in model.state_dict().items()}
    strays = [key for key in state if ".attention." in key]
    if strays:
        raise CheckpointError(f"the authors' layout has no place for {strays[0]}")
    return state


def as_released(name: str, value: Tensor) -> Tensor:
    """A tensor in the shape that the released code has under a name: 1x1 convolutions in place of linear layers."""
    if ".RA_block." in name:
        return value[:, :, None, None]
    return value.flatten() if name.endswith(".gamma") else value


def renaming(model: Backbone) -> Callable[[str], str]:
    """Our keys of a network to the released code's.

    Raises:
        CheckpointError: There is no released layout of this network.
    """
    of_network = next((rules for network, rules in LAYOUTS.items() if isinstance(model, network)), None)
    if of_network is None:
        raise CheckpointError(
            f"no released layout is known for {type(model).__name__}: only ResNet and ConvNeXt have one"
        )
    rules = (*attention_rules(model), *of_network)

    def rename(key: str) -> str:
        for pattern, theirs in rules:
            key = re.sub(pattern, theirs, key)
        return key

    return rename


def attention_rules(model: Backbone) -> list[Rule]:
    """Rules for the attention's layers: each kind of searchlight knows its released names."""
    names: dict[str, str] = {}
    for module in model.modules():
        if isinstance(module, TopDownAttention):
            names.update(module.searchlight.released_names)
    return [(rf"loop\.attention\.searchlight\.{ours}\.", f"RA_block.{theirs}.") for ours, theirs in names.items()]


def unused_attention(model: Backbone) -> set[str]:
    """Released names of blocks that loop once: the released code keeps their attention, which takes part in nothing."""
    idle = {id(b) for b in model.blocks() if isinstance(b.loop, Feedback) and b.loop.attention is None}
    names = {name for name, module in model.named_modules() if id(module) in idle}
    return names | {re.sub(r"^features\.(\d)", lambda m: f"stages.{int(m[1]) // 2}", name) for name in names}


def configuration(state: Mapping[str, Tensor]) -> str:
    """Name the network of this package that a released state dict would fit."""
    if any(".loop." in key for key in state):
        return "a network of this package as it is: use its load_state_dict"
    blocks = looped_blocks(state)
    if "stages.0.0.dwconv.weight" in state:
        name, depths, width = "convnext_tiny", stage_depths(state), state["stages.0.0.dwconv.weight"].shape[0]
    elif not blocks:
        return published_configuration(state)
    else:
        depths, width = block_counts(state), state["conv1.weight"].shape[0]
        name = RESNETS.get((is_basic(state), depths), "")
    if width != PAPER_WIDTHS.get(name):
        return NOTHING_FITS
    if not blocks:
        return f"baselines.{name}({', '.join(class_option(state))})"
    steps, distance = steps_and_distance(state)
    options = [f"kind={kind_of(state)!r}", f"steps={steps}", f"distance={distance}"]
    found = {stage: sorted(indices) for stage, indices in sorted(blocks.items())}
    if found != as_lists(PLACEMENTS[name](depths, distance)):
        options.append(f"blocks={found}")
    if (reduction := reduction_of(state)) != 16:
        options.append(f"reduction={reduction}")
    return f"tdam.{name}({', '.join([*options, *class_option(state)])})"


def as_lists(blocks: Blocks) -> dict[int, list[int]]:
    """Blocks by stage with their indices as lists."""
    return {stage: list(indices) for stage, indices in blocks.items()}


def stage_depths(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Blocks in each of ConvNeXt's stages."""
    found = {match.groups() for key in state if (match := re.match(r"stages\.(\d)\.(\d+)\.", key))}
    return tuple(len({block for stage, block in found if stage == str(number)}) for number in range(4))


def looped_blocks(state: Mapping[str, Tensor]) -> dict[int, set[int]]:
    """Blocks with a TD module: indices from 0 by stage from 1."""
    blocks: dict[int, set[int]] = {}
    for key in state:
        if match := re.match(r"(layer|stages\.)(\d)\.(\d+)\.RA_block\.", key):
            stage = int(match[2]) + (match[1] == "stages.")
            blocks.setdefault(stage, set()).add(int(match[3]))
    return blocks


def kind_of(state: Mapping[str, Tensor]) -> str:
    """Kind of the searchlight, told by its layers and their widths."""
    keys = [key for key in state if ".RA_block." in key]
    if any(key.endswith("Ug_mlp.2.weight") for key in keys):
        return "top"
    out = next(state[key] for key in keys if key.endswith("Ug_mlp.0.weight"))
    hidden = next(state[key] for key in keys if key.endswith("Ug_top_mlp.0.weight"))
    return "joint" if out.shape[1] == 2 * hidden.shape[0] else "joint_bilinear"


def first_block(state: Mapping[str, Tensor]) -> str:
    """Name of a block with a TD module."""
    return next(key.split(".RA_block.")[0] for key in state if ".RA_block." in key)


def layers_of(state: Mapping[str, Tensor], block: str) -> list[Tensor]:
    """Weights of a block's layers in their order (the names sort so)."""
    pattern = rf"{re.escape(block)}\.(dwconv|pwconv\d|conv\d)\.weight"
    return [state[key] for key in sorted(state) if re.fullmatch(pattern, key)]


def searchlight_layers(state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The layer that reads the top map and the one that gives the searchlight, of one block."""
    block = first_block(state)
    names = KINDS[kind_of(state)].released_names
    first, last = (state[f"{block}.RA_block.{names[layer]}.weight"] for layer in ("from_top", "out"))
    return first, last


def reduction_of(state: Mapping[str, Tensor]) -> int:
    """Reduction ratio: the top map's channels over the hidden ones."""
    first, _ = searchlight_layers(state)
    return first.shape[1] // first.shape[0]


def steps_and_distance(state: Mapping[str, Tensor]) -> tuple[int, int]:
    """Steps and distance, told by the step norms or, where there are none, by the searchlight's width.

    Without step norms a ResNet has one step, or distance 0 where the searchlight is as wide as the block's output.
    ConvNeXt and distance 0 do not tell the steps: 2.
    """
    block = first_block(state)
    norms = [m.groups() for key in state if (m := re.fullmatch(rf"{re.escape(block)}\.bn(\d)_(\d+)\.weight", key))]
    layers = layers_of(state, block)
    if norms:
        return max(int(step) for _, step in norms) + 1, len(layers) - min(int(layer) for layer, _ in norms) + 1
    _, out = searchlight_layers(state)
    width = out.shape[0]
    if block.startswith("stages."):
        return 2, 1 if width == layers[-1].shape[1] else 2
    if width == layers[-1].shape[0]:
        return 2, 0
    return 1, next(m for m in range(1, len(layers) + 1) if layers[-m].shape[1] == width)
