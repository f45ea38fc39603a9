"""What a resolution sweep costs above its bare forward passes, in one interleaved run.

    make bench-sweep

Seven networks at thirteen resolutions, with the weights that table 1 left. ``sweep`` is everything between the stored
images and the tables of predictions; ``bare`` runs the same networks on the same batches, normalized and in memory
already, at every step, as a table of every step needs it; ``forward`` is their plain forward pass, the last step alone.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from baselines.backbone import Backbone
from benchmarks.evaluation import View, batches, normalized, predict, put
from benchmarks.experiments.table4 import METHODS, RESOLUTIONS, scaled
from benchmarks.profiles import PROFILES
from benchmarks.records import Store
from benchmarks.session import Session
from benchmarks.tasks import Accuracies
from benchmarks.tasks.training import loaded_network
from benchmarks.verdicts import paired_ratio


def timed(call: Callable[[], object]) -> float:
    """Seconds of a call on the CPU."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def run_bare(networks: dict[str, Backbone], inputs: list[torch.Tensor], steps: bool) -> None:
    """All networks on all batches."""
    with torch.inference_mode():
        for images in inputs:
            for network in networks.values():
                network.forward_steps(images) if steps else network(images)


def prepared(session: Session, views: list[View], count: int) -> list[torch.Tensor]:
    """The networks' inputs, batch by batch and view by view."""
    images = session.image_set(session.profile.splits["v1"])
    device = torch.device("cpu")
    found = batches(images, views, device, session.profile.batch, 0, count)
    return [normalized(pixels, device) for batch in found for pixels in batch.views]


def main() -> None:
    """Print times of every round and the ratios with their 95 % intervals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results/runs"))
    parser.add_argument("--cache", type=Path, default=Path("results/cache"))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--images", type=int, default=528)
    options = parser.parse_args()
    session = Session(PROFILES["mini"], Store(options.results), options.cache)
    views = [View(scaled(at, session), 1.0) for at in RESOLUTIONS]
    cells = [Accuracies.cell(model, session.profile.splits["v1"], 0, session) for model in METHODS.values()]
    networks = {cell.model: loaded_network(cell, session) for cell in cells}
    put(networks.values(), torch.device("cpu"))
    images = session.image_set(session.profile.splits["v1"])
    inputs = prepared(session, views, options.images)
    wanted = {view: list(networks) for view in views}
    calls: dict[str, Callable[[], object]] = {
        "sweep": lambda: predict(
            networks, wanted, images, torch.device("cpu"), session.profile.batch, count=options.images
        ),
        "bare": lambda: run_bare(networks, inputs, steps=True),
        "forward": lambda: run_bare(networks, inputs, steps=False),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(options.rounds + 1):
        for name, call in calls.items():
            seconds = timed(call)
            if round_:  # the first one warms up
                times[name].append(seconds)
    for name, samples in times.items():
        print(f"{name:<8} {' '.join(f'{seconds:.3f}' for seconds in samples)} s")
    for name in ("bare", "forward"):
        ratio, width = paired_ratio(times["sweep"], times[name])
        print(f"sweep / {name}: {ratio:.3f} +- {ratio * width:.3f}")


if __name__ == "__main__":
    main()
