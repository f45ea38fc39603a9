"""How fast images are loaded, for training and for evaluation, against torchvision's ImageFolder and a DataLoader.

    make bench-data

On a tree of synthetic JPEGs, made in a temporary folder. All of it runs on one core, in turns, by the processor's time,
so that other processes lengthen it little. Training: the recipe's augmentation on both sides. Evaluation: ImageFolder
resizes and crops pictures with Pillow, one view at a time; the suite's pass decodes once for all views. Last, what
libjpeg's scaled decoding would gain and change, and with `--device cuda` how far that device's pixels differ.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarks.data.boxes import resized_side
from benchmarks.data.images import ImageFiles
from benchmarks.measure.device import find_device
from benchmarks.metrics.statistics import log_ratio
from benchmarks.report.paper import load_paper
from benchmarks.suite.arguments import count, plain_errors
from benchmarks.work.decoding import Stored, decoded, stored
from benchmarks.work.loop import TrainingImages, augmentation
from benchmarks.work.passes import Show, View, batches, show, tensor_of
from benchmarks.work.profiles import Recipe

CLASSES = 4
QUALITY = 90
CPU = torch.device("cpu")
Loading = Callable[[], Iterable[Any]]


def draw_tree(root: Path, images: int, size: tuple[int, int]) -> ImageFiles:
    """JPEGs of a width and height: shapes of all scales and some grain, about as many bytes as a photograph has."""
    ids = [f"class{number % CLASSES}/{number:05d}.jpg" for number in range(images)]
    for number, name in enumerate(ids):
        dice = np.random.default_rng(number)
        pixels = np.full((size[1], size[0], 3), 128.0)
        for side in (4, 16, 64):
            coarse = Image.fromarray(dice.integers(0, 256, (side, side, 3), np.uint8))
            pixels += (
                (np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.float64) - 128) * 4 / math.sqrt(side)
            )
        pixels += dice.normal(0, 12, pixels.shape)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / name, quality=QUALITY)
    labels = [number % CLASSES for number in range(images)]
    return ImageFiles("synthetic", root, [f"class{label}" for label in range(CLASSES)], ids, labels)


def training_loaders(images: ImageFiles, recipe: Recipe, batch: int) -> dict[str, Loading]:
    """A pass over augmented training images, by the suite and by ImageFolder."""
    transform = augmentation(recipe)
    own = DataLoader(TrainingImages(images, transform), batch)
    folder = DataLoader(ImageFolder(images.folder, transform), batch)
    return {"suite": lambda: own, "ImageFolder": lambda: folder}


def evaluation_loaders(images: ImageFiles, views: Sequence[View], batch: int) -> dict[str, Loading]:
    """A pass over the views that networks are evaluated on, by the suite and by an ImageFolder for each view."""
    how = Show(images, CPU, batch)
    folders = [DataLoader(ImageFolder(images.folder, shown_by_pillow(view)), batch) for view in views]
    return {
        "suite": lambda: batches(how, views, [at for stretch in how.stretches(views) for at in stretch]),
        "ImageFolder": lambda: (shown for folder in folders for shown in folder),
    }


def shown_by_pillow(view: View) -> v2.Compose:
    """A view as torchvision's recipes make it of a picture."""
    side = resized_side(view.resolution, view.crop)
    resize = v2.Resize(side, interpolation=v2.InterpolationMode.BICUBIC)
    return v2.Compose([resize, v2.CenterCrop(view.resolution), v2.PILToTensor()])


def seconds_of(loading: Loading) -> float:
    """Seconds of the processor for one pass."""
    begin = time.process_time()
    for _ in loading():
        pass
    return time.process_time() - begin


def compare(title: str, loaders: dict[str, Loading], images: int, rounds: int) -> None:
    """Print images a second of each way, in turns, and the ratio with its 95 % interval."""
    for loading in loaders.values():
        seconds_of(loading)  # warms up
    seconds: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(rounds):
        for name, loading in loaders.items():
            seconds[name].append(seconds_of(loading))
    for name, own in seconds.items():
        print(f"{title}, {name:<11} {' '.join(f'{images / one:.0f}' for one in own)} images/s on one core")
    ratio = log_ratio(seconds["ImageFolder"], seconds["suite"])
    center, low, high = map(math.exp, (ratio.value, *ratio.interval()))
    print(f"{title}: {center:.2f} ({low:.2f} to {high:.2f}) times as fast as ImageFolder", flush=True)


