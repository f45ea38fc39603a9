"""Batches are finished at once or in processes: the same parts, in their order; and what befalls these processes."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.work.finishing import AHEAD, Finishing
from benchmarks.work.shelves import Part
from tests.test_structure import ROOT, modules_after

PATIENCE = 60.0  # seconds


def doubled(part: Part, plus: int = 0) -> Part:
    return {"one": 2 * part["one"] + plus}


def odd_refused(part: Part) -> Part:
    if part["one"][0] % 2:
        raise ValueError(f"{part['one'][0]} is odd")
    return part


def process_of(part: Part) -> Part:
    """Which process does it."""
    return {"process": np.array([os.getpid()])}


@pytest.mark.parametrize("processes", [0, 2])
def test_what_comes_back_is_what_the_work_makes(processes: int) -> None:
    """In the order of the batches, of many more than may wait."""
    with Finishing(processes) as finishing:
        parts = [finishing.finish(partial(doubled, plus=1), {"one": np.arange(i, i + 3)}) for i in range(9)]
        assert [one.result()["one"].tolist() for one in parts] == [
            [2 * j + 1 for j in range(i, i + 3)] for i in range(9)
        ]
    assert (finishing.pool is None) is (processes == 0)


def test_an_error_is_that_of_its_batch_alone() -> None:
    with Finishing(1) as finishing:
        parts = [finishing.finish(odd_refused, {"one": np.array([i])}) for i in range(4)]
        assert [one.exception() is None for one in parts] == [True, False, True, False]
        assert str(parts[3].exception()) == "3 is odd"
    with pytest.raises(ValueError, match="1 is odd"):
        Finishing(0).finish(odd_refused, {"one": np.array([1])})


def test_few_batches_wait() -> None:
    """However slow the work is: who shows batches waits for it, so that memory does not grow."""
    with Finishing(1) as finishing:
        parts = []
        for _ in range(3 * AHEAD):
            parts.append(finishing.finish(slowed, {"one": np.array([1])}))
            assert sum(not one.done() for one in parts) <= AHEAD


def slowed(part: Part) -> Part:
    time.sleep(0.05)
    return part


def test_without_work_there_are_no_processes() -> None:
    with Finishing(3) as finishing:
        assert finishing.pool is None


def test_signals_of_the_terminal_do_not_reach_the_work() -> None:
    """Ctrl-C and a cluster's SIGTERM go to all processes; the first one writes what it has, for which it needs all."""
    with Finishing(1) as finishing:
        process = int(finishing.finish(process_of, {}).result()["process"][0])
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(process, number)
        assert int(finishing.finish(process_of, {}).result()["process"][0]) == process


def test_processes_end_with_the_one_that_started_them() -> None:
    """Also where that was killed."""
    code = """
import os, signal
from benchmarks.work.finishing import Finishing
from tests.test_finishing import process_of
finishing = Finishing(1)
print(*finishing.finish(process_of, {}).result()["process"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    process = int(ended.stdout)
    begin = time.monotonic()
    while Path(f"/proc/{process}").exists() and "Z" not in Path(f"/proc/{process}/stat").read_text().split()[2]:
        assert time.monotonic() - begin < PATIENCE
        time.sleep(0.1)


def test_boxes_need_no_torch() -> None:
    assert not modules_after("import benchmarks.work.boxing, benchmarks.work.finishing") & {"torch", "torchvision"}
