"""Installed versions of libraries."""

from importlib import metadata


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of packages."""
    return {package: metadata.version(package) for package in packages}
