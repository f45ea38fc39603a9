"""One pass serves all models at all resolutions: each image is read once, and nothing else changes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from baselines.backbone import Backbone
from baselines.chain import ResidualBranch
from benchmarks.data.boxes import AnnotationError, ObjectBox, resized_side
from benchmarks.data.errors import DataError
from benchmarks.data.images import ImageSet, UnreadableImage
from benchmarks.data.mini import Scenes, open_mini
from benchmarks.data.selected import Subset
from benchmarks.metrics.accuracy import BOX, accuracy, correct, correct_with_runners_up, guesses
from benchmarks.metrics.rules import LAST, PLAIN_RULES
from benchmarks.networks.maps import class_maps
from benchmarks.networks.models import create
from benchmarks.papers.tdam.queries import RESOLUTIONS, scaled
from benchmarks.papers.tdam.recipes import MINI_RECIPE
from benchmarks.papers.tdam.rules import RULES
from benchmarks.papers.tdam.steps import RELEASED
from benchmarks.work.collectors.accuracy import AccuracyCollector, predictions_table
from benchmarks.work.collectors.localization import LocalizationCollector, Truths, localizations_table
from benchmarks.work.collectors.selectivity import SelectivityCollector, class_means
from benchmarks.work.collectors.transfer import TransferCollector
from benchmarks.work.loop import augmentation
from benchmarks.work.passes import VIEWS_FACTOR, Show, View, batches, normalized, run_pass, show
from benchmarks.work.shelves import Part
from tests.sessions import make_session
from tests.test_limit import named

CPU = torch.device("cpu")
VIEWS = [View(32, 1.0), View(64, 1.0), View(96, 0.875)]
COUNT = 24
TD = "resnet50-td-joint-t3-m1"


class Counted(ImageSet):
    """An image set that counts how often its images and boxes are read; image 5 is unreadable, 7 has no boxes."""

    boxes_hash = ""

    def __init__(self, images: Scenes) -> None:
        super().__init__("counted", images.classes, images.ids, images.labels)
        self.images, self.reads, self.looks = images, [0] * len(images), [0] * len(images)

    def image(self, i: int) -> Image.Image:
        self.reads[i] += 1
        if i == 5:
            raise UnreadableImage("five.JPEG", "broken")
        return self.images.image(i)

    def size(self, i: int) -> int:
        return self.images.size(i)

    def boxes(self, i: int) -> list[ObjectBox]:
        self.looks[i] += 1
        if i == 7:
            raise AnnotationError("there is no annotation of seven")
        return self.images.boxes(i)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return open_mini("val", tmp_path_factory.mktemp("cache"), COUNT)


@pytest.fixture(scope="module")
def networks() -> dict[str, Backbone]:
    """Small networks whose steps disagree now and then."""
    made = {}
    for seed, name in enumerate(("resnet50", "resnet50-se", TD)):
        torch.manual_seed(seed)
        made[name] = create(name, 10, "mini")
        for key, value in made[name].named_parameters():
            if "norm" in key or "bn" in key:
                torch.nn.init.normal_(value, 0.5, 0.8)
    return made


def ignored(count: int) -> None:
    """Progress that nobody looks at."""


def predict(
    networks: Mapping[str, Backbone], views: Sequence[View], how: Show
) -> dict[tuple[View, str], tuple[pd.DataFrame, list[str]]]:
    """Predictions and unreadable images by view and network."""
    asked = {(view, name): AccuracyCollector(view, networks[name], RULES) for view in views for name in networks}
    passed = run_pass(list(asked.values()), how, ignored)
    return {
        key: (predictions_table(how.images, one.part), one.unreadable) for key, one in zip(asked, passed, strict=True)
    }


def test_each_image_is_read_once(images: Scenes, networks: dict[str, Backbone]) -> None:
    """Whatever the number of models and resolutions; an unreadable one is named in every table's company."""
    counted = Counted(images)
    predicted = predict(networks, VIEWS, Show(counted, CPU, 8))
    assert counted.reads == [1] * COUNT
    assert len(predicted) == len(VIEWS) * len(networks)
    for (_, name), (table, unreadable) in predicted.items():
        assert len(table) == (COUNT - 1) * networks[name].steps
        assert unreadable == ["unreadable image five.JPEG: broken; replace the file"]


def test_a_pass_for_all_equals_passes_one_by_one(images: Scenes, networks: dict[str, Backbone]) -> None:
    together = predict(networks, VIEWS, Show(images, CPU, 8))
    for (view, name), (table, _) in together.items():
        alone, _ = predict({name: networks[name]}, [view], Show(images, CPU, 5))[view, name]
        pd.testing.assert_frame_equal(table, alone, rtol=1e-4, atol=1e-5)


