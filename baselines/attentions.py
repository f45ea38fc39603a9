"""The named attentions: one line each. A new module needs its file, its test and a line here."""

from collections.abc import Callable
from typing import Protocol

from torch import nn

from baselines.cbam import CBAM
from baselines.eca import ECA
from baselines.fca import FCA
from baselines.se import SE


class AttentionFactory(Protocol):
    """Builds the attention of one block from its channels and the side of its maps at a 224x224 input."""

    def __call__(self, channels: int, map_size: int) -> nn.Module: ...


ATTENTIONS: dict[str, AttentionFactory] = {
    "se": lambda channels, map_size: SE(channels),
    "cbam": lambda channels, map_size: CBAM(channels),
    "eca": lambda channels, map_size: ECA(channels),
    "fca": lambda channels, map_size: FCA(channels, map_size),
}


def attention_factory(attention: str | Callable[[int], nn.Module] | None) -> AttentionFactory:
    """Resolve what a user passes as ``attention``.

    Args:
        attention: None for an empty slot, a name in :data:`ATTENTIONS`, or a callable ``channels -> nn.Module``.

    Raises:
        ValueError: The name is unknown.
        TypeError: Neither a name, a callable nor None.
    """
    if attention is None:
        return lambda channels, map_size: nn.Identity()
    if isinstance(attention, str):
        if attention not in ATTENTIONS:
            known = ", ".join(ATTENTIONS)
            raise ValueError(
                f"unknown attention {attention!r}; choose one of {known}, or pass a callable channels -> nn.Module"
            )
        return ATTENTIONS[attention]
    if callable(attention) and not isinstance(attention, nn.Module):
        build = attention
        return lambda channels, map_size: build(channels)
    raise TypeError(
        f"attention must be None, a name or a callable channels -> nn.Module, got {type(attention).__name__}"
    )
