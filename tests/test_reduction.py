"""The reduced networks are the literal ones: outputs, gradients and running statistics, and what is refused."""

import copy
import shutil
from collections.abc import Iterator
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import tdam
from baselines.backbone import Backbone
from baselines.resnet import resnet50
from benchmarks.measure.cost import count_flops, count_parameters
from benchmarks.networks.models import create
from tdam.reduction import Moments, ReducedFeedback, are_few, channel_then_spatial, linear_of, normalized, window_means
from tests.awake import awake

NAMES = (
    "resnet50-td-joint-t2-m1",
    "resnet50-td-top-t2-m1",
    "resnet50-td-joint_bilinear-t2-m1",
    "resnet50-td-joint-t3-m2",
    "resnet50-td-top-t2-m3",
    "resnet50-td-joint_bilinear-t4-m3",
    "resnet50-td-joint-t2-m1-parallel",
    "resnet101-td-joint-t2-m1-l4",
    "resnet18-td-joint-t2-m2",
    "mobilenet_v3_large-td-joint-t2-m1",
    "mobilenet_v3_large-td-top-t3-m2",
    "convnext_tiny-td-joint-t2-m1",
    "convnext_tiny-td-joint_bilinear-t3-m2",
)
STEPS = 20
# Small enough that 20 steps do not blow rounding up: from one float64 rounding in the images, the literal form of some
# of these networks comes to differ from itself by 1e-7 within 20 steps at 0.01.
LEARNING_RATE = 1e-3


def pair(name: str, dtype: torch.dtype = torch.float64) -> tuple[Backbone, Backbone]:
    """A small network whose feedback is not silent at the start, and its reduced form."""
    torch.manual_seed(0)
    literal = awake(name, 10, "mini").to(dtype)
    return literal, tdam.reduce(copy.deepcopy(literal))


def batches(count: int, dtype: torch.dtype = torch.float64) -> Iterator[tuple[Tensor, Tensor]]:
    stream = torch.Generator().manual_seed(1)
    for _ in range(count):
        images = torch.randn(6, 3, 64, 64, generator=stream, dtype=torch.float64)
        yield images.to(dtype), torch.randint(0, 10, (6,), generator=stream)


def backward(network: Backbone, images: Tensor, labels: Tensor) -> Tensor:
    """Logits, detached; gradients are left in the network. Dropped features are the same for both forms."""
    torch.manual_seed(2)
    network.zero_grad()
    logits = network.train()(images)
    F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    return logits.detach()  # type: ignore[no-any-return]


def gradients(network: nn.Module) -> dict[str, Tensor]:
    return {name: one.grad for name, one in network.named_parameters() if one.grad is not None}


def statistics(network: nn.Module) -> dict[str, Tensor]:
    return {name: one for name, one in network.named_buffers() if "running" in name}


