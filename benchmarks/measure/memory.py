"""Peak memory of a call.

CUDA: what PyTorch's allocator counts on the device, everything on it included. CPU: the peak of live tensor bytes, from
the storages of the tensors that operators return. What an operator takes and gives back within itself (a convolution's
workspace) is in CUDA's figure and not in the CPU's, so the two are never compared. MPS: unknown, for PyTorch counts
what its allocator holds at the moment and not the peak.
"""

import gc
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.measure.device import MPS

OK = "ok"
NO_COUNTER = "unknown, because MPS has no counter of its peak memory"


@dataclass(frozen=True)
class Peak:
    """Peak memory of one call, in bytes.

    Attributes:
        allocated: Bytes of tensors at the peak, or None where ``status`` says why they are not known.
        reserved: Bytes that the CUDA allocator held at its peak; None on other devices, which count no such thing.
        status: ``ok``, or why there is no number.
    """

    allocated: int | None
    reserved: int | None
    status: str = OK


def peak_memory(call: Callable[[], object], device: torch.device, base: Iterable[Tensor] = ()) -> Peak:
    """Run ``call`` once and return the peak of memory during it.

    Args:
        call: What is measured; not run on MPS. On the CPU it must run eagerly: compiled code allocates where nobody can
            look.
        device: Where it runs.
        base: Tensors that are there before the call (parameters, optimizer state, inputs): the CPU's figure begins
            with them. On CUDA all that lies on the device counts in any case.

    Raises:
        ValueError: The device is none of the three.
    """
    if device.type == "cpu":
        return peak_on_cpu(call, base)
    if device.type == "cuda":
        return peak_on_cuda(call, device)
    if device.type == MPS:
        return Peak(None, None, NO_COUNTER)
    raise ValueError(f"memory is measured on cpu and cuda, and unknown on mps; got {device}")


def peak_on_cuda(call: Callable[[], object], device: torch.device) -> Peak:
    """Peak of allocated and of reserved bytes on the device; the allocator's cache is emptied first."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    torch.cuda.synchronize(device)
    return Peak(torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device))


def peak_on_cpu(call: Callable[[], object], base: Iterable[Tensor]) -> Peak:
    """Peak of live tensor bytes, the backward pass included: on the CPU autograd runs in the calling thread."""
    tracker = LiveBytes(base)
    with tracker:
        call()
    return Peak(None if tracker.unknown else tracker.peak, None, tracker.unknown or OK)


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the CPU storages that operators return, for as long as they live.

    A storage counts once, however many views it has, and until the last of them is gone: autograd's saved tensors hold
    theirs. Only the storage's end says that, hence weak references to storages and not to tensors.

    Args:
        base: Tensors that are there already.

    Attributes:
        live: Bytes of the storages that are alive now.
        peak: The most that ``live`` has been.
        unknown: Why the count is incomplete, or None.
    """

    def __init__(self, base: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self.unknown: str | None = None
        self.sizes: dict[int, int] = {}
        self.references: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        for tensor in base:
            self.add(tensor, "the base")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.add(leaf, str(func))
        return result

    def add(self, tensor: Tensor, source: str) -> None:
        """Count a tensor's storage, or its new size if it is counted already."""
        if tensor.device.type != "cpu":
            return
        if tensor.layout != torch.strided:
            self.unknown = f"not measurable: {source} has a tensor of layout {tensor.layout}"
            return
        storage = tensor.untyped_storage()
        key = id(storage)
        if key not in self.references:
            self.references[key] = weakref.ref(storage, lambda _: self.forget(key))
        self.live += storage.nbytes() - self.sizes.get(key, 0)
        self.sizes[key] = storage.nbytes()
        self.peak = max(self.peak, self.live)

    def forget(self, key: int) -> None:
        """A storage has ended; its id is free for the next."""
        del self.references[key]
        self.live -= self.sizes.pop(key)