def test_one_pass_serves_all_kinds_of_work(images: Scenes, networks: dict[str, Backbone]) -> None:
    """Each gets what it gets alone; an image that one cannot use is missing there only, and boxes are read once."""
    counted, view, network = Counted(images), VIEWS[1], networks[TD]
    truths = Truths(counted, counted, view)
    asked = [
        AccuracyCollector(view, network, RULES),
        LocalizationCollector(network, truths, RULES),
        LocalizationCollector(networks["resnet50"], truths, RULES),
        SelectivityCollector(view, network, len(images.classes)),
        TransferCollector(VIEWS[0], torch.nn.Sequential(network, torch.nn.Softmax(1))),
    ]
    together = run_pass(asked, Show(counted, CPU, 8), ignored)
    assert counted.reads == [1] * COUNT
    assert counted.looks == [int(i != 5) for i in range(COUNT)]
    broken = "unreadable image five.JPEG: broken; replace the file"
    for collector, collected in zip(asked, together, strict=True):
        localized = isinstance(collector, LocalizationCollector)
        assert collected.unreadable == (["there is no annotation of seven", broken] if localized else [broken])
        (alone,) = run_pass([collector], Show(counted, CPU, 8), ignored)
        for name, array in collected.part.items():
            np.testing.assert_allclose(array, alone.part[name], rtol=1e-4, atol=1e-5)
    table = localizations_table(counted, together[1].part, RULES)
    assert sorted({*images.ids} - {*table["id"]}) == [images.ids[5], images.ids[7]]
    assert class_means(together[3].part).shape == (3, 10, 320)


def test_what_adds_up_is_kept_once(networks: dict[str, Backbone]) -> None:
    """However many batches there are, one part is held; of images it would be a part for each batch."""
    collector = SelectivityCollector(VIEWS[0], networks["resnet50"], 10)
    kept: list[Part] = []
    part = {"sums": np.ones((10, 1, 3)), "counts": np.ones(10, np.int64)}
    for _ in range(4):
        collector.keep(kept, part)
    assert len(kept) == 1
    assert kept[0]["sums"].tolist() == np.full((10, 1, 3), 4.0).tolist()
    assert part["sums"].max() == 1


def test_without_rules_that_look_at_boxes_none_is_made(images: Scenes, networks: dict[str, Backbone]) -> None:
    (collected,) = run_pass([AccuracyCollector(VIEWS[0], networks[TD], PLAIN_RULES)], Show(images, CPU, 8), ignored)
    assert predictions_table(images, collected.part)[list(BOX)].isna().all(axis=None)


class Wandering(Backbone):
    """A network of three steps whose feature maps are drawn for each image and step: what is alike and what is not."""

    steps = 3

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = torch.nn.Linear(8, 10)

    def stages(self) -> list[list[ResidualBranch]]:
        return []

    def trunk(self, x: Tensor) -> Tensor:
        return x

    def feature_map(self, x: Tensor, steps: int | None = None) -> Tensor:
        return torch.stack([self.drawn(image, 0) + 0.5 * self.drawn(image, steps or self.steps) for image in x])

    def drawn(self, image: Tensor, step: int) -> Tensor:
        """A map (8, 6, 6) for an image and a step."""
        stream = torch.Generator().manual_seed(10 * int(100 * image.abs().sum()) + step)
        return torch.randn(8, 1, 1, generator=stream) + torch.randn(8, 6, 6, generator=stream)

    def classify(self, feature_map: Tensor) -> Tensor:
        return self.fc(feature_map.mean((2, 3)))  # type: ignore[no-any-return]


def test_boxes_are_made_only_where_they_can_decide(images: Scenes) -> None:
    """Accuracies and guesses equal those with the box of every image at every step."""
    network = Wandering().eval()
    table, _ = predict({"wandering": network}, VIEWS[1:2], Show(images, CPU, 8))[VIEWS[1], "wandering"]
    known = table[BOX[0]].notna()
    assert 0 < known.sum() < len(table)
    complete = table.copy()
    complete[list(BOX)] = all_boxes(network, images, VIEWS[1])
    assert (complete.loc[known, list(BOX)].to_numpy() == table.loc[known, list(BOX)].to_numpy()).all()
    for rule in RULES.steps:
        assert accuracy(table, rule) == accuracy(complete, rule)
        assert guesses(table, rule).equals(guesses(complete, rule))
    assert correct_with_runners_up(table, RELEASED).equals(correct_with_runners_up(complete, RELEASED))
    differ = table.groupby("id")["class_1"].transform("nunique") > 1
    assert known[differ].all()
    assert {1, 2} <= set(guesses(table, RELEASED)[table.loc[differ, "id"].unique()])


