"""Parameters and FLOPs. FLOPs are multiply-accumulates of one image, as in the paper's tables."""

import contextlib
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

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
    """Count as ptflops does by layers, the counter that the paper used; it tells a total only."""
    try:
        from ptflops import get_model_complexity_info
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the convention ptflops needs its package: pip install 'tdam-bench[ptflops]'"
        ) from error
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


def by_layers(model: nn.Module, image: torch.Tensor) -> Flops:
    """Count by layers as thop did in 2019: products, four for each value of a batch norm, one for each of a ReLU.

    thop counts a linear layer twice, only the last call of a ReLU that is called several times, and pooling layers too.
    """
    counts: Counter[str] = Counter()

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        counts[type(layer).__name__] += COUNTED_LAYERS[type(layer)](layer, output)

    hooks = [layer.register_forward_hook(count) for layer in model.modules() if type(layer) in COUNTED_LAYERS]
    try:
        model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return Flops(float(counts.total()), {name: float(value) for name, value in counts.items()}, None)


def products(layer: nn.Module, output: torch.Tensor) -> int:
    """Multiply-accumulates of a convolution or linear layer: the weights behind an output value, for each of these."""
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    return output.numel() * (weight.numel() // len(weight))


COUNTED_LAYERS: dict[type[nn.Module], Callable[[nn.Module, torch.Tensor], int]] = {
    nn.Conv1d: products,
    nn.Conv2d: products,
    nn.Linear: products,
    nn.BatchNorm2d: lambda layer, output: 4 * output.numel(),
    nn.ReLU: lambda layer, output: output.numel(),
}
CONVENTIONS: dict[str, Callable[[nn.Module, torch.Tensor], Flops]] = {
    "fvcore": by_fvcore,
    "ptflops": by_ptflops,
    "torch": by_torch,
    "layers": by_layers,
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
        plain_flops: The plain backbone's total.
    """

    model: str
    parameters: int
    flops: Flops
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

    return [Cost(name, *count(name), count(parse(name).backbone)[1].total) for name in models]
