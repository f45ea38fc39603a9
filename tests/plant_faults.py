"""Plant faults in copies of this repository, one at a time, and see that the gate names each; then run without any.

    make fault-test                                    # all, two to four minutes each; goes on where it was stopped
    make fault-test ARGS="--faults merged --clean 0"   # some
    make fault-test ARGS="--quick --clean 0"           # each with no more of the gate than its own cells

A fault counts as caught if the gate ends with exit code 1 and a line that names its symptom. Runs without a fault must
end with 0 or 3. Prints one line for each run; exit code 1 if a fault is missed or a run gives a false alarm. Outcomes
are kept by what was run: of the same files under the same fault they are not run again.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("benchmarks", "tdam", "baselines", "results/paper", "results/reference/gate")
LOG = ROOT / "results" / "runs" / "fault-test.jsonl"
MISSED_ALLOWED = 0
FINE = (0, 3)


@dataclass(frozen=True)
class Fault:
    """A change of one place in the code.

    Attributes:
        name: In words.
        file: Below the root.
        old: Text that stands in the file exactly once.
        new: What takes its place.
        symptom: Regular expression that a line of the gate's regressions must match.
        cells: Text that the cells hold that a quick run is of.
    """

    name: str
    file: str
    old: str
    new: str
    symptom: str
    cells: str


@dataclass(frozen=True)
class Outcome:
    """What one run of the gate said.

    Attributes:
        name: Of the fault, or of the clean run.
        code: Hash of all files that it ran on.
        exit: Its exit code.
        seconds: How long it took.
        said: Its lines.
    """

    name: str
    code: str
    exit: int
    seconds: float
    said: list[str]


FAULTS = (
    Fault(
        "an attention module's reduction changed", "baselines/se.py",
        "hidden_width(channels, reduction)", "hidden_width(channels, 2 * reduction)",
        r"cost resnet50-se.*parameters: expected 28071976, found .*other parameters",
        "cost resnet50-se",
    ),
    Fault(
        "a bias added", "tdam/attention.py",
        "self.out = nn.Linear(self.parts * hidden, bottom_channels, bias=False)",
        "self.out = nn.Linear(self.parts * hidden, bottom_channels)",
        r"cost resnet50-td-joint-t2-m1.*parameters: expected 27645992, found .*other parameters",
        "cost resnet50-td-joint",
    ),
    Fault(
        "the searchlight's sigmoid moved", "tdam/attention.py",
        "FILTERS[self.filter](searchlight))", 'FILTERS["sigmoid"](searchlight))',
        r"probe logits: \S+-td-\S+ step 2 logit.*forward pass computes something else",
        "probe logits",
    ),
    Fault(
        "one step lost", "tdam/feedback.py",
        "for step in range(1, steps + 1):", "for step in range(1, max(steps, 2)):",
        r"cost resnet50-td-joint.*flops: .*does other work",
        "cost resnet50-td-joint",
    ),
    Fault(
        "BGR instead of RGB", "benchmarks/data/images.py",
        'return image if image.mode == "RGB" else image.convert("RGB")',
        'return Image.merge("RGB", image.convert("RGB").split()[::-1])',
        r"probe inputs: .*mean (red|blue).*order of colors",
        "probe inputs",
    ),
    Fault(
        "wrong normalization", "benchmarks/work/passes.py",
        "torch.tensor(IMAGENET_STD, device=device)", "torch.tensor((0.5, 0.5, 0.5), device=device)",
        r"probe inputs: .*normalization",
        "probe inputs",
    ),
    Fault(
        "resize without the crop ratio", "benchmarks/work/passes.py",
        "side = resized_side(view.resolution, view.crop)", "side = view.resolution",
        r"probe inputs: resnet\d+ at crop .*resize or crop",
        "probe inputs",
    ),
    Fault(
        "ImageNet-V2's labels sorted as strings", "benchmarks/data/imagenet.py",
        "[str(label) for label in range(num_classes)] if", "sorted(str(label) for label in range(num_classes)) if",
        r"probe labels: label of 10/.*: expected 10, found 2 .*labels of other classes",
        "probe labels",
    ),
    Fault(
        "height and width swapped in boxes", "benchmarks/data/boxes.py",
        "height, width = size\n    side", "width, height = size\n    side",
        r"probe boxes: box in a view.*height and width",
        "probe boxes",
    ),
    Fault(
        "one shard counted twice", "benchmarks/core/distributed.py",
        "dist.all_gather_object(values, value)\n    return values",
        "dist.all_gather_object(values, value)\n    return values + values[:1]",
        r"probe shards: 2 processes: image \d+ counts: expected 1, found 2 .*counted several times",
        "probe shards",
    ),
    Fault(
        "a stale cache believed", "benchmarks/data/mini.py",
        'if str(file["key"]) == key else None', 'if str(file["key"]) else None',
        r"probe caches: val in place of a stale cache.*taken for new",
        "probe caches",
    ),
    Fault(
        "a forward pass 30 % slower", "baselines/backbone.py",
        "        return self.classify(self.feature_map(self.trunk(x)))",
        "        import time\n        begin = time.perf_counter()\n"
        "        logits = self.classify(self.feature_map(self.trunk(x)))\n"
        "        time.sleep(0.3 * (time.perf_counter() - begin) * (self.steps > 1))\n"
        "        return logits",
        r"probe speed: time of resnet50-td-\S+ over that of torchvision.*has become slower",
        "probe speed",
    ),
    Fault(
        "boxes of the released rule not scaled to the input", "benchmarks/metrics/rules.py",
        "np.array([width, height, width, height]) / self.side", "1.0",
        r"localization resnet50\S* data=val.*: released \S+ (top\d_loc|gt_known): expected .*found",
        "localization",
    ),
    Fault(
        "what a merged step leaves forgotten", "benchmarks/papers/tdam/steps.py",
        "coming = np.where(merged & ~better, there, coming)", "coming = np.full(len(scores), step)",
        r"probe protocols: merged steps that stand, of \d steps.*a rule or a protocol",
        "probe protocols",
    ),
    Fault(
        "a box right from an overlap of 0.4 on", "benchmarks/metrics/localization.py",
        "OVERLAP = 0.5\n", "OVERLAP = 0.4\n",
        r"localization resnet50\S* data=val.*: gradcam \S+ (top\d_loc|gt_known): expected .*found",
        "localization",
    ),
    Fault(
        "MaxBoxAcc at one threshold for all networks", "benchmarks/metrics/localization.py",
        "float(accuracies.max())", "float(accuracies[200])",
        r"probe protocols: max_box_acc.*a rule or a protocol",
        "probe protocols",
    ),
    Fault(
        "runner-up classes given to the surest images first", "benchmarks/metrics/accuracy.py",
        'right[np.argsort(margin, kind="stable")]', 'right[np.argsort(-margin, kind="stable")]',
        r"accuracy resnet50\S* data=val.*runner_up, image by image: expected the same images, found \d+ others",
        "accuracy resnet50",
    ),
    Fault(
        "recall over what was said", "benchmarks/metrics/multilabel.py",
        "recall = right[shown] / true[shown]", "recall = right[shown] / said[shown].clip(1)",
        r"probe protocols: f1_class.*a rule or a protocol",
        "probe protocols",
    ),
    Fault(
        "equivalence shown by one test of the two", "benchmarks/metrics/statistics.py",
        "return max(self.p_above(low), self.p_below(high))", "return self.p_above(low)",
        r"probe statistics: .*p within.*p-values",
        "probe statistics",
    ),
    Fault(
        "Holm's correction without its order", "benchmarks/metrics/statistics.py",
        'return [float(p) for p in multipletests(list(p_values), LEVEL, method="holm")[1]]',
        "return [min(1.0, p * (len(p_values) - place)) for place, p in enumerate(p_values)]",
        r"probe statistics: holm \d: .*p-values",
        "probe statistics",
    ),
    Fault(
        "the margin that could have failed not halved", "benchmarks/report/verdicts.py",
        "min(abs(self.paper - self.plain) / 2, self.wide)", "min(abs(self.paper - self.plain), self.wide)",
        r"probe verdicts: .* against 79.0.*: (REPRODUCED|CONSISTENT|UNDECIDED).*verdicts come out otherwise",
        "probe verdicts",
    ),
    Fault(
        "trainings paired by their place and not by their seed", "benchmarks/report/evidence.py",
        "by_seed = [{seed_of(record): record for record in records} for records in selected]",
        "by_seed = [dict(enumerate(records)) for records in selected]",
        r"probe verdicts: claim (alike|better) .*verdicts come out otherwise",
        "probe verdicts",
    ),
    Fault(
        "weight decay lost", "benchmarks/work/loop.py",
        "torch.optim.AdamW(weights, lr, weight_decay=decay, fused=True)",
        "torch.optim.AdamW(weights, lr, weight_decay=0.0, fused=True)",
        r"probe training: (epoch \d: loss|length of parameters).*steps, decays",
        "probe training",
    ),
    Fault(
        "label smoothing lost", "benchmarks/work/loop.py",
        "nn.CrossEntropyLoss(label_smoothing=label_smoothing)", "nn.CrossEntropyLoss()",
        r"probe training: epoch 1: loss.*training sees",
        "probe training",
    ),
)  # fmt: skip


def main() -> int:
    """Run the gate on every fault and on the clean copy; returns the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--clean", type=int, default=20, help="runs without a fault")
    arguments.add_argument("--faults", nargs="*", default=[""], help="faults whose name holds one of these texts")
    arguments.add_argument("--quick", action="store_true", help="of the gate only the cells that a fault names")
    arguments.add_argument("--log", type=Path, default=LOG, help="outcomes, kept; remove it to run everything anew")
    chosen = arguments.parse_args()
    faults = [fault for fault in FAULTS if any(text in fault.name for text in chosen.faults)]
    caught = sum(is_caught(fault, chosen.log, chosen.quick) for fault in faults)
    alarms = sum(is_false_alarm(number, chosen.log) for number in range(1, chosen.clean + 1))
    print(f"{caught} of {len(faults)} faults caught, {alarms} false alarms in {chosen.clean} runs without a fault")
    return int(len(faults) - caught > MISSED_ALLOWED or alarms > 0)


