"""Name to network: the one place that knows both families; names are those of ``benchmarks.networks.names``."""

import importlib
from collections.abc import Callable
from types import ModuleType

from torchvision.models import ResNet50_Weights

import baselines
import tdam
from baselines.backbone import Backbone
from benchmarks.networks import plugins
from benchmarks.networks.names import BACKBONES, PLACEMENTS, TECHNIQUES, TIMM, Model, parse, unknown

# Small versions for embedded data sets: the same code, narrower, shallower, and with a last map of useful size.
MINI_RESNET50: dict[str, object] = {
    "widths": (12, 24, 48, 80),
    "depths": (1, 1, 2, 1),
    "strides": (1, 2, 2, 1),
    "resolution": 64,
}
MINI_RESNET101: dict[str, object] = {**MINI_RESNET50, "depths": (1, 1, 3, 1)}
MINI_RESNET18: dict[str, object] = {**MINI_RESNET50, "widths": (12, 24, 48, 96)}
MINI_RESNET34: dict[str, object] = {**MINI_RESNET18, "depths": (1, 1, 3, 1)}
SIZES: dict[str, dict[str, dict[str, object]]] = {
    "paper": {},
    "mini": {
        "resnet18": MINI_RESNET18,
        "resnet34": MINI_RESNET34,
        "resnet50": MINI_RESNET50,
        "resnet101": MINI_RESNET101,
        "mobilenet_v3_large": {
            "width": 0.5,
            "strides": (1, 2, 2, 2, 1, 1),
            "depths": (1, 1, 1, 1, 1, 3),
            "norm_momentum": 0.1,
        },
        "convnext_tiny": {
            "widths": (24, 48, 96, 192),
            "depths": (1, 1, 2, 1),
            "stochastic_depth": 0.0,
            "layer_scale": 1.0,
            "patches": (4, 2, 2, 1),
            "by_fan_in": True,
        },
    },
}


def create(name: str, num_classes: int = 1000, size: str = "paper") -> Backbone:
    """Build a network by its name, with fresh weights.

    Args:
        name: See ``benchmarks.networks.names``.
        num_classes: K.
        size: ``paper``, or ``mini`` for the small version of a backbone that has one.

    Raises:
        ValueError: The name is unknown (the message lists what is near and what is allowed), or the configuration
            that it tells does not exist.
    """
    model = known(name)
    options = {"num_classes": num_classes, **size_options(model.backbone, size)}
    build = constructor(model.backbone, tdam if model.feedback else baselines)
    if not model.feedback:
        return build(attention=model.attention, **options)
    plain = constructor(model.backbone, baselines)
    blocks = None if model.placement is None else last_stages(plain(**options), PLACEMENTS[model.placement])
    options |= {} if model.technique is None else {"order": TECHNIQUES[model.technique]}
    options |= {} if model.reduction is None else {"reduction": model.reduction}
    options |= {"zero_init": "last"} if model.live else {}
    network = build(kind=model.kind, steps=model.steps, distance=model.distance, blocks=blocks, **options)
    return tdam.reduce(network) if model.reduced else network


def constructor(backbone: str, family: ModuleType) -> Callable[..., Backbone]:
    """What builds a backbone in ``baselines`` or, with feedback, in ``tdam``."""
    module = importlib.import_module(f"{family.__name__}.{BACKBONES[backbone]}")
    build: Callable[..., Backbone] = getattr(module, backbone)
    return build


def published_classes() -> list[str]:
    """Names of the 1000 classes of ImageNet, which published weights tell apart."""
    return list(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def known(name: str) -> Model:
    """The parts of a network's name whose attention exists here: the suite's own, a plug-in's, or one of timm's.

    Raises:
        ValueError: There is none.
    """
    model = parse(name)
    plugins.load()
    if model.attention is None or model.attention in baselines.ATTENTIONS:
        return model
    if model.attention.startswith(TIMM) and plugins.add_timm(model.attention):
        return model
    raise unknown(name, tuple(baselines.ATTENTIONS))


def size_options(backbone: str, size: str) -> dict[str, object]:
    """What a backbone's constructor is told for a size."""
    if size not in SIZES:
        raise ValueError(f"unknown size {size!r}; choose one of {', '.join(SIZES)}")
    if size != "paper" and backbone not in SIZES[size]:
        raise ValueError(f"there is no {size} version of {backbone}; only of {', '.join(SIZES[size])}")
    return SIZES[size].get(backbone, {})


def last_stages(network: Backbone, count: int) -> dict[int, range]:
    """All blocks of a network's last stages, as constructors with feedback take them."""
    stages = network.stages()
    return {place + 1: range(len(stages[place])) for place in range(len(stages) - count, len(stages))}