def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest relative difference of tensors of the same names; those that are rounding alone count as zero."""
    assert one.keys() == other.keys()
    largest = max(float(tensor.norm()) for tensor in one.values())
    return max(float((one[name] - other[name]).norm()) / max(float(one[name].norm()), 1e-3 * largest) for name in one)


@pytest.mark.parametrize("name", NAMES)
def test_training_is_the_same_to_the_last_digits(name: str) -> None:
    """Bars: outputs and gradients 1e-10, running statistics 1e-12, after 1 and after 20 steps."""
    networks = pair(name)
    optimizers = [torch.optim.SGD(one.parameters(), lr=LEARNING_RATE, momentum=0.9) for one in networks]
    for step, (images, labels) in enumerate(batches(STEPS), start=1):
        logits = [backward(one, images, labels) for one in networks]
        if step in (1, STEPS):
            assert apart({"logits": logits[0]}, {"logits": logits[1]}) < 1e-10
            assert apart(*(gradients(one) for one in networks)) < 1e-10
            if statistics(networks[0]):
                assert apart(*(statistics(one) for one in networks)) < 1e-12
        for optimizer in optimizers:
            optimizer.step()
    counted = [{key: int(one) for key, one in net.named_buffers() if "tracked" in key} for net in networks]
    assert counted[0] == counted[1]


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_is_the_same_at_every_step(name: str) -> None:
    literal, reduced = (one.eval() for one in pair(name))
    ((images, _),) = batches(1)
    with torch.no_grad():
        expected = literal.forward_steps(images)
        for inputs in (images, images.to(memory_format=torch.channels_last)):
            torch.testing.assert_close(reduced.forward_steps(inputs), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_parameters_stay(name: str) -> None:
    literal, reduced = pair(name)
    assert list(literal.state_dict()) == list(reduced.state_dict())
    reduced.load_state_dict(literal.state_dict())
    assert sum(isinstance(block.loop, ReducedFeedback) for block in reduced.blocks()) == sum(
        block.loop.steps > 1 for block in literal.blocks()
    )


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_single_precision(memory_format: torch.memory_format) -> None:
    literal, reduced = (one.to(memory_format=memory_format) for one in pair(NAMES[0], torch.float32))  # type: ignore[call-overload]
    ((images, labels),) = batches(1, torch.float32)
    images = images.contiguous(memory_format=memory_format)
    logits = [backward(one, images, labels) for one in (literal, reduced)]
    assert apart({"logits": logits[0]}, {"logits": logits[1]}) < 1e-4
    assert apart(gradients(literal), gradients(reduced)) < 1e-4


def half_step(network: Backbone, dtype: torch.dtype, seed: int) -> list[Tensor]:
    """Output and gradients of a looping block of the last stage; under bfloat16 autocast unless in float64."""
    block = network.stages()[-1][0].train()
    stream = torch.Generator().manual_seed(seed)
    width = block.chain()[0].in_channels
    maps = torch.randn(6, width, 8, 8, generator=stream, dtype=torch.float64).relu().to(dtype).requires_grad_()
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype != torch.float64):
        out = block(maps)
    out.backward(torch.randn(out.shape, generator=stream, dtype=torch.float64).to(out.dtype))
    inner = [one.grad for one in block.parameters() if one.grad is not None]
    return [out.detach().double(), *(one.double() for one in (maps.grad, *inner) if one is not None)]


@pytest.mark.parametrize("name", ["resnet50-td-joint-t2-m1", "resnet50-td-top-t2-m3", "convnext_tiny-td-joint-t2-m1"])
def test_half_precision_is_no_further_from_the_truth_than_the_literal_form(name: str) -> None:
    """Distances from float64 of a block's output and of its gradients, over 30 random maps.

    Both forms scatter by their rounding: the mean of the log ratio may be above zero by three of its standard errors.
    """
    truth, _ = pair(name)
    forms = pair(name, torch.float32)
    ratios = []
    for seed in range(30):
        exact = half_step(truth, torch.float64, seed)
        errors = [
            [float((one - other).norm() / other.norm()) for one, other in zip(tensors, exact, strict=True)]
            for tensors in (half_step(form, torch.float32, seed) for form in forms)
        ]
        literal, reduced = torch.tensor(errors, dtype=torch.float64)
        ratios.append(torch.stack([reduced[0] / literal[0], reduced[1:].square().mean() / literal[1:].square().mean()]))
    logs = torch.stack(ratios).log()
    assert (logs.mean(0) < 3 * logs.std(0) / len(ratios) ** 0.5).all(), logs.mean(0)
    assert (logs.mean(0) < 0.05).all(), logs.mean(0)


def test_moments_are_in_single_precision_under_autocast() -> None:
    _, reduced = pair(NAMES[0], torch.float32)
    seen = []
    for block in reduced.blocks():
        if isinstance(block.loop, ReducedFeedback):
            block.loop.attention.searchlight.register_forward_pre_hook(
                lambda module, given: seen.append(given[0].dtype)
            )  # type: ignore[union-attr]
    ((images, labels),) = batches(1, torch.float32)
    before = {key: one.clone() for key, one in statistics(reduced).items()}
    with torch.autocast("cpu", torch.bfloat16):
        backward(reduced, images, labels)
    assert set(seen) == {torch.bfloat16}  # as the literal form passes them on
    assert all(
        one.dtype == torch.float32 and not torch.equal(one, before[key]) for key, one in statistics(reduced).items()
    )


def kept_bytes(network: Backbone) -> int:
    """Bytes that a training step keeps for its backward pass, without the parameters."""
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    own = {one.data_ptr() for one in network.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    images = torch.zeros(6, 3, 160, 160)  # large enough for maps to weigh more than what is of a weight's size
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        alive = network(images)
    assert alive.requires_grad
    return sum(kept.values())


def test_the_backward_pass_keeps_little_more_than_the_plain_networks() -> None:
    """Literal: the looped layer's map again at every step. Reduced: one more bottom map, and as much as its weight."""
    plain = kept_bytes(create("resnet50", 10, "mini"))
    literal, reduced = (kept_bytes(one) - plain for one in pair(NAMES[0], torch.float32))
    assert 0 < reduced < 0.3 * literal


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(5, 7, 1), (2, 5, 6, 4)),
        (nn.Conv2d(5, 7, 3, padding=1, bias=False), (2, 5, 6, 4)),
        (nn.Conv2d(5, 7, 3, stride=2, padding=1), (2, 5, 7, 4)),
        (nn.Conv2d(5, 7, (1, 3), stride=(2, 1), padding=(0, 2)), (2, 5, 5, 6)),
    ],
)
def test_means_of_windows_give_the_mean_of_the_layer(layer: nn.Conv2d, shape: tuple[int, ...]) -> None:
    from baselines.chain import Stage

    layer = layer.double()
    z = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    linear = linear_of(Stage(layer, None, None, 5, 7))
    assert linear is not None
    mean = F.linear(window_means(z, linear).flatten(1), linear.weight.flatten(1), linear.bias)
    torch.testing.assert_close(mean, layer(z).mean((2, 3)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}])
