"""One pass serves all models at all resolutions: each image is read once, and nothing else changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from baselines.backbone import Backbone
from benchmarks.data.images import ImageSet, UnreadableImage
from benchmarks.data.mini import open_mini
from benchmarks.metrics.accuracy import BOX, PROTOCOLS, accuracy, correct
from benchmarks.metrics.boxes import released_box
from benchmarks.networks.maps import class_maps
from benchmarks.networks.models import create
from benchmarks.work import passes as evaluation
from benchmarks.work.loop import augmentation
from benchmarks.work.passes import View, batches, normalized, predict, show
from benchmarks.work.profiles import MINI

CPU = torch.device("cpu")
VIEWS = [View(32, 1.0), View(64, 1.0), View(96, 0.875)]
COUNT = 24


class Counted(ImageSet):
    """An image set that counts how often it is read; image 5 is unreadable."""

    def __init__(self, images: ImageSet) -> None:
        super().__init__("counted", images.classes, images.ids, images.labels)
        self.images, self.reads = images, [0] * len(images)

    def image(self, i: int) -> Image.Image:
        self.reads[i] += 1
        if i == 5:
            raise UnreadableImage("five.JPEG", "broken")
        return self.images.image(i)

    def size(self, i: int) -> int:
        return self.images.size(i)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return open_mini("val", tmp_path_factory.mktemp("cache"), COUNT)


@pytest.fixture(scope="module")
def networks() -> dict[str, Backbone]:
    """Small networks whose steps disagree now and then."""
    found = {}
    for seed, name in enumerate(("resnet50", "resnet50-se", "resnet50-td-joint-t3-m1")):
        torch.manual_seed(seed)
        zero_init = "none" if "-td-" in name else None
        found[name] = create(name, 10, "mini", zero_init)
        for key, value in found[name].named_parameters():
            if "norm" in key or "bn" in key:
                torch.nn.init.normal_(value, 0.5, 0.8)
    return found


def test_each_image_is_read_once(images: ImageSet, networks: dict[str, Backbone]) -> None:
    """Whatever the number of models and resolutions; an unreadable one is named in every table's company."""
    counted = Counted(images)
    found = predict(networks, {view: list(networks) for view in VIEWS}, counted, CPU, 8)
    assert counted.reads == [1] * COUNT
    assert len(found) == len(VIEWS) * len(networks)
    for (_, name), predictions in found.items():
        assert len(predictions.table) == (COUNT - 1) * networks[name].steps
        assert predictions.unreadable == ["unreadable image five.JPEG: broken; replace the file"]


def test_a_pass_for_all_equals_passes_one_by_one(images: ImageSet, networks: dict[str, Backbone]) -> None:
    together = predict(networks, {view: list(networks) for view in VIEWS}, images, CPU, 8)
    for (view, name), predictions in together.items():
        alone = predict({name: networks[name]}, {view: [name]}, images, CPU, 5)[view, name]
        pd.testing.assert_frame_equal(predictions.table, alone.table, rtol=1e-4, atol=1e-5)


def test_boxes_are_made_only_where_they_can_decide(images: ImageSet, networks: dict[str, Backbone]) -> None:
    """Accuracies equal those with the box of every image at every step."""
    name = "resnet50-td-joint-t3-m1"
    table = predict(networks, {VIEWS[1]: [name]}, images, CPU, 8)[VIEWS[1], name].table
    known = table[BOX[0]].notna()
    assert 0 < known.sum() < len(table)
    complete = table.copy()
    complete[list(BOX)] = all_boxes(networks[name], images, VIEWS[1])
    assert (complete.loc[known, list(BOX)].to_numpy() == table.loc[known, list(BOX)].to_numpy()).all()
    for protocol in PROTOCOLS:
        assert accuracy(table, protocol) == accuracy(complete, protocol)


