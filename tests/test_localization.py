"""Localization metrics by hand and against a second computation; boxes through XML, resize and crop."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.data.boxes import AnnotationError, ObjectBox, check_boxes, shown_boxes
from benchmarks.data.errors import DataError
from benchmarks.data.imagenet import open_imagenet
from benchmarks.data.imagenet_boxes import open_boxes, read_voc
from benchmarks.metrics.accuracy import BOX, CLASSES, SCORES
from benchmarks.metrics.localization import (
    AT,
    OVERLAPS,
    PERCENTS,
    best_iou,
    localization,
    max_box_accuracy,
    threshold_ious,
)
from benchmarks.metrics.movement import GRADCAM_BOX, histogram, spread, step_overlaps, telling_images
from benchmarks.metrics.rules import LAST, BoxRule, StepRule
from benchmarks.papers.tdam.rules import RULES
from benchmarks.papers.tdam.steps import CONFIDENT
from tests.merging import released_places
from tests.trees import draw_imagenet, write_voc


def random_table(images: int, steps: int, seed: int = 0, name: str = "image") -> pd.DataFrame:
    """Localizations with all outcomes in them; boxes of steps overlap now and then."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(images):
        for step in range(1, steps + 1):
            row = {"id": f"{name}{i:03d}", "label": int(rng.integers(6)), "step": step, "objects": 1 + i % 2}
            row["label"] = i % 6
            row |= dict(zip(CLASSES, rng.permutation(6)[:5].tolist(), strict=True))
            row |= dict(zip(SCORES, np.sort(rng.dirichlet(np.ones(5)))[::-1].tolist(), strict=True))
            row |= dict(zip(BOX, [*rng.integers(0, 8, 2).tolist(), *rng.integers(0, 12, 2).tolist()], strict=True))
            row |= dict(zip(GRADCAM_BOX, rng.integers(1, 12, 4).tolist(), strict=True))
            row |= {f"iou_{rule.name}": float(rng.random()) for rule in RULES.boxes} | dict(
                zip(AT, rng.random(len(AT)), strict=True)
            )
            rows.append(row)
    return pd.DataFrame(rows).sample(frac=1, random_state=seed, ignore_index=True)


def steps_that_stand(rows: list[dict], rule: StepRule) -> list[dict]:  # type: ignore[type-arg]
    """The second computation: one image's rows in the order of steps."""
    if rule == LAST:
        return rows[-1:]
    if rule == CONFIDENT:
        return [max(rows, key=lambda row: row["score_1"])]
    return released_places(rows)


def naive(table: pd.DataFrame, rule: StepRule, boxes: str) -> dict[str, float]:
    """Shares by going through the images one by one."""
    hits = dict.fromkeys(("top1_loc", "top5_loc", "gt_known"), 0)
    names = sorted(set(table["id"]))
    for name in names:
        rows = sorted(table[table["id"] == name].to_dict("records"), key=lambda row: row["step"])
        standing = steps_that_stand(rows, rule)
        right = [row for row in standing if row[f"iou_{boxes}"] >= 0.5]
        hits["gt_known"] += bool(right)
        hits["top1_loc"] += any(row["class_1"] == row["label"] for row in right)
        hits["top5_loc"] += any(row["label"] in [row[column] for column in CLASSES] for row in right)
    return {name: count / len(names) for name, count in hits.items()}


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("rule", RULES.steps, ids=lambda rule: rule.name)
@pytest.mark.parametrize("boxes", RULES.boxes, ids=lambda boxes: boxes.name)
def test_metrics_equal_a_second_computation(steps: int, rule: StepRule, boxes: BoxRule) -> None:
    table = random_table(120, steps)
    shares = {name: share.value for name, share in localization(table, rule, boxes.name).items()}
    assert shares == pytest.approx(naive(table, rule, boxes.name))
    assert 0 < shares["top1_loc"] < shares["top5_loc"] < shares["gt_known"] < 1


def test_a_box_rule_that_was_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no box rule 'largest'; choose one of gradcam, released$"):
        localization(random_table(4, 1), LAST, "largest")


def test_metrics_by_hand() -> None:
    """Four images of one step: all right; class wrong; class among the five; box wrong by a hair."""
    table = random_table(4, 1)
    table = table.sort_values("id", ignore_index=True)
    table["label"] = 3
    table[list(CLASSES)] = [[3, 0, 1, 2, 4], [0, 1, 2, 4, 5], [0, 3, 1, 2, 4], [3, 0, 1, 2, 4]]
    table["iou_gradcam"] = [0.5, 0.9, 0.7, 0.4999]
    shares = localization(table, LAST, "gradcam")
    assert {name: share.value for name, share in shares.items()} == {
        "top1_loc": 0.25,
        "top5_loc": 0.5,
        "gt_known": 0.75,
    }


