"""A part of the evaluated images: which it is, that it is named, and that it is never judged as the whole."""

import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from benchmarks.cli import main
from benchmarks.core.progress import Bar
from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record
from benchmarks.core.store import Store
from benchmarks.data.imagenet import open_imagenet
from benchmarks.data.images import ImageSet
from benchmarks.data.selected import held_back, limited
from benchmarks.networks.models import create
from benchmarks.papers.tdam.recipes import PROFILES
from benchmarks.report.evidence import Evidence, Query
from benchmarks.report.shares import Printed, share_value
from benchmarks.report.verdicts import Verdict
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.attention import ATTENTION
from benchmarks.work.localization import LOCALIZATION
from benchmarks.work.results import part_notes, status_of_part
from benchmarks.work.runner import plan_cell, run
from benchmarks.work.selectivity import SELECTIVITY
from tests.sessions import make_session
from tests.test_wsol_path import draw_tree
from tests.trees import draw_imagenet, draw_imagenet_v2


class Plain(ImageSet):
    """Images that are only named."""

    def image(self, i: int) -> Image.Image:
        return Image.new("RGB", (1, 1))

    def size(self, i: int) -> int:
        return 1


def named(counts: list[int], seed: int | None = None, published: int = 0) -> Plain:
    """So many images of each class, in an order of their own."""
    rows = [(f"{label}/{i}", label) for label, count in enumerate(counts) for i in range(count)]
    if seed is not None:
        random.Random(seed).shuffle(rows)
    images = Plain("set", [f"c{i}" for i in range(len(counts))], [name for name, _ in rows], [one for _, one in rows])
    images.published = published or len(rows)
    return images


def test_balanced_where_classes_have_enough() -> None:
    """Classes differ by one image at most; one that has fewer gives all it has, and the others the rest."""
    part = limited(named([9, 9, 2, 9]), 15)
    counts = Counter(part.labels)
    assert counts[2] == 2
    assert sorted(counts[label] for label in (0, 1, 3)) == [4, 4, 5]


def test_the_order_of_files_does_not_matter() -> None:
    parts = [limited(named([9] * 4, seed), 10) for seed in (None, 1, 2)]
    assert all(part.ids == sorted(parts[0].ids) for part in parts)
    assert len({part.manifest_hash for part in parts}) == 1
    # Drawn, not the first of each class: a folder's first file would else always be in.
    assert parts[0].ids != sorted(f"{label}/{i}" for label in range(4) for i in range(3))[:10]


def test_a_smaller_part_lies_in_a_larger_one_and_is_another_set() -> None:
    small, large = (limited(named([9] * 4), count) for count in (6, 13))
    assert set(small.ids) < set(large.ids)
    assert small.manifest_hash != large.manifest_hash


def test_more_than_there_are_is_the_whole() -> None:
    images = named([3, 3])
    assert limited(images, 6) is images
    assert images.part == ""


@pytest.mark.parametrize(
    ("images", "limit", "words", "drawn"),
    [
        (named([9, 9]), 4, "4 of 18 images (--limit)", True),
        (named([9, 9], published=50_000), 4, "4 of 50,000 images (--limit), drawn of the 18 that are there", False),
        (named([9, 9], published=50_000), 18, "18 of 50,000 images", False),
    ],
)
def test_a_part_is_named(images: Plain, limit: int, words: str, drawn: bool) -> None:
    part = limited(images, limit)
    # A limit that leaves nothing out is none.
    limit_noted = {"limit": limit} if limit < len(images) else {}
    assert part_notes(part) == {"part": words, "drawn": drawn, **limit_noted}
    assert status_of_part("ok", part) == f"partial: {words}"
    assert status_of_part("partial: 1 of 4 images unreadable", part) == f"partial: {words}; 1 of 4 images unreadable"


def test_what_is_trained_on_stays_whole(tmp_path: Path) -> None:
    """And what trainings are followed on; boxes, of the part's images, are found by their names."""
    draw_imagenet(tmp_path, classes=2, per_class=3)
    session = make_session(tmp_path, "full", data_root=tmp_path, num_classes=2, limit=3)
    assert [len(session.image_set(split)) for split in ("val", "train", "tune")] == [3, 4, 2]
    assert np.array_equal(session.image_set("val").image(0), open_imagenet(tmp_path, "val", 2).image(
        open_imagenet(tmp_path, "val", 2).ids.index(session.image_set("val").ids[0])))  # fmt: skip