def test_batch_norm_from_moments_is_batch_norm(options: dict[str, bool]) -> None:
    norm = nn.BatchNorm2d(4, **options).double()  # type: ignore[arg-type]
    same = copy.deepcopy(norm)
    for seed in range(3):
        maps = torch.randn(3, 4, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + seed
        means = normalized(same, maps.mean((2, 3)), maps.var((0, 2, 3), unbiased=False), 30)
        torch.testing.assert_close(means, norm(maps).mean((2, 3)), rtol=1e-12, atol=1e-12)
    for key, expected in norm.state_dict().items():
        torch.testing.assert_close(same.state_dict()[key], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("images", "few"), [(2, True), (9, False)])
def test_gradients_of_moments_by_finite_differences(images: int, few: bool) -> None:
    """Both ways to the same variance: by ``W z`` where positions are few, else by the covariance."""
    stream = torch.Generator().manual_seed(5)
    z, matrix = (torch.randn(one, dtype=torch.float64, generator=stream) for one in ((images, 6, 1, 2), (7, 6)))
    assert are_few(z.permute(0, 2, 3, 1).reshape(-1, 6), matrix) is few
    assert torch.autograd.gradcheck(Moments.apply, (z.requires_grad_(), matrix.requires_grad_()))
    means, variance = Moments.apply(z, matrix)
    product = torch.einsum("oc,nchw->ohwn", matrix, z).flatten(1)
    torch.testing.assert_close(variance, product.var(1, unbiased=False), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(means, z.mean((2, 3)), rtol=1e-12, atol=1e-12)


def test_gradients_of_the_searchlights_application_by_finite_differences() -> None:
    from tdam.reduction import ChannelThenSpatial

    stream = torch.Generator().manual_seed(4)
    shapes = ((2, 3, 4, 2), (2, 3), (2, 3))
    inputs = tuple(torch.randn(one, dtype=torch.float64, generator=stream).requires_grad_() for one in shapes)
    assert torch.autograd.gradcheck(ChannelThenSpatial.apply, inputs)
    expected = tdam.attention.spatial_attention(tdam.attention.channel_attention(*inputs[:2]), inputs[2])
    torch.testing.assert_close(channel_then_spatial(*inputs), expected, rtol=1e-12, atol=1e-12)


def test_one_value_for_each_channel_has_no_variance() -> None:
    for form in pair("resnet50-td-joint-t2-m1"):
        with pytest.raises(ValueError, match=r"more than (1|one) value"):
            form.train()(torch.zeros(1, 3, 16, 16, dtype=torch.float64))


def test_second_derivatives_are_refused() -> None:
    _, reduced = pair(NAMES[0])
    ((images, labels),) = batches(1)
    loss = F.cross_entropy(reduced.train()(images), labels)
    first = torch.autograd.grad(loss, list(reduced.parameters()), create_graph=True, allow_unused=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        sum(one.sum() for one in first if one is not None).backward()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: resnet50(), "without feedback"),
        (lambda: create("resnet50-td-joint-t2-m0"), "at distance 0 no layer is repeated"),
        (lambda: create("resnet50-td-joint-t2-m1-convolution"), "RecurrentConvolution takes the whole top map"),
        (lambda: create("resnet50-td-joint-t2-m1-constant"), "without attention no map is pooled"),
    ],
)
def test_networks_to_which_the_algebra_does_not_apply(network: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tdam.reduce(network())  # type: ignore[operator]


def test_synchronized_batch_norm_is_refused() -> None:
    _, reduced = pair(NAMES[0], torch.float32)
    synchronized = nn.SyncBatchNorm.convert_sync_batchnorm(reduced).eval()
    with pytest.raises(TypeError, match="got SyncBatchNorm; use the network as it is"):
        synchronized(torch.zeros(2, 3, 64, 64))


def test_the_models_name_builds_it_and_its_flops_are_counted() -> None:
    """Bar: at most 4.14 G by fvcore, the plain network's being 4.11."""
    literal, reduced = create("resnet50-td-joint-t2-m1"), create("resnet50-td-joint-t2-m1-reduced")
    assert count_parameters(reduced) == count_parameters(literal) == 27645992
    counted = count_flops(reduced).total
    assert count_flops(create("resnet50")).total < counted <= 4.14e9
    assert create("resnet50-td-top-t2-m1-spatial-l4-reduced", 10, "mini").steps == 2


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
def test_a_compiled_block_is_one_graph_with_the_same_gradients() -> None:
    _, reduced = pair(NAMES[0], torch.float32)
    block = cast(nn.Module, reduced.stages()[-1][0]).train()
    compiled = copy.deepcopy(block)
    maps = torch.randn(4, 192, 8, 8, generator=torch.Generator().manual_seed(6))
    results = []
    for one, run in ((block, block), (compiled, torch.compile(compiled, fullgraph=True))):
        out = run(maps)
        out.square().mean().backward()
        results.append((out.detach(), gradients(one)))
    torch.testing.assert_close(results[1][0], results[0][0], rtol=1e-4, atol=1e-4)
    assert apart(results[0][1], results[1][1]) < 1e-4