@pytest.mark.parametrize("rule", RULES.steps, ids=lambda rule: rule.name)
def test_max_box_accuracy_equals_a_second_computation(rule: StepRule) -> None:
    """For each bound the first of the best thresholds on other images, then the score on the test images at it."""
    table, tuning = random_table(60, 2), random_table(40, 2, seed=1, name="other")

    def share(of: pd.DataFrame, column: str, overlap: float) -> float:
        names = sorted(set(of["id"]))
        images = [sorted(of[of["id"] == n].to_dict("records"), key=lambda row: row["step"]) for n in names]
        return float(np.mean([any(r[column] >= overlap for r in steps_that_stand(i, rule)) for i in images]))

    scores = []
    for overlap in OVERLAPS:
        best = max(AT, key=lambda column: share(tuning, column, overlap))
        scores.append(share(table, best, overlap))
    assert max_box_accuracy(table, tuning, rule)["max_box_acc_v2"] == pytest.approx(np.mean(scores))


def test_images_for_tuning_are_no_test_images() -> None:
    """Set apart from the test images themselves, they do not count in its score."""
    table = random_table(20, 1)
    table[list(AT)] = 0.0
    ids = sorted(set(table["id"]))
    table.loc[table["id"].isin(ids[:2]), list(AT)] = 1.0
    assert max_box_accuracy(table, table[table["id"].isin(ids[:2])], LAST)["max_box_acc_v2"] == 0


def test_threshold_ious() -> None:
    """A ramp from left to right: at a threshold of p percent the box is the right part of the map."""
    cam = np.tile(np.linspace(0, 1, 100, dtype=np.float32), (50, 1))
    truth = np.array([[50.0, 0, 50, 50]])
    overlaps = threshold_ious(cam, (50, 100), truth)
    widths = [int((cam[0] >= percent / 100).sum()) for percent in PERCENTS]
    assert overlaps == pytest.approx([min(width, 50) / max(width, 50) for width in widths])
    assert threshold_ious(np.ones((7, 7), dtype=np.float32), (50, 100), truth) == [0.0] * len(PERCENTS)


def test_any_of_several_boxes_counts() -> None:
    truth = np.array([[0.0, 0, 10, 10], [50, 50, 10, 10]])
    assert best_iou([(50, 50, 10, 5)], truth) == 0.5
    assert best_iou([], truth) == best_iou([(0, 0, 9, 9)], np.zeros((0, 4))) == 0


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [
        # 200 high, 400 wide: the shorter side becomes 256, the image 512 wide; the crop begins at 144 and 16.
        (ObjectBox(1, 200, 100, 50, 25), (200, 400), ObjectBox(1, 112, 112, 64, 32)),
        # The same on its side: x and y change places, and nothing else.
        (ObjectBox(1, 100, 200, 25, 50), (400, 200), ObjectBox(1, 112, 112, 32, 64)),
        # Cut at the crop's left edge.
        (ObjectBox(1, 100, 100, 50, 25), (200, 400), ObjectBox(1, 0, 112, 48, 32)),
        # A square image that is shown whole but for the crop.
        (ObjectBox(1, 0, 0, 256, 256), (256, 256), ObjectBox(1, 0, 0, 224, 224)),
    ],
)
def test_boxes_go_through_resize_and_crop(box: ObjectBox, size: tuple[int, int], expected: ObjectBox) -> None:
    assert shown_boxes([box], size, 224, 0.875) == [pytest.approx(expected)]


def test_a_box_outside_the_crop_is_dropped() -> None:
    assert shown_boxes([ObjectBox(1, 0, 0, 40, 200)], (200, 400), 224, 0.875) == []


def test_boxes_land_where_pixels_do() -> None:
    """A bright rectangle goes the image's way and its box the boxes' way: they end at the same place."""
    import torch

    from benchmarks.work.passes import View, show

    pixels = torch.zeros(3, 150, 333, dtype=torch.uint8)
    pixels[:, 40:100, 120:220] = 255
    seen = show(pixels, View(96, 0.875))[0] > 127
    rows, columns = seen.any(dim=1).nonzero()[:, 0], seen.any(dim=0).nonzero()[:, 0]
    (box,) = shown_boxes([ObjectBox(0, 120, 40, 100, 60)], (150, 333), 96, 0.875)
    assert abs(box.x - int(columns[0])) <= 1
    assert abs(box.y - int(rows[0])) <= 1
    assert abs(box.x + box.width - int(columns[-1]) - 1) <= 1
    assert abs(box.y + box.height - int(rows[-1]) - 1) <= 1


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([], "a.xml has no box"),
        ([ObjectBox(0, 10, 10, 0, 5)], "has a box from (10, 10) to (10, 15) in an image of 60 x 40 pixels"),
        ([ObjectBox(0, 50, 10, 20, 5)], "has a box from (50, 10) to (70, 15)"),
        ([ObjectBox(0, 5, 30, 5, 20)], "to (10, 50)"),
    ],
)
def test_impossible_boxes_are_refused(boxes: list[ObjectBox], message: str) -> None:
    with pytest.raises(AnnotationError) as error:
        check_boxes(boxes, (40, 60), "a.xml")
    assert message in str(error.value)