def scaled_decoding(images: ImageFiles, view: View) -> None:
    """Print what decoding at half the size or less, where a view allows it, gains and changes."""
    side = resized_side(view.resolution, view.crop)
    whole, scaled, apart = 0.0, 0.0, []
    for at in range(len(images)):
        images.image(at)  # brings the file into memory
        begin = time.process_time()
        full = images.image(at)
        between = time.process_time()
        small = decoded_scaled(images.path(at), side)
        scaled += time.process_time() - between
        whole += between - begin
        shown = [show(tensor_of(one), view).to(torch.int16) for one in (full, small)]
        apart.append((shown[0] - shown[1]).abs())
    differing, largest = (torch.stack(apart) > 0).float().mean(), int(torch.stack(apart).max())
    print(f"scaled decoding, side {side}: {full.size} becomes {small.size}, {whole / scaled:.2f} times as fast; "
          f"{differing:.1%} of the values differ, by {largest} levels at most")  # fmt: skip


def decoded_scaled(path: Path, side: int) -> Image.Image:
    """A picture as libjpeg decodes it at the least scale of a half, a quarter or an eighth that has this side."""
    with Image.open(path) as picture:
        picture.draft("RGB", (side, side))
        return picture.convert("RGB")


def device_decoding(images: ImageFiles, device: torch.device) -> None:
    """Print how far a device's decoded pixels are from Pillow's, as stored."""
    apart = []
    for at in range(len(images)):
        pixels = decoded(Stored(at, stored(images.path(at))), images, device).pixels
        assert pixels is not None
        apart.append((pixels.cpu().to(torch.int16) - tensor_of(images.image(at))).abs().flatten())
    together = torch.cat(apart)
    print(f"decoding on {device}: {(together > 0).float().mean():.1%} of the values differ, by {int(together.max())} "
          f"levels at most, {together.float().mean():.3f} in the mean")  # fmt: skip


@plain_errors()
def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the pictures and print all comparisons."""
    options = parsed(arguments)
    torch.set_num_threads(1)
    device = find_device(options.device)
    profile = load_paper(options.paper).profiles[options.profile]
    with tempfile.TemporaryDirectory() as place:
        images = draw_tree(Path(place), options.images, (options.width, options.height))
        kilobytes = sum(images.size(at) for at in range(len(images))) / len(images) / 1000
        print(f"{len(images)} JPEGs of {options.width} x {options.height}, {kilobytes:.0f} kB each")
        if profile.recipe is not None:
            loaders = training_loaders(images, profile.recipe, options.batch)
            compare("training", loaders, len(images), options.rounds)
        for resolutions in ([options.resolutions[0]], options.resolutions):
            views = [View(resolution, profile.crop_of("")) for resolution in resolutions]
            loaders = evaluation_loaders(images, views, options.batch)
            compare(f"evaluation, views: {len(views)}", loaders, len(images), options.rounds)
        for resolution in options.resolutions:
            scaled_decoding(images, View(resolution, profile.crop_of("")))
        if device.type != "cpu":
            device_decoding(images, device)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=count, default=64)
    parser.add_argument("--width", type=count, default=500)
    parser.add_argument("--height", type=count, default=375)
    parser.add_argument("--batch", type=count, default=32)
    parser.add_argument("--rounds", type=count, default=6)
    parser.add_argument("--resolutions", nargs="+", type=count, default=[224, 160, 128], metavar="PIXELS")
    parser.add_argument("--device", default="cpu", help="a CUDA device whose decoder is compared with Pillow")
    parser.add_argument("--paper", default="tdam", help="a folder in benchmarks/papers, or its path elsewhere")
    parser.add_argument("--profile", default="full", help="whose recipe and crop")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
