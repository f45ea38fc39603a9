"""Kill a smoke run of table 1 with SIGKILL at random moments, resume it, and compare it with an undisturbed run.

    make kill-test

Checks: the resumed run ends with the same records; their numbers are equal where they are no timings; every record is
whole after each kill; no cell that had finished is run again. Prints one line a kill and ends with exit code 1 if a
check fails.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.records import Record, Store

KILLS = 20
# Three models with all kinds of cells: the moments of a shorter run are closer to each other.
COMMAND = [sys.executable, "-m", "benchmarks", "run", "table1", "--profile", "smoke"]
MODELS = ["--models", "resnet50,resnet50-se,resnet50-td-joint-t2-m1"]


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """A run on its own results folder. Only its first process is killed: the others must end by themselves."""
    command = [*COMMAND, *MODELS, "--results", str(folder), "--out", str(folder / "report")]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path(__file__).resolve().parents[1]
    )


def stamps(folder: Path) -> dict[str, tuple[str, int]]:
    """When each record was made and its file written, by the record's id; reading them checks that they are whole."""
    store = Store(folder)
    files = {path: path.stat().st_mtime_ns for path in (folder / "records").glob("*.json")}
    return {store.read(path).id: (store.read(path).created, stamp) for path, stamp in files.items()}


def numbers(record: Record) -> dict[str, float | None]:
    """A record's values, without those that a clock made."""
    if record.cell.task == "efficiency":
        return {name: None for name in record.metrics if name.endswith("/memory")}
    return {name: metric.value for name, metric in record.metrics.items()}


def main() -> int:
    """Run the comparison; returns the exit code."""
    moments = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        plain, killed = Path(name) / "plain", Path(name) / "killed"
        begin = time.monotonic()
        assert start(plain).wait() == 0, "the undisturbed run failed"
        duration = time.monotonic() - begin
        before: dict[str, tuple[str, int]] = {}
        for kill in range(1, KILLS + 1):
            process = start(killed)
            time.sleep(moments.uniform(0.3, 1.2 * duration / 2))
            process.send_signal(signal.SIGKILL)
            ended = process.wait() == 0
            after = stamps(killed) if killed.exists() else {}
            if any(after.get(id_) != stamp for id_, stamp in before.items()):
                print("FAILED: a finished record was lost or written again")
                return 1
            print(f"kill {kill}: {len(after)} records" + (" (had ended)" if ended else ""), flush=True)
            before = after
        assert start(killed).wait() == 0, "the resumed run failed"
        found = {record.id: record for record in Store(killed).records()}
        expected = {record.id: record for record in Store(plain).records()}
    same = found.keys() == expected.keys() and all(numbers(found[i]) == numbers(expected[i]) for i in expected)
    print(f"{len(expected)} records expected, {len(found)} found, {'all equal' if same else 'FAILED: they differ'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
