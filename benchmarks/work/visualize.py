"""Class activation maps of one network on the user's own pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from baselines.backbone import Backbone
from benchmarks.data.errors import DataError
from benchmarks.data.images import NO_LABEL, ImageFiles
from benchmarks.measure.device import find_device
from benchmarks.networks.models import create, published_classes
from benchmarks.networks.names import parse
from benchmarks.work.collectors.attention import AttentionCollector
from benchmarks.work.passes import Show, View, run_pass
from benchmarks.work.profiles import Profile
from tdam import load_weights


@dataclass(frozen=True)
class Visualized:
    """What a network sees in pictures.

    Attributes:
        paths: The N pictures that could be read, in the order given.
        pixels: uint8 (N, R, R, 3).
        maps: Maps of the top class at each step, 0 to 1, float32 (N, T, R, R).
        boxes: Their boxes by Grad-CAM's rule as x, y, w, h in pixels (N, T, 4); all zero for none.
        classes: The top class (N, T).
        scores: Its probability (N, T).
        unreadable: One line for each picture that could not be read.
    """

    paths: list[Path]
    pixels: np.ndarray
    maps: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    unreadable: list[str]


def visualize(paths: Sequence[Path], network: Backbone, view: View, device: torch.device) -> Visualized:
    """Look at pictures one by one.

    Args:
        paths: Pictures; one that is named twice is looked at once.
        network: The network.
        view: What it sees of them.
        device: Where to run.

    Returns:
        What it sees; where no picture could be read, arrays of none.
    """
    files = list(dict.fromkeys(paths))
    pictures = ImageFiles("pictures", Path(), [], [str(file) for file in files], [NO_LABEL] * len(files))
    (collected,) = run_pass([AttentionCollector(view, network)], Show(pictures, device, batch=1), lambda done: None)
    arrays = {name: collected.part.get(name, np.empty(0)) for name in ("pixels", "maps", "boxes", "classes", "scores")}
    read = [files[position] for position in collected.part["position"].tolist()]
    return Visualized(read, **arrays, unreadable=collected.unreadable)


def loaded(
    model: str, weights: Path, num_classes: int, profile: Profile, device: str
) -> tuple[Backbone, View, torch.device]:
    """A network with its weights, what it sees of pictures, and where it runs.

    Args:
        model: Its name.
        weights: File of its weights.
        num_classes: How many classes it tells apart.
        profile: Decides its size and resolution.
        device: As the command line has it.

    Raises:
        ValueError: The weights do not fit, or there is no such device.
    """
    network = create(model, num_classes, profile.size)
    load_weights(network, weights)
    view = View(profile.resolution, profile.crop_of(parse(model).backbone))
    return network, view, find_device(device)


def class_names(count: int, file: Path | None) -> list[str]:
    """Names of classes: of a file with one on each line, those of published weights, or numbers.

    Raises:
        DataError: The file does not have as many lines.
    """
    if file is not None:
        names = file.read_text(encoding="utf-8").splitlines()
        if len(names) != count:
            raise DataError(f"{file} has {len(names)} lines for {count} classes; write one name on each line")
        return names
    published = published_classes()
    return published if count == len(published) else [str(label) for label in range(count)]
