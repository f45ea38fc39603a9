"""Devices by name: what each is called, what is said where one is not here, and what is not known is not zero."""

import platform
import subprocess

import pytest
import torch

from benchmarks.measure import device as devices
from benchmarks.measure import efficiency
from benchmarks.measure.device import check_device, find_device
from benchmarks.measure.efficiency import Settings, Subject, draw_batch
from benchmarks.measure.memory import peak_memory
from benchmarks.networks.models import create
from benchmarks.work.passes import out_of_memory

CPU, MPS = torch.device("cpu"), torch.device("mps")
needs_no_mps = pytest.mark.skipif(torch.backends.mps.is_available(), reason="needs a machine without MPS")


@pytest.mark.parametrize("name", ["gpu", "mps:0", "mps2", "cuda:", "cuda:x", "meta", "CPU", ""])
def test_other_names_are_refused(name: str) -> None:
    """In one line that lists the names, before torch is asked and by it."""
    for find in (check_device, find_device):
        with pytest.raises(ValueError, match=r"unknown device .*; choose cpu, cuda, cuda:N or mps"):
            find(name)


@needs_no_mps
def test_mps_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere than on a Mac that is said without torch; on a Mac without one, by it."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    with pytest.raises(ValueError, match="device 'mps' is not here, this is Linux and mps is Apple's; choose another"):
        check_device("mps")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    check_device("mps")
    with pytest.raises(ValueError, match="device 'mps' is not here, PyTorch sees no MPS device; choose another or cpu"):
        find_device("mps")


def test_mps_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called by its processor, which macOS is asked for."""
    asked = []

    def run(command: tuple[str, ...], **how: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "Apple M9\n")

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", run)
    devices.processor_name.cache_clear()
    try:
        assert find_device("mps") == MPS
        assert devices.device_name("mps") == devices.computes_with("mps") == "Apple M9, MPS"
        assert devices.device_name("cpu", 4) == "Apple M9, 4 threads"
        assert asked == [devices.BRAND]
    finally:
        devices.processor_name.cache_clear()


def test_unknown_memory_is_not_zero() -> None:
    """MPS counts no peak, so there is no number, and why."""
    peak = peak_memory(lambda: pytest.fail("nothing is to be measured"), MPS)
    assert (peak.allocated, peak.reserved) == (None, None)
    assert peak.status == "unknown, because MPS has no counter of its peak memory"


def test_time_on_mps_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that does not count, then the clock between two waits around as many steps as make a round."""
    settings = Settings("inference", batch=1, resolution=32)
    subject = Subject(create("resnet18", 10, "mini"), settings, *draw_batch(settings, CPU))
    seen: list[str] = []
    monkeypatch.setattr(subject, "device", MPS)
    monkeypatch.setattr(subject, "step", lambda: seen.append("step"))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: seen.append("wait"))
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: seen.append("empty"))
    ticks = iter((10.0, 16.0))
    subject.steps = 3
    monkeypatch.setattr("benchmarks.measure.efficiency.time.perf_counter", lambda: next(ticks))
    assert subject.time() == 2.0
    assert seen == ["empty", "step", "wait", "step", "step", "step", "wait"]


def test_out_of_memory_on_mps_is_known() -> None:
    """There it is a RuntimeError like any other, but for its words."""
    error = RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB)")
    assert out_of_memory(error)
    assert efficiency.is_out_of_memory(error)
    assert not out_of_memory(RuntimeError("shapes do not match"))
