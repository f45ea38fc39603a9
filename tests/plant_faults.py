"""Plant faults in copies of this repository, one at a time, and see that the gate names each; then run without any.

    make fault-test

A fault counts as caught if the gate ends with exit code 1 and a line that names its symptom. Runs without a fault must
end with 0 or 3. Prints one line for each run; exit code 1 if over one fault is missed or a run gives a false alarm.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("benchmarks", "tdam", "baselines", "results/paper", "results/reference/smoke")
MISSED_ALLOWED = 1


@dataclass(frozen=True)
class Fault:
    """A change of one place in the code.

    Attributes:
        name: In words.
        file: Below the root.
        old: Text that stands in the file exactly once.
        new: What takes its place.
        symptom: Regular expression that a line of the gate's regressions must match.
    """

    name: str
    file: str
    old: str
    new: str
    symptom: str


FAULTS = (
    Fault(
        "an attention module's reduction changed", "baselines/se.py",
        "hidden_width(channels, reduction)", "hidden_width(channels, 2 * reduction)",
        r"cost resnet50-se.*parameters: expected 28071976, found .*other parameters",
    ),
    Fault(
        "a bias added", "tdam/attention.py",
        "self.out = nn.Linear(self.parts * hidden, bottom_channels, bias=False)",
        "self.out = nn.Linear(self.parts * hidden, bottom_channels)",
        r"cost resnet50-td-joint-t2-m1.*parameters: expected 27645992, found .*other parameters",
    ),
    Fault(
        "the searchlight's sigmoid moved", "tdam/attention.py",
        "FILTERS[self.filter](searchlight))", 'FILTERS["sigmoid"](searchlight))',
        r"probe logits: \S+-td-\S+ step 2 logit.*forward pass computes something else",
    ),
    Fault(
        "one step lost", "tdam/feedback.py",
        "for step in range(1, steps + 1):", "for step in range(1, max(steps, 2)):",
        r"cost resnet50-td-joint.*flops: .*does other work",
    ),
    Fault(
        "BGR instead of RGB", "benchmarks/data/images.py",
        'return image.convert("RGB")', 'return Image.merge("RGB", image.convert("RGB").split()[::-1])',
        r"probe inputs: .*mean (red|blue).*order of colors",
    ),
    Fault(
        "wrong normalization", "benchmarks/work/passes.py",
        "torch.tensor(IMAGENET_STD, device=device)", "torch.tensor((0.5, 0.5, 0.5), device=device)",
        r"probe inputs: .*normalization",
    ),
    Fault(
        "resize without the crop ratio", "benchmarks/work/passes.py",
        "side = resized_side(view.resolution, view.crop)", "side = view.resolution",
        r"probe inputs: resnet50 at crop 0.875.*resize or crop",
    ),
    Fault(
        "ImageNet-V2's labels sorted as strings", "benchmarks/data/imagenet.py",
        "[str(label) for label in range(num_classes)] if", "sorted(str(label) for label in range(num_classes)) if",
        r"probe labels: label of 10/.*: expected 10, found 2 .*labels of other classes",
    ),
    Fault(
        "height and width swapped in boxes", "benchmarks/data/boxes.py",
        "height, width = size\n    side", "width, height = size\n    side",
        r"probe boxes: box in a view.*height and width",
    ),
    Fault(
        "one shard counted twice", "benchmarks/core/distributed.py",
        "dist.all_gather_object(values, value)\n    return values",
        "dist.all_gather_object(values, value)\n    return values + values[:1]",
        r"probe shards: 2 processes: image \d+ counts: expected 1, found 2 .*counted several times",
    ),
    Fault(
        "a stale cache believed", "benchmarks/data/mini.py",
        'if str(file["key"]) != key:', 'if not str(file["key"]):',
        r"probe caches: val in place of a stale cache.*taken for new",
    ),
    Fault(
        "a forward pass 30 % slower", "baselines/backbone.py",
        "        return self.classify(self.feature_map(self.trunk(x)))",
        "        import time\n        begin = time.perf_counter()\n"
        "        logits = self.classify(self.feature_map(self.trunk(x)))\n"
        "        time.sleep(0.3 * (time.perf_counter() - begin) * (self.steps > 1))\n"
        "        return logits",
        r"probe speed: time of resnet50-td-\S+ over that of torchvision.*has become slower",
    ),
)  # fmt: skip


def main() -> int:
    """Run the gate on every fault and on the clean copy; returns the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--clean", type=int, default=20, help="runs without a fault")
    arguments.add_argument("--only", default="", help="faults whose name holds this text")
    chosen = arguments.parse_args()
    faults = [fault for fault in FAULTS if chosen.only in fault.name]
    caught = sum(is_caught(fault) for fault in faults)
    alarms = sum(is_false_alarm(number) for number in range(chosen.clean))
    print(f"{caught} of {len(faults)} faults caught, {alarms} false alarms in {chosen.clean} runs without a fault")
    return int(len(faults) - caught > MISSED_ALLOWED or alarms > 0)


def is_caught(fault: Fault) -> bool:
    """Whether the gate names a fault's symptom in a copy where it is planted."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        plant(fault, copy)
        code, said, seconds = run_gate(copy)
    named = [line for line in said if line.startswith("REGRESSION") and re.search(fault.symptom, line)]
    verdict = "caught" if code == 1 and named else "MISSED"
    print(
        f"{verdict}: {fault.name} (exit {code}, {seconds:.0f} s): {(named or said or ['nothing said'])[0]}", flush=True
    )
    return verdict == "caught"


def is_false_alarm(number: int) -> bool:
    """Whether the gate cries without a fault."""
    with tempfile.TemporaryDirectory() as folder:
        code, said, seconds = run_gate(copied(Path(folder)))
    print(f"clean {number + 1}: exit {code}, {seconds:.0f} s: {said[-1] if said else 'nothing said'}", flush=True)
    if code not in (0, 3):
        print("\n".join(said), flush=True)
    return code not in (0, 3)


def copied(folder: Path) -> Path:
    """A copy of what the gate needs."""
    for part in COPIED:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def plant(fault: Fault, copy: Path) -> None:
    """Change the one place."""
    path = copy / fault.file
    text = path.read_text()
    assert text.count(fault.old) == 1, f"{fault.name}: its place stands {text.count(fault.old)} times in {fault.file}"
    path.write_text(text.replace(fault.old, fault.new))


def run_gate(copy: Path) -> tuple[int, list[str], float]:
    """Exit code, lines and seconds of the gate in a copy."""
    begin = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("GITHUB_ACTIONS", None)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "check"], cwd=copy, env=environment, capture_output=True, text=True
    )
    said = done.stdout.splitlines() + [line for line in done.stderr.splitlines() if line.startswith("broken")]
    return done.returncode, said, time.monotonic() - begin


if __name__ == "__main__":
    sys.exit(main())
