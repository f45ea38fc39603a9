"""Files that are there whole or not at all, and what is in them by its hash."""

import errno
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

# What disks without hard links answer.
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


def write_atomically(path: Path, write: Callable[[Path], None], keep: bool = False) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place, whole or not at all.

    Both ways of putting it there hold on disks that many hosts share: renaming, and a name that must be new.

    Args:
        path: Where it goes.
        write: Fills a file.
        keep: Whether a file that is there already stays, and the new one goes; else it is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=f".tmp{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:  # Windows syncs only what is open for writing
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's files are for their owner only
        if not (keep and linked(path, temporary)):
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def linked(path: Path, file: Path) -> bool:
    """Give a file a second name unless the name is taken; False on disks without hard links, where none is given."""
    try:
        path.hardlink_to(file)
    except FileExistsError:
        return True
    except OSError as error:
        if error.errno in NO_LINKS:
            return False
        raise
    return True


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, ending in a line break."""

    def write(temporary: Path) -> None:
        temporary.write_text(text + "\n", encoding="utf-8", newline="\n")

    write_atomically(path, write)


def write_new(path: Path, text: str) -> None:
    """As :func:`write_text`, but a file that is there already stays: of many writers the first one counts."""

    def write(temporary: Path) -> None:
        temporary.write_text(text + "\n", encoding="utf-8", newline="\n")

    write_atomically(path, write, keep=True)


def file_hash(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file; one that has not changed is read once."""
    stat = path.stat()
    return hash_of_content(path, stat.st_mtime_ns, stat.st_size)


@functools.cache
def hash_of_content(path: Path, modified: int, size: int) -> str:
    """SHA-256 (hexadecimal) of a file as it was at that time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def canonical(value: object) -> str:
    """JSON text that equal values share."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def short_hash(value: object) -> str:
    """Hash of a value that JSON can hold, 16 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]
