"""The networks of the paper's table 1 and of its supplement by one name each, as timm and torch.hub want them.

Names are those of the suite with ``_`` for ``-`` and without ``td``: ``resnet50_joint_t2_m1`` is TDjoint (t=2, m=1) on
ResNet50, ``resnet50_se`` ResNet50 with SE, ``resnet50`` the plain one.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import baselines
import tdam
from baselines.backbone import Backbone
from baselines.resnet import ARCHITECTURES, ResNet

# Before a name where networks of many packages stand side by side.
PREFIX = "tdam_"


def resnet101_last_stage(**options: Any) -> ResNet:
    """TDjoint (t=2, m=1) in all blocks of ResNet101's last stage alone: row L4."""
    depths = options.get("depths", ARCHITECTURES["resnet101"][1])
    return tdam.resnet101(**{"blocks": {4: range(depths[3])}, **options})


NETWORKS: dict[str, Callable[..., Backbone]] = {
    "resnet50": baselines.resnet50,
    "resnet50_se": partial(baselines.resnet50, attention="se"),
    "resnet50_cbam": partial(baselines.resnet50, attention="cbam"),
    "resnet50_eca": partial(baselines.resnet50, attention="eca"),
    "resnet50_fca": partial(baselines.resnet50, attention="fca"),
    "resnet50_joint_t2_m1": partial(tdam.resnet50, kind="joint", steps=2, distance=1),
    "resnet50_top_t2_m1": partial(tdam.resnet50, kind="top", steps=2, distance=1),
    "resnet50_top_t2_m3": partial(tdam.resnet50, kind="top", steps=2, distance=3),
    "resnet101": baselines.resnet101,
    "resnet101_se": partial(baselines.resnet101, attention="se"),
    "resnet101_cbam": partial(baselines.resnet101, attention="cbam"),
    "resnet101_fca": partial(baselines.resnet101, attention="fca"),
    "resnet101_joint_t2_m1": partial(tdam.resnet101, kind="joint", steps=2, distance=1),
    "resnet101_joint_t2_m1_l4": partial(resnet101_last_stage, kind="joint", steps=2, distance=1),
    "resnet18": baselines.resnet18,
    "resnet18_se": partial(baselines.resnet18, attention="se"),
    "resnet18_joint_t2_m2": partial(tdam.resnet18, kind="joint", steps=2, distance=2),
    "resnet34": baselines.resnet34,
    "resnet34_se": partial(baselines.resnet34, attention="se"),
    "resnet34_joint_t2_m2": partial(tdam.resnet34, kind="joint", steps=2, distance=2),
    "mobilenet_v3_large": baselines.mobilenet_v3_large,
    "mobilenet_v3_large_joint_t2_m1": partial(tdam.mobilenet_v3_large, kind="joint", steps=2, distance=1),
    "convnext_tiny": baselines.convnext_tiny,
    "convnext_tiny_se": partial(baselines.convnext_tiny, attention="se"),
    "convnext_tiny_joint_t2_m1": partial(tdam.convnext_tiny, kind="joint", steps=2, distance=1),
}
