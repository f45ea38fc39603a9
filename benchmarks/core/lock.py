"""The lock file: which code each declared version stands for, so that neither changes without the other unnoticed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.core.files import write_text


@dataclass(frozen=True)
class Locked:
    """What is declared of one name.

    Attributes:
        version: Raised by hand whenever numbers change.
        code: Hash of the code, as :func:`benchmarks.core.code.code_hash` gives it.
    """

    version: int
    code: str


def read_lock(path: Path) -> dict[str, Locked]:
    """Read a lock file.

    Args:
        path: The file; one that is missing locks nothing.

    Returns:
        What is locked, by name.

    Raises:
        ValueError: Not a lock file.
    """
    if not path.exists():
        return {}
    remedy = "take it back from version control, or remove it and run `tdam-bench lock`"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable as JSON ({error}): {remedy}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not an object of names: {remedy}")
    for name, entry in content.items():
        if not is_entry(entry):
            raise ValueError(f'{path} has {entry!r} for {name}, not {{"code": text, "version": integer}}: {remedy}')
    return {name: Locked(**entry) for name, entry in content.items()}


def is_entry(entry: object) -> bool:
    """Whether a value is what the lock file holds for a name: a hash and a version, nothing else."""
    return (
        isinstance(entry, dict)
        and entry.keys() == {"code", "version"}
        and isinstance(entry["code"], str)
        and type(entry["version"]) is int  # a bool is an int, too
    )


def write_lock(path: Path, current: Mapping[str, Locked]) -> None:
    """Write a lock file, whole or not at all; equal contents give equal bytes.

    Args:
        path: The file; one that is there is replaced.
        current: What to lock, by name.
    """
    content = {name: asdict(locked) for name, locked in current.items()}
    write_text(path, json.dumps(content, indent=1, sort_keys=True))


def differences(kept: Mapping[str, Locked], current: Mapping[str, Locked], where: Mapping[str, str]) -> list[str]:
    """What keeps the code from being what is locked.

    Args:
        kept: What is locked, by name.
        current: What the code is now, by name.
        where: The file that declares the version, for each name in ``current``.

    Returns:
        One line for each name that differs, in order of the names; none if all is locked as it is.
    """
    lines = []
    for name in sorted({*kept, *current}):
        if name not in kept:
            lines.append(f"{name} is not in the lock: `tdam-bench lock`")
        elif name not in current:
            lines.append(f"{name} is in the lock but no longer in the code: `tdam-bench lock`")
        elif kept[name] != current[name]:
            lines.append(difference(name, kept[name], current[name], where[name]))
    return lines


def difference(name: str, kept: Locked, current: Locked, file: str) -> str:
    """How one name differs from what is locked of it.

    Args:
        name: The name.
        kept: What is locked.
        current: What is so now, something else.
        file: The file that declares its version.

    Returns:
        One line that says what to do.
    """
    if current.version < kept.version:
        return (
            f"version {current.version} of {name} is lower than the locked {kept.version}, and versions only rise: "
            f"set `version` in {file} to {kept.version} or more"
        )
    if current.version > kept.version:
        return f"version {current.version} of {name} is not locked ({kept.version} is): `tdam-bench lock`"
    return (
        f"the code of {name} has changed and its version has not: raise `version` in {file} if numbers change; "
        "if not, show it by `tdam-bench check` and lock anew by `tdam-bench lock`"
    )
