"""Class activation maps equal those of the package grad-cam, at every step and under every head."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.networks import maps
from benchmarks.networks.maps import class_maps, gradient_maps
from benchmarks.suite.maps import Tapped, ours
from benchmarks.work.passes import View
from benchmarks.work.visualize import visualize
from tests.awake import awake
from tests.fill import fill

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

MODELS = {
    "resnet50": True,
    "resnet50-se": True,
    "resnet50-td-joint-t2-m1": True,
    "resnet50-td-top-t3-m3": True,
    "mobilenet_v3_large": False,
    "convnext_tiny": False,
}


def network_of(name: str) -> torch.nn.Module:
    """A network whose weights let every step differ."""
    torch.manual_seed(0)
    network = awake(name, 20).eval()
    with torch.no_grad():
        for key, value in network.named_parameters():
            if "norm" in key or "bn" in key:
                value.add_(0.1 * torch.from_numpy(fill(key, tuple(value.shape))).float())
    return network


@pytest.mark.parametrize("name", MODELS)
def test_maps_equal_the_packages(name: str) -> None:
    """Signed maps of any class at each step, to 1e-5 of the largest value."""
    network = network_of(name)
    images = torch.from_numpy(fill("images", (2, 3, 96, 96))).float()
    classes = torch.tensor([[3, 11], [7, 0]])
    for step in range(1, network.steps + 1):
        tapped = Tapped(network, step).eval()
        cam = GradCAM(tapped, [tapped.tap])
        with torch.no_grad():
            feature_map = network.feature_map(network.trunk(images), step)
        cams = class_maps(network, feature_map, classes).detach().numpy()
        for column in range(2):
            targets = [ClassifierOutputTarget(int(label)) for label in classes[:, column]]
            cam(images, targets)
            hooks = cam.activations_and_grads
            expected = cam.get_cam_image(
                images, tapped.tap, targets, hooks.activations[0].numpy(), hooks.gradients[0].numpy(), False
            )
            assert abs(cams[:, column] - expected).max() < 1e-5 * abs(expected).max()
        hooks.release()


@pytest.mark.parametrize(("name", "linear"), MODELS.items())
def test_only_heads_of_pooling_and_one_linear_layer_are_shortened(name: str, linear: bool) -> None:
    network = network_of(name)
    with torch.no_grad():
        feature_map = network.feature_map(network.trunk(torch.randn(1, 3, 64, 64)))
        assert (maps.pooled_linear(network, feature_map) is not None) is linear


def test_both_ways_give_the_same_maps() -> None:
    network = network_of("resnet18")
    feature_map = torch.randn(3, 512, 4, 5)
    classes = torch.tensor([[0, 1], [5, 5], [19, 2]])
    short = class_maps(network, feature_map, classes)
    assert short.shape == (3, 2, 4, 5)
    torch.testing.assert_close(short, gradient_maps(network, feature_map, classes), rtol=1e-5, atol=1e-6)


def test_the_benchmarked_maps_are_these() -> None:
    network = network_of("resnet18")
    images = torch.randn(2, 3, 64, 64)
    assert ours(network, images, 5).shape == (2, 5, 2, 2)


def test_maps_of_ones_own_pictures(tmp_path: Path) -> None:
    """In the order given, each once; what cannot be read is named, and left out."""
    network = awake("resnet50-td-joint-t2-m1", 10, "mini")
    pictures = [tmp_path / name for name in ("b.png", "text.png", "a.png")]
    for path, size in zip(pictures[::2], ((70, 90), (64, 64)), strict=True):
        pixels = np.random.default_rng(size[0]).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    pictures[1].write_text("no picture")
    seen = visualize([*pictures, pictures[0]], network, View(64, 1.0), torch.device("cpu"))
    assert seen.paths == pictures[::2]
    (line,) = seen.unreadable
    assert line.startswith(f"unreadable image {pictures[1]}: ")
    assert (seen.pixels.shape, seen.maps.shape, seen.boxes.shape) == ((2, 64, 64, 3), (2, 2, 64, 64), (2, 2, 4))
    assert (seen.classes.shape, seen.scores.shape) == ((2, 2), (2, 2))
    assert seen.maps.min() >= 0
    assert np.isin(seen.maps.max(axis=(2, 3)), (0, 1)).all()
    assert (seen.pixels[1] == np.array(Image.open(pictures[2]))).all()
    nothing = visualize(pictures[1:2], network, View(64, 1.0), torch.device("cpu"))
    assert (nothing.paths, len(nothing.maps), nothing.unreadable) == ([], 0, [line])
