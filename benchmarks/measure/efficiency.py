"""Time and peak memory of networks, measured in turn, and in a process of their own.

Memory comes first, each network alone on the device. Then the networks take turns (A B C A B C ...), so that whatever
else the machine does meets all of them; warm-up rounds come before counted ones, and all samples are kept. A network
measured a second time under another name (``TWIN``) shows what difference is noise.

``python -m benchmarks.measure.efficiency`` is the process: a job as one line of JSON on its standard input, progress
and the result as lines of JSON on its standard output. It ends when its standard input does, as it does when the
process that started it dies.
"""

import contextlib
import gc
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import IO, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.core.processes import ending
from benchmarks.measure.device import empty_cache, find_device, wait_for
from benchmarks.measure.memory import OK, Peak, peak_memory
from benchmarks.metrics.statistics import log_ratio
from benchmarks.networks import models
from benchmarks.networks.names import TWIN

MODES = ("training", "inference")
DTYPES = ("float32", "bfloat16", "float16")
CLASSES = 1000
SEED = 0
MOMENTUM = 0.9
# Small, for the one batch is learnt again and again, but not zero: norms that start at zero would stay there, and the
# backward pass would multiply zeros, which some devices do faster.
LEARNING_RATE = 0.01
# A GPU's sample covers as many steps as fill this, for events resolve no better than a microsecond or so.
SHORTEST_ROUND = 0.05
# Half of the 95 % interval of a ratio to the first network, relative, under which more rounds are not needed.
PRECISE = 0.02
# (p75 - p25) / median above which a warning stands beside a median.
STEADY = 0.10
NO_MEMORY = ("can't allocate memory", "DefaultCPUAllocator", "out of memory", "STATUS_ALLOC_FAILED")
COMMAND = (sys.executable, "-m", "benchmarks.measure.efficiency")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        mode: ``training`` (forward, cross-entropy, backward, SGD step) or ``inference``.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        dtype: ``float32``, or ``bfloat16`` or ``float16`` by autocast.
        batch: Images in a step.
        resolution: Side of an image in pixels.
        channels_last: Memory format of networks and images.
        compile: Run the networks through ``torch.compile``.
        rounds: Counted samples of each network, at least.
        warmup: Samples of each network before those, at least 1.
        budget: Seconds of further rounds, until all ratios to the first network are known to ``PRECISE``, or None.
        threads: CPU threads within an operator; None leaves torch's default.
    """

    mode: str
    device: str = "cpu"
    dtype: str = "float32"
    batch: int = 1
    resolution: int = 224
    channels_last: bool = False
    compile: bool = False
    rounds: int = 10
    warmup: int = 2
    budget: float | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Efficiency:
    """What was measured of one network.

    Attributes:
        seconds: Time of one step (one batch), a sample for each counted round.
        warmup_seconds: The same for the warm-up rounds.
        peak_bytes: Peak memory of one step (see ``benchmarks.measure.memory``), or None where it is not known.
        reserved_bytes: What the CUDA allocator held at most; None on other devices.
        status: ``ok``, or why numbers are missing.
    """

    seconds: list[float] = field(default_factory=list)
    warmup_seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    reserved_bytes: int | None = None
    status: str = OK


def check(names: Sequence[str], settings: Settings) -> torch.device:
    """The settings' device.

    Raises:
        ValueError: A setting that cannot be, a device that is not here, or no name, or one that stands twice.
    """
    for what, value, allowed in (("mode", settings.mode, MODES), ("dtype", settings.dtype, DTYPES)):
        if value not in allowed:
            raise ValueError(f"unknown {what} {value!r}; choose one of {', '.join(allowed)}")
    for what in ("batch", "resolution", "rounds", "warmup", "threads"):
        count = getattr(settings, what)
        if count is not None and count < 1:
            raise ValueError(f"{what} is {count}; it must be at least 1")
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"names must be given, each once (for a second time NAME{TWIN}); got {', '.join(names) or 'none'}"
        )
    return find_device(settings.device)


class Subject:
    """One network under measurement, with its optimizer and the batch that all networks share.

    Args:
        network: The network, on any device.
        settings: How to measure.
        images: (N, 3, H, W) on the device.
        labels: (N,) class numbers on the device.
    """

    def __init__(self, network: nn.Module, settings: Settings, images: Tensor, labels: Tensor) -> None:
        self.settings, self.images, self.labels = settings, images, labels
        self.device = images.device
        self.training = settings.mode == "training"
        # Onto the device before the optimizer is made, for it holds on to the parameters that it is given.
        self.network = network.train(self.training).to(self.device)
        if settings.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)
        self.run: Callable[[Tensor], Tensor] = torch.compile(self.network) if settings.compile else self.network
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.dtype == "float16")
        self.steps = 1
        self.unpark()

    def unpark(self) -> None:
        """Onto the device, the momentum included: a step of zero gradients makes it, so that the first step has it."""
        self.network.to(self.device)
        if self.training and not self.optimizer.state:
            for parameter in self.network.parameters():
                parameter.grad = torch.zeros_like(parameter)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

    def park(self) -> None:
        """Off a GPU, to leave it to the next network."""
        if self.device.type != "cpu":
            self.optimizer.state.clear()
            self.network.to("cpu")

    def tensors(self) -> list[Tensor]:
        """All that lies in memory between steps."""
        state = [value for values in self.optimizer.state.values() for value in values.values()]
        kept = [*self.network.parameters(), *self.network.buffers(), *state, self.images, self.labels]
        return [tensor for tensor in kept if isinstance(tensor, Tensor)]

    def step(self) -> None:
        """One step on one batch: training or inference, as the settings say."""
        dtype = self.settings.dtype
        # Single precision asks for none, which old versions of torch have not on every device.
        half = dtype != "float32"
        autocast = torch.autocast(self.device.type, getattr(torch, dtype)) if half else contextlib.nullcontext()
        if not self.training:
            # Compiled code and inference mode do not get along in older versions of torch.
            with torch.no_grad() if self.settings.compile else torch.inference_mode(), autocast:
                self.run(self.images)
            return
        with autocast:
            loss = F.cross_entropy(self.run(self.images), self.labels)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        # At the end, so that gradients do not lie in memory while the other networks have their turn.
        self.optimizer.zero_grad(set_to_none=True)

    def memory(self) -> Peak:
        """Peak memory of one step."""
        if self.device.type == "cpu" and self.settings.compile:
            return Peak(None, None, "memory of compiled networks is not measurable on the CPU")
        if self.device.type == "cuda":
            # The first step alone loads kernels and searches for the fastest.
            self.step()
        return peak_memory(self.step, self.device, self.tensors())

    def time(self) -> float:
        """Seconds of one step; on a GPU the mean over ``self.steps`` steps, after one that is not counted."""
        if self.device.type == "cpu":
            return self.by_clock(1)
        # The allocator's cache holds blocks of the network before, which fit this one's tensors badly.
        empty_cache(self.device)
        self.step()
        wait_for(self.device)
        return self.by_events(self.steps) if self.device.type == "cuda" else self.by_clock(self.steps)

    def by_events(self, steps: int) -> float:
        """Seconds of one of some steps, by a CUDA device's own clock."""
        begin = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        begin.record()
        for _ in range(steps):
            self.step()
        end.record()
        wait_for(self.device)
        return float(begin.elapsed_time(end)) / 1000 / steps

    def by_clock(self, steps: int) -> float:
        """Seconds of one of some steps, by the clock on the wall."""
        begin = time.perf_counter()
        for _ in range(steps):
            self.step()
        wait_for(self.device)
        return (time.perf_counter() - begin) / steps

    def warm_up(self) -> float:
        """Seconds of one step; the last warm-up decides how many steps make a GPU's round."""
        seconds = self.time()
        if self.device.type != "cpu":
            self.steps = max(1, math.ceil(SHORTEST_ROUND / seconds))
        return seconds