def test_ten_images_of_a_class_are_held_back_and_of_a_small_class_a_tenth() -> None:
    """At least one of two or more; drawn apart from what ``--limit`` draws."""
    images = named([1300, 732, 99, 15, 2, 1])
    apart = held_back(images, 10)
    counts = Counter(label for name, label in zip(images.ids, images.labels, strict=True) if name in apart)
    assert counts == {0: 10, 1: 10, 2: 9, 3: 1, 4: 1}
    assert not apart & {f"0/{i}" for i in range(10)}
    assert apart != set(limited(images, len(apart)).ids)


def test_the_order_of_files_does_not_matter_for_what_is_held_back() -> None:
    assert held_back(named([120] * 4, 1), 10) == held_back(named([120] * 4, 2), 10) == held_back(named([120] * 4), 10)


def test_embedded_data_are_refused_in_one_line() -> None:
    result = CliRunner().invoke(main, ["plan", "table1", "--profile", "mini", "--limit", "5"])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "embedded" in result.output


KEY = MetricKey("top1", steps="last")


def judged_on(notes: dict[str, object], weights: str = "given", n: int = 50_000) -> tuple[Verdict, str]:
    """The verdict on 76.0 % of given weights against 78.0 %."""
    record = part_record(notes, weights, n)
    value = share_value(
        Evidence(PROFILES["full"], Path("results"), [record], command=""),
        Query("accuracy", "resnet50"),
        KEY,
        Printed("78.0"),
    )
    assert value.judgement is not None
    return value.judgement.verdict, value.judgement.reason


def part_record(notes: dict[str, object], weights: str, n: int) -> Record:
    options = {"weights": weights, "data": "val", "seed": None if weights == "given" else 0}
    cell = Cell("accuracy", "resnet50", "full", options)
    return new_record(cell, {"weights": weights}, {KEY: Metric(76.0, "%", n)}, {}, notes)


def test_an_incomplete_folder_is_not_judged_however_large() -> None:
    assert judged_on({})[0] is Verdict.DIFFERS
    verdict, reason = judged_on({"part": "20 of 50,000 images", "drawn": False}, n=20_000)
    assert verdict is Verdict.NOT_COMPARABLE
    assert reason == "a part (20 of 50,000 images)"


@pytest.mark.parametrize(("n", "verdict"), [(500, Verdict.UNDECIDED), (20_000, Verdict.DIFFERS)])
def test_a_random_part_is_judged_by_its_interval_and_named(n: int, verdict: Verdict) -> None:
    got, reason = judged_on({"part": f"{n:,} of 50,000 images (--limit)", "drawn": True}, n=n)
    assert got is verdict
    assert reason.endswith(f"on {n:,} of 50,000 images (--limit)")


def test_trained_networks_are_not_judged_on_a_part() -> None:
    """Over seeds the images are fixed: the interval does not tell how another draw would come out."""
    verdict, _ = judged_on({"part": "500 of 50,000 images (--limit)", "drawn": True}, weights="trained", n=500)
    assert verdict is Verdict.NOT_COMPARABLE


def test_plan_takes_a_limit(tmp_path: Path) -> None:
    draw_imagenet(tmp_path, classes=2, per_class=3)
    draw_imagenet_v2(tmp_path, classes=2, per_class=3)
    told = ["--profile", "full", "--data-root", str(tmp_path), "--num-classes", "2", "--limit", "2"]
    result = CliRunner().invoke(main, ["plan", "table1", *told, "--results", str(tmp_path / "runs")])
    assert result.exit_code == 0, result.output


# ---------------------------------------------------------------- networks on a part

