"""Name to network: the one place that knows both families.

Names are ``<backbone>``, ``<backbone>-<attention>`` or ``<backbone>-td-<kind>-t<steps>-m<distance>``, the last with a
feedback technique of figure 8 (``-parallel``), with ``-l4`` for the module in the last stage only, and with
``-reduced`` for the same network after ``tdam.reduce``: ``resnet50``, ``resnet50-se``,
``resnet50-td-joint-t2-m1-spatial``, ``resnet101-td-joint-t2-m1-l4-reduced``.
"""

import difflib
import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import baselines
import tdam
from baselines.backbone import Backbone
from baselines.checkpoints import load_renamed, read_checkpoint
from benchmarks.networks import plugins
from benchmarks.papers.tdam.numbers import TABLE1
from tdam.attention import KINDS

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v3_large", "convnext_tiny")
# Figure 8's techniques in names; without one it is the paper's own, channel then spatial.
TECHNIQUES = {
    "spatial_channel": "spatial->channel",
    "parallel": "channel||spatial",
    "channel": "channel",
    "spatial": "spatial",
    "convolution": "convolution",
}
NAME = re.compile(
    r"(?P<backbone>[a-z0-9_]+?)"
    r"(-(?P<attention>(timm:)?[a-z0-9_]+)|-td-(?P<kind>[a-z_]+)-t(?P<steps>[1-9][0-9]*)-m(?P<distance>0|[1-9][0-9]*)"
    r"(-(?!reduced)(?P<technique>[a-z]{3}[a-z_]+))?(?P<last>-l4)?(?P<reduced>-reduced)?)?"
)


# Small versions for the embedded data set: the same code, narrower, shallower, and with a last map of useful size.
MINI_RESNET50: dict[str, object] = {
    "widths": (8, 16, 32, 64),
    "depths": (1, 1, 2, 1),
    "strides": (1, 2, 2, 1),
    "resolution": 64,
}
MINI_RESNET101: dict[str, object] = {**MINI_RESNET50, "depths": (1, 1, 4, 1)}
MINI_RESNET18: dict[str, object] = {**MINI_RESNET50, "widths": (12, 24, 48, 96)}
MINI_RESNET34: dict[str, object] = {**MINI_RESNET18, "depths": (1, 1, 3, 1)}
SIZES: dict[str, dict[str, dict[str, object]]] = {
    "paper": {},
    "mini": {
        "resnet18": MINI_RESNET18,
        "resnet34": MINI_RESNET34,
        "resnet50": MINI_RESNET50,
        "resnet101": MINI_RESNET101,
        "mobilenet_v3_large": {"width": 0.25, "strides": (2, 2, 2, 1, 1, 1)},
        "convnext_tiny": {
            "widths": (16, 32, 64, 128),
            "depths": (1, 1, 2, 1),
            "stochastic_depth": 0.0,
            "layer_scale": 1.0,
        },
    },
}


def create(name: str, num_classes: int = 1000, size: str = "paper", zero_init: str | None = None) -> Backbone:
    """Build a network by its name, with fresh weights.

    Args:
        name: See the module's docstring.
        num_classes: K.
        size: ``paper``, or ``mini`` for the small version of a backbone that has one.
        zero_init: Where a TD ResNet starts at zero, see ``tdam.resnet``; None takes the constructor's default, as do
            networks that have no such choice.

    Raises:
        ValueError: The name is unknown (the message lists what is near and what is allowed), or the configuration
            that it tells does not exist.
    """
    parts = parse(name)
    backbone = parts["backbone"]
    options = {"num_classes": num_classes, **size_options(backbone, size)}
    build = constructor_of(name)
    if parts["kind"] is None:
        return build(attention=parts["attention"], **options)
    blocks = last_stage(getattr(baselines, backbone)(**options)) if parts["last"] else None
    if zero_init is not None and takes(build, "zero_init"):
        options["zero_init"] = zero_init
    options |= {} if parts["technique"] is None else {"order": TECHNIQUES[parts["technique"]]}
    steps, distance = int(parts["steps"]), int(parts["distance"])
    network = build(kind=parts["kind"], steps=steps, distance=distance, blocks=blocks, **options)
    return tdam.reduce(network) if parts["reduced"] else network


