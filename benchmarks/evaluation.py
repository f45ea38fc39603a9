"""From images to predictions: one pass, each image decoded once, for all models; kept per image and step."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from baselines.backbone import Backbone
from benchmarks import distributed
from benchmarks.data.images import IMAGENET_MEAN, IMAGENET_STD, ImageSet, UnreadableImage
from benchmarks.maps import class_maps
from benchmarks.protocols.boxes import released_box

TOP = 5


@dataclass(frozen=True)
class Predictions:
    """What one model said of a set of images.

    Attributes:
        table: One row per image and step, see ``benchmarks.protocols.accuracy``.
        unreadable: One line for each image that could not be read.
    """

    table: pd.DataFrame
    unreadable: list[str]


class ShardedImages(Dataset[tuple[int, Tensor | None, str]]):
    """This process's share of an image set, ready for a network; an unreadable image is passed on by its reason."""

    def __init__(self, images: ImageSet, count: int | None, transform: Callable[[Any], Tensor]) -> None:
        everything = range(len(images) if count is None else min(count, len(images)))
        self.indices = everything[distributed.rank() :: distributed.size()]
        self.images = images
        self.transform = transform

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> tuple[int, Tensor | None, str]:
        index = self.indices[position]
        try:
            return index, self.transform(self.images.image(index)), ""
        except UnreadableImage as error:
            return index, None, str(error)


def center_crop(resolution: int, crop: float) -> v2.Compose:
    """Bicubic resize of the shorter side to ``resolution / crop``, center crop, ImageNet normalization."""
    return v2.Compose(
        [
            v2.Resize(round(resolution / crop), interpolation=v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(resolution),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )


def readable(batch: Sequence[tuple[int, Tensor | None, str]]) -> tuple[list[int], Tensor | None, list[str]]:
    """Stack what could be read; name what could not."""
    found = [(index, image) for index, image, _ in batch if image is not None]
    reasons = [reason for _, image, reason in batch if image is None]
    images = torch.stack([image for _, image in found]) if found else None
    return [index for index, _ in found], images, reasons


def predict(
    models: Mapping[str, Backbone],
    images: ImageSet,
    resolution: int,
    crop: float,
    device: torch.device,
    batch: int,
    workers: int = 0,
    count: int | None = None,
    progress: Callable[[int], None] = lambda images: None,
) -> dict[str, Predictions]:
    """Predictions of all models in one pass over the images, shared among the processes.

    Args:
        models: Networks by name.
        images: The image set.
        resolution: Side of the networks' input.
        crop: Side of the center crop over the resized shorter side.
        device: Where to run.
        batch: Images of a step.
        workers: Loader processes.
        count: The first so many images, None for all.
        progress: Called with the number of images of each step.

    Returns:
        By model, every image once, whatever the number of processes; complete on every process.
    """
    data = ShardedImages(images, count, center_crop(resolution, crop))
    loader = DataLoader(data, batch, num_workers=workers, collate_fn=readable, pin_memory=device.type == "cuda")
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in models}
    unreadable: list[str] = []
    for network in models.values():
        network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        for indices, inputs, reasons in loader:
            unreadable += reasons
            if inputs is not None:
                inputs = inputs.to(device, memory_format=torch.channels_last, non_blocking=True)
                labels = {"id": [images.ids[i] for i in indices], "label": [images.labels[i] for i in indices]}
                for name, network in models.items():
                    parts[name] += predict_batch(network, inputs, labels)
            progress((len(indices) + len(reasons)) * distributed.size())
    everything = distributed.gather((parts, unreadable))
    reasons = sorted(reason for _, shard in everything for reason in shard)
    return {name: Predictions(assemble(shard[name] for shard, _ in everything), reasons) for name in models}


def predict_batch(network: Backbone, inputs: Tensor, labels: dict[str, list[Any]]) -> list[pd.DataFrame]:
    """One table per step: top-5 classes and probabilities, and the released box of the top class."""
    trunk = network.trunk(inputs)
    tables = []
    for step in range(1, network.steps + 1):
        feature_map = network.feature_map(trunk, step)
        probabilities = network.classify(feature_map).float().softmax(dim=1)
        scores, classes = probabilities.topk(min(TOP, probabilities.shape[1]))
        maps = class_maps(network, feature_map, classes[:, :1])[:, 0].float().cpu().numpy()
        height, width = inputs.shape[-2:]
        boxes = np.array([released_box(cam, (height, width)) for cam in maps])
        tables.append(step_table(labels, step, classes.cpu().numpy(), scores.cpu().numpy(), boxes))
    return tables


def step_table(
    labels: dict[str, list[Any]], step: int, classes: np.ndarray, scores: np.ndarray, boxes: np.ndarray
) -> pd.DataFrame:
    """The columns that ``benchmarks.protocols.accuracy`` reads; -1 and nan where there are fewer than five classes."""
    missing = ((0, 0), (0, TOP - classes.shape[1]))
    classes = np.pad(classes, missing, constant_values=-1)
    scores = np.pad(scores.astype(np.float32), missing, constant_values=np.nan)
    columns: dict[str, Any] = {**labels, "step": step}
    columns |= {f"class_{k + 1}": classes[:, k] for k in range(TOP)}
    columns |= {f"score_{k + 1}": scores[:, k] for k in range(TOP)}
    columns |= {f"box_{name}": boxes[:, k] for k, name in enumerate("xywh")}
    return pd.DataFrame(columns)


def assemble(shards: Iterable[list[pd.DataFrame]]) -> pd.DataFrame:
    """All processes' tables as one, in the order of id and step."""
    tables = [table for shard in shards for table in shard]
    if not tables:
        return step_table(
            {"id": [], "label": []}, 1, np.zeros((0, TOP), int), np.zeros((0, TOP)), np.zeros((0, 4), int)
        )
    return pd.concat(tables).sort_values(["id", "step"], ignore_index=True)
