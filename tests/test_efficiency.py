"""How networks are measured: turns, samples, failures, the process. Never how fast anything is."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.measure import efficiency
from benchmarks.measure.device import device_name
from benchmarks.measure.efficiency import (
    COMMAND,
    Settings,
    instability,
    is_out_of_memory,
    measure,
    run_in_own_process,
    schedule,
)
from benchmarks.networks.names import TWIN

# One thread: many are slow on small networks where other processes hold the cores.
TINY = Settings("training", batch=2, resolution=8, rounds=3, warmup=2, threads=1)
OUT_OF_MEMORY = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    MemoryError(),
]


class Tiny(nn.Module):
    """A network that tells when it runs."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.linear = nn.Linear(4, 1000)
        self.tell = tell

    def forward(self, x: Tensor) -> Tensor:
        self.tell()
        logits: Tensor = self.linear(self.norm(self.conv(x)).mean((2, 3)))
        return logits


def silent(done: int, total: int) -> None:
    """No progress."""


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_networks_take_turns(mode: str) -> None:
    """A B A~twin in each of 1 memory, 2 warm-up and 3 counted rounds; every sample is kept."""
    ran: list[str] = []
    progress: list[tuple[int, int]] = []
    names = ["a", "b", f"a{TWIN}"]
    measured = measure(
        names,
        replace(TINY, mode=mode),
        lambda done, total: progress.append((done, total)),
        lambda name: Tiny(lambda: ran.append(name)),
    )
    assert ran == ["a", "b", "a"] * 6
    assert progress == [(done, 18) for done in range(19)]
    assert list(measured) == names
    for result in measured.values():
        assert (len(result.seconds), len(result.warmup_seconds), result.status) == (3, 2, "ok")
        assert min(result.seconds + result.warmup_seconds) > 0
    assert measured["a"].peak_bytes == measured[f"a{TWIN}"].peak_bytes
    assert measured["a"].reserved_bytes is None


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_modes_train_or_do_not(mode: str) -> None:
    network = Tiny(lambda: None)
    before = network.linear.weight.clone()
    measure(["a"], replace(TINY, mode=mode), silent, lambda name: network)
    assert torch.equal(before, network.linear.weight) == (mode == "inference")
    assert network.training == (mode == "training")
    assert network.linear.weight.grad is None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("mode", ["training", "inference"])
def test_dtypes(mode: str, dtype: str) -> None:
    seen: set[torch.dtype] = set()
    network = Tiny(lambda: None)
    network.conv.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    settings = replace(TINY, mode=mode, dtype=dtype, channels_last=True, rounds=1, warmup=1)
    assert measure(["a"], settings, silent, lambda name: network)["a"].status == "ok"
    assert seen == {getattr(torch, dtype)}
    assert network.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_threads_are_put_back() -> None:
    threads = torch.get_num_threads()
    seen: list[int] = []
    measure(["a"], TINY, silent, lambda name: Tiny(lambda: seen.append(torch.get_num_threads())))
    assert set(seen) == {1}
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("runs", [0, 4])
def test_out_of_memory_stops_one_network(error: Exception, runs: int) -> None:
    """At its first step (memory) or its fifth (the second counted round after two warm-ups)."""
    left = iter(range(runs))

    def fail() -> None:
        if next(left, None) is None:
            raise error

    measured = measure(["a", "big", "b"], TINY, silent, lambda name: Tiny(fail if name == "big" else lambda: None))
    assert measured["big"].status == "out of memory at batch 2"
    assert len(measured["big"].seconds) == max(0, runs - 3)
    assert (measured["big"].peak_bytes is None) == (runs == 0)
    for name in "ab":
        assert (len(measured[name].seconds), measured[name].status) == (3, "ok")


def test_other_errors_are_not_hidden() -> None:
    assert not is_out_of_memory(RuntimeError("shapes differ"))

    def fail() -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        measure(["a"], TINY, silent, lambda name: Tiny(fail))