def takes(build: Callable[..., Backbone], option: str) -> bool:
    """Whether a constructor has an option of this name, or passes on options of any name."""
    parameters = inspect.signature(build).parameters.values()
    return any(one.name == option or one.kind is one.VAR_KEYWORD for one in parameters)


def parse(name: str) -> dict[str, str]:
    """The parts of a model's name: ``backbone``; ``attention``; ``kind``, ``steps``, ``distance``; and so on.

    Raises:
        ValueError: The name is not made of known parts.
    """
    match = NAME.fullmatch(name)
    known = match and match["backbone"] in BACKBONES
    if (
        match is None
        or not known
        or not known_attention(match["attention"])
        or not allowed(match["kind"], KINDS)
        or not allowed(match["technique"], TECHNIQUES)
    ):
        raise ValueError(f"unknown model {name!r}{suggestion(name)}; names are {grammar()}")
    return match.groupdict()


def known_attention(name: str | None) -> bool:
    """Whether an attention is left out, the suite's own, a plug-in, or one of timm's."""
    plugins.load()
    return allowed(name, baselines.ATTENTIONS) or (str(name).startswith(plugins.TIMM) and plugins.add_timm(str(name)))


def allowed(part: str | None, names: Iterable[str]) -> bool:
    """Whether a part of a name is left out or is one of ``names``."""
    return part is None or part in names


def size_options(backbone: str, size: str) -> dict[str, object]:
    """What a backbone's constructor is told for a size."""
    if size not in SIZES:
        raise ValueError(f"unknown size {size!r}; choose one of {', '.join(SIZES)}")
    if size != "paper" and backbone not in SIZES[size]:
        raise ValueError(f"there is no {size} version of {backbone}; only of {', '.join(SIZES[size])}")
    return SIZES[size].get(backbone, {})


def load_weights(model: Backbone, checkpoint: Path) -> None:
    """Load weights in whichever layout the file has: ours, the TDAM authors', or the attention repositories'.

    Raises:
        CheckpointError: The file cannot be read or belongs to another network.
    """
    state = read_checkpoint(checkpoint)
    if set(state) == set(model.state_dict()):
        load_renamed(model, state, lambda key: key, lambda: "another network of this suite")
    elif any(".RA_block." in key for key in state) or model.steps > 1:
        tdam.load_released(model, state)
    else:
        baselines.load_published(model, state)


def constructor_of(name: str) -> Callable[..., Backbone]:
    """The constructor behind a name: its backbone's in ``baselines``, or in ``tdam`` where there is feedback."""
    parts = parse(name)
    build: Callable[..., Backbone] = getattr(baselines if parts["kind"] is None else tdam, parts["backbone"])
    return build


def attention_modules(name: str) -> set[str]:
    """The modules that define a model's attention: its class's and those of its parts, or the feedback's."""
    parts = parse(name)
    if parts["kind"] is not None:
        return {tdam.Feedback.__module__, *([tdam.reduce.__module__] if parts["reduced"] else [])}
    if parts["attention"] is None:
        return set()
    build = baselines.ATTENTIONS[parts["attention"]]
    attention = build(64, 56)
    # A plug-in may be made of torch's own modules: its file decides too.
    own = {build.module} if isinstance(build, plugins.PluggedIn) else set()
    return own | {
        found for part in attention.modules() if (found := type(part).__module__).partition(".")[0] != "torch"
    }


def last_stage(network: Backbone) -> dict[int, range]:
    """All blocks of a network's last stage, as TD constructors take them."""
    stages = network.stages()
    return {len(stages): range(len(stages[-1]))}


def suggestion(name: str) -> str:
    """``, did you mean ...?`` where a table's name is near."""
    near = difflib.get_close_matches(name, TABLE1.values(), n=2)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def grammar() -> str:
    """What names are made of, in one line."""
    return (
        "BACKBONE, BACKBONE-ATTENTION or BACKBONE-td-KIND-tSTEPS-mDISTANCE[-TECHNIQUE][-l4][-reduced] with BACKBONE "
        f"one of {', '.join(BACKBONES)}; ATTENTION one of {', '.join(baselines.ATTENTIONS)}; KIND one of "
        f"{', '.join(KINDS)}; TECHNIQUE one of {', '.join(TECHNIQUES)}"
    )
