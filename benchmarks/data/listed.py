"""What data sets share whose images are named by files: where they lie, and which images are there."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from benchmarks.data.errors import DataError

SHOWN = 3


def find_folder(root: Path, places: Sequence[str], files: Sequence[str], what: str) -> Path:
    """The first of the places below the root that has all files (or folders).

    Raises:
        DataError: None has; the message says what is missing in the one that has most of them.
    """
    root = root.expanduser()
    folders = [root / place for place in places if (root / place).is_dir()]
    lacking = {folder: [name for name in files if not (folder / name).exists()] for folder in folders}
    complete = [folder for folder in folders if not lacking[folder]]
    if complete:
        return complete[0]
    begun = [folder for folder in folders if len(lacking[folder]) < len(files)]
    if begun:
        best = min(begun, key=lambda folder: len(lacking[folder]))
        raise DataError(f"{what}: {best} lacks {', '.join(lacking[best])}; extract the official archive again")
    tried = " or ".join(place for place in places if place != ".")
    raise DataError(f"{what} is missing: no folder {tried} with {', '.join(files)} below {root}; put or link it there")


def read_pairs(path: Path) -> dict[str, str]:
    """A text file of lines ``key value``.

    Raises:
        DataError: The file cannot be read, a line is no pair, or a key comes twice.
    """
    values: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path} ({error}); extract the official archive again") from error
    for number, line in enumerate(lines, start=1):
        parts = line.split(maxsplit=1)
        if len(parts) != 2 or parts[0] in values:
            why = "a number that came before" if len(parts) == 2 else "not a number and a value"
            raise DataError(f"{path}, line {number}: {why} ({line!r}); extract the official archive again")
        values[parts[0]] = parts[1].strip()
    return values


def few(names: Iterable[object]) -> str:
    """The first few names, for a message; ``none`` of none."""
    shown = [str(name) for name in names]
    return ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "") if shown else "none"


def refuse_unknown(what: str, names: Iterable[object], known: Collection[object]) -> None:
    """Raise one error if some of the names are not known.

    Raises:
        DataError: They are not; the message counts them.
    """
    unknown = list(dict.fromkeys(name for name in names if name not in known))
    if unknown:
        raise DataError(f"{what}: {len(unknown)} unknown ({few(unknown)}); extract the official archive again")


def on_disk(folder: Path, ids: Sequence[str]) -> tuple[list[int], list[str]]:
    """Positions of the images that are there, and the paths of the others.

    Raises:
        DataError: None is there.
    """
    there = [i for i, name in enumerate(ids) if (folder / name).is_file()]
    kept = set(there)
    missing = [str(folder / name) for i, name in enumerate(ids) if i not in kept]
    if not there:
        raise DataError(f"{folder} has none of the {len(ids)} images that its lists name ({few(missing)})")
    return there, missing