def test_voc_files(tmp_path: Path) -> None:
    write_voc(tmp_path / "a.xml", [("n01", 3, 4, 13, 24), ("n02", 0, 0, 5, 5)])
    assert read_voc(tmp_path / "a.xml") == [("n01", (3, 4, 10, 20)), ("n02", (0, 0, 5, 5))]
    with pytest.raises(AnnotationError, match="there is no annotation"):
        read_voc(tmp_path / "b.xml")
    (tmp_path / "c.xml").write_text("<annotation><object><name>n01</name><bndbox/></object></annotation>")
    (tmp_path / "d.xml").write_text("no XML")
    for name in ("c.xml", "d.xml"):
        with pytest.raises(AnnotationError, match="is not a PASCAL-VOC annotation"):
            read_voc(tmp_path / name)


def test_boxes_of_imagenet(tmp_path: Path) -> None:
    """Each file's boxes by its name; classes that the set does not have are -1."""
    draw_imagenet(tmp_path, classes=3, per_class=1)
    images = open_imagenet(tmp_path, "val", 3)
    with pytest.raises(DataError, match=r"unpack ILSVRC2012_bbox_val_v3.tgz"):
        open_boxes(images, tmp_path)
    folder = tmp_path / "Annotations/CLS-LOC/val"
    name = Path(images.ids[1]).stem
    write_voc(folder / f"{name}.xml", [(images.classes[images.labels[1]], 3, 4, 13, 24), ("n999", 0, 0, 5, 5)])
    boxed = open_boxes(images, tmp_path)
    assert boxed.boxes(1) == [ObjectBox(images.labels[1], 3, 4, 10, 20), ObjectBox(-1, 0, 0, 5, 5)]
    before = boxed.boxes_hash
    write_voc(folder / f"{name}.xml", [(images.classes[images.labels[1]], 3, 4, 13, 25)])
    assert open_boxes(images, tmp_path).boxes_hash != before


def two_steps(ids: list[str], objects: list[int], top: list[tuple[int, int]], moved: list[bool]) -> pd.DataFrame:
    """Localizations of label 0 with given top classes at both steps and boxes that move or stay."""
    table = random_table(len(ids), 2).sort_values(["id", "step"], ignore_index=True)
    table["id"], table["label"] = np.repeat(ids, 2), 0
    table["objects"] = np.repeat(objects, 2)
    table["class_1"] = np.array(top).reshape(-1)
    boxes = [[(0, 0, 10, 10), (30, 30, 10, 10) if move else (0, 0, 10, 10)] for move in moved]
    table[list(GRADCAM_BOX)] = np.array(boxes).reshape(-1, 4)
    return table


def test_telling_images_follow_the_rule() -> None:
    """Only b meets it: a has one object, c does not move, d is wrong at its end, e the plain network gets right."""
    ids = ["a", "b", "c", "d", "e"]
    td = two_steps(ids, [1, 2, 2, 2, 2], [(1, 0), (1, 0), (1, 0), (0, 1), (1, 0)], [True, True, False, True, True])
    plain = random_table(5, 1).sort_values("id", ignore_index=True)
    plain["id"], plain["label"], plain["class_1"] = ids, 0, [1, 1, 1, 1, 0]
    assert telling_images(plain, td) == ["b"]
    assert step_overlaps(td)["iou"].tolist() == [0, 0, 1, 0, 0]
    with pytest.raises(ValueError, match="one step"):
        step_overlaps(plain)


def test_spread_and_histogram() -> None:
    assert spread(list("abcdefgh"), 3) == ["a", "c", "f"]
    assert spread(["a"], 3) == ["a"]
    assert histogram([0.0, 0.04, 0.55, 1.0]).tolist() == [0.5, 0, 0, 0, 0, 0.25, 0, 0, 0, 0.25]
    assert histogram([]).tolist() == [0.0] * 10
