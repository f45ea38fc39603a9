"""Names of networks without torch are those that ``baselines`` and ``tdam`` have."""

import importlib
import inspect
import itertools
from types import ModuleType

import pytest
import torch

import baselines
import tdam
from baselines.backbone import Backbone
from benchmarks.networks import plugins
from benchmarks.networks.models import SIZES, create
from benchmarks.networks.names import (
    ATTENTIONS,
    BACKBONES,
    KINDS,
    STARTS_AT_ZERO,
    TECHNIQUES,
    WITHOUT_HIDDEN_LAYER,
    Model,
    parse,
)
from benchmarks.papers.tdam.numbers import TABLE1
from tdam import attention

NAMES = [
    *TABLE1.values(),
    "resnet50-td-joint-t2-m1-spatial",
    "resnet101-td-joint-t2-m1-l4-reduced",
    "resnet50-td-top-t2-m3-live",
    "resnet50-td-joint-t2-m1-constant",
    "mobilenet_v3_large-td-joint-t2-m1-r16",
    "resnet101-td-top-t3-m2-parallel-l4-live-r8-reduced",
    "resnet50-td-joint_bilinear-t3-m0-parallel-l4-reduced",
    "mobilenet_v3_large-gated",
    "resnet18-timm:gc",
]


def test_they_are_those_of_the_registries() -> None:
    own = [name for name, build in baselines.ATTENTIONS.items() if not isinstance(build, plugins.PluggedIn)]
    assert tuple(own) == ATTENTIONS
    assert tuple(attention.KINDS) == KINDS
    # The recurrent convolution and the constant are other modules than the attention, and no orders of it.
    assert {attention.CONVOLUTION, attention.CONSTANT} == set(WITHOUT_HIDDEN_LAYER)
    assert {*TECHNIQUES.values(), "channel->spatial"} - set(WITHOUT_HIDDEN_LAYER) == set(attention.ORDERS)
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
    suffixes = itertools.product(techniques, ("", "-l4", "-l34"), ("", "-live"), ("", "-r4", "-r16"), ("", "-reduced"))
    fitting = [one for one in suffixes if not (one[3] and one[0][1:] in WITHOUT_HIDDEN_LAYER)]
    loops = itertools.product(KINDS, (1, 2, 12), (0, 3), fitting)
    ends = ["", *(f"-{one}" for one in ATTENTIONS)]
    ends += [f"-td-{kind}-t{steps}-m{distance}{''.join(rest)}" for kind, steps, distance, rest in loops]
    names = [
        f"{backbone}{end}"
        for backbone, module in BACKBONES.items()
        for end in ends
        if module == STARTS_AT_ZERO or "-live" not in end
    ]
    assert [str(parse(name)) for name in names] == names
    assert len({parse(name) for name in names}) == len(names)


def test_parts() -> None:
    model = parse("resnet101-td-joint-t2-m1-l4-reduced")
    assert model == Model("resnet101", kind="joint", steps=2, distance=1, placement="l4", reduced=True)
    assert model.feedback
    controls = [parse(f"resnet50-td-top-t2-m3{end}") for end in ("-live", "-constant", "-r8", "-parallel", "")]
    assert [one.is_control for one in controls] == [True, True, False, False, False]
    assert (controls[0].live, controls[1].technique, controls[2].reduction) == (True, "constant", 8)
    assert parse("resnet50-gated").from_outside
    assert not parse("resnet50-se").from_outside


@pytest.mark.parametrize(
    "name",
    [
        "vgg16",
        "resnet50-",
        "resnet50-se-constant",
        *(f"resnet50-td-{end}" for end in ("joint-t0-m1", "side-t2-m1", "joint-t2-m1-other", "joint-t2-m1-r0")),
        "resnet50-td-joint-t2-m1-reduced-live",
    ],
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown model .*names are BACKBONE"):
        parse(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("convnext_tiny-td-joint-t2-m1-live", "no norm of convnext_tiny starts at zero, so there is no -live"),
        ("mobilenet_v3_large-td-top-t2-m1-live", "no norm of mobilenet_v3_large starts at zero"),
        ("resnet50-td-joint-t2-m1-constant-r16", "-constant has no hidden layer to reduce; leave -r16 out"),
        ("resnet50-td-joint-t2-m1-convolution-l4-r8", "-convolution has no hidden layer to reduce; leave -r8 out"),
    ],
)
def test_parts_that_do_not_go_together(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        parse(name)
    assert str(raised.value).startswith(f"{name}: ")


def test_the_modules_that_start_at_zero_are_those_that_can_choose_where() -> None:
    """A name that ends in ``-live`` builds wherever it is allowed, with the zero at the last step's norm."""
    for backbone, module in BACKBONES.items():
        assert hasattr(importlib.import_module(f"tdam.{module}"), "ZERO_INITS") == (module == STARTS_AT_ZERO)
        if module != STARTS_AT_ZERO:
            continue
        block = create(f"{backbone}-td-joint-t2-m1-live", 10, "mini").stages()[-1][0]
        first, last = (block.loop.stages_at(block.chain(), step)[-1].norm for step in (1, 2))
        assert (first.weight == 1).all()
        assert (last.weight == 0).all()


@pytest.mark.parametrize(("end", "share"), [("", 16), ("-r16", 16), ("-r4", 4)])
def test_the_reduction_is_that_of_the_name(end: str, share: int) -> None:
    """Of mini's last stage: 320 channels above, a hidden layer of so many fewer."""
    block = create(f"resnet50-td-top-t2-m1{end}", 10, "mini").stages()[-1][0]
    assert block.loop.attention.searchlight.from_top.weight.shape == (320 // share, 320)


def test_of_a_network_without_attention_there_is_one_for_all_kinds() -> None:
    """From one seed the same weights, whatever the kind in its name: one of them stands for all."""
    drawn = []
    for kind in KINDS:
        torch.manual_seed(0)
        drawn.append(create(f"resnet50-td-{kind}-t2-m1-constant", 10, "mini").state_dict())
    for other in drawn[1:]:
        assert list(other) == list(drawn[0])
        assert all(torch.equal(other[name], drawn[0][name]) for name in other)
