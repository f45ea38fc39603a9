"""Attention modules from outside: a user's file, an installed package's entry point, or timm's by name.

A plug-in is a callable ``channels -> nn.Module`` with a name. A file offers its plug-ins as a dictionary
``ATTENTIONS``; a package under the entry points ``tdam_bench.attentions``. Child processes find the same files through
the environment.
"""

import functools
import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.core.files import file_hash, short_hash
from benchmarks.networks.names import ATTENTIONS, TIMM, parse, unknown

if TYPE_CHECKING:
    from torch import nn

GROUP = "tdam_bench.attentions"
VARIABLE = "TDAM_BENCH_PLUGINS"
NAME = re.compile(r"[a-z][a-z0-9_]*")


class PluginError(ValueError):
    """A plug-in that cannot be used as it is."""


class PluginFile(NamedTuple):
    """A plug-in file as it was when it was read.

    Attributes:
        attentions: What it offers, by name.
        digest: SHA-256 of its content, 16 hexadecimal digits.
    """

    attentions: dict[str, Any]
    digest: str


def add_files(files: Sequence[Path]) -> tuple[str, ...]:
    """Make a run use plug-in files as they are now, in this process and its children.

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
        forget()
        load()
    return names()


def forget() -> None:
    """Let the next look at the plug-ins read their files anew."""
    for cached in (read, load, fingerprint_of):
        cached.cache_clear()


def names() -> tuple[str, ...]:
    """Names of the plug-ins; installed packages are not imported for it."""
    installed = [point.name for point in metadata.entry_points(group=GROUP)]
    return tuple(dict.fromkeys([*(name for file in files() for name in read(file).attentions), *installed]))


def require_known(models: Sequence[str]) -> None:
    """Refuse names of networks that are none; those of plug-ins are known once their files were added.

    Raises:
        ValueError: One is.
    """
    attentions = (*ATTENTIONS, *names())
    for name in models:
        attention = parse(name).attention
        if attention not in (None, *attentions) and not str(attention).startswith(TIMM):
            raise unknown(name, attentions)


def files() -> list[Path]:
    """The plug-in files of this run."""
    return [Path(one) for one in os.environ.get(VARIABLE, "").split(os.pathsep) if one]


@functools.cache
def load() -> None:
    """Register every plug-in among the attentions, in the place of those that were.

    Raises:
        PluginError: A plug-in cannot be used.
    """
    offered = {file: read(file).attentions for file in files()}  # before torch comes in: a file may be none
    import baselines

    for name in [name for name, build in baselines.ATTENTIONS.items() if isinstance(build, PluggedIn)]:
        del baselines.ATTENTIONS[name]
    for file, attentions in offered.items():
        for name, build in attentions.items():
            register(name, build, module_name(file), str(file))
    for point in metadata.entry_points(group=GROUP):
        register(point.name, point.load(), point.module, f"the entry point {point.value}")


def register(name: str, build: Any, module: str, source: str) -> None:
    """Put a plug-in among the attentions.

    Raises:
        PluginError: Its name is none or taken, or it is not callable.
    """
    import baselines

    if not NAME.fullmatch(name):
        raise PluginError(f"{source}: {name!r} is no name for an attention; use a to z, 0 to 9 and _")
    if name in baselines.ATTENTIONS:
        raise PluginError(f"{source}: the name {name!r} is taken; choose another one")
    if not callable(build):
        raise PluginError(f"{source}: {name!r} must be a callable channels -> nn.Module, got {type(build).__name__}")
    baselines.ATTENTIONS[name] = PluggedIn(build, module)


class PluggedIn:
    """A plug-in as the constructors of networks call their attentions."""

    def __init__(self, build: "Callable[[int], nn.Module]", module: str) -> None:
        self.build, self.module = build, module

    def __call__(self, channels: int, map_size: int) -> "nn.Module":
        return self.build(channels)


def module_name(file: Path) -> str:
    """The name that a plug-in file is imported under: another one for a file of the same name elsewhere."""
    return f"tdam_bench_plugin_{file.stem}_{short_hash(str(file))}"


@functools.cache
def read(file: Path) -> PluginFile:
    """Load a plug-in file, once until :func:`add_files` is called again: a change during a run is of the next run.

    Raises:
        PluginError: It cannot be loaded, or offers nothing.
    """
    name = module_name(file)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} is not a Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # Not by the loader: of a file changed within a second it may take the old one's bytecode.
        source = file.read_bytes()
        exec(compile(source, str(file), "exec"), module.__dict__)
    except Exception as error:
        raise PluginError(f"{file} cannot be loaded ({type(error).__name__}: {error})") from error
    offered = getattr(module, "ATTENTIONS", None)
    if not isinstance(offered, dict) or not offered:
        raise PluginError(f"{file} has no dictionary ATTENTIONS of names and callables channels -> nn.Module")
    return PluginFile(offered, hashlib.sha256(source).hexdigest()[:16])


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
        raise PluginError(f"{name} needs timm: pip install timm") from error
    kind = name.removeprefix(TIMM)
    try:
        layer = get_attn(kind)
    except (AssertionError, KeyError, ValueError):
        return False
    if layer is None:
        return False
    baselines.ATTENTIONS[name] = PluggedIn(functools.partial(create_attn, kind), layer.__module__)
    return True


def fingerprint(name: str) -> str:
    """What decides a network besides its name and the suite's own code: the hash of an attention from outside.

    Returns:
        ``own`` for networks whose parts are all the suite's. Of a plug-in its file's hash, or name and version of the
        package that its class belongs to.

    Raises:
        PluginError: The attention cannot be used.
        ValueError: There is none of its name.
    """
    if not parse(name).from_outside:
        return "own"
    from benchmarks.networks.models import known

    return fingerprint_of(str(known(name).attention))


@functools.cache
def fingerprint_of(attention: str) -> str:
    """The fingerprint of a registered attention from outside."""
    import baselines

    build = baselines.ATTENTIONS[attention]
    modules = {type(part).__module__ for part in build(64, 56).modules()}
    if isinstance(build, PluggedIn):
        modules.add(build.module)
    outside = {module for module in modules if module.partition(".")[0] not in ("torch", "baselines")}
    digests = {module_name(file): read(file).digest for file in files()}
    packages = metadata.packages_distributions()
    parts = []
    for module in sorted(outside):
        package = module.partition(".")[0]
        if module in digests:
            parts.append(digests[module])
        elif package in packages:
            parts.append(f"{package} {metadata.version(packages[package][0])}")
        else:
            parts.append(file_hash(Path(str(sys.modules[module].__file__)))[:16])
    return " ".join(dict.fromkeys(parts))
