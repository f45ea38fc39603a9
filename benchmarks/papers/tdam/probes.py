"""Small computations whose results must never change: what the gate compares exactly, but for rounding.

Together they see what would silently change every number of the suite: a network's arithmetic, what it is shown, which
label an image has, where a box lies, how images are shared among processes, whether a cache is believed that should not
be, and how fast networks run; and, each in a file of its own, how networks are trained, what protocols make of
predictions and maps, and what statistics and verdicts make of numbers.
"""

import json
import math
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.multiprocessing.spawn import spawn
from torch.nn import functional as F
from torchvision.models import resnet50

from baselines.backbone import Backbone
from benchmarks.core.records import Cell, new_record
from benchmarks.core.store import Store
from benchmarks.data.boxes import ObjectBox, shown_boxes
from benchmarks.data.imagenet import open_imagenet
from benchmarks.data.imagenet_boxes import read_voc
from benchmarks.data.mini import SIZES, digest_of, draw, open_mini
from benchmarks.measure.efficiency import Settings, measure
from benchmarks.metrics.boxes import gradcam_box
from benchmarks.networks.models import create
from benchmarks.networks.names import TWIN
from benchmarks.papers.tdam.boxes import released_box
from benchmarks.papers.tdam.numbers import TABLE1
from benchmarks.papers.tdam.probes_protocols import protocols
from benchmarks.papers.tdam.probes_training import fine_grained, tasks, training
from benchmarks.papers.tdam.probes_verdicts import statistics, verdicts
from benchmarks.papers.tdam.recipes import FULL
from benchmarks.papers.tdam.rules import RULES
from benchmarks.work.collectors.accuracy import AccuracyCollector, predictions_table
from benchmarks.work.passes import Show, View, batches, normalized, run_pass
from benchmarks.work.probe import Probe, Probed

Numbers = dict[str, float]
CPU = torch.device("cpu")
CLASSES = 10
SIDE = 64
# Networks of other code than table 1's, each once.
OTHERS = (
    "resnet18-td-joint-t2-m2",
    "resnet50-td-joint_bilinear-t3-m1",
    "mobilenet_v3_large-td-joint-t2-m1",
    "convnext_tiny-td-joint-t2-m1",
)
IMAGES = 7
SCENES = 6
V2 = "imagenetv2-matched-frequency-format-val"
# The plain network in torchvision's code: what every network's time is divided by.
YARDSTICK = "torchvision's resnet50"
TIMED = tuple(name for name in TABLE1.values() if name.startswith("resnet50"))
# Many short rounds: a median of many is steadier than one of few long ones.
ROUNDS, TIMED_SIDE = 45, 128