def test_compiled_memory_is_unknown_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda network: network)
    result = measure(["a"], replace(TINY, compile=True), silent, lambda name: Tiny(lambda: None))["a"]
    assert result.peak_bytes is None
    assert "not measurable" in result.status
    assert len(result.seconds) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "test"}, "choose one of training, inference"),
        ({"dtype": "int8"}, "choose one of float32, bfloat16, float16"),
        ({"batch": 0}, "batch is 0; it must be at least 1"),
        ({"warmup": 0}, "warmup is 0"),
        ({"threads": 0}, "threads is 0"),
        ({"device": "gpu"}, "unknown device 'gpu'; choose cpu, cuda, cuda:N or mps"),
        ({"device": "meta"}, "unknown device 'meta'"),
        ({"device": "cuda:99"}, "device 'cuda:99' is not here, PyTorch sees [0-9]+ CUDA devices"),
    ],
)
def test_bad_settings(change: dict[str, object], message: str) -> None:
    for run in (measure, run_in_own_process):
        with pytest.raises(ValueError, match=message):
            run(["resnet18"], replace(TINY, **change), silent)


def test_bad_names() -> None:
    for names in ([], ["resnet18", "resnet18"]):
        with pytest.raises(ValueError, match="names must be given, each once"):
            measure(names, TINY, silent)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_no_cuda() -> None:
    with pytest.raises(ValueError, match="PyTorch sees 0 CUDA devices; choose another or cpu"):
        device_name("cuda")


def test_device_name() -> None:
    assert device_name("cpu").endswith(f", {torch.get_num_threads()} threads")
    assert device_name("cpu", 3).endswith(", 3 threads")


# --- statistics


def test_instability() -> None:
    assert instability([1.0, 1.01, 1.02, 1.03]) is None
    assert instability([1.0, 1.0, 1.0, 9.0, 1.0, 1.0]) is None
    assert instability([1.0, 1.0, 2.0, 2.0]) == "unstable: the middle half of the samples spans 67% of the median"
    assert instability([1.0]) == "a single sample, its spread is not known"


# --- the process

SMALL = Settings("inference", batch=1, resolution=32, rounds=1, warmup=1, threads=1)
# Stands for the process, and is up at once: one turn done, the second at work, then what the test wants of it.
STUB = 'import os, signal, time; input(); print(\'{{"done": 1, "total": 6}}\', flush=True); {}'


def test_own_process() -> None:
    progress: list[tuple[int, int]] = []
    names = ["resnet18", f"resnet18{TWIN}"]
    measured = run_in_own_process(names, SMALL, lambda done, total: progress.append((done, total)))
    assert progress == [(done, 6) for done in range(7)]
    assert list(measured) == names
    for result in measured.values():
        assert (len(result.seconds), len(result.warmup_seconds), result.status) == (1, 1, "ok")
        # 11.7 M parameters of 4 bytes and something for the activations.
        assert result.peak_bytes is not None
        assert 46e6 < result.peak_bytes < 60e6


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", r"by signal SIGKILL \(out of memory\?\) at resnet34, phase memory$"),
        ("os._exit(3)", "with exit status 3 at resnet34, phase memory$"),
        ("1 / 0", "with exit status 1 at resnet34, phase memory: ZeroDivisionError: division by zero$"),
    ],
)
def test_process_that_dies(end: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficiency, "COMMAND", (sys.executable, "-c", STUB.format(end)))
    with pytest.raises(RuntimeError, match=message) as caught:
        run_in_own_process(["resnet18", "resnet34"], SMALL, silent)
    assert "\n" not in str(caught.value)


def test_process_ends_with_its_parent() -> None:
    """Whoever started it is gone when its standard input ends."""
    job = {"names": ["resnet18"], "settings": asdict(replace(SMALL, rounds=10**6))}
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(job) + "\n")
        child.stdin.flush()
        assert json.loads(child.stdout.readline())["done"] == 0
        child.stdin.close()
        assert child.wait(timeout=30) == 1


def test_process_ends_on_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    start = subprocess.Popen

    def remember(*args: Any, **kwargs: Any) -> subprocess.Popen[str]:
        started.append(start(*args, **kwargs))
        return started[-1]

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", remember)
    monkeypatch.setattr(efficiency, "COMMAND", (sys.executable, "-c", STUB.format("time.sleep(600)")))
    with pytest.raises(KeyboardInterrupt):
        run_in_own_process(["resnet18", "resnet34"], SMALL, interrupt)
    assert started[0].returncode is not None


def test_schedule() -> None:
    assert schedule(["a", "b"], replace(SMALL, rounds=2)) == [
        (phase, name) for phase in ("memory", "warmup", "time", "time") for name in "ab"
    ]
