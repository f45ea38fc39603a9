"""Installed versions of libraries."""

import functools
from importlib import metadata


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of packages."""
    return {package: version(package) for package in packages}


@functools.cache
def version(package: str) -> str:
    """Installed version of a package; its metadata, which may be long, are read once."""
    return metadata.version(package)
