"""The versions that are written down are those that pyproject.toml asks for, and its bounds are among them."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    pytest.skip("tomllib comes with Python 3.11", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Linters and browsers are tried in their newest versions only.
TRIED_LOW = [*PROJECT["dependencies"], *EXTRAS["cluster"], *EXTRAS["ptflops"], *EXTRAS["timm"]]
TESTED_BY = ("pytest", "pytest-xdist")
# What stands for itself, and what torch pins.
OTHER_SYSTEMS = re.compile(r"nvidia|cuda|triton")


def pins(name: str) -> dict[str, Version]:
    """Versions by name; every other line is a remark."""
    lines = (ROOT / "constraints" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pairs = [re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line) for line in lines if not line.startswith("#")]
    assert None not in pairs, "a constraint is name==version: no path, no address, no marker"
    return {canonicalize_name(pair[1]): Version(pair[2]) for pair in pairs if pair is not None}


def required(lines: list[str]) -> list[Requirement]:
    return [one for one in map(Requirement, lines) if one.name != PROJECT["name"]]


@pytest.mark.parametrize(
    "one", required([*PROJECT["dependencies"], *(line for more in EXTRAS.values() for line in more)]), ids=str
)
def test_the_newest_versions_are_written_down(one: Requirement) -> None:
    """`make constraints` writes them, when a requirement is new."""
    assert one.specifier.contains(pins("newest")[canonicalize_name(one.name)])


@pytest.mark.parametrize(
    "one", [*required(TRIED_LOW), *(one for one in required(EXTRAS["dev"]) if one.name in TESTED_BY)], ids=str
)
def test_a_lower_bound_is_a_version_that_was_tried(one: Requirement) -> None:
    (bound,) = one.specifier
    assert bound.operator == ">="
    assert pins("lowest")[canonicalize_name(one.name)] == Version(bound.version)


def test_constraints_hold_on_every_system() -> None:
    assert [name for file in ("newest", "lowest") for name in pins(file) if OTHER_SYSTEMS.match(name)] == []
    assert all(lowest <= pins("newest")[name] for name, lowest in pins("lowest").items() if name in pins("newest"))


def test_the_quick_tests_are_there() -> None:
    """The list is pytest's to read: a file on each line; the workflow and make go by it."""
    listed = (ROOT / "tests" / "quick.txt").read_text(encoding="utf-8").splitlines()
    assert listed
    assert [name for name in listed if not (ROOT / name).is_file()] == []
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    for text in (workflow, (ROOT / "Makefile").read_text(encoding="utf-8")):
        assert "-m pytest @tests/quick.txt" in text
