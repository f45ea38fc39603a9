"""Name to network: the one place that knows both families.

Names are ``<backbone>``, ``<backbone>-<attention>`` or ``<backbone>-td-<kind>-t<steps>-m<distance>``, the last with
``-l4`` for the module in the last stage only: ``resnet50``, ``resnet50-se``, ``resnet101-td-joint-t2-m1-l4``.
"""

import difflib
import re
from collections.abc import Callable

import baselines
import tdam
from baselines.backbone import Backbone
from tdam.attention import KINDS

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v3_large", "convnext_tiny")
TD_NAME = re.compile(r"td-(?P<kind>[a-z_]+)-t(?P<steps>\d+)-m(?P<distance>\d+)(?P<last>-l4)?")


def create(name: str, num_classes: int = 1000) -> Backbone:
    """Build a network by its name, with fresh weights.

    Args:
        name: See the module's docstring.
        num_classes: K.

    Raises:
        ValueError: The name is unknown (the message lists what is near and what is allowed), or the configuration
            that it tells does not exist.
    """
    backbone, _, variant = name.partition("-")
    if backbone in BACKBONES and not variant:
        return constructor(baselines, backbone)(num_classes=num_classes)
    if backbone in BACKBONES and variant in baselines.ATTENTIONS:
        return constructor(baselines, backbone)(attention=variant, num_classes=num_classes)
    match = TD_NAME.fullmatch(variant)
    if backbone in BACKBONES and match and match["kind"] in KINDS:
        build = constructor(tdam, backbone)
        options = {"kind": match["kind"], "steps": int(match["steps"]), "distance": int(match["distance"])}
        blocks = last_stage(backbone) if match["last"] else None
        return build(**options, blocks=blocks, num_classes=num_classes)
    raise ValueError(f"unknown model {name!r}{suggestion(name)}; names are {grammar()}")


def constructor(package: object, backbone: str) -> Callable[..., Backbone]:
    """The backbone's constructor in ``baselines`` or ``tdam``."""
    build: Callable[..., Backbone] = getattr(package, backbone)
    return build


def last_stage(backbone: str) -> dict[int, range]:
    """All blocks of the backbone's last stage, as TD constructors take them."""
    plain = constructor(baselines, backbone)()
    stages = plain.stages()
    return {len(stages): range(len(stages[-1]))}


def suggestion(name: str) -> str:
    """``, did you mean ...?`` where a table's name is near."""
    from benchmarks.experiments.table1 import MODELS

    near = difflib.get_close_matches(name, MODELS.values(), n=2)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def grammar() -> str:
    """What names are made of, in one line."""
    return (
        f"BACKBONE, BACKBONE-ATTENTION or BACKBONE-td-KIND-tSTEPS-mDISTANCE[-l4] with BACKBONE one of "
        f"{', '.join(BACKBONES)}; ATTENTION one of {', '.join(baselines.ATTENTIONS)}; KIND one of {', '.join(KINDS)}"
    )
