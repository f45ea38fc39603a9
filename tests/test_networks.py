"""Every configuration can be trained, converted, compiled, exported, copied and run at other sizes."""

import copy
import pickle
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import baselines
import tdam
from baselines.backbone import Backbone
from benchmarks.networks.models import create
from benchmarks.networks.names import BACKBONES
from tdam.attention import CONSTANT, CONVOLUTION, KINDS, ORDERS
from tests.awake import awake

SMALL = {"widths": (16, 16, 16, 32), "depths": (1, 1, 2, 1), "num_classes": 5}
SMALL_CONVNEXT = {"widths": (16, 16, 32, 32), "depths": (1, 1, 2, 1), "num_classes": 5}

small_td = partial(tdam.resnet50, **SMALL)  # type: ignore[arg-type]
small_td18 = partial(tdam.resnet18, **SMALL)  # type: ignore[arg-type]
small_td_convnext = partial(tdam.convnext_tiny, **SMALL_CONVNEXT, stochastic_depth=0.0)  # type: ignore[arg-type]
small_td_mobilenet = partial(tdam.mobilenet_v3_large, width=0.25, num_classes=5)
small_plain = partial(baselines.resnet50, **SMALL)  # type: ignore[arg-type]
small_mobilenet = partial(baselines.mobilenet_v3_large, width=0.25, num_classes=5)
small_convnext = partial(baselines.convnext_tiny, **SMALL_CONVNEXT)  # type: ignore[arg-type]

CONFIGURATIONS: dict[str, Callable[[], Backbone]] = {
    **{f"{a}": partial(small_plain, attention=a) for a in (None, *baselines.ATTENTIONS)},
    **{f"mobilenet {a}": partial(small_mobilenet, attention=a) for a in (None, "se", "eca")},
    **{f"convnext {a}": partial(small_convnext, attention=a) for a in (None, "cbam", "fca")},
    **{f"{k} m{m}": partial(small_td, kind=k, distance=m) for k in KINDS for m in range(4)},
    **{f"joint t{t} m{m}": partial(small_td, steps=t, distance=m) for t, m in ((1, 1), (3, 2), (5, 1), (1, 0), (3, 0))},
    **{f"{o} m{m}": partial(small_td, order=o, distance=m) for o in (*ORDERS, CONVOLUTION) for m in (1, 3)},
    **{f"sigmoid filter {o}": partial(small_td, order=o, filter="sigmoid") for o in ORDERS},
    **{f"basic block m{m}": partial(small_td18, distance=m) for m in range(3)},
    **{
        f"convnext {k} m{m}": partial(small_td_convnext, kind=k, distance=m) for k in ("joint", "top") for m in range(4)
    },
    **{
        f"mobilenet {k} m{m}": partial(small_td_mobilenet, kind=k, distance=m)
        for k in ("joint", "top")
        for m in range(4)
    },
}


