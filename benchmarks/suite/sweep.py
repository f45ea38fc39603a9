"""What a resolution sweep costs above its forward passes.

    make bench-sweep

Networks at resolutions, with the weights that a run left or that are given. The clock runs over the whole pass, from
stored images to tables of predictions, and, within the same pass, over the networks' own calls (trunk, last stage and
head, at every step): their ratio is free of what else the machine does between two runs.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar
from unittest import mock

from benchmarks.core.store import Store
from benchmarks.networks.models import known
from benchmarks.networks.names import parse
from benchmarks.report.paper import load_paper
from benchmarks.suite.arguments import count, plain_errors
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.collectors import accuracy
from benchmarks.work.collectors.accuracy import AccuracyCollector, predictions_table
from benchmarks.work.passes import Show, View, evaluated, run_pass, run_steps
from benchmarks.work.session import Session
from benchmarks.work.weights import loaded_network, weights_of

# The first pass, which warms up, is over this part of a batch.
WARMUP = 10

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


class Stopwatch:
    """Sums up the seconds of the calls that it wraps, on the CPU."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, call: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
        """The same call, its time counted."""

        def timed(*arguments: Arguments.args, **named: Arguments.kwargs) -> Returned:
            begin = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - begin

        return timed


@plain_errors()
def main(arguments: Sequence[str] | None = None) -> None:
    """Print the seconds of every round and the ratio of their sums."""
    options = parsed(arguments)
    session = session_of(options)
    split = next(iter(session.profile.splits.values()))
    collectors = collectors_of(options.networks, options.resolutions, split, session)
    how = evaluated(split, session)
    images = min(options.images, len(how.images))
    whole, forward = [], []
    for round_ in range(options.rounds + 1):
        shown = images if round_ else max(1, session.profile.batch // WARMUP)
        seconds, own = timed_pass(collectors, replace(how, count=shown))
        if round_:
            whole.append(seconds)
            forward.append(own)
            print(f"whole {seconds:.3f} s, forward passes {own:.3f} s: {seconds / own:.3f}")
    models, views = {one.network for one in collectors}, {one.view for one in collectors}
    print(f"{len(models)} models x {len(views)} resolutions x {images} images, {options.rounds} rounds: "
          f"whole / forward passes = {sum(whole) / sum(forward):.3f}")  # fmt: skip


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--resolutions", nargs="+", required=True, type=count, metavar="PIXELS")
    parser.add_argument("--paper", default="tdam", help="a folder in benchmarks/papers, or its path elsewhere")
    parser.add_argument("--profile", help="default: the paper's first profile")
    parser.add_argument("--results", type=Path, default=Path("results/runs"), help="where networks were trained")
    parser.add_argument("--weights", type=Path, help="folder of <model>.pth files in place of those")
    parser.add_argument("--cache", type=Path, default=Path("results/cache"))
    parser.add_argument("--rounds", type=count, default=2)
    parser.add_argument("--images", type=count, default=928)
    return parser.parse_args(arguments)


def session_of(options: argparse.Namespace) -> Session:
    """The session whose networks and images are swept.

    Raises:
        ValueError: A paper or profile that is none.
    """
    paper = load_paper(options.paper)
    profile = options.profile or next(iter(paper.profiles))
    if profile not in paper.profiles:
        raise ValueError(f"unknown profile {profile!r}; choose one of {', '.join(paper.profiles)}")
    return Session(
        paper.profiles[profile], Store(options.results), options.cache, paper.rules(), weights=options.weights
    )


def collectors_of(
    names: Sequence[str], resolutions: Sequence[int], split: str, session: Session
) -> list[AccuracyCollector]:
    """Predictions of every network at every resolution in pixels.

    Raises:
        ValueError: A name that is none, or a network without weights.
    """
    cells = {str(known(name)): ACCURACY.cell(name, split, 0, session) for name in names}
    for name, cell in cells.items():
        if not isinstance(weights_of(cell, session), tuple):
            command = f"tdam-bench train {name} --profile {cell.profile} --results {session.store.folder}"
            raise ValueError(f"no weights of {name}; run `{command}` first, or name a folder that has them (--weights)")
    networks = {name: loaded_network(cell, session) for name, cell in cells.items()}
    return [
        AccuracyCollector(View(at, session.profile.crop_of(parse(name).backbone)), network, session.rules)
        for at in resolutions
        for name, network in networks.items()
    ]


def timed_pass(collectors: Sequence[AccuracyCollector], how: Show) -> tuple[float, float]:
    """Seconds of one pass up to its tables of predictions, and of the networks' own calls in it."""
    inside = Stopwatch()
    with mock.patch.object(accuracy, "run_steps", inside.wrap(run_steps)):
        begin = time.perf_counter()
        # Kept to the end, as a run keeps them.
        tables = [predictions_table(how.images, one.part) for one in run_pass(collectors, how, lambda images: None)]
        seconds = time.perf_counter() - begin
    assert len(tables) == len(collectors)
    return seconds, inside.seconds


if __name__ == "__main__":
    main()
