"""Whether each image was right: what is kept of each image, for comparisons on the same images."""

import hashlib
import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def pack(hits: Iterable[bool]) -> str:
    """Whether each image was right, eight images to two hexadecimal digits."""
    return np.packbits(np.fromiter(hits, dtype=bool)).tobytes().hex()


def unpack(text: str, n: int) -> Bools:
    """The inverse of :func:`pack` for ``n`` images.

    Raises:
        ValueError: The text is of another number of images.
    """
    packed = np.frombuffer(bytes.fromhex(text), np.uint8)
    if len(packed) != math.ceil(n / 8):
        raise ValueError(f"{len(text)} hexadecimal digits do not hold {n} images")
    return np.unpackbits(packed, count=n).astype(bool)


def won(hits: Bools, guesses: int) -> float:
    """The share of images (N,) that so many further guesses win, of what the first of them bring, 0 to 1.

    Args:
        hits: Whether each further guess is right, the first to be made first.
        guesses: 0 to N.

    Raises:
        ValueError: More guesses than there are images, or fewer than none.
    """
    if not 0 <= guesses <= len(hits):
        raise ValueError(f"{guesses} further guesses at {len(hits)} images; pass 0 to {len(hits)}")
    return float(hits[:guesses].sum() / max(1, len(hits)))


def images_hash(ids: Iterable[str]) -> str:
    """Hash of image names in their order, 12 hexadecimal digits: only outcomes of the same images are paired."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:12]