def excited(model: Backbone, seed: int = 0) -> Backbone:
    """The network with its norms and gates in their linear range, so that no path is cut by a zero or a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            uniform = torch.rand(parameter.shape, generator=generator) + 0.5
            if parameter.dim() <= 1 or name.endswith("layer_scale"):
                parameter.copy_(uniform)
            elif any(part in name for part in (".attention.", ".fc1.", ".fc2.")):
                parameter.copy_(0.2 * uniform / parameter[0].numel())
    return model


def images(side: int = 64, count: int = 2) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_gradients_reach_every_parameter(name: str) -> None:
    """Also: forward_steps ends in forward, has T steps, and logits are finite."""
    torch.manual_seed(0)
    model = excited(CONFIGURATIONS[name]()).train()
    model(images(count=4)).square().sum().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without, without
    model.eval()
    with torch.no_grad():
        steps = model.forward_steps(images())
        logits = model(images())
    assert steps.shape == (model.steps, 2, 5)
    torch.testing.assert_close(steps[-1], logits)
    assert torch.isfinite(steps).all()


VARIETY = {
    "plain": small_plain,
    "cbam": partial(small_plain, attention="cbam"),
    "fca": partial(small_plain, attention="fca"),
    "td": small_td,
    "td m3 t3": partial(small_td, kind="top", distance=3, steps=3),
    "td convnext": small_td_convnext,
    "td mobilenet": small_td_mobilenet,
    "td constant": partial(small_td, order=CONSTANT, distance=2),
}
variety = pytest.mark.parametrize("name", VARIETY)


@variety
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast(name: str, dtype: torch.dtype) -> None:
    """Half-precision logits stay near the float32 ones, and gradients are finite."""
    model = VARIETY[name]().eval()
    with torch.autocast("cpu", dtype):
        logits = model(images())
    logits.float().sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    with torch.no_grad():
        exact = model(images())
    assert (logits - exact).abs().max() < 0.05 * exact.abs().max() + 0.05


@variety
def test_channels_last(name: str) -> None:
    model = VARIETY[name]().eval()
    with torch.no_grad():
        expected = model(images())
        logits = model.to(memory_format=torch.channels_last)(images().contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


@variety
def test_compile_traces_one_graph(name: str) -> None:
    """The whole forward pass is one graph, without a break; it gives the eager logits."""
    model = VARIETY[name]().eval()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(images()), model(images()), atol=1e-5, rtol=1e-5)


@variety
def test_export(name: str) -> None:
    model = VARIETY[name]().eval()
    with torch.no_grad():
        exported = torch.export.export(model, (images(),))
        torch.testing.assert_close(exported.module()(images()), model(images()), atol=1e-5, rtol=1e-5)


@variety
def test_copies(name: str) -> None:
    """Deep copies and pickles give the same logits and share no weight."""
    model = VARIETY[name]().eval()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with torch.no_grad():
            torch.testing.assert_close(twin(images()), model(images()), atol=0, rtol=0)
        assert {p.data_ptr() for p in twin.parameters()}.isdisjoint(p.data_ptr() for p in model.parameters())


@variety
@pytest.mark.parametrize("side", [64, 97, 224, 448])
def test_input_sizes(name: str, side: int) -> None:
    model = VARIETY[name]().eval()
    with torch.no_grad():
        assert model(images(side, 1)).shape == (1, 5)


def test_torchvision_weights_load_by_name() -> None:
    """The plain networks have torchvision's keys and shapes."""
    import torchvision

    for backbone in ("resnet18", "resnet50", "mobilenet_v3_large", "convnext_tiny"):
        theirs = torchvision.models.get_model(backbone)
        ours = create(backbone)
        ours.load_state_dict(theirs.state_dict())
        with torch.no_grad():
            torch.testing.assert_close(ours.eval()(images()), theirs.eval()(images()), atol=1e-5, rtol=1e-5)


def test_a_callable_fills_the_slot() -> None:
    """One instance for each block, built for the block's channels."""
    model = small_plain(attention=lambda channels: nn.BatchNorm2d(channels))
    widths = [block.attention.num_features for block in model.blocks()]
    assert widths == [64, 64, 64, 64, 128]


def test_step_norms_and_zero_init() -> None:
    """Each step past the first owns the loop's norms; as released, only step 1's last norm starts at zero."""
    block = small_td(steps=3, distance=2).layer4[0]
    assert block.bn3.weight.abs().max() == 0
    assert [sorted(norms) for norms in block.loop.norms] == [["1", "2"], ["1", "2"]]
    assert all((norm.weight == 1).all() for norms in block.loop.norms for norm in norms.values())
    last = small_td(steps=3, distance=2, zero_init="last").layer4[0]
    assert (last.bn3.weight == 1).all()
    assert last.loop.norms[1]["2"].weight.abs().max() == 0
    assert (last.loop.norms[0]["2"].weight == 1).all()
    assert (small_td(zero_init="none").layer4[0].bn3.weight == 1).all()


@pytest.mark.parametrize("name", BACKBONES)
def test_without_attention_a_step_is_the_looped_layers_on_their_own_input(name: str) -> None:
    """The steps differ by their norms only; of the network, nothing but these is added to the plain one's layers."""
    torch.manual_seed(0)
    model = awake(f"{name}-td-joint-t3-m2-constant", 5, "mini").eval()
    block = model.stages()[-1][-1]
    assert not list(block.loop.attention.parameters())
    chain = block.chain()
    if block.loop.norms[0]:
        nn.init.uniform_(block.loop.stages_at(chain, 3)[-1].norm.weight)
    bottom = torch.randn(2, chain[0].in_channels, 6, 6)
    with torch.no_grad():
        outputs = [block.loop(chain, bottom, steps) for steps in (1, 2, 3)]
        for step, output in enumerate(outputs, start=1):
            expected = bottom
            for stage in (*chain[: block.loop.start], *block.loop.stages_at(chain, step)):
                expected = stage.run(expected)
            torch.testing.assert_close(output, expected, rtol=0, atol=0)
    torch.testing.assert_close(outputs[0], outputs[1])
    assert torch.equal(outputs[1], outputs[2]) is not bool(block.loop.norms[0])


