"""Class activation maps of one network on the user's own pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torchvision.models import ResNet50_Weights

from benchmarks.data.images import DataError, UnreadableImage, read_image
from benchmarks.networks.models import create, load_weights
from benchmarks.report.attention import Look, Picture, grid_figure
from benchmarks.report.plots import write_figure
from benchmarks.work.looking import look
from benchmarks.work.passes import View
from benchmarks.work.profiles import Profile


@dataclass(frozen=True)
class Visualized:
    """What came of it.

    Attributes:
        files: The grid in all formats; none if no picture could be read.
        unreadable: One line for each picture that could not be read.
    """

    files: list[Path]
    unreadable: list[str]


def visualize(
    paths: Sequence[Path], model: str, weights: Path, profile: Profile, classes: Sequence[str], device: str, out: Path
) -> Visualized:
    """Draw a grid: a row for each picture, a column for each step of the network.

    Args:
        paths: Pictures.
        model: The network's name.
        weights: Its weights, in any layout that the suite reads.
        profile: Decides the network's size and the resolution.
        classes: Their names, one for each class of the network.
        device: Where to run.
        out: Folder for the files.

    Raises:
        CheckpointError: The weights cannot be read or do not fit.
        ValueError: The model is unknown.
    """
    network = create(model, len(classes), profile.size)
    load_weights(network, weights)
    pictures, unreadable = {}, []
    for path in paths:
        try:
            pictures[path] = read_image(path)
        except UnreadableImage as error:
            unreadable.append(str(error))
    if not pictures:
        return Visualized([], unreadable)
    view = View(profile.resolution, profile.crop_of(model.partition("-")[0]))
    found = look({model: network}, list(pictures.values()), view, torch.device(device))
    rows = [
        Picture(found["images"][i], path.name, [
            Look(
                found[f"{model}/maps"][i, step],
                tuple(found[f"{model}/boxes"][i, step].tolist()),
                f"{classes[found[f'{model}/classes'][i, step]]} ({found[f'{model}/scores'][i, step]:.0%})",
            )
            for step in range(network.steps)
        ])
        for i, path in enumerate(pictures)
    ]  # fmt: skip
    headings = [f"step {step}" if network.steps > 1 else "map" for step in range(1, network.steps + 1)]
    return Visualized(write_figure(grid_figure(model, headings, rows), out, f"visualize-{model}"), unreadable)


def class_names(count: int, file: Path | None) -> list[str]:
    """Names of classes: of a file with one on each line, ImageNet's for 1000 classes, or their numbers.

    Raises:
        DataError: The file does not have as many lines.
    """
    if file is not None:
        names = file.read_text(encoding="utf-8").splitlines()
        if len(names) != count:
            raise DataError(f"{file} has {len(names)} lines for {count} classes; write one name on each line")
        return names
    imagenet = list(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
    return imagenet if count == len(imagenet) else [str(label) for label in range(count)]
