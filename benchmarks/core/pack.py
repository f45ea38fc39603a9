"""The pack: the records of a results folder in one compressed file, ``records.jsonl.gz``.

Its first line says how many records follow, so that none is lost unseen; each other line is a record as JSON, its id
first, sorted. Equal records give equal bytes: the file holds no time and no name.
"""

import functools
import gzip
import io
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.core.files import canonical, write_atomically
from benchmarks.core.records import SCHEMA, StoreError

PACK = "records.jsonl.gz"
ID = re.compile(r'\{"id":"([^"\\]+)",')


def line_of(content: Mapping[str, Any]) -> str:
    """A record's JSON as one line, its id first; equal for equal records, wherever they lie and however laid out."""
    rest = {name: value for name, value in content.items() if name != "id"}
    return f'{{"id":{json.dumps(content["id"])},{canonical(rest)[1:]}'


def write_pack(path: Path, lines: Mapping[str, str]) -> None:
    """Write a pack, whole or not at all.

    Args:
        path: The file.
        lines: Each record's line by its id, see :func:`line_of`.
    """
    head = canonical({"records": len(lines), "schema": SCHEMA})
    packed = io.BytesIO()
    # Not gzip.compress: what it says of the system that wrote the file depends on Python's version.
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as file:
        file.write("".join(f"{line}\n" for line in (head, *sorted(lines.values()))).encode())

    def write(temporary: Path) -> None:
        temporary.write_bytes(packed.getvalue())

    write_atomically(path, write)


def read_pack(path: Path) -> Mapping[str, str]:
    """Each record's line by its id; nothing where there is no pack. One that has not changed is read once.

    Raises:
        StoreError: It is damaged, or of another schema.
    """
    try:
        stat = path.stat()
    except FileNotFoundError:
        return {}
    return lines_at(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@functools.lru_cache(maxsize=4)
def lines_at(path: Path, modified: int, size: int, inode: int) -> Mapping[str, str]:
    """The lines of a pack as it was at that time, by id.

    Raises:
        StoreError: As :func:`read_pack`.
    """
    try:
        head, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        told = json.loads(head)
        expected, schema = int(told["records"]), told["schema"]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise damaged(path, " ".join(str(error).split()) or type(error).__name__) from error
    if schema != SCHEMA:
        raise StoreError(
            f"{path} has schema {schema!r}; this suite reads schema {SCHEMA}: "
            "name another folder with --results, or move this one away"
        )
    by_id = {match[1]: line for line in lines if (match := ID.match(line))}
    if not len(by_id) == len(lines) == expected:
        raise damaged(path, f"it tells of {expected} records and holds {len(by_id)} in {len(lines)} lines")
    return by_id


def damaged(path: Path, why: str) -> StoreError:
    """A pack that cannot be read, and what to do about it."""
    return StoreError(
        f"{path} is damaged ({why}): none of its records is used; restore it (`git checkout {path}`), "
        "or move it away to measure its cells anew"
    )
