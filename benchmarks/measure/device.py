"""Devices by name: whether one is here, and what to call it. Torch is imported where it must be asked."""

import ctypes
import functools
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Any of these is there where a CUDA device (or, under the same name in torch, a ROCm one) can be used.
DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")
NAME = re.compile(r"cpu|cuda(:\d+)?")


def check_device(name: str, here: bool = True) -> None:
    """Refuse a device that cannot be, without torch.

    Args:
        name: The device's.
        here: Whether it must be on this host.

    Raises:
        ValueError: Not ``cpu``, ``cuda`` or ``cuda:N``; or a CUDA device where there is no driver for any.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"unknown device {name!r}; choose cpu, cuda or cuda:N")
    if here and name != "cpu" and not any(map(loads, DRIVERS)):
        raise ValueError(f"device {name!r} is not here, there is no CUDA driver; choose another or cpu")


def loads(library: str) -> bool:
    """Whether a shared library is there."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def find_device(name: str) -> "torch.device":
    """The device of this name: ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ValueError: Another name, or a device that is not here.
    """
    import torch

    if not NAME.fullmatch(name):
        raise ValueError(f"unknown device {name!r}; choose cpu, cuda or cuda:N")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise ValueError(f"device {name!r} is not here, PyTorch sees {count} CUDA devices; choose another or cpu")
    return device


def cuda_devices() -> list[int]:
    """Numbers of the CUDA devices that this process may use, as the driver counts them."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    numbers = [int(one) for one in named.split(",") if one.strip().isdecimal()]
    return numbers[:count] or list(range(count))


@functools.cache
def processor_name() -> str:
    """The CPU's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def device_name(device: str, threads: int | None = None) -> str:
    """What to call a device beside its numbers: the CUDA device's name, or the CPU's with its number of threads."""
    import torch

    if find_device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor_name()}, {threads or torch.get_num_threads()} threads"


def computes_with(device: str) -> str:
    """What decides the last bits of a training: the CUDA device's name, or the CPU's with the instructions in use."""
    import torch

    if find_device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor_name()}, {torch.backends.cpu.get_cpu_capability()}"