SMALL, FEEDBACK = "resnet18", "resnet18-td-joint-t2-m2"
CLASSES = 4


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a plain network and of one with feedback."""
    folder = tmp_path_factory.mktemp("weights")
    for name in (SMALL, FEEDBACK):
        torch.manual_seed(0)
        save_file(create(name, CLASSES).state_dict(), folder / f"{name}.safetensors")
    return folder


@pytest.mark.parametrize(
    ("limit", "part"),
    [(None, "12 of 50,000 images"), (4, "4 of 50,000 images (--limit), drawn of the 12 that are there")],
)
def test_every_evaluation_names_its_part(tmp_path: Path, weights: Path, limit: int | None, part: str) -> None:
    """In the status of each number and in its notes: of an incomplete folder and of a drawn part."""
    draw_tree(tmp_path / "tree")
    session = make_session(
        tmp_path, "full", data_root=tmp_path / "tree", weights=weights, num_classes=CLASSES, limit=limit
    )
    cells = [kind.cell(FEEDBACK, "val", 0, session) for kind in (ACCURACY, LOCALIZATION, SELECTIVITY)]
    cells += [LOCALIZATION.cell(SMALL, "val", 0, session), ATTENTION.cell(SMALL, FEEDBACK, "val", 0, session)]
    assert run(cells, session, Bar(None)).failed == {}
    records = session.store.records()
    assert len(records) == len(cells)
    for record in records:
        assert {metric.status for metric in record.metrics.values()} == {f"partial: {part}"}, record.cell
        assert (record.notes["part"], record.notes.get("limit")) == (part, limit)


def test_suggested_commands_repeat_the_limit(tmp_path: Path) -> None:
    """For missing data, and for what waits for another cell."""
    session = make_session(tmp_path, "full", weights=tmp_path, limit=7, num_classes=CLASSES)
    (tmp_path / f"{SMALL}.pth").touch()
    (tmp_path / f"{FEEDBACK}.pth").touch()
    blocked = plan_cell(ACCURACY.cell(SMALL, "val", 0, session), session)
    assert (blocked.state, blocked.command) == (
        "blocked",
        "tdam-bench run --profile full --data-root DIR --limit 7",
    )
    draw_tree(tmp_path / "tree")
    session = make_session(
        tmp_path, "full", data_root=tmp_path / "tree", weights=tmp_path, limit=7, num_classes=CLASSES
    )
    waiting = plan_cell(ATTENTION.cell(SMALL, FEEDBACK, "val", 0, session), session)
    assert (waiting.state, waiting.command) == ("wait", "tdam-bench run --profile full --device cpu --limit 7")


def evaluated(tree: Path, weights: Path, results: Path) -> tuple[Record, list[str]]:
    """The record of a run on five images, and their ids."""
    told = ["--profile", "full", "--data-root", str(tree), "--num-classes", str(CLASSES), "--limit", "5"]
    told += ["--weights", str(weights), "--models", SMALL, "--tasks", "accuracy"]
    told += ["--results", str(results), "--out", str(results / "report")]
    result = CliRunner().invoke(main, ["run", "table1", *told])
    records = {record.cell.options["data"]: record for record in Store(results).records()}
    assert set(records) == {"val"}, result.output  # there is no V2
    table = pd.read_parquet(results / "predictions" / records["val"].notes["predictions"])
    return records["val"], table["id"].tolist()


def test_the_same_limit_gives_the_same_images_and_identity(tmp_path: Path, weights: Path) -> None:
    """On the command line, also of a copy whose files were written in another order; another limit is another cell."""
    draw_imagenet(tmp_path / "tree", classes=CLASSES, per_class=3)
    for path in sorted((tmp_path / "tree").rglob("*.JPEG"), reverse=True):
        target = tmp_path / "copy" / path.relative_to(tmp_path / "tree")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    first, ids = evaluated(tmp_path / "tree", weights, tmp_path / "first")
    second, others = evaluated(tmp_path / "copy", weights, tmp_path / "second")
    assert (len(set(ids)), ids) == (5, others)
    assert (first.id, first.metrics, first.outcomes) == (second.id, second.metrics, second.outcomes)
    session = make_session(tmp_path, "full", data_root=tmp_path / "tree", weights=weights, num_classes=CLASSES, limit=6)
    other = plan_cell(first.cell, session)
    assert other.state == "run"
    assert other.cell == first.cell
