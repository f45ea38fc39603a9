"""Texts and pictures packed into a page, which would be several times as large with them as they are."""

import base64
import gzip
import io
import json
import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def packed(text: str) -> str:
    """A text by gzip, in base64; a page's script undoes it, as :func:`unpacked` does."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def unpacked(text: str) -> str:
    """The inverse of :func:`packed`.

    Raises:
        ValueError: It is not packed so.
    """
    try:
        return gzip.decompress(base64.b64decode(text, validate=True)).decode()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"not gzip in base64: {error}") from error


def in_hundredths(svg: str) -> str:
    """An SVG with its coordinates to a hundredth of a point, which no eye tells from matplotlib's six decimals."""

    def rounded(number: re.Match[str]) -> str:
        return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")

    return re.sub(r' (?:d|x|y)="[^"]*"', lambda told: re.sub(r"-?\d+\.\d{3,}", rounded, told[0]), svg)


def as_lines(content: object) -> str:
    """Data as JSON, a value on each line, so that a difference is told by its line."""
    return json.dumps(content, indent=0, sort_keys=True, ensure_ascii=False)


def as_webp(image: "Image", quality: int) -> str:
    """A picture as a data URI.

    Args:
        image: The picture, RGB.
        quality: WebP's, 0 to 100.
    """
    file = io.BytesIO()
    image.save(file, "WEBP", quality=quality, method=6)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
