"""What the user of a run may choose for a kind of work.

Choices are fields of a dataclass with their help, from which the command line makes its options.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

ChoicesT = TypeVar("ChoicesT")


@dataclass(frozen=True)
class Choice:
    """How a choice is asked for.

    Attributes:
        help: One line.
        kind: ``int``, ``float``, ``str``, ``path`` or ``flag``.
        allowed: Its values, where there are few.
        least: The least number.
        most: The greatest number.
        shown: The default in words, where it is not the field's.
        flag: How the command line writes it where the field's name does not do, such as ``--a/--b``.
    """

    help: str
    kind: str = "str"
    allowed: Sequence[str] = ()
    least: float | None = None
    most: float | None = None
    shown: str | None = None
    flag: str | None = None


def choice(default: Any, help: str, **facts: Any) -> Any:
    """A field of a dataclass of choices; ``facts`` are those of :class:`Choice`."""
    return field(default=default, metadata={"choice": Choice(help, **facts)})
