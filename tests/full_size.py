"""What a run takes at the paper's size: memory, disk and time on 1,000 and on 5,000 JPEGs, alone and shared.

    make full-test

Draws two trees in ImageNet's layout (500 x 375 pixels, boxes as XML) in a temporary folder, gives networks of the
paper's size random weights whose answers differ from image to image, and runs accuracy and localization on each tree.
Checks that the peak of memory on the larger tree is within 10 % of that on the smaller one, that 50,000 images would
take less than 4 GB, and that parts and tables take as much of the disk as the plan says, within 20 %. Then two and
three processes share the larger tree under torchrun: equal records, and no process above 1.2 times the memory of the
one that was alone. Ends with exit code 1 if a check fails. On two cores a ResNet50 sees about ten images a second: the
whole takes hours.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from baselines.backbone import Backbone
from benchmarks.core.records import MetricKey
from benchmarks.core.store import Store
from benchmarks.measure.stopwatch import Stopwatch
from benchmarks.networks.models import create
from benchmarks.papers.tdam import PAPER
from benchmarks.work.demand import Demand, demand
from benchmarks.work.passes import normalized
from benchmarks.work.shelves import PARTS
from tests.sessions import make_session
from tests.trees import wordnet_ids, write_voc

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 500, 375
PUBLISHED = 50_000
# Images by which random networks are centered, their side, and the logits' standard deviation over images then.
EXAMPLES, SIDE, SPREAD = 16, 224, 2.0
EXPERIMENTS, KINDS = ("table1", "table7-wsol"), ("accuracy", "localization")
TABLES = ("predictions", "localizations")
FLAT, MOST, STATED, SHARED = 1.1, 4e9, 0.2, 1.2
EVERY = 0.05  # seconds between two looks at a run


# ---------------------------------------------------------------- what is run


def draw_tree(root: Path, classes: int, per_class: int) -> None:
    """Validation images by class, numbered at random as the published ones, each with a box of its class or two."""
    dice = np.random.default_rng(0)
    canvas = draw_canvas(dice)
    numbers = iter((1 + dice.permutation(PUBLISHED)).tolist())
    for name in wordnet_ids(classes):
        (root / "val" / name).mkdir(parents=True)
        for number in itertools.islice(numbers, per_class):
            stem = f"ILSVRC2012_val_{number:08d}"
            Image.fromarray(cut(canvas, dice)).save(root / "val" / name / f"{stem}.JPEG", quality=90)
            left, top = (float(dice.integers(0, side // 2)) for side in (WIDTH, HEIGHT))
            objects = [(name, left, top, left + WIDTH / 3, top + HEIGHT / 3), (name, 1.0, 1.0, 150.0, 100.0)]
            write_voc(root / "ILSVRC/Annotations/CLS-LOC/val" / f"{stem}.xml", objects[: 1 + number % 2])


def draw_canvas(dice: np.random.Generator) -> np.ndarray:
    """What images are cut from: spots of color under noise, uint8 (2 * HEIGHT, 2 * WIDTH, 3)."""
    coarse = Image.fromarray(dice.integers(0, 256, (24, 32, 3), np.uint8))
    canvas = np.asarray(coarse.resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC), np.int16)
    return (canvas + dice.normal(0, 12, canvas.shape)).clip(0, 255).astype(np.uint8)


def cut(canvas: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """An image from anywhere on a canvas, uint8 (HEIGHT, WIDTH, 3)."""
    x, y = dice.integers(0, WIDTH), dice.integers(0, HEIGHT)
    return canvas[y : y + HEIGHT, x : x + WIDTH]


def write_weights(folder: Path, models: list[str], classes: int) -> None:
    """Random weights whose answers differ from image to image."""
    folder.mkdir()
    dice = np.random.default_rng(1)
    canvas = draw_canvas(dice)
    pixels = torch.from_numpy(np.stack([cut(canvas, dice)[:SIDE, :SIDE] for _ in range(EXAMPLES)])).permute(0, 3, 1, 2)
    images = normalized(pixels, torch.device("cpu"))
    for name in models:
        torch.manual_seed(0)
        network = create(name, classes, "paper").eval()
        center(network, images)
        torch.save(network.state_dict(), folder / f"{name}.pth")


@torch.no_grad()
def center(network: Backbone, images: torch.Tensor) -> None:
    """Take from a random network's logits what is common to all images, without which all have the same best classes.

    Args:
        network: Its last layer is changed.
        images: Examples (N, 3, H, W), normalized.
    """
    logits = network.forward_steps(images)
    head = [one for one in network.modules() if isinstance(one, nn.Linear)][-1]
    scale = SPREAD / logits.std(dim=1).mean()
    head.bias.copy_(scale * (head.bias - logits.mean(dim=(0, 1))))
    head.weight.mul_(scale)


@dataclass
class Seen:
    """What was seen of a run.

    Attributes:
        seconds: How long it took.
        peaks: Most resident memory of each process of the suite, bytes, by its number.
        parts: Most bytes of parts at any time.
    """

    seconds: float = 0.0
    peaks: dict[int, float] = field(default_factory=dict)
    parts: float = 0.0

    @property
    def peak(self) -> float:
        """The largest process."""
        return max(self.peaks.values())


def look(process: int, results: Path, seen: Seen) -> None:
    """Look at a run once: the highest resident memory that the kernel has seen of its processes, and its parts."""
    for number in [process, *below(process)]:
        try:
            status = Path(f"/proc/{number}/status").read_text()
            command = Path(f"/proc/{number}/cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        high = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        if high and "torch.distributed.run" not in command:  # which only starts the others
            seen.peaks[number] = max(seen.peaks.get(number, 0.0), 1024.0 * int(high[0]))
    sizes = 0.0
    for path in results.glob(f"{PARTS}/*/[0-9]*.parquet"):
        try:
            sizes += path.stat().st_size
        except FileNotFoundError:  # its record has come while we looked
            continue
    seen.parts = max(seen.parts, sizes)


def below(process: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    try:
        children = [int(one) for path in Path(f"/proc/{process}/task").glob("*/children")
                    for one in path.read_text().split()]  # fmt: skip
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [*children, *(one for child in children for one in below(child))]


def watched(command: list[str], results: Path) -> Seen:
    """Run a command on a results folder and watch it.

    Raises:
        RuntimeError: It failed.
    """
    seen, watch, ended = Seen(), Stopwatch(), threading.Event()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def keep_looking() -> None:
        while not ended.wait(EVERY):
            look(process.pid, results, seen)

    looking = threading.Thread(target=keep_looking)
    looking.start()
    said, _ = process.communicate()
    ended.set()
    looking.join()
    if process.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed:\n{said[-3000:]}")
    seen.seconds = watch.seconds()
    return seen


def command_of(tree: Path, weights: Path, results: Path, options: argparse.Namespace, processes: int = 1) -> list[str]:
    """A run of accuracy and localization on val, by so many processes."""
    alone = [sys.executable, "-m", "benchmarks"]
    shared = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "-m", "benchmarks"]
    settings = {
        "--profile": "full", "--data-root": tree, "--weights": weights, "--num-classes": options.classes,
        "--models": ",".join(options.models), "--tasks": ",".join(KINDS), "--splits": "v1",
        "--results": results, "--out": results / "report",
    }  # fmt: skip
    told = [str(part) for pair in settings.items() for part in pair]
    return [*(alone if processes == 1 else shared), "run", *EXPERIMENTS, *told]


def planned(tree: Path, weights: Path, folder: Path, options: argparse.Namespace) -> Demand:
    """What the plan says that the same run needs."""
    session = make_session(folder, "full", data_root=tree, weights=weights, models=tuple(options.models),
                           num_classes=options.classes)  # fmt: skip
    cells = [cell for name in EXPERIMENTS for cell in PAPER.experiment(name).cells(session)]
    return demand([cell for cell in cells if cell.kind in KINDS and cell.options["data"] == "val"], [], session)


# ---------------------------------------------------------------- what must hold


def numbers(results: Path) -> dict[str, dict[MetricKey, float | None]]:
    """All numbers by cell."""
    records = Store(results).records()
    return {str(one.cell): {key: metric.value for key, metric in one.metrics.items()} for one in records}


def memory_failures(small: Seen, large: Seen, counts: list[int]) -> list[str]:
    """Print memory on both trees, and what it would be on all images; what is wrong with it."""
    growth = (large.peak - small.peak) / (counts[1] - counts[0])
    whole = large.peak + max(growth, 0.0) * (PUBLISHED - counts[1])
    ratio = large.peak / small.peak
    print(f"peak memory: {small.peak / 1e9:.3f} GB of {counts[0]:,} images, {large.peak / 1e9:.3f} GB of "
          f"{counts[1]:,} ({ratio:.3f} times); {PUBLISHED:,} would take {whole / 1e9:.2f} GB")  # fmt: skip
    failures = [] if ratio <= FLAT else [f"memory grows by {ratio:.2f} with the images, over {FLAT}"]
    return failures if whole < MOST else [*failures, f"{PUBLISHED:,} images would take {whole / 1e9:.1f} GB"]


def disk_failures(seen: Seen, stated: Demand, results: Path) -> list[str]:
    """Print parts and tables as they were and as the plan has them; what is wrong with them."""
    tables = {name: float(sum(path.stat().st_size for path in results.glob(f"{name}/*"))) for name in TABLES}
    pairs = {"parts": (seen.parts, stated.parts)} | {name: (tables[name], stated.tables[name]) for name in TABLES}
    failures = []
    for name, (size, said) in pairs.items():
        print(f"{name}: {size / 1e6:.3f} MB on disk, {said / 1e6:.3f} MB by the plan ({size / said:.2f} times)")
        if abs(size / said - 1) > STATED:
            failures.append(f"{name} take {size / said:.2f} times what the plan says")
    return failures


def sharing_failures(seen: Seen, alone: Seen, processes: int, equal: bool) -> list[str]:
    """Print what several processes took; what is wrong with it."""
    ratio = seen.peak / alone.peak
    each = ", ".join(f"{peak / 1e9:.3f}" for peak in seen.peaks.values())
    print(f"{processes} processes: {each} GB ({ratio:.3f} times one alone), records {'equal' if equal else 'differ'}, "
          f"{seen.seconds:.0f} s", flush=True)  # fmt: skip
    failures = [] if equal else [f"records of {processes} processes differ"]
    return failures if ratio <= SHARED else [*failures, f"a process of {processes} takes {ratio:.2f} times one alone"]


def main() -> int:
    """Draw, run, print, judge; returns the exit code."""
    options = parsed()
    # On other numbers of threads convolutions round otherwise.
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    counts = [options.classes * per_class for per_class in options.per_class]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_weights(folder / "weights", options.models, options.classes)
        runs = []
        for count, per_class in zip(counts, options.per_class, strict=True):
            tree, results = folder / f"tree-{count}", folder / f"runs-{count}"
            draw_tree(tree, options.classes, per_class)
            runs.append(watched(command_of(tree, folder / "weights", results, options), results))
            print(f"{count:,} images, {', '.join(options.models)}: {runs[-1].seconds:.0f} s", flush=True)
        failures = memory_failures(*runs, counts)
        failures += disk_failures(runs[-1], planned(tree, folder / "weights", folder, options), results)
        for processes in options.processes:
            shared = folder / f"shared-{processes}"
            seen = watched(command_of(tree, folder / "weights", shared, options, processes), shared)
            failures += sharing_failures(seen, runs[-1], processes, numbers(shared) == numbers(results))
    print("\n".join(failures) or "ok")
    return 1 if failures else 0


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["resnet50", "resnet50-td-joint-t2-m1"], metavar="NAME")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--per-class", type=int, nargs=2, default=[1, 5], help="images of each, in the two trees")
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 3], help="that share the larger tree")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each process")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