def schedule(names: Sequence[str], settings: Settings) -> list[tuple[str, str]]:
    """All turns in their order, as (phase, name): ``memory`` of each, then rounds of ``warmup``, then of ``time``."""
    phases = ["memory"] + ["warmup"] * settings.warmup + ["time"] * settings.rounds
    return [(phase, name) for phase in phases for name in names]


def turns_of(names: Sequence[str], settings: Settings, results: Mapping[str, Efficiency]) -> Iterator[tuple[str, str]]:
    """The turns of ``schedule``, and whole rounds after them while the budget lasts and a ratio is not yet precise.

    Args:
        names: Of the networks.
        settings: How to measure.
        results: What was measured so far, kept up to date by the caller.
    """
    yield from schedule(names, settings)
    began = time.perf_counter()
    while settings.budget and time.perf_counter() - began < settings.budget and half_width(results) >= PRECISE:
        yield from (("time", name) for name in names)


def half_width(results: Mapping[str, Efficiency]) -> float:
    """The widest half of the 95 % intervals of ratios of time to the first network's, relative; 0 without others."""
    first, *others = (result.seconds for result in results.values())
    widths = []
    for seconds in others:
        if len(seconds) == len(first) > 0:
            low, high = log_ratio(seconds, first).interval()
            widths.append(math.expm1((high - low) / 2) if math.isfinite(low) else math.inf)
    return max(widths, default=0.0)


