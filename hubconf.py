"""The networks of :mod:`tdam.named` for torch.hub, each under its name there.

    torch.hub.load(REPOSITORY, "resnet50_joint_t2_m1", weights="weights.safetensors")

``source="local"`` takes a folder as the repository. ``weights`` is a file in any layout that ``tdam.load_weights``
reads, None for fresh weights; other options are those of the network's constructor, such as ``num_classes``.
"""

from collections.abc import Callable as _Callable
from typing import Any as _Any

import tdam as _tdam
from baselines.backbone import Backbone as _Backbone
from tdam.named import NETWORKS as _NETWORKS

dependencies = ["torch", "torchvision", "typing_extensions"]


def _entry_point(name: str) -> _Callable[..., _Backbone]:
    """What torch.hub calls for a network."""

    def create(weights: str | None = None, **options: _Any) -> _Backbone:
        network = _NETWORKS[name](**options)
        if weights is not None:
            _tdam.load_weights(network, weights)
        return network

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"The network {name}; ``weights`` is a file, options are those of its constructor."
    return create


# torch.hub takes every callable without a leading underscore for a network.
for _name in _NETWORKS:
    globals()[_name] = _entry_point(_name)
