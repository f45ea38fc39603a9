"""Devices by name: whether one is here, and what to call it. Torch is imported where it must be asked."""

import ctypes
import functools
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Any of these is there where a CUDA device (or, under the same name in torch, a ROCm one) can be used.
DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")
MPS = "mps"
NAME = re.compile(rf"cpu|cuda(:\d+)?|{MPS}")
BRAND = ("sysctl", "-n", "machdep.cpu.brand_string")


def check_device(name: str, here: bool = True) -> None:
    """Refuse a device that cannot be, without torch.

    Args:
        name: The device's.
        here: Whether it must be on this host.

    Raises:
        ValueError: Not ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; a CUDA device where there is no driver for any; or
            ``mps`` on anything but a Mac.
    """
    check_name(name)
    if here and name == MPS and platform.system() != "Darwin":
        raise ValueError(
            f"device {name!r} is not here, this is {platform.system()} and mps is Apple's; choose another or cpu"
        )
    if here and name.startswith("cuda") and not any(map(loads, DRIVERS)):
        raise ValueError(f"device {name!r} is not here, there is no CUDA driver; choose another or cpu")


def check_name(name: str) -> None:
    """Refuse what is no name of a device.

    Raises:
        ValueError: Not ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"unknown device {name!r}; choose cpu, cuda, cuda:N or mps")


def loads(library: str) -> bool:
    """Whether a shared library is there."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def find_device(name: str) -> "torch.device":
    """The device of this name: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises:
        ValueError: Another name, or a device that is not here.
    """
    import torch

    check_name(name)
    device = torch.device(name)
    if device.type == MPS and not torch.backends.mps.is_available():
        raise ValueError(f"device {name!r} is not here, PyTorch sees no MPS device; choose another or cpu")
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
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    if platform.system() == "Darwin":
        # Python's own answer there is the family alone, "arm".
        names = subprocess.run(BRAND, capture_output=True, text=True, check=False).stdout.split("\n")
    return names[0] if names and names[0] else platform.processor() or platform.machine()


def device_name(device: str, threads: int | None = None) -> str:
    """What to call a device beside its numbers: a GPU's name, or the CPU's with its number of threads."""
    import torch

    found = find_device(device)
    return f"{processor_name()}, {threads or torch.get_num_threads()} threads" if found.type == "cpu" else gpu(found)


def computes_with(device: str) -> str:
    """What decides the last bits of a training: a GPU's name, or the CPU's with the instructions in use."""
    import torch

    found = find_device(device)
    return f"{processor_name()}, {torch.backends.cpu.get_cpu_capability()}" if found.type == "cpu" else gpu(found)


def gpu(device: "torch.device") -> str:
    """What to call a GPU; Apple's are parts of a processor and have no name of their own."""
    import torch

    return f"{processor_name()}, MPS" if device.type == MPS else torch.cuda.get_device_name(device)


def wait_for(device: "torch.device") -> None:
    """Return when the device has done all that it was given; the CPU always has."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == MPS:
        torch.mps.synchronize()


def empty_cache(device: "torch.device") -> None:
    """Give back what a GPU's allocator holds without use; the CPU's holds nothing."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == MPS:
        torch.mps.empty_cache()