def measure(
    names: Sequence[str],
    settings: Settings,
    progress: Progress,
    create: Callable[[str], nn.Module] | None = None,
) -> dict[str, Efficiency]:
    """Measure networks in turn.

    Args:
        names: Names for ``create``; with ``TWIN`` behind it a name stands for the same network once more.
        settings: How to measure.
        progress: Called before each turn of ``schedule`` with the number of turns done and of all, and at the end.
        create: Makes a network of 1000 classes from its name; None for ``benchmarks.networks.models.create``.

    Returns:
        Numbers by name. A network that runs out of memory says so in its status, and the others go on.

    Raises:
        ValueError: As ``check``, or an unknown network.
    """
    device = check(names, settings)
    results = {name: Efficiency() for name in names}
    subjects: dict[str, Subject] = {}
    total = len(schedule(names, settings))
    with environment(settings, device, len(names)):
        images, labels = draw_batch(settings, device)
        for done, (phase, name) in enumerate(turns_of(names, settings, results)):
            total = max(total, done + 1)
            progress(done, total)
            if phase != "memory" and name not in subjects:
                continue
            try:
                if phase == "memory":
                    subjects[name] = Subject(build(name, create or models.create), settings, images, labels)
                results[name] = take_turn(phase, subjects[name], results[name])
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                subjects.pop(name, None)
                results[name] = replace(results[name], status=f"out of memory at batch {settings.batch}")
            if name not in subjects:
                # Not in the handler: there the error still holds all that its frames do.
                release(device)
        progress(total, total)
    return results


def take_turn(phase: str, subject: Subject, so_far: Efficiency) -> Efficiency:
    """The result so far and what one turn adds to it."""
    if phase == "memory":
        peak = subject.memory()
        subject.park()
        return replace(so_far, peak_bytes=peak.allocated, reserved_bytes=peak.reserved, status=peak.status)
    if phase == "warmup":
        subject.unpark()
        return replace(so_far, warmup_seconds=[*so_far.warmup_seconds, subject.warm_up()])
    return replace(so_far, seconds=[*so_far.seconds, subject.time()])


def build(name: str, create: Callable[[str], nn.Module]) -> nn.Module:
    """The network of a name; a twin has the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return create(name.removesuffix(TWIN))


def draw_batch(settings: Settings, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) of noise and labels (N,), the same for every network."""
    stream = torch.Generator().manual_seed(SEED)
    images = torch.randn(settings.batch, 3, settings.resolution, settings.resolution, generator=stream)
    labels = torch.randint(0, CLASSES, (settings.batch,), generator=stream)
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format
    return images.to(device).contiguous(memory_format=layout), labels.to(device)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out; the CPU's allocator has no type of its own for that."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return any(text in str(error) for text in NO_MEMORY)