def is_caught(fault: Fault, log: Path, quick: bool) -> bool:
    """Whether the gate names a fault's symptom in a copy where it is planted."""
    one = outcome(fault.name, fault, log, ["--only", fault.cells] if quick else [])
    named = [line for line in one.said if line.startswith("REGRESSION") and re.search(fault.symptom, line)]
    verdict = "caught" if one.exit == 1 and named else "MISSED"
    first = (named or one.said or ["nothing said"])[0]
    print(f"{verdict}: {fault.name} (exit {one.exit}, {one.seconds:.0f} s): {first}", flush=True)
    return verdict == "caught"


def is_false_alarm(number: int, log: Path) -> bool:
    """Whether the gate cries without a fault."""
    one = outcome(f"clean {number}", None, log, [])
    print(f"{one.name}: exit {one.exit}, {one.seconds:.0f} s: {(one.said or ['nothing said'])[-1]}", flush=True)
    if one.exit not in FINE:
        print("\n".join(one.said), flush=True)
    return one.exit not in FINE


def outcome(name: str, fault: Fault | None, log: Path, options: list[str]) -> Outcome:
    """What the gate says of a copy, under a fault or none; from the log where this was run already."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        if fault is not None:
            plant(fault, copy)
        code = digest(copy, options)
        for known in logged(log):
            if (known.name, known.code) == (name, code):
                return known
        one = Outcome(name, code, *run_gate(copy, options))
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(json.dumps(asdict(one)) + "\n")
    return one


def logged(log: Path) -> Iterator[Outcome]:
    """The outcomes that are kept; a last line that was cut short is none."""
    for line in log.read_text().splitlines() if log.exists() else ():
        try:
            yield Outcome(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue


def copied(folder: Path) -> Path:
    """A copy of what the gate needs."""
    for part in COPIED:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def digest(copy: Path, options: list[str]) -> str:
    """Hash of all files of a copy, and of how the gate is run on it."""
    one = hashlib.sha256(json.dumps(options).encode())
    for path in sorted(path for path in copy.rglob("*") if path.is_file()):
        one.update(f"{path.relative_to(copy)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return one.hexdigest()


def plant(fault: Fault, copy: Path) -> None:
    """Change the one place."""
    path = copy / fault.file
    text = path.read_text()
    assert text.count(fault.old) == 1, f"{fault.name}: its place stands {text.count(fault.old)} times in {fault.file}"
    path.write_text(text.replace(fault.old, fault.new))


def run_gate(copy: Path, options: list[str]) -> tuple[int, float, list[str]]:
    """Exit code, seconds and lines of the gate in a copy."""
    begin = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("GITHUB_ACTIONS", None)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "check", *options],
        cwd=copy, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    said = done.stdout.splitlines() + [line for line in done.stderr.splitlines() if line.startswith("broken")]
    return done.returncode, time.monotonic() - begin, said


if __name__ == "__main__":
    sys.exit(main())