def all_boxes(network: Backbone, images: ImageSet, view: View) -> np.ndarray:
    """Released boxes (N * T, 4) of the top class, in the order of id and step."""
    (batch,) = batches(images, [view], CPU, COUNT, 0, None)
    with torch.inference_mode():
        trunk = network.trunk(normalized(batch.views[0], CPU))
        boxes = []
        for step in range(1, network.steps + 1):
            feature_map = network.feature_map(trunk, step)
            top = network.classify(feature_map).argmax(dim=1, keepdim=True)
            maps = class_maps(network, feature_map, top)[:, 0].numpy()
            boxes.append([released_box(cam, (view.resolution, view.resolution)) for cam in maps])
    return np.array(boxes).transpose(1, 0, 2).reshape(-1, 4)


def test_unknown_boxes_that_could_decide_are_refused(images: ImageSet, networks: dict[str, Backbone]) -> None:
    name = "resnet50-td-joint-t3-m1"
    table = predict(networks, {VIEWS[1]: [name]}, images, CPU, 8)[VIEWS[1], name].table
    table[list(BOX)] = np.nan
    assert len(correct(table, "last", 1)) == COUNT
    with pytest.raises(ValueError, match="unknown boxes where they decide"):
        correct(table, "released", 1)


@pytest.mark.parametrize("views", [1, 2, 13])
def test_a_batchs_memory_does_not_grow_with_its_views(images: ImageSet, views: int) -> None:
    """Bytes of a batch stay within a bound that the first view and the batch size set."""
    shown = [View(32 + 4 * i, 1.0) for i in range(views)]
    sizes = [sum(pixels.numel() for pixels in batch.views) for batch in batches(images, shown, CPU, 16, 0, None)]
    assert max(sizes) <= evaluation.VIEWS_FACTOR * 16 * 3 * 32**2


@pytest.mark.parametrize("size", [(128, 128), (97, 203), (300, 180)])
def test_resizing_is_pillows_within_two_levels(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    view = View(56, 0.875)
    pillow = v2.CenterCrop(56)(v2.Resize(64, interpolation=v2.InterpolationMode.BICUBIC)(picture))
    shown = show(torch.from_numpy(pixels).permute(2, 0, 1), view)
    difference = shown.permute(1, 2, 0).int() - torch.from_numpy(np.array(pillow)).int()
    assert shown.shape == (3, 56, 56)
    assert difference.abs().max() <= 2


def test_normalization() -> None:
    pixels = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
    expected = v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(pixels / 255)
    torch.testing.assert_close(normalized(pixels, CPU), expected, rtol=1e-5, atol=1e-6)


def test_an_image_of_the_wanted_size_is_not_touched(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    assert show(pixels, View(64, 1.0)) is pixels


def test_a_squashed_view_shows_the_whole_image() -> None:
    """A wide picture with a mark at each end: the usual view cuts both off, the squashed one keeps them."""
    pixels = torch.zeros(3, 40, 120, dtype=torch.uint8)
    pixels[:, :, :12] = pixels[:, :, -12:] = 255
    usual, squashed = show(pixels, View(20, 1.0)), show(pixels, View(20, 1.0, squashed=True))
    assert usual.shape == squashed.shape == (3, 20, 20)
    assert usual.max() == 0
    assert (squashed[:, :, 0] > 200).all()
    assert (squashed[:, :, -1] > 200).all()
    assert squashed[:, :, 5:15].max() == 0


def test_a_squashed_training_crop_keeps_its_share() -> None:
    """At a share of one it is the whole image; below, a square of that share somewhere."""
    ramp = np.tile(np.linspace(0, 255, 120).astype(np.uint8)[None, :, None], (40, 1, 3))
    recipe = replace(MINI.recipe, framing="squashed", resolution=20)
    whole = augmentation(replace(recipe, crop_scale=1.0))(Image.fromarray(ramp))
    part = augmentation(replace(recipe, crop_scale=0.5))(Image.fromarray(ramp))
    assert whole.shape == part.shape == (3, 20, 20)
    assert int(whole[0, 0, -1]) - int(whole[0, 0, 0]) > 230
    assert 100 < int(part[0, 0, -1]) - int(part[0, 0, 0]) < 135
