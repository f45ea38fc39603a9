"""The class selectivity index by hand, and class means against a second computation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.data.mini import open_mini
from benchmarks.metrics.selectivity import class_selectivity
from benchmarks.networks.models import create
from benchmarks.work.activating import activations
from benchmarks.work.passes import View, normalized, show, tensor_of


def test_the_index_by_hand() -> None:
    """Alike: 0. One class only: 1. Means 6, 2 and 1: (6 - 1.5) / (6 + 1.5). Silent: unknown."""
    means = np.array([[2.0, 0.0, 6.0, 0.0], [2.0, 5.0, 2.0, 0.0], [2.0, 0.0, 1.0, 0.0]])
    found = class_selectivity(means)
    assert found[:3].tolist() == pytest.approx([0.0, 1.0, 0.6])
    assert np.isnan(found[3])


@pytest.mark.parametrize(
    ("means", "message"),
    [
        (np.ones((1, 4)), "compares classes"),
        (np.array([[1.0, -0.1], [1.0, 1.0]]), "not negative"),
        (np.array([[1.0, np.nan], [1.0, 1.0]]), "finite"),
    ],
)
def test_bad_means(means: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        class_selectivity(means)


def test_class_means_of_every_step(tmp_path: Path) -> None:
    """One image at a time, by hand."""
    torch.manual_seed(0)
    network = create("resnet50-td-joint-t2-m1", 10, "mini", zero_init="none").eval()
    images, view = open_mini("val", tmp_path, 24), View(32, 1.0)
    found = activations({"td": network}, images, view, torch.device("cpu"), batch=7)["td"]
    assert (found.images, found.unreadable, found.means.shape) == (24, [], (2, 10, 256))
    with torch.no_grad():
        for step in (1, 2):
            sums = np.zeros((10, 256))
            for i, label in enumerate(images.labels):
                pixels = show(tensor_of(images.image(i)), view)[None]
                last = network.feature_map(network.trunk(normalized(pixels, torch.device("cpu"))), step)
                sums[label] += last.mean((2, 3))[0].numpy()
            counts = np.bincount(images.labels, minlength=10)[:, None]
            assert np.allclose(found.means[step - 1], sums / counts, atol=1e-5)


def test_classes_without_images_are_left_out(tmp_path: Path) -> None:
    network = create("resnet50", 10, "mini")
    found = activations({"a": network}, open_mini("val", tmp_path, 4), View(32, 1.0), torch.device("cpu"), batch=4)["a"]
    assert found.means.shape == (1, 4, 256)
    assert np.isfinite(found.means).all()
