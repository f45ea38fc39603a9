"""Parameters and FLOPs. FLOPs are multiply-accumulates of one image, as in the paper's tables."""

import contextlib
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.networks.models import create
from benchmarks.networks.names import parse

RESOLUTION = 224


@dataclass(frozen=True)
class Flops:
    """FLOPs of one image under one convention.

    Attributes:
        total: Multiply-accumulates.
        by_operator: The total's parts, by operator (by layer type for ptflops).
        left_out: How often operators ran that the convention does not count; None where it does not tell.
    """

    total: float
    by_operator: dict[str, float]
    left_out: dict[str, int] | None


def count_parameters(model: nn.Module) -> int:
    """Number of parameters; buffers do not count."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_flops(model: nn.Module, convention: str = "fvcore", resolution: int = RESOLUTION) -> Flops:
    """FLOPs of one image (1, 3, resolution, resolution) in evaluation mode.

    Args:
        model: The network; its mode is put back afterwards.
        convention: A name in ``CONVENTIONS``.
        resolution: Side of the input in pixels.

    Raises:
        ValueError: Unknown convention.
        ModuleNotFoundError: The convention's package is not installed.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"unknown convention {convention!r}; choose one of {', '.join(CONVENTIONS)}")
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return CONVENTIONS[convention](model, torch.zeros(1, 3, resolution, resolution))
    finally:
        model.train(training)


def by_fvcore(model: nn.Module, image: torch.Tensor) -> Flops:
    """Count as fvcore does: convolutions, linear layers, norms, average pooling; element-wise work is left out."""
    with quiet("fvcore.nn.jit_analysis"):
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(model, image)
        analysis.uncalled_modules_warnings(False)
        parts = {name: float(value) for name, value in analysis.by_operator().items()}
        return Flops(float(analysis.total()), parts, dict(analysis.unsupported_ops()))


def by_ptflops(model: nn.Module, image: torch.Tensor) -> Flops:
    """Count as the installed version of ptflops does by layers; it tells a total only."""
    try:
        from ptflops import get_model_complexity_info
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the convention ptflops needs its package: pip install ptflops") from error
    macs, _ = get_model_complexity_info(
        model, tuple(image.shape[1:]), as_strings=False, print_per_layer_stat=False, backend="pytorch", verbose=False
    )
    return Flops(float(macs), {"all layers": float(macs)}, None)


class OperatorCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts how often each operator runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if not func.is_view:
            self.calls[str(func.overloadpacket)] += 1
        return func(*args, **(kwargs or {}))


def by_torch(model: nn.Module, image: torch.Tensor) -> Flops:
    """torch.utils.flop_counter: matrix products and convolutions only, halved to multiply-accumulates."""
    with OperatorCounter() as operators, FlopCounterMode(display=False) as flops:
        model(image)
    parts = {str(operator): value / 2 for operator, value in flops.get_flop_counts().get("Global", {}).items()}
    left_out = {name: calls for name, calls in operators.calls.items() if name not in parts}
    return Flops(flops.get_total_flops() / 2, parts, left_out)


# FLOPs of a layer's call from the layer, its input and its output.
Counting = Callable[[nn.Module, torch.Tensor, torch.Tensor], int]


def by_layers(counted: Mapping[type[nn.Module], Counting], model: nn.Module, image: torch.Tensor) -> Flops:
    """Count by layers: what is called as a function, and not as a layer of the network, is left out.

    Args:
        counted: How each type of layer is counted; others are not.
        model: The network.
        image: (1, 3, H, W).
    """
    counts: Counter[str] = Counter()

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        counts[type(layer).__name__] += counted[type(layer)](layer, inputs[0], output)

    hooks = [layer.register_forward_hook(count) for layer in model.modules() if type(layer) in counted]
    try:
        model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return Flops(float(counts.total()), {name: float(value) for name, value in counts.items()}, None)


def products(layer: nn.Module, x: torch.Tensor, output: torch.Tensor) -> int:
    """Multiply-accumulates of a convolution or linear layer: the weights behind an output value, for each of these."""
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    return output.numel() * (weight.numel() // len(weight))


def products_and_bias(layer: nn.Module, x: torch.Tensor, output: torch.Tensor) -> int:
    """As :func:`products`, and one for each output value where the layer has a bias."""
    return products(layer, x, output) + (output.numel() if layer.bias is not None else 0)


def values(layer: nn.Module, x: torch.Tensor, output: torch.Tensor) -> int:
    """One for each input value."""
    return x.numel()


# thop of 2019: four for each value of a batch norm. It counts a linear layer twice, only the last call of a ReLU that
# is called several times, and pooling layers too, which is left out here.
THOP: dict[type[nn.Module], Counting] = {
    nn.Conv1d: products,
    nn.Conv2d: products,
    nn.Linear: products,
    nn.BatchNorm2d: lambda layer, x, output: 4 * x.numel(),
    nn.ReLU: values,
}
# ptflops 0.6.2, of the layers that occur here.
PTFLOPS: dict[type[nn.Module], Counting] = {
    nn.Conv1d: products_and_bias,
    nn.Conv2d: products_and_bias,
    nn.Linear: products_and_bias,
    nn.BatchNorm2d: lambda layer, x, output: 2 * x.numel(),
    nn.ReLU: values,
    nn.ReLU6: values,
    nn.MaxPool2d: values,
    nn.AvgPool2d: values,
    nn.AdaptiveAvgPool2d: values,
    nn.AdaptiveMaxPool2d: values,
}
CONVENTIONS: dict[str, Callable[[nn.Module, torch.Tensor], Flops]] = {
    "fvcore": by_fvcore,
    "ptflops": by_ptflops,
    "torch": by_torch,
    "ptflops-0.6": partial(by_layers, PTFLOPS),
    "layers": partial(by_layers, THOP),
}


@contextlib.contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Keep a library's logger to errors (what it would say is returned) and its deprecated calls silent."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@dataclass(frozen=True)
class Cost:
    """One network's parameters and FLOPs, and the plain network's under the same convention.

    Attributes:
        model: The suite's name.
        parameters: Count.
        flops: Multiply-accumulates of one 224x224 image.
        plain_parameters: The plain backbone's.
        plain_flops: The plain backbone's.
    """

    model: str
    parameters: int
    flops: Flops
    plain_parameters: int
    plain_flops: float


def measure_costs(
    models: Iterable[str], convention: str, progress: Callable[[str], None] = lambda name: None
) -> list[Cost]:
    """Count every model once; each backbone's plain network is counted along.

    Args:
        models: Names, as ``benchmarks.networks.models.create`` takes them.
        convention: A name in ``benchmarks.measure.cost.CONVENTIONS``.
        progress: Called with each name before its count.

    Raises:
        ValueError: An unknown name or convention.
    """
    counted: dict[str, tuple[int, Flops]] = {}

    def count(name: str) -> tuple[int, Flops]:
        if name not in counted:
            progress(name)
            network = create(name)
            counted[name] = count_parameters(network), count_flops(network, convention)
        return counted[name]

    plain = {name: count(parse(name).backbone) for name in models}
    return [Cost(name, *count(name), plain[name][0], plain[name][1].total) for name in models]