def all_boxes(network: Backbone, images: ImageSet, view: View) -> np.ndarray:
    """Boxes (N * T, 4) of the top class by the rule that step rules look at, in the order of id and step."""
    (batch,) = batches(Show(images, CPU, COUNT), [view], [range(COUNT)])
    with torch.inference_mode():
        trunk = network.trunk(normalized(batch.views[0], CPU))
        boxes = []
        for step in range(1, network.steps + 1):
            feature_map = network.feature_map(trunk, step)
            top = network.classify(feature_map).argmax(dim=1, keepdim=True)
            maps = class_maps(network, feature_map, top)[:, 0].numpy()
            boxes.append([RULES.step_box.box(cam, (view.resolution, view.resolution)) for cam in maps])
    return np.array(boxes).transpose(1, 0, 2).reshape(-1, 4)


def test_unknown_boxes_that_could_decide_are_refused(images: Scenes, networks: dict[str, Backbone]) -> None:
    table, _ = predict({TD: networks[TD]}, VIEWS[1:2], Show(images, CPU, 8))[VIEWS[1], TD]
    table[list(BOX)] = np.nan
    assert len(correct(table, LAST, 1)) == COUNT
    with pytest.raises(ValueError, match="unknown boxes where they decide"):
        correct(table, RULES.steps[-1], 1)


def test_a_subset_is_some_images_in_their_order(images: Scenes) -> None:
    some = Subset(images, [images.ids[9], images.ids[2]])
    assert (some.labels, some.classes) == ([images.labels[9], images.labels[2]], images.classes)
    assert some.image(1).tobytes() == images.image(2).tobytes()
    with pytest.raises(DataError, match=r"has no image 'none'; choose of its ids, such as "):
        Subset(images, ["none"])


@pytest.mark.parametrize("views", [1, 2, 13])
def test_a_batchs_memory_does_not_grow_with_its_views(images: Scenes, views: int) -> None:
    """Bytes of a batch stay within a bound that the first view and the batch size set."""
    shown = [View(32 + 4 * i, 1.0) for i in range(views)]
    how = Show(images, CPU, 16)
    (chosen,) = how.stretches(shown)
    sizes = [sum(pixels.numel() for pixels in batch.views) for batch in batches(how, shown, chosen)]
    assert max(sizes) <= VIEWS_FACTOR * 16 * 3 * 32**2


def test_batches_of_large_images_are_small_on_the_cpu() -> None:
    """Memory does not grow with the view; on a device the profile's batch counts."""
    many = named([600])
    for side, cpu in ((224, 83), (448, 20), (32, 256)):
        for device, expected in ((CPU, cpu), (torch.device("cuda"), 256)):
            (stretch,) = Show(many, device, 256).stretches([View(side, 1.0)])
            assert max(map(len, stretch)) == expected
            assert [place for batch in stretch for place in batch] == list(range(600))


@pytest.mark.parametrize("profile", ["mini", "smoke"])
def test_batches_of_small_images_are_the_profiles_on_the_cpu(profile: str, tmp_path: Path) -> None:
    """At every resolution of the sweep: networks round by their batch, so that other ones would be other numbers."""
    session = make_session(tmp_path, profile)
    sides = [session.profile.resolution, *(scaled(resolution, session.profile) for resolution in RESOLUTIONS)]
    for views in ([View(side, 1.0)] for side in sides):
        here, there = (Show(named([600]), torch.device(one), session.profile.batch) for one in ("cpu", "cuda"))
        assert here.stretches(views) == there.stretches(views)


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


@pytest.mark.parametrize(
    ("resolution", "crop", "side"),
    [(224, 0.875, 256), (224, 0.95, 235), (448, 0.95, 471), (448, 0.875, 512), (64, 1.0, 64), (140, 0.95, 147)],
)
def test_the_resized_side_is_rounded_down(resolution: int, crop: float, side: int) -> None:
    """A picture with one bright row in ten: resized to that side and not to the next, it is cut at the same rows."""
    assert resized_side(resolution, crop) == side
    pixels = torch.zeros(3, 300, 330, dtype=torch.uint8)
    pixels[:, ::10] = 255
    wanted = v2.functional.resize(pixels, [side], interpolation=v2.InterpolationMode.BICUBIC, antialias=True)
    assert torch.equal(show(pixels, View(resolution, crop)), v2.functional.center_crop(wanted, [resolution]))


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
    recipe = replace(MINI_RECIPE, framing="squashed", resolution=20)
    whole = augmentation(replace(recipe, crop_scale=1.0))(Image.fromarray(ramp))
    part = augmentation(replace(recipe, crop_scale=0.5))(Image.fromarray(ramp))
    assert whole.shape == part.shape == (3, 20, 20)
    assert int(whole[0, 0, -1]) - int(whole[0, 0, 0]) > 230
    assert 100 < int(part[0, 0, -1]) - int(part[0, 0, 0]) < 135