@pytest.mark.parametrize("name", BACKBONES)
def test_without_attention_nothing_is_left_at_distance_0(name: str) -> None:
    """There no layer is repeated: the plain network is what remains, but for attention of its own in looped blocks."""
    torch.manual_seed(0)
    model = create(f"{name}-td-joint-t2-m0-constant", 5, "mini").eval()
    plain = create(name, 5, "mini").eval()
    for block in list(plain.blocks())[-3:] if name.startswith("mobilenet") else ():
        block.remove_own_attention()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(model(images()), plain(images()), rtol=0, atol=0)


def test_without_attention_training_reaches_the_norms_of_every_step_or_leaves_them() -> None:
    """No parameter is without a gradient, which distributed training needs; what is not read has one of zero."""
    torch.manual_seed(0)
    model = excited(small_td(order=CONSTANT)).train()
    model(images(count=4)).square().sum().backward()
    still = {name for name, one in model.named_parameters() if one.grad.abs().max() == 0}
    blocks = ("layer3.0", "layer3.1", "layer4.0")
    assert still == {f"{block}.bn3.{part}" for block in blocks for part in ("weight", "bias")}


@pytest.mark.parametrize(
    ("zero_init", "all_steps", "alive"),
    [
        ("first", False, []),
        ("first", True, ["layer4"]),
        ("last", False, ["layer3", "layer4"]),
        ("none", False, ["layer3", "layer4"]),
    ],
)
def test_released_initialization_starves_the_top_path(zero_init: str, all_steps: bool, alive: list[str]) -> None:
    """DEVIATIONS.md: with step 1's last norm at zero, its map is zero, and no gradient through it can change that.

    Where the logits of every step enter the loss, step 1 of the last stage gets its gradient from its own logits.
    """
    torch.manual_seed(0)
    model = small_td(kind="top", zero_init=zero_init).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        optimizer.zero_grad()
        logits = model.forward_steps(images(count=4)).sum(0) if all_steps else model(images(count=4))
        nn.functional.cross_entropy(logits, torch.arange(4)).backward()
        optimizer.step()
    for name in ("layer3", "layer4"):
        block = getattr(model, name)[0]
        gradient = block.loop.attention.searchlight.from_top.weight.grad
        assert bool(block.bn3.weight.abs().max() > 0) is (name in alive), name
        assert bool(gradient.abs().max() > 0) is (name in alive), name


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: baselines.resnet50("sse"), "unknown attention 'sse'; choose one of se, cbam, eca, fca"),
        (lambda: baselines.resnet50(3), "must be None, a name or a callable"),
        (lambda: baselines.resnet18(weights="BEST"), "torchvision has IMAGENET1K_V1"),
        (lambda: baselines.ECA(64, kernel_size=4), "must be odd and positive, got 4"),
        (lambda: baselines.FCA(24), "16 groups; 24 do not divide"),
        (lambda: tdam.resnet50("both"), "unknown kind 'both'; choose one of joint, top, joint_bilinear"),
        (
            lambda: tdam.resnet50(order="channel>spatial"),
            "unknown order 'channel>spatial'; choose one of channel->spatial",
        ),
        (lambda: tdam.resnet50(filter="relu"), "unknown filter 'relu'; choose one of logit, sigmoid"),
        (lambda: tdam.resnet50(zero_init="all"), "unknown zero_init 'all'; choose one of first, last, none"),
        (lambda: tdam.resnet50(reduction=0), "reduction must be a whole number of at least 1, got 0"),
        (lambda: tdam.resnet50(distance=4), "distance must be from 0 to 3, the block's number of layers; got 4"),
        (lambda: tdam.resnet18(distance=3), "distance must be from 0 to 2, the block's number of layers; got 3"),
        (lambda: tdam.resnet50(distance=-1), "distance must be from 0 to 3"),
        (lambda: tdam.resnet50(steps=0), "steps must be a whole number of at least 1, got 0"),
        (lambda: tdam.resnet50(widhts=(8, 8, 8, 8)), "unexpected keyword argument 'widhts'"),
        (lambda: baselines.resnet50(widhts=(8, 8, 8, 8)), "unexpected keyword argument 'widhts'"),
        (lambda: tdam.resnet50(steps="2"), "steps must be a whole number of at least 1, got '2'"),
        (lambda: tdam.resnet50(distance="1"), "distance must be from 0 to 3, the block's number of layers; got '1'"),
        (lambda: tdam.resnet50(blocks=[3, 4]), "blocks must map stages to block indices"),
        (lambda: tdam.resnet50(blocks={4: 0}), "blocks must map stages to block indices"),
        (lambda: tdam.resnet50(blocks={4: ["0"]}), "stage 4 has blocks 0 to 2, got '0'"),
        (lambda: tdam.resnet50(blocks={}), "blocks names no block"),
        (lambda: baselines.resnet50(num_classes=0), "sizes must be at least 1; got 0 classes"),
        (lambda: baselines.convnext_tiny(num_classes=0), "num_classes must be at least 1, got 0"),
        (lambda: small_mobilenet(strides=(2, 2)), "MobileNetV3-Large has 6 stages; got strides (2, 2)"),
        (
            lambda: small_mobilenet(depths=(1, 1, 1, 1, 1, 9)),
            "rows by stage; keep 1 to all of each, not (1, 1, 1, 1, 1, 9)",
        ),
        (lambda: small_convnext(patches=(4, 2, 2)), "a stem and three downsamplings, of patches from 1; got (4, 2, 2)"),
        (lambda: small_convnext(patches=(4, 2, 0, 1)), "of patches from 1; got (4, 2, 0, 1)"),
        (lambda: baselines.resnet50(depths=(1, 1)), "a ResNet has 4 stages; got depths (1, 1)"),
        (lambda: baselines.SE(64, reduction=0), "reduction must be a whole number of at least 1, got 0"),
        (lambda: baselines.CBAM(64, kernel_size=4), "CBAM's kernel_size must be odd and positive, got 4"),
        (lambda: baselines.resnet50(nn.Identity()), "must be None, a name or a callable"),
        (lambda: baselines.resnet50(lambda channels: None), "must return an nn.Module, got NoneType"),
        (lambda: create("resnet50-"), "unknown model 'resnet50-'"),
        (lambda: create("resnet50-td-joint-t02-m1"), "unknown model"),
        (lambda: create("resnet18", size="tiny"), "unknown size 'tiny'; choose one of paper, mini"),
        (lambda: tdam.resnet50(blocks={5: [0]}), "the network has stages 1 to 4, got 5"),
        (lambda: tdam.resnet50(blocks={3: [6]}), "stage 3 has blocks 0 to 5, got 6"),
        (lambda: create("resnet50-td-joint-t2"), "did you mean resnet50-td-joint-t2-m1"),
        (lambda: create("vgg16"), "unknown model 'vgg16'; names are BACKBONE"),
        (lambda: small_td().feature_map(torch.zeros(1, 64, 4, 4), steps=3), "from 1 to 2 steps, got 3"),
    ],
)
def test_bad_options(build: Callable[[], object], message: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        build()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_narrow_convnext_drawn_by_fan_in_lets_signals_through() -> None:
    """Each layer's outputs vary as its inputs do; drawn as the wide ones are, their variance all but vanishes."""
    torch.manual_seed(0)
    usual, by_fan_in = (small_convnext(layer_scale=1.0, by_fan_in=one) for one in (False, True))
    signal = torch.randn(4000, 16)
    spreads = [network.stages()[0][0].block[3](signal).std().item() for network in (usual, by_fan_in)]
    assert spreads[0] < 0.1
    assert spreads[1] == pytest.approx(1.0, abs=0.2)
    for layer in by_fan_in.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.weight.numel() > 1000:
            fan_in = layer.weight[0].numel()
            assert layer.weight.std().item() * fan_in**0.5 == pytest.approx(1.0, abs=0.15)
