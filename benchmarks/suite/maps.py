"""Class activation maps from the forward pass against the package grad-cam, in one interleaved run on the CPU.

    make bench-maps

Each call starts from images and ends with maps: of the top class, and of the five best classes. The package needs a
backward pass through the network for every class.
"""

import argparse
import time
from collections.abc import Callable

import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from baselines.backbone import Backbone
from benchmarks.metrics.statistics import paired_ratio
from benchmarks.networks.maps import class_maps
from benchmarks.networks.models import create


class Tapped(nn.Module):
    """A network whose last feature map passes through ``tap``, where the package hooks in.

    Shape: (N, 3, H, W) to (N, K).
    """

    def __init__(self, network: Backbone, steps: int | None = None) -> None:
        super().__init__()
        self.network, self.steps, self.tap = network, steps, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.network.classify(self.tap(self.network.feature_map(self.network.trunk(x), self.steps)))


def ours(network: Backbone, images: Tensor, count: int) -> Tensor:
    """Maps (N, count, h, w) of the best classes."""
    with torch.inference_mode():
        feature_map = network.feature_map(network.trunk(images))
        classes = network.classify(feature_map).topk(count).indices
        return class_maps(network, feature_map, classes)


def packaged(cam: GradCAM, images: Tensor, count: int) -> None:
    """The package's maps of the best classes, one call for each."""
    with torch.inference_mode():
        classes = cam.model(images).topk(count).indices
    for rank in range(count):
        cam(images, [ClassifierOutputTarget(int(label)) for label in classes[:, rank]])


def main() -> None:
    """Print times of every round and the ratios with their 95 % intervals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--batch", type=int, default=4)
    options = parser.parse_args()
    torch.manual_seed(0)
    network = create(options.model).eval()
    images = torch.randn(options.batch, 3, 224, 224)
    tapped = Tapped(network).eval()
    cam = GradCAM(tapped, [tapped.tap])
    for count in (1, 5):
        calls: dict[str, Callable[[], object]] = {
            "grad-cam": lambda count=count: packaged(cam, images, count),  # type: ignore[misc]
            "ours": lambda count=count: ours(network, images, count),  # type: ignore[misc]
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for round_ in range(options.rounds + 1):
            for name, call in calls.items():
                begin = time.perf_counter()
                call()
                if round_:  # the first one warms up
                    times[name].append(time.perf_counter() - begin)
        ratio, width = paired_ratio(times["grad-cam"], times["ours"])
        for name, samples in times.items():
            print(f"top-{count} {name:<8} {' '.join(f'{seconds:.3f}' for seconds in samples)} s")
        print(f"top-{count} grad-cam / ours: {ratio:.2f} +- {ratio * width:.2f}")


if __name__ == "__main__":
    main()