def release(device: torch.device) -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    empty_cache(device)


@contextlib.contextmanager
def environment(settings: Settings, device: torch.device, networks: int) -> Iterator[None]:
    """Torch's global settings for a measurement, put back afterwards.

    Args:
        settings: How to measure.
        device: Made current if it is a CUDA device, for events are recorded on the current one.
        networks: How many there are; all of them may be compiled from the same forward function, and torch silently
            runs those above its limit as they are.
    """
    threads, search = torch.get_num_threads(), torch.backends.cudnn.benchmark
    with contextlib.ExitStack() as stack:
        if device.type == "cuda":
            stack.enter_context(torch.cuda.device(device))
        if settings.compile:
            limit = max(torch._dynamo.config.cache_size_limit, 2 * networks)
            stack.enter_context(torch._dynamo.config.patch(cache_size_limit=limit))
        try:
            torch.set_num_threads(settings.threads or threads)
            torch.backends.cudnn.benchmark = True
            yield
        finally:
            torch.set_num_threads(threads)
            torch.backends.cudnn.benchmark = search


def instability(samples: Sequence[float]) -> str | None:
    """What to warn of beside a median: a middle half that spans over 10 % of it, or a single sample; else None."""
    if len(samples) < 2:
        return "a single sample, its spread is not known"
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    spread = (high - low) / median
    return f"unstable: the middle half of the samples spans {spread:.0%} of the median" if spread > STEADY else None


def run_in_own_process(names: Sequence[str], settings: Settings, progress: Progress) -> dict[str, Efficiency]:
    """Measure networks in turn in a process of their own; as ``measure``.

    The process ends with this one and with the call, however either ends.

    Raises:
        ValueError: As ``check``.
        RuntimeError: The process ended without a result; the message tells how, and which network was at work.
    """
    check(names, settings)
    turns, done = schedule(names, settings), 0
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        child = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True)
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            # Its standard input stays open: its end would end the process.
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(json.dumps({"names": list(names), "settings": asdict(settings)}) + "\n")
                child.stdin.flush()
            for line in child.stdout:
                message = json.loads(line)
                if "result" in message:
                    return {name: Efficiency(**values) for name, values in message["result"].items()}
                done = message["done"]
                progress(done, message["total"])
            # Turns after those of the schedule are rounds like its last.
            turn = turns[done] if done < len(turns) else ("time", names[(done - len(turns)) % len(names)])
            raise RuntimeError(epitaph(child.wait(), turn, complaints))
        finally:
            end(child)


def end(child: subprocess.Popen[str]) -> None:
    """End a process that is still there and close its pipes."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def epitaph(code: int, turn: tuple[str, str], complaints: IO[str]) -> str:
    """In one line how a process ended, at which turn, and the last that it said."""
    complaints.seek(0)
    words = complaints.read().strip().splitlines()[-1:]
    return ": ".join([f"the measuring process ended {ending(code)} at {turn[1]}, phase {turn[0]}", *words])


def end_with(stream: int) -> None:
    """End this process when the stream ends, which it does when the process at its other end is gone."""
    while os.read(stream, 1024):
        pass
    os._exit(1)


def main() -> None:
    """The process: read a job, measure, write lines of JSON."""
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    # What libraries print must not mix with the messages.
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    threading.Thread(target=end_with, args=(0,), daemon=True).start()

    def send(**message: Any) -> None:
        channel.write(json.dumps(message) + "\n")

    results = measure(job["names"], Settings(**job["settings"]), lambda done, total: send(done=done, total=total))
    send(result={name: asdict(result) for name, result in results.items()})


if __name__ == "__main__":
    main()
