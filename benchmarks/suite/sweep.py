"""What a resolution sweep costs above its forward passes.

    make bench-sweep

Seven networks at thirteen resolutions, with the weights that table 1 left. The clock runs over the whole pass, from
stored images to tables of predictions, and, within the same pass, over the networks' own calls (trunk, last stage and
head, at every step): their ratio is free of what else the machine does between two runs.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.core.records import Store
from benchmarks.papers.tdam.table4 import METHODS, RESOLUTIONS, scaled
from benchmarks.work import Accuracies
from benchmarks.work import passes as evaluation
from benchmarks.work.passes import View, predict
from benchmarks.work.profiles import PROFILES
from benchmarks.work.session import Session
from benchmarks.work.training import loaded_network


class Stopwatch:
    """Sums up the seconds of the calls that it wraps, on the CPU."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, its time counted."""

        def timed(*arguments: Any) -> Any:
            begin = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.seconds += time.perf_counter() - begin

        return timed


def main() -> None:
    """Print the seconds of every round and the ratio of their sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results/runs"))
    parser.add_argument("--cache", type=Path, default=Path("results/cache"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--images", type=int, default=928)
    options = parser.parse_args()
    session = Session(PROFILES["mini"], Store(options.results), options.cache)
    split = session.profile.splits["v1"]
    views = [View(scaled(at, session), session.profile.crop_of("resnet50")) for at in RESOLUTIONS]
    cells = [Accuracies.cell(model, split, 0, session) for model in METHODS.values()]
    networks = {cell.model: loaded_network(cell, session) for cell in cells}
    inside = Stopwatch()
    evaluation.run_steps = inside.wrap(evaluation.run_steps)
    images, wanted = session.image_set(split), {view: list(networks) for view in views}
    whole, forward = [], []
    for round_ in range(options.rounds + 1):
        count = options.images if round_ else session.profile.batch // 10  # the first one warms up
        inside.seconds, begin = 0.0, time.perf_counter()
        predict(networks, wanted, images, torch.device("cpu"), session.profile.batch, count=count)
        if round_:
            whole.append(time.perf_counter() - begin)
            forward.append(inside.seconds)
            print(f"whole {whole[-1]:.3f} s, forward passes {forward[-1]:.3f} s: {whole[-1] / forward[-1]:.3f}")
    print(f"{len(networks)} models x {len(views)} resolutions x {options.images} images, {options.rounds} rounds: "
          f"whole / forward passes = {sum(whole) / sum(forward):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
