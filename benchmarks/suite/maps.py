"""Class activation maps from the forward pass against the package grad-cam, in one interleaved run on the CPU.

    make bench-maps

Each call starts from images and ends with maps: of the top class, and of the five best classes. The package needs a
backward pass through the network for every class.
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from baselines.backbone import Backbone
from benchmarks.metrics.statistics import log_ratio
from benchmarks.networks.maps import class_maps
from benchmarks.networks.models import create
from benchmarks.suite.arguments import count, plain_errors

OURS, PACKAGE = "ours", "grad-cam"
BEST = (1, 5)


class Tapped(nn.Module):
    """A network whose last feature map passes through ``tap``, where the package hooks in.

    Args:
        network: The network.
        steps: Steps of its last stage's loops, None for all of them.

    Shape: (N, 3, H, W) to (N, K).
    """

    def __init__(self, network: Backbone, steps: int | None = None) -> None:
        super().__init__()
        self.network, self.steps, self.tap = network, steps, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.network.classify(self.tap(self.network.feature_map(self.network.trunk(x), self.steps)))


def ours(network: Backbone, images: Tensor, best: int) -> Tensor:
    """Maps (N, best, h, w) of the best classes of images (N, 3, H, W)."""
    with torch.inference_mode():
        feature_map = network.feature_map(network.trunk(images))
        classes = network.classify(feature_map).topk(best).indices
        return class_maps(network, feature_map, classes)


def packaged(cam: GradCAM, images: Tensor, best: int) -> None:
    """The package's maps of the best classes of images (N, 3, H, W), one call for each."""
    with torch.inference_mode():
        classes = cam.model(images).topk(best).indices
    for rank in range(best):
        cam(images, [ClassifierOutputTarget(int(label)) for label in classes[:, rank]])


def timed(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round; calls take turns, and the first round, which warms up, does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(rounds + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            if round_:
                times[name].append(time.perf_counter() - begin)
    return times


@plain_errors()
def main(arguments: Sequence[str] | None = None) -> None:
    """Print times of every round and the ratios with their 95 % intervals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="NAME")
    parser.add_argument("--rounds", type=count, default=6)
    parser.add_argument("--batch", type=count, default=4)
    parser.add_argument("--resolution", type=count, default=224)
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    network = create(options.model).eval()
    images = torch.randn(options.batch, 3, options.resolution, options.resolution)
    tapped = Tapped(network).eval()
    cam = GradCAM(tapped, [tapped.tap])
    for best in BEST:
        calls: dict[str, Callable[[], object]] = {
            PACKAGE: partial(packaged, cam, images, best),
            OURS: partial(ours, network, images, best),
        }
        times = timed(calls, options.rounds)
        for name, samples in times.items():
            print(f"top-{best} {name:<8} {' '.join(f'{seconds:.3f}' for seconds in samples)} s")
        ratio = log_ratio(times[PACKAGE], times[OURS])
        center, low, high = map(math.exp, (ratio.value, *ratio.interval()))
        print(f"top-{best} {PACKAGE} / {OURS}: {center:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
