"""What evaluations cost above their networks' forward passes: decoding, views, boxes, thresholds, numbers, writing.

    make bench-pass

Accuracy and localization (MaxBoxAccV2 included) as a run does them, from JPEGs with boxes on disk to records, by
networks of the profile's size with random weights, each alone, on one CPU thread. The clock runs over the whole cell
and, within it, over the networks' own calls (trunk, last stage and head, at every step) and over boxes and thresholds:
these ratios are free of what else the machine does between two runs. Loading weights, which does not grow with the
images, is left out.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import cv2
import torch

from baselines.backbone import Backbone
from benchmarks.core.records import Cell, Record
from benchmarks.core.store import Store
from benchmarks.data.imagenet_boxes import PLACES
from benchmarks.data.images import ImageFiles
from benchmarks.networks.models import create, known
from benchmarks.report.paper import load_paper
from benchmarks.suite.arguments import count, plain_errors
from benchmarks.suite.loading import draw_tree
from benchmarks.suite.sweep import Stopwatch
from benchmarks.work.accuracy import ACCURACY, Accuracy
from benchmarks.work.boxing import boxed
from benchmarks.work.collectors import localization
from benchmarks.work.localization import LOCALIZATION, Localization
from benchmarks.work.session import Session

SPLIT = "val"
Kinds = Accuracy | Localization
KINDS: tuple[Kinds, ...] = (ACCURACY, LOCALIZATION)


class Seconds(NamedTuple):
    """Of a cell without the loading of its network: all, the network's own, and those of a localization's boxes."""

    whole: float
    network: float
    boxes: float

    def __str__(self) -> str:
        own = (self.whole - self.network) / self.network
        boxes = f", boxes and thresholds {self.boxes / self.network:.3f}" if self.boxes else ""
        return f"whole {self.whole:.3f} s, forward passes {self.network:.3f} s: own cost {own:.3f} of them{boxes}"


def write_boxes(images: ImageFiles, folder: Path, size: tuple[int, int]) -> None:
    """An annotation for each image, with one box of its class."""
    width, height = size
    folder.mkdir(parents=True)
    for name, label in zip(images.ids, images.labels, strict=True):
        corners = {"xmin": width // 5, "ymin": height // 4, "xmax": width * 4 // 5, "ymax": height * 3 // 4}
        box = "".join(f"<{edge}>{value}</{edge}>" for edge, value in corners.items())
        text = f"<object><name>{images.classes[label]}</name><bndbox>{box}</bndbox></object>"
        (folder / f"{Path(name).stem}.xml").write_text(f"<annotation>{text}</annotation>", encoding="utf-8")


def session_in(root: Path, options: argparse.Namespace) -> Session:
    """A session on pictures, boxes and weights that are drawn below a folder.

    Raises:
        ValueError: A profile that is none, or whose data are embedded.
    """
    paper = load_paper(options.paper)
    profile = paper.profiles.get(options.profile)
    if profile is None or not profile.papers_data:
        wanted = ", ".join(name for name, one in paper.profiles.items() if one.papers_data)
        raise ValueError(f"no profile {options.profile!r} with images on disk; choose of {wanted}")
    size = (options.width, options.height)
    images = draw_tree(root / "data" / SPLIT, options.images, size)
    write_boxes(images, root / "data" / PLACES[0], size)
    (root / "weights").mkdir()
    for name in options.networks:
        torch.manual_seed(0)
        torch.save(
            create(str(known(name)), len(images.classes), profile.size).state_dict(), root / "weights" / f"{name}.pth"
        )
    return Session(
        replace(profile, batch=options.batch), Store(root / "results"), root / "cache", paper.rules(),
        data_root=root / "data", weights=root / "weights", models=tuple(options.networks),
        num_classes=len(images.classes),
    )  # fmt: skip


def timed_cell(kind: Kinds, cell: Cell, session: Session) -> Seconds:
    """Run a cell and write its record, by the clock.

    Raises:
        ValueError: It left no record; the message says why.
    """
    loading, network, boxes = Stopwatch(), Stopwatch(), Stopwatch()
    load = loading.wrap(kind.network)

    def watched(cell: Cell, session: Session) -> Backbone:
        one = load(cell, session)
        for name in ("trunk", "feature_map", "classify"):
            setattr(one, name, network.wrap(getattr(one, name)))
        return one

    with (
        mock.patch.object(type(kind), "network", lambda own, cell, session: watched(cell, session)),
        mock.patch.object(localization, "boxed", boxes.wrap(boxed)),
    ):
        begin = time.perf_counter()
        for result in kind.run([cell], session, ignored):
            if not isinstance(result, Record):
                raise ValueError(f"{cell} left no record: {result.reason}")
            session.store.write(result)
        whole = time.perf_counter() - begin
    return Seconds(whole - loading.seconds, network.seconds, boxes.seconds)


def ignored(count: int) -> None:
    """Progress that nobody looks at."""


def compare(kind: Kinds, model: str, session: Session, rounds: int) -> None:
    """Print each round of one network, and the ratios of their sums."""
    cell = kind.cell(model, SPLIT, 0, session)
    timed_cell(kind, cell, replace(session, profile=replace(session.profile, val_count=1)))  # warms up
    seen = []
    for _ in range(rounds):
        seen.append(timed_cell(kind, cell, session))
        print(f"  {seen[-1]}", flush=True)
    sums = Seconds(*map(sum, zip(*seen, strict=True)))
    print(f"{kind.name}, {model}, {len(session.image_set(SPLIT))} images, {rounds} rounds: {sums}", flush=True)


@plain_errors()
def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the pictures and print all comparisons."""
    options = parsed(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as place:
        session = session_in(Path(place), options)
        for name in options.networks:
            for kind in KINDS:
                compare(kind, name, session, options.rounds)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--images", type=count, default=64)
    parser.add_argument("--width", type=count, default=500)
    parser.add_argument("--height", type=count, default=375)
    parser.add_argument("--batch", type=count, default=32)
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--paper", default="tdam", help="a folder in benchmarks/papers, or its path elsewhere")
    parser.add_argument("--profile", default="full", help="whose networks, views and data")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
