"""The class selectivity index by hand, and class means against a second computation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.backbone import Backbone
from benchmarks.data.images import ImageSet
from benchmarks.data.mini import open_mini
from benchmarks.metrics.selectivity import class_selectivity
from benchmarks.networks.models import create
from benchmarks.work.collectors.selectivity import SelectivityCollector, class_means
from benchmarks.work.passes import Collected, Show, View, normalized, run_pass, show, tensor_of
from tests.awake import awake

CPU = torch.device("cpu")


def test_the_index_by_hand() -> None:
    """Alike: 0. One class only: 1. Means 6, 2 and 1: (6 - 1.5) / (6 + 1.5). Silent: unknown."""
    means = np.array([[2.0, 0.0, 6.0, 0.0], [2.0, 5.0, 2.0, 0.0], [2.0, 0.0, 1.0, 0.0]])
    index = class_selectivity(means)
    assert index[:3].tolist() == pytest.approx([0.0, 1.0, 0.6])
    assert np.isnan(index[3])


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


def collected(network: Backbone, images: ImageSet, view: View, batch: int) -> Collected:
    """Sums of a network's activations."""
    collector = SelectivityCollector(view, network, len(images.classes))
    return run_pass([collector], Show(images, CPU, batch), lambda count: None)[0]


def test_class_means_of_every_step(tmp_path: Path) -> None:
    """One image at a time, by hand."""
    torch.manual_seed(0)
    network = awake("resnet50-td-joint-t2-m1", 10, "mini").eval()
    images, view = open_mini("val", tmp_path, 24), View(32, 1.0)
    seen = collected(network, images, view, batch=7)
    means = class_means(seen.part)
    assert (seen.part["counts"].sum(), seen.unreadable, means.shape) == (24, [], (2, 10, 320))
    with torch.no_grad():
        for step in (1, 2):
            sums = np.zeros((10, 320))
            for i, label in enumerate(images.labels):
                pixels = show(tensor_of(images.image(i)), view)[None]
                last = network.feature_map(network.trunk(normalized(pixels, CPU)), step)
                sums[label] += last.mean((2, 3))[0].numpy()
            counts = np.bincount(images.labels, minlength=10)[:, None]
            assert np.allclose(means[step - 1], sums / counts, atol=1e-5)


def test_classes_without_images_are_left_out(tmp_path: Path) -> None:
    seen = collected(create("resnet50", 10, "mini"), open_mini("val", tmp_path, 4), View(32, 1.0), batch=4)
    means = class_means(seen.part)
    assert means.shape == (1, 4, 320)
    assert np.isfinite(means).all()
