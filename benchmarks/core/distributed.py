"""One process or several under torchrun: the few collective operations that the suite needs."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

# The first process may evaluate or measure alone for long while the others wait.
PATIENCE = timedelta(hours=12)

ItemT = TypeVar("ItemT")


@contextlib.contextmanager
def processes(device: str) -> Iterator[None]:
    """Join the process group that torchrun announces, if it does: NCCL on CUDA, gloo on the CPU."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    cuda = torch.device(device).type == "cuda"
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, 0 for a single one."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def shard(items: Sequence[ItemT], process: int, processes: int) -> Sequence[ItemT]:
    """The share of one process: each item goes to exactly one, and shares differ by one item at most."""
    return items[process::processes]


def total(value: Tensor) -> Tensor:
    """Sum of a tensor over all processes."""
    if size() > 1:
        dist.all_reduce(value)
    return value


def gather(value: Any) -> list[Any]:
    """A picklable value of every process, in their order, on every process."""
    if size() == 1:
        return [value]
    values: list[Any] = [None] * size()
    dist.all_gather_object(values, value)
    return values


def wait() -> None:
    """Wait until all processes are here."""
    if size() > 1:
        dist.barrier()
