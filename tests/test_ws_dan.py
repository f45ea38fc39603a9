"""WS-DAN's parts against values worked out by hand, and the whole on every backbone."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmarks.networks.models import create
from benchmarks.papers.tdam.recipes import PROFILES
from benchmarks.work.methods import METHODS
from benchmarks.work.methods.ws_dan import (
    WSDAN,
    AttentionCenters,
    WSDANObjective,
    augmented,
    bilinear_attention_pooling,
    crop_boxes,
    cropped,
    min_max,
)
from tests.awake import awake


def test_pooling_by_hand() -> None:
    """One image, two channels on 1 x 2 places, two maps: products, means, signed roots, length 1."""
    features = torch.tensor([[[[1.0, 3.0]], [[-2.0, 2.0]]]])
    maps = torch.tensor([[[[1.0, 0.0]], [[2.0, 4.0]]]])
    # First map: (1, -2) / 2; second map: (2 + 12, -4 + 8) / 2.
    rooted = np.array([math.sqrt(0.5), -1.0, math.sqrt(7.0), math.sqrt(2.0)])
    expected = rooted / math.sqrt(0.5 + 1 + 7 + 2)
    assert np.allclose(bilinear_attention_pooling(features, maps)[0].numpy(), expected, atol=1e-6)


def test_pooling_against_a_loop() -> None:
    torch.manual_seed(0)
    features, maps = torch.randn(3, 5, 4, 4), torch.rand(3, 2, 4, 4)
    parts = [[(maps[n, m] * features[n]).mean((1, 2)) for m in range(2)] for n in range(3)]
    matrix = torch.stack([torch.cat(row) for row in parts])
    expected = F.normalize(matrix.sign() * matrix.abs().sqrt(), dim=1)
    assert torch.allclose(bilinear_attention_pooling(features, maps), expected, atol=1e-5)


def test_pooling_of_nothing_has_finite_gradients() -> None:
    features, maps = torch.zeros(1, 3, 2, 2, requires_grad=True), torch.zeros(1, 2, 2, 2, requires_grad=True)
    bilinear_attention_pooling(features, maps).sum().backward()
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(maps.grad).all()


def test_silent_maps_and_channels_have_finite_gradients() -> None:
    """Exact zeros, as after a ReLU, beside others; the recipes train in single precision, where the root bears them."""
    features, maps = torch.zeros(2, 3, 4, 4), torch.zeros(2, 2, 4, 4)
    features[:, 0] = maps[:, 0] = 1.0
    features.requires_grad_()
    maps.requires_grad_()
    bilinear_attention_pooling(features, maps).sum().backward()
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(maps.grad).all()
    tuned = [one for profile in PROFILES.values() for one in profile.transfers.values() if one.method == "ws-dan"]
    assert not any(one.recipe.amp for one in tuned)


def test_maps_are_scaled_from_zero_to_one() -> None:
    scaled = min_max(torch.tensor([[[1.0, 3.0], [2.0, 1.0]], [[5.0, 5.0], [5.0, 5.0]]]), (2, 2))
    assert scaled[0].tolist() == [[0.0, 1.0], [0.5, 0.0]]
    assert not scaled[1].any(), "a constant map points nowhere"


@pytest.mark.parametrize(
    ("rows", "columns", "padding", "box"),
    [
        ((2, 5), (3, 7), 0.0, [3, 2, 7, 5]),
        ((2, 5), (3, 7), 0.1, [2, 1.2, 8, 5.8]),
        ((0, 8), (0, 10), 0.1, [0, 0, 10, 8]),
        ((7, 8), (9, 10), 0.0, [9, 7, 10, 8]),
        ((3, 3), (4, 4), 0.2, [0, 0, 10, 8]),  # nothing above the threshold: the whole image
    ],
)
def test_crop_boxes_by_hand(rows: tuple[int, int], columns: tuple[int, int], padding: float, box: list[float]) -> None:
    """A bright rectangle on an image of 8 rows and 10 columns; height and width are told apart."""
    scaled = torch.zeros(2, 8, 10)
    scaled[0, rows[0] : rows[1], columns[0] : columns[1]] = 0.9
    scaled[1, 1, 1] = 1.0  # another image does not disturb it
    assert crop_boxes(scaled, 0.5, padding)[0].tolist() == pytest.approx(box)


def test_a_crop_of_everything_is_the_image() -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, 8, 10)
    assert torch.allclose(cropped(images, torch.tensor([[0.0, 0, 10, 8]] * 2)), images, atol=1e-6)


def test_a_crop_is_a_resize_of_its_part() -> None:
    """Against torch's interpolation, away from the edges of the crop, where the neighbors outside it count."""
    torch.manual_seed(0)
    images = F.avg_pool2d(torch.randn(1, 3, 20, 20), 5, 1, 2)
    part = F.interpolate(images[:, :, 4:14, 2:12], (20, 20), mode="bilinear", align_corners=False)
    crop = cropped(images, torch.tensor([[2.0, 4, 12, 14]]))
    assert torch.allclose(crop[:, :, 1:-1, 1:-1], part[:, :, 1:-1, 1:-1], atol=1e-5)


