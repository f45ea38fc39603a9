"""What the benches' command lines share."""

import argparse
import contextlib
import sys
from collections.abc import Iterator


def count(text: str) -> int:
    """A whole number of at least 1.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; give a whole number of at least 1")
    return int(text)


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turns what a user can cause into one line and exit code 1."""
    try:
        yield
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {' '.join(str(error).split())}")
