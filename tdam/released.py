"""Weights in the layout of the authors' released code, read into our networks by rule."""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from baselines.backbone import Backbone
from baselines.checkpoints import Checkpoint, CheckpointError, load_renamed, read_checkpoint
from baselines.convnext import ConvNeXt
from baselines.published import RESNETS, block_counts
from baselines.resnet import ResNet
from tdam.attention import TopDownAttention
from tdam.feedback import Feedback
from tdam.networks import Blocks, layers_3_and_4, resnet50_blocks, resnet101_blocks

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
LAYOUTS: dict[type[Backbone], tuple[Rule, ...]] = {ResNet: RESNET_RULES, ConvNeXt: CONVNEXT_RULES}

PLACEMENTS = {"resnet50": resnet50_blocks, "resnet101": resnet101_blocks}


def load_released(model: Backbone, checkpoint: Checkpoint) -> None:
    """Load weights that the authors released, or that their code wrote.

    Args:
        model: A TD network (or a plain one) of the checkpoint's configuration.
        checkpoint: Path or mapping, with or without ``state_dict`` and ``module.``.

    Raises:
        CheckpointError: The checkpoint cannot be read, or belongs to another network; the model is untouched. The
            message names missing and left-over keys and the configuration that would fit.
    """
    rules = next((rules for network, rules in LAYOUTS.items() if isinstance(model, network)), None)
    if rules is None:
        raise CheckpointError(
            f"no released layout is known for {type(model).__name__}: only ResNet and ConvNeXt have one"
        )
    state = read_checkpoint(checkpoint)
    unused = unused_attention(model)
    state = {key: value for key, value in state.items() if key.split(".RA_block.")[0] not in unused}
    rules = (*attention_rules(model), *rules)

    def rename(key: str) -> str:
        for pattern, theirs in rules:
            key = re.sub(pattern, theirs, key)
        return key

    load_renamed(model, state, rename, configuration)


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
    if "stages.0.0.dwconv.weight" in state:
        name, depths = "convnext_tiny", stage_depths(state)
    else:
        depths = block_counts(state)
        basic = not any(key.endswith("conv3.weight") for key in state)
        name = RESNETS.get((basic, depths), "")
    if not name:
        return "no network of this package that its keys tell"
    head = next((state[key] for key in ("fc.bias", "head.bias") if key in state), None)
    options = [] if head is None or len(head) == 1000 else [f"num_classes={len(head)}"]
    blocks = looped_blocks(state)
    if not blocks:
        return f"baselines.{name}({', '.join(options)})"
    distance = distance_of(state)
    found = {stage: sorted(indices) for stage, indices in sorted(blocks.items())}
    if found != as_lists(PLACEMENTS.get(name, layers_3_and_4)(depths, distance)):
        options.insert(0, f"blocks={found}")
    loop = [f"kind={kind_of(state)!r}", f"steps={steps_of(state)}", f"distance={distance}"]
    return f"tdam.{name}({', '.join([*loop, *options])})"


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


def steps_of(state: Mapping[str, Tensor]) -> int:
    """Steps, told by the norms past the first; a network without step norms (ConvNeXt, m=0) does not tell: 2."""
    own = [int(match[1]) for key in state if (match := re.search(r"\.bn\d_(\d+)\.weight$", key))]
    return max(own, default=1) + 1


def distance_of(state: Mapping[str, Tensor]) -> int:
    """Feedback distance, told by the step norms or, where there are none, by the searchlight's width."""
    block = next(key.split(".RA_block.")[0] for key in state if ".RA_block." in key)
    norms = [int(match[1]) for key in state if (match := re.match(rf"{re.escape(block)}\.bn(\d)_1\.weight", key))]
    layers = [key for key in state if re.match(rf"{re.escape(block)}\.conv\d\.weight", key)]
    if norms:
        return len(layers) - min(norms) + 1
    if layers:
        return 0
    width = next(v.shape[0] for k, v in state.items() if re.match(rf"{re.escape(block)}\.RA_block\.Ug_mlp\.[02]", k))
    return 1 if width == state[f"{block}.pwconv2.weight"].shape[1] else 2