def fill(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The same numbers on every machine for a key: standard normal, float64."""
    values = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape)
    return torch.as_tensor(values, dtype=torch.float64)


def filled(key: str, value: torch.Tensor) -> torch.Tensor:
    """An entry of a state dict: positive for variances, near one for norms, scaled by its fan-in for weights."""
    if not value.is_floating_point():
        return value
    numbers = fill(key, tuple(value.shape))
    if key.endswith("running_var"):
        return (1 + 0.1 * numbers.abs()).to(value.dtype)
    if value.ndim == 1:
        return ((1 if key.endswith("weight") else 0) + 0.1 * numbers).to(value.dtype)
    fan_in = value.numel() // len(value)
    return (numbers / math.sqrt(fan_in)).to(value.dtype)


def filled_network(name: str) -> Backbone:
    """A small network in float64, every entry of its state dict filled by its name."""
    network = create(name, CLASSES, "mini")
    network.load_state_dict({key: filled(key, value) for key, value in network.state_dict().items()})
    return network.double()


def logits() -> Probed:
    """The first logits of every network at every step, and how many steps; float64, weights filled by their names."""
    numbers: Numbers = {}
    for name in (*TABLE1.values(), *OTHERS):
        with torch.no_grad():
            steps = filled_network(name).eval().forward_steps(fill("input", (2, 3, SIDE, SIDE)))
        numbers[f"{name}: steps"] = len(steps)
        numbers |= {
            f"{name}: step {step} logit {k}": float(one[1, k])
            for step, one in enumerate(steps, start=1)
            for k in (0, 1)
        }
    return Probed(numbers)


def gradients() -> Probed:
    """The gradient's norm of every network's classifier and first layer, in training; float64, filled likewise."""
    numbers: Numbers = {}
    for name in (*TABLE1.values(), *OTHERS):
        network = filled_network(name).train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # MobileNetV3 drops features at random
            F.cross_entropy(network(fill("input", (4, 3, SIDE, SIDE))), torch.arange(4)).backward()  # type: ignore[no-untyped-call]
        norms = [parameter.grad.norm() for parameter in network.parameters() if parameter.grad is not None]
        numbers[f"{name}: parameters with a gradient"] = len(norms)
        numbers |= {f"{name}: first gradient": float(norms[0]), f"{name}: last gradient": float(norms[-1])}
    return Probed(numbers)


def picture() -> Image.Image:
    """A picture, 360 x 260, whose height, width and colors cannot be taken for each other, with a fine pattern."""
    y, x = np.mgrid[:260, :360]
    pattern = 24 * ((x // 2 + y // 3) % 2)
    colors = np.stack([40 + y // 2, 200 - x // 2, 90 + (x + y) // 8], axis=2) + pattern[:, :, None]
    return Image.fromarray(colors.astype(np.uint8))


def inputs() -> Probed:
    """What networks are shown of a file, color by color: at the full profile's crops, without one, and squashed."""
    numbers: Numbers = {}
    crops = {f"{name} at crop {FULL.crop_of(name)}": FULL.crop_of(name) for name in ("resnet50", "resnet101")}
    views = {name: View(FULL.resolution, crop) for name, crop in crops.items()}
    views |= {"uncropped": View(SIDE, 1.0), "squashed": View(SIDE, 1.0, squashed=True)}
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / V2 / "0" / "0.jpeg"
        path.parent.mkdir(parents=True)
        picture().save(path, quality=100, subsampling=0)
        (batch,) = batches(Show(open_imagenet(Path(root), "v2", 1), CPU, 1), list(views.values()), [[0]])
    for name, pixels in zip(views, batch.views, strict=True):
        shown = normalized(pixels, CPU)[0]
        for color, plane in zip(("red", "green", "blue"), shown, strict=True):
            numbers[f"{name}: mean {color}"] = float(plane.mean())
            # The fine pattern: how pixels are put together where an image is made smaller.
            numbers[f"{name}: steps of {color} from pixel to pixel"] = float(plane.diff(dim=1).abs().mean())
            numbers[f"{name}: {color} at the top right"] = float(plane[0, -1])
    return Probed(numbers)


def labels() -> Probed:
    """Labels that ImageNet-V2's numbered folders give."""
    count = 12
    with tempfile.TemporaryDirectory() as root:
        for label in range(count):
            path = Path(root) / V2 / str(label) / f"{label:03d}.jpeg"
            path.parent.mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(path)
        images = open_imagenet(Path(root), "v2", count)
    return Probed({f"label of {name}": label for name, label in zip(images.ids, images.labels, strict=True)})


def boxes() -> Probed:
    """Boxes of an annotation, of a view, of maps and of drawn scenes, none of which is square."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "annotation.xml"
        corners = "<xmin>30</xmin><ymin>10</ymin><xmax>90</xmax><ymax>40</ymax>"
        path.write_text(
            f"<annotation><object><name>n1</name><bndbox>{corners}</bndbox></object></annotation>", encoding="utf-8"
        )
        ((_, annotated),) = read_voc(path)
        scenes = open_mini("val", Path(folder), SCENES)
    size = (90, 130)
    (shown,) = shown_boxes([ObjectBox(0, *annotated)], size, 48, 0.875)
    y, x = np.mgrid[:7, :9]
    wide = np.exp(-((y - 2) ** 2) - (x - 5) ** 2 / 9).astype(np.float32)
    numbers: Numbers = {}
    kinds = {
        "annotated box": annotated,
        "box in a view": shown[1:],
        "box of a map by Grad-CAM's rule": gradcam_box(wide, size),
        "box of a map by the released rule": released_box(wide, size),
        "box in a drawn scene": scenes.boxes(SCENES - 1)[0][1:],
    }
    for kind, box in kinds.items():
        numbers |= {
            f"{kind}: {side}": float(value) for side, value in zip(("x", "y", "width", "height"), box, strict=True)
        }
    return Probed(numbers)


def shards() -> Probed:
    """How often each image's prediction counts after a pass of one process, and of two that really run."""
    numbers: Numbers = {}
    for processes in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            spawn(shared_pass, (processes, folder), processes)  # type: ignore[no-untyped-call]
            seen: list[str] = json.loads((Path(folder) / "seen.json").read_text(encoding="utf-8"))
        numbers |= {f"{processes} processes: image {i} counts": seen.count(f"val/{i:06d}") for i in range(IMAGES)}
    return Probed(numbers)


def shared_pass(rank: int, processes: int, folder: str) -> None:
    """One process of a pass over a few images; the first writes which were counted."""
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
    scenes = open_mini("val", Path(folder) / str(rank), IMAGES)
    collector = AccuracyCollector(View(SIDE, 1.0), create("resnet18", CLASSES, "mini"), RULES)
    (seen,) = run_pass([collector], Show(scenes, CPU, 2), lambda count: None)
    if rank == 0:
        table = predictions_table(scenes, seen.part)
        (Path(folder) / "seen.json").write_text(json.dumps(list(table["id"])), encoding="utf-8")
    torch.distributed.destroy_process_group()


def caches() -> Probed:
    """Whether scenes come as they are drawn, fresh and from a cache, and whether anything old is taken for new."""
    numbers: Numbers = {}
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        for split in SIZES.whole:
            numbers[f"{split} as drawn"] = short(digest_of(*draw(split, SCENES)))
            numbers[f"{split} as opened"] = short(open_mini(split, cache, SCENES).digest)
            make_stale(cache / f"mini-{split}-{SCENES}.npz")
            numbers[f"{split} in place of a stale cache"] = short(digest_of_opened(split, cache))
        store, cell = Store(cache / "store"), Cell("probe", "old", "any")
        store.write(new_record(cell, {"code": "old"}, {}))
        numbers["records found of the code that wrote them"] = store.find(cell, {"code": "old"}) is not None
        numbers["records found of older code"] = store.find(cell, {"code": "new"}) is not None
    return Probed(numbers)


def digest_of_opened(split: str, cache: Path) -> str:
    """Hash of the scenes that are really given, whatever their set says of itself."""
    scenes = open_mini(split, cache, SCENES)
    rows = [[*scenes.boxes(i), (-1, 0, 0, 0, 0)][:2] for i in range(SCENES)]
    return digest_of(scenes.pixels, np.array(rows, np.int16))


def short(digest: str) -> float:
    """The first 32 bits of a hash, a number that JSON and floating point keep."""
    return float(int(digest[:8], 16))


def make_stale(path: Path) -> None:
    """Turn a cache into a whole one of another version, with other pixels."""
    with np.load(path) as file:
        arrays = dict(file)
    arrays["pixels"] = 255 - arrays["pixels"]
    arrays["key"] = np.asarray(str(arrays["key"]).replace('"version": ', '"version": -'))
    arrays["digest"] = np.asarray(digest_of(arrays["pixels"], arrays["facts"]))
    np.savez(path, **arrays)


def speed() -> Probed:
    """Times of one forward pass in turn, of ResNet50's rows of table 1 beside torchvision's network, which is twice."""
    names = [YARDSTICK, *TIMED, f"{YARDSTICK}{TWIN}"]
    settings = Settings("inference", batch=1, resolution=TIMED_SIDE, channels_last=True, rounds=ROUNDS, warmup=2)
    measured = measure(names, settings, lambda done, total: None, create=timed_network)
    return Probed({}, {name: result.seconds for name, result in measured.items()})


def timed_network(name: str) -> nn.Module:
    """A network by its name, or the yardstick."""
    return resnet50(weights=None) if name == YARDSTICK else create(name)


PROBES: Mapping[str, Probe] = {
    # FCA's filters are float32: other processors may round them otherwise.
    "logits": Probe(logits, "a network's forward pass computes something else", tolerance=1e-6),
    "gradients": Probe(gradients, "a network's backward pass computes something else", tolerance=1e-5),
    "inputs": Probe(
        inputs, "networks are shown something else: order of colors, normalization, resize or crop", tolerance=0.03
    ),
    "labels": Probe(labels, "images have the labels of other classes"),
    "boxes": Probe(boxes, "boxes lie elsewhere: height and width, corners, crop or threshold"),
    "shards": Probe(shards, "images are counted several times, or not at all, where several processes share them"),
    "caches": Probe(caches, "other scenes are drawn, or something old (a cache, a record) is taken for new"),
    "training": Probe(
        training, "training sees other images or labels, or steps, decays or counts otherwise", tolerance=1e-6
    ),
    "tasks": Probe(
        tasks, "a kind of work trains, fine-tunes, is followed or counts otherwise than it did", tolerance=1e-5
    ),
    # Between processors, and between instructions of one, it was seen to differ by 2e-4.
    "fine-grained": Probe(
        fine_grained, "WS-DAN fine-tunes, crops, drops or draws to centers otherwise than it did", tolerance=1e-3
    ),
    "protocols": Probe(
        protocols, "a rule or a protocol makes something else of the same predictions and maps", tolerance=1e-6
    ),
    "statistics": Probe(
        statistics, "intervals, p-values or numbers of units come out otherwise for the same numbers", tolerance=1e-6
    ),
    "verdicts": Probe(verdicts, "verdicts come out otherwise for the same numbers", tolerance=1e-6),
    "speed": Probe(speed, "a network's forward pass has become slower"),
}
