"""Peak memory against arithmetic by hand."""

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import nn

from benchmarks.measure.efficiency import Settings, Subject, draw_batch, environment
from benchmarks.measure.memory import Peak, peak_memory
from benchmarks.networks.models import create

CPU = torch.device("cpu")
FLOAT = 4
LONG = 8


def peak_floats(call: Callable[[], object], base: Iterable[torch.Tensor] = ()) -> float:
    """Peak of a call in numbers of float32."""
    peak = peak_memory(call, CPU, base)
    assert (peak.reserved, peak.status) == (None, "ok")
    assert peak.allocated is not None
    return peak.allocated / FLOAT


def test_chain_that_frees_in_between() -> None:
    """Of x + 1, * 2, ... never more than an operator's input and output live beside x."""
    x = torch.zeros(1000)

    def chain() -> torch.Tensor:
        y = x + 1
        for _ in range(5):
            y = y * 2
        return y

    assert peak_floats(chain, [x]) == 3 * 1000


def test_chain_that_keeps() -> None:
    x = torch.zeros(1000)
    assert peak_floats(lambda: [x + number for number in range(5)], [x]) == 6 * 1000
    assert peak_floats(lambda: [x + number for number in range(5)]) == 5 * 1000


def test_in_place_operators_and_views_take_nothing() -> None:
    x = torch.zeros(1000)
    assert peak_floats(lambda: x.add_(1).mul_(2).view(10, 100).t()[2:].detach(), [x]) == 1000
    assert peak_floats(lambda: [(x + 1).view(10, 100), x[5:], x.expand(20, 1000)], [x, x[:10], x]) == 2 * 1000


def test_a_view_keeps_its_storage() -> None:
    """One number of y is kept, and with it all of y's storage."""
    x = torch.zeros(1000)

    def call() -> list[torch.Tensor]:
        kept = (x + 1)[:1]
        return [kept, x + 2]

    assert peak_floats(call, [x]) == 3 * 1000


def test_what_the_call_frees_is_subtracted() -> None:
    """Beside x: a base of 1000 that ends before 400 are made. A generator lets go of what it has given."""
    x, held = torch.zeros(10), [torch.zeros(1000)]

    def call() -> torch.Tensor:
        held.clear()
        return torch.zeros(400)

    assert peak_floats(call, (tensor for tensors in ([x], held) for tensor in tensors)) == 10 + 1000


def test_sizes_follow_types_and_resizing() -> None:
    assert peak_memory(lambda: torch.zeros(100, dtype=torch.int64), CPU) == Peak(100 * LONG, None)
    assert peak_floats(lambda: torch.zeros(100).resize_(300)) == 300


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_inference_of_a_small_network(mode: type) -> None:
    """Weights, the input, and the widest layer's input and output: 3 -> 50 -> 7 features on 20 rows."""
    network = nn.Sequential(nn.Linear(3, 50, bias=False), nn.ReLU(inplace=True), nn.Linear(50, 7, bias=False))
    x = torch.zeros(20, 3)

    def call() -> None:
        with mode():
            network(x)

    assert peak_floats(call, [x, *network.parameters()]) == 150 + 350 + 60 + 20 * (50 + 7)


def test_training_step_of_a_small_network() -> None:
    """Backward and optimizer included, in float32 numbers, for N rows and I -> H -> O features without bias.

    The peak is in the backward pass where the ReLU's gradient is made. Alive are: weights and momentum; the input; the
    ReLU's saved output (N x H) and the gradients at its output and input (twice N x H); the second weight's gradient
    (H x O); the loss and the gradient that starts the backward pass (one number each, the one expanded to N x O).
    """
    rows, inputs, hidden, outputs = 100, 3, 50, 7
    weights = inputs * hidden + hidden * outputs
    network = nn.Sequential(nn.Linear(inputs, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, outputs, bias=False))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    x = torch.ones(rows, inputs)

    def step() -> None:
        loss = network(x).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()
    momentum = [values["momentum_buffer"] for values in optimizer.state.values()]
    peak = peak_floats(step, [x, *network.parameters(), *momentum])
    assert peak == 2 * weights + rows * inputs + 3 * rows * hidden + hidden * outputs + 2


def test_optimizer_is_seen() -> None:
    """The first step of SGD with momentum clones the gradient."""
    weight = nn.Parameter(torch.zeros(1000))
    weight.grad = torch.ones(1000)
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    assert peak_floats(optimizer.step, [weight, weight.grad]) == 3 * 1000


def test_unknown_is_not_zero() -> None:
    peak = peak_memory(lambda: torch.eye(3).to_sparse(), CPU)
    assert peak.allocated is None
    assert "not measurable" in peak.status
    with pytest.raises(ValueError, match="cpu and cuda, and unknown on mps; got meta"):
        peak_memory(lambda: None, torch.device("meta"))


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_feedback_takes_memory(mode: str) -> None:
    settings = Settings(mode, batch=2, resolution=32, threads=1)
    with environment(settings, CPU, networks=2):
        peaks = [
            Subject(create(name), settings, *draw_batch(settings, CPU)).memory().allocated
            for name in ("resnet18", "resnet18-td-joint-t2-m2")
        ]
    assert peaks[0] is not None
    assert peaks[1] is not None
    assert peaks[0] < peaks[1]
