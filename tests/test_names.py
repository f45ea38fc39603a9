"""Names of networks without torch are those that ``baselines`` and ``tdam`` have."""

import inspect
import itertools
from types import ModuleType

import pytest

import baselines
import tdam
from baselines.backbone import Backbone
from benchmarks.networks import plugins
from benchmarks.networks.models import SIZES, create
from benchmarks.networks.names import ATTENTIONS, BACKBONES, KINDS, TECHNIQUES, Model, parse
from benchmarks.papers.tdam.numbers import TABLE1
from tdam import attention

NAMES = [
    *TABLE1.values(),
    "resnet50-td-joint-t2-m1-spatial",
    "resnet101-td-joint-t2-m1-l4-reduced",
    "resnet50-td-joint_bilinear-t3-m0-parallel-l4-reduced",
    "mobilenet_v3_large-gated",
    "resnet18-timm:gc",
]


def test_they_are_those_of_the_registries() -> None:
    own = [name for name, build in baselines.ATTENTIONS.items() if not isinstance(build, plugins.PluggedIn)]
    assert tuple(own) == ATTENTIONS
    assert tuple(attention.KINDS) == KINDS
    # The recurrent convolution is another module than the attention, and no order of it.
    assert {*TECHNIQUES.values(), "channel->spatial"} - {"convolution"} == set(attention.ORDERS)
    assert set(SIZES["mini"]) <= set(BACKBONES)


@pytest.mark.parametrize("package", [baselines, tdam])
def test_backbones_are_those_that_a_package_builds(package: ModuleType) -> None:
    """All that it exports which returns a network of its own making, and the module that each comes from."""
    exported = {name: getattr(package, name) for name in package.__all__}
    networks = {
        name: build.__module__
        for name, build in exported.items()
        if inspect.isfunction(build)
        and Backbone in getattr(inspect.signature(build).return_annotation, "__mro__", ())[1:]
    }
    assert networks == {name: f"{package.__name__}.{module}" for name, module in BACKBONES.items()}


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_every_technique_is_built(technique: str) -> None:
    assert create(f"resnet50-td-joint-t2-m1-{technique}", 10, "mini").steps == 2


@pytest.mark.parametrize("name", NAMES)
def test_parts_make_the_name(name: str) -> None:
    assert str(parse(name)) == name
    assert parse(str(parse(name).plain)).is_plain
    assert not parse(name).whole.reduced


def test_parts_make_every_name() -> None:
    """All that parts can be put together to."""
    techniques = ("", *(f"-{one}" for one in TECHNIQUES))
    loops = itertools.product(KINDS, (1, 2, 12), (0, 3), techniques, ("", "-l4"), ("", "-reduced"))
    ends = ["", *(f"-{one}" for one in ATTENTIONS)]
    ends += [f"-td-{kind}-t{steps}-m{distance}{''.join(rest)}" for kind, steps, distance, *rest in loops]
    names = [f"{backbone}{end}" for backbone in BACKBONES for end in ends]
    assert [str(parse(name)) for name in names] == names
    assert len({parse(name) for name in names}) == len(names)


def test_parts() -> None:
    model = parse("resnet101-td-joint-t2-m1-l4-reduced")
    assert model == Model("resnet101", kind="joint", steps=2, distance=1, last_stage=True, reduced=True)
    assert model.feedback
    assert parse("resnet50-gated").from_outside
    assert not parse("resnet50-se").from_outside


@pytest.mark.parametrize(
    "name", ["vgg16", "resnet50-", "resnet50-td-joint-t0-m1", "resnet50-td-side-t2-m1", "resnet50-td-joint-t2-m1-other"]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown model .*names are BACKBONE"):
        parse(name)
