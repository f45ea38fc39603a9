"""Files of weights before they are opened: what may be written where, and of which network a file says that it is."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.networks.names import parse

# Our layout, which says of itself what it is; the authors' layout.
OURS, AUTHORS = ".safetensors", ".pth"


def check_target(target: Path) -> None:
    """Refuse to write weights to a file.

    Raises:
        ValueError: It is of no kind that is written, or there already.
    """
    if target.suffix.lower() not in (OURS, AUTHORS):
        raise ValueError(f"{target} must end in {OURS} (this suite's layout) or {AUTHORS} (the authors')")
    for file in (target, card_of(target)):
        if file.exists():
            raise ValueError(f"{file} is there already and is not overwritten; name another file, or move it away")


def card_of(weights: Path) -> Path:
    """Where the model card of a file of weights is."""
    return weights.with_suffix(".md")


def facts_of(weights: Path) -> Mapping[str, str]:
    """What a safetensors file says of itself; nothing for other files.

    Raises:
        ValueError: It cannot be read.
    """
    if weights.suffix.lower() != OURS:
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="numpy") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f"{weights} is not a safetensors file, or it is cut short ({error})") from error


def model_of(weights: Path) -> str:
    """Name of the network that a file of weights is of: by what it says of itself, or by its own name.

    Raises:
        ValueError: There is no such file, or it does not tell.
    """
    if not weights.is_file():
        raise ValueError(
            f"{weights} is a folder, not a checkpoint" if weights.is_dir() else f"no checkpoint at {weights}"
        )
    told = facts_of(weights).get("model", weights.stem)
    try:
        parse(told)
    except ValueError as error:
        raise ValueError(f"{weights} does not say which network it is of; name it with --model") from error
    return told
