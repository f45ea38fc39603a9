"""Attention modules from outside: a user's file, an installed package's entry point, or timm's by name.

A plug-in is a callable ``channels -> nn.Module`` with a name. A file offers its plug-ins as a dictionary
``ATTENTIONS``; a package under the entry points ``tdam_bench.attentions``. Child processes find the same files through
the environment.
"""

import functools
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

GROUP = "tdam_bench.attentions"
VARIABLE = "TDAM_BENCH_PLUGINS"
TIMM = "timm:"
NAME = re.compile(r"[a-z][a-z0-9_]*")


class PluginError(ValueError):
    """A plug-in that cannot be used as it is."""


def add_files(files: Sequence[Path]) -> tuple[str, ...]:
    """Make a run use plug-in files, in this process and its children.

    Returns:
        Names of all plug-ins: those of the files, and those of installed packages.

    Raises:
        PluginError: A file is missing, fails to load, or has no usable ``ATTENTIONS``.
    """
    for file in files:
        if not file.is_file():
            raise PluginError(f"no plug-in file {file}")
    if files:
        os.environ[VARIABLE] = os.pathsep.join(str(file.resolve()) for file in files)
        load.cache_clear()
        load()
    return names()


def names() -> tuple[str, ...]:
    """Names of the plug-ins; installed packages are not imported for it."""
    installed = [point.name for point in metadata.entry_points(group=GROUP)]
    return tuple(dict.fromkeys([*(name for file in files() for name in attentions_of(file)), *installed]))


def files() -> list[Path]:
    """The plug-in files of this run."""
    return [Path(one) for one in os.environ.get(VARIABLE, "").split(os.pathsep) if one]


@functools.cache
def load() -> dict[str, str]:
    """Register every plug-in among the attentions.

    Returns:
        The module that each name comes from.

    Raises:
        PluginError: A plug-in cannot be used.
    """
    found: dict[str, str] = {}
    for file in files():
        for name, build in attentions_of(file).items():
            found[name] = register(name, build, module_name(file), str(file))
    for point in metadata.entry_points(group=GROUP):
        found[point.name] = register(point.name, point.load(), point.module, f"the entry point {point.value}")
    return found


def register(name: str, build: Any, module: str, source: str) -> str:
    """Put a plug-in among the attentions; returns its module.

    Raises:
        PluginError: Its name is none or taken, or it is not callable.
    """
    import baselines

    if not NAME.fullmatch(name):
        raise PluginError(f"{source}: {name!r} is no name for an attention; use a to z, 0 to 9 and _")
    if name in baselines.ATTENTIONS and getattr(baselines.ATTENTIONS[name], "module", None) != module:
        raise PluginError(f"{source}: the name {name!r} is taken; choose another one")
    if not callable(build):
        raise PluginError(f"{source}: {name!r} must be a callable channels -> nn.Module, got {type(build).__name__}")
    baselines.ATTENTIONS[name] = PluggedIn(build, module)
    return module


class PluggedIn:
    """A plug-in as the constructors of networks call their attentions."""

    def __init__(self, build: "Callable[[int], nn.Module]", module: str) -> None:
        self.build, self.module = build, module

    def __call__(self, channels: int, map_size: int) -> "nn.Module":
        return self.build(channels)


def module_name(file: Path) -> str:
    """The name that a plug-in file is imported under."""
    return f"tdam_bench_plugin_{file.stem}"


@functools.cache
def attentions_of(file: Path) -> dict[str, Any]:
    """What a plug-in file offers.

    Raises:
        PluginError: It cannot be loaded, or offers nothing.
    """
    name = module_name(file)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise PluginError(f"{file} cannot be loaded ({type(error).__name__}: {error})") from error
    found = getattr(module, "ATTENTIONS", None)
    if not isinstance(found, dict) or not found:
        raise PluginError(f"{file} has no dictionary ATTENTIONS of names and callables channels -> nn.Module")
    return found


def add_timm(name: str) -> bool:
    """Register one of timm's attention layers by a name such as ``timm:gc``; False if timm has none of that name.

    Raises:
        PluginError: timm is not installed.
    """
    import baselines

    if name in baselines.ATTENTIONS:
        return True
    try:
        from timm.layers import create_attn, get_attn
    except ModuleNotFoundError as error:
        raise PluginError(f"{name} needs timm: pip install 'tdam-bench[timm]'") from error
    kind = name.removeprefix(TIMM)
    try:
        layer = get_attn(kind)
    except (AssertionError, KeyError, ValueError):
        return False
    if layer is None:
        return False
    baselines.ATTENTIONS[name] = PluggedIn(functools.partial(create_attn, kind), layer.__module__)
    return True