def test_a_drop_hides_where_the_map_is_high() -> None:
    maps = torch.zeros(1, 1, 4, 4)
    maps[0, 0, :2] = 1.0
    crop, drop = augmented(torch.ones(1, 3, 4, 4), maps)
    assert drop[0, 0].tolist() == [[0.0] * 4, [0.0] * 4, [1.0] * 4, [1.0] * 4]
    assert crop.shape == drop.shape


def test_centers_follow_by_hand() -> None:
    """Two images of class 1 and one of class 0: the loss is before the move, a center moves by rate times the mean."""
    centers = AttentionCenters(3, 2, rate=0.5)
    centers.centers[1] = torch.tensor([1.0, 0.0])
    matrix = torch.tensor([[2.0, 0.0], [1.0, 2.0], [0.0, 4.0]], requires_grad=True)
    loss = centers(matrix, torch.tensor([1, 1, 0]))
    assert float(loss.detach()) == pytest.approx((1 + 4 + 16) / 3)
    # Class 1: away (1, 0) and (0, 2), mean (0.5, 1); class 0: away (0, 4); class 2: not seen.
    assert centers.centers.tolist() == [[0.0, 2.0], [1.25, 0.5], [0.0, 0.0]]
    loss.backward()
    assert torch.allclose(matrix.grad, 2 / 3 * torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 4.0]]))


def test_global_centers_are_one_for_all_classes() -> None:
    network = WSDAN(create("resnet50", 10, "mini"), 5, maps=2)
    assert WSDANObjective(network, "global").centers.centers.shape == (1, 2 * 320)
    assert WSDANObjective(network).centers.centers.shape == (5, 2 * 320)
    with pytest.raises(ValueError, match="unknown centers 'none'; choose one of class, global"):
        WSDANObjective(network, "none")


def test_prediction_is_coarse_to_fine() -> None:
    """The mean of the probabilities of the image and of the crop around the mean map above a tenth."""
    torch.manual_seed(0)
    network = WSDAN(create("resnet50", 10, "mini"), 4, maps=3).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        coarse = network.parts(images)
        boxes = crop_boxes(min_max(coarse.maps.mean(1), (64, 64)), 0.1, 0.05)
        fine = network.parts(cropped(images, boxes))
        expected = (coarse.logits.softmax(1) + fine.logits.softmax(1)) / 2
        assert torch.equal(network(images), expected)
    assert torch.allclose(expected.sum(1), torch.ones(2))


@pytest.mark.parametrize(
    "name", ["resnet50", "resnet50-td-joint-t2-m1", "resnet50-td-top-t2-m3", "mobilenet_v3_large", "convnext_tiny"]
)
@pytest.mark.parametrize("method", METHODS)
def test_methods_train_on_every_backbone(name: str, method: str) -> None:
    """A loss with a gradient in every parameter, and no trace of the old classifier."""
    torch.manual_seed(0)
    backbone = awake(name, 10, "mini")
    network = METHODS[method].network(backbone, 4)
    objective = METHODS[method].objective(network).train()
    targets = torch.tensor([0, 3]) if method == "ws-dan" else torch.tensor([[1.0, 0, 0, 1], [0, 1.0, 0, 0]])
    loss = objective(torch.randn(2, 3, 64, 64), targets)
    loss.backward()
    assert torch.isfinite(loss)
    assert [key for key, value in network.named_parameters() if value.grad is None] == []
    assert sum(value.shape[0] == 10 for value in network.parameters()) == 0
    assert network.eval()(torch.randn(1, 3, 64, 64)).shape == (1, 4)
