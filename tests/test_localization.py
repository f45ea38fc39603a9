"""Localization metrics by hand and against a second computation; boxes through XML, resize and crop."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.core.records import MetricKey
from benchmarks.data.boxes import AnnotationError, ObjectBox, check_boxes, shown_boxes
from benchmarks.data.errors import DataError
from benchmarks.data.imagenet import open_imagenet
from benchmarks.data.imagenet_boxes import open_boxes, read_voc
from benchmarks.metrics.accuracy import BOX, CLASSES, SCORES
from benchmarks.metrics.localization import (
    ANY,
    CRITERIA,
    LARGEST,
    LEVEL_OF,
    MAX_BOX_COLUMNS,
    THRESHOLDS,
    accuracy_by_threshold,
    best_iou,
    box_hits,
    localization,
    max_box_accuracy,
    packed,
    published_max_box_accuracy,
    unpacked,
)
from benchmarks.metrics.movement import GRADCAM_BOX, histogram, spread, step_overlaps, telling_images
from benchmarks.metrics.rules import LAST, BoxRule, StepRule
from benchmarks.metrics.showing import shown_images
from benchmarks.papers.tdam.rules import RULES
from benchmarks.papers.tdam.steps import CONFIDENT
from benchmarks.suite.boxes import literal_hits
from benchmarks.work.localization import moving_boxes
from tests.merging import released_places
from tests.trees import draw_imagenet, write_voc

GOLDEN = json.loads((Path(__file__).parent / "golden" / "wsol_maxbox.json").read_text())


def random_hits(rng: np.random.Generator) -> np.ndarray:
    """Of each criterion a range of levels that hit, somewhere (1, criteria, 255)."""
    begin, length = rng.integers(0, 255, (2, 1, len(CRITERIA), 1)) // np.array([1, 4]).reshape(2, 1, 1, 1)
    levels = np.arange(255)
    return np.asarray((levels >= begin) & (levels < begin + length))


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
            row |= {f"iou_{rule.name}": float(rng.random()) for rule in RULES.boxes}
            row |= dict(zip(MAX_BOX_COLUMNS, packed(random_hits(rng))[0].tolist(), strict=True))
            rows.append(row)
    table = pd.DataFrame(rows).astype(dict.fromkeys(MAX_BOX_COLUMNS, np.uint64))
    return table.sample(frac=1, random_state=seed, ignore_index=True)


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


def test_golden_max_box_accuracy() -> None:
    """Accuracy by threshold and the best of it, for each IoU, as the published evaluator has them."""
    maps = [np.array(cam, dtype=np.float32) for cam in GOLDEN["maps"]]
    boxes, size = GOLDEN["boxes_x0y0x1y1"], GOLDEN["size"]
    assert len(maps) == 80
    assert published_max_box_accuracy(maps, boxes, size) == {
        "max_box_acc": GOLDEN["max_box_acc"],
        "max_box_acc_v2": pytest.approx(GOLDEN["max_box_acc_v2"], abs=1e-12),
    }
    accuracies = accuracy_by_threshold(box_hits(maps, boxes, (size, size)))
    for percent, name in zip(("30", "50", "70"), ANY, strict=True):
        assert accuracies[name].max() == GOLDEN["best"][percent]
        for threshold, expected in GOLDEN["accuracy_at"][percent].items():
            assert accuracies[name][np.isclose(THRESHOLDS, float(threshold))].tolist() == [expected]


@pytest.mark.parametrize(("side", "size"), [(7, 56), (3, 64), (12, 40)])
def test_hits_at_every_threshold_are_those_of_the_literal_evaluation(side: int, size: int) -> None:
    """Single and several contours, map by map and threshold by threshold; several true boxes on some images."""
    rng = np.random.default_rng(side)
    maps = [rng.standard_normal((side, side)) for _ in range(6)]
    maps[0] = np.maximum(maps[0], 0)
    starts = rng.integers(0, size // 4, (6, 2, 2))
    boxes = np.concatenate([starts, starts + rng.integers(size // 3, 3 * size // 4, (6, 2, 2))], axis=2)
    truths = [one[: 1 + place % 2] for place, one in enumerate(boxes)]
    swept = box_hits(maps, truths, size)[:, :, LEVEL_OF]
    literal = [literal_hits(cam, truth, size) for cam, truth in zip(maps, truths, strict=True)]
    assert np.array_equal(swept, np.stack(literal))
    assert 0 < swept[:, 0].mean() <= swept[:, 2].mean() < swept[:, 1].mean() < 1


def test_the_largest_contour_and_any_contour_are_told_apart() -> None:
    """A large blob beside the box and a small one that is the box's: any contour hits it, the largest one does not."""
    cam = np.zeros((40, 60))
    cam[5:35, 5:30] = 1
    cam[10:20, 45:55] = 1
    assert published_max_box_accuracy([cam], [[[45, 10, 55, 20]]], (40, 60)) == {
        "max_box_acc": 0.0,
        "max_box_acc_v2": 100.0,
    }
    assert published_max_box_accuracy([cam], [[[5, 5, 30, 35]]], (40, 60))["max_box_acc"] == 100


def test_a_box_around_a_hole_counts() -> None:
    """Bright but for a dark place in the middle, around which the only contour of its size runs."""
    cam = np.ones((60, 60))
    cam[20:40, 15:35] = 0
    seen = published_max_box_accuracy([cam], [[[14, 19, 36, 41]]], 60)
    assert seen == {"max_box_acc": 0.0, "max_box_acc_v2": 100.0}


def test_a_map_without_contour_gives_the_first_pixel() -> None:
    """As the published evaluator does: a constant map, resized or not, hits only a true box of that pixel."""
    cam = np.full((7, 7), 0.1)
    assert not box_hits([cam], [[[10, 10, 50, 50]]], 64).any()
    assert box_hits([cam], [[[0, 0, 0, 0]]], 64).all()


def test_what_is_no_map_or_has_no_boxes_is_refused() -> None:
    with pytest.raises(ValueError, match="got 1 maps and boxes of 2; pass at least one map, and boxes for each"):
        published_max_box_accuracy([np.ones((2, 2))], [[[0, 0, 1, 1]]] * 2, 64)
    with pytest.raises(ValueError, match="got 0 maps"):
        published_max_box_accuracy([], [], 64)
    with pytest.raises(ValueError, match="not finite"):
        published_max_box_accuracy([np.full((2, 2), np.nan)], [[[0, 0, 1, 1]]], 64)
    assert not box_hits([np.eye(3)], [np.empty((0, 4))], 64).any()


@pytest.mark.parametrize("rule", RULES.steps, ids=lambda rule: rule.name)
def test_max_box_accuracy_equals_a_second_computation(rule: StepRule) -> None:
    """For each criterion the best share over the levels of images that any step that stands hits."""
    table = random_table(60, 2)
    best = dict.fromkeys(CRITERIA, 0.0)
    images = [sorted(rows.to_dict("records"), key=lambda row: row["step"]) for _, rows in table.groupby("id")]
    for place, name in enumerate(CRITERIA):
        for level in range(255):
            word, bit = divmod(level, 64)
            column = MAX_BOX_COLUMNS[4 * place + word]
            hits = [any(int(row[column]) >> bit & 1 for row in steps_that_stand(image, rule)) for image in images]
            best[name] = max(best[name], 100 * sum(hits) / len(hits))
    expected = {"max_box_acc": best[LARGEST], "max_box_acc_v2": np.mean([best[name] for name in ANY])}
    assert max_box_accuracy(table, rule) == pytest.approx(expected)


def test_hits_are_packed_without_loss(tmp_path: Path) -> None:
    """As numbers, and so in a table on disk."""
    hits = np.concatenate([random_hits(np.random.default_rng(seed)) for seed in range(20)])
    words = packed(hits)
    assert words.shape == (20, len(MAX_BOX_COLUMNS))
    assert np.array_equal(unpacked(words), hits)
    pd.DataFrame(words, columns=list(MAX_BOX_COLUMNS)).to_parquet(tmp_path / "hits.parquet")
    assert np.array_equal(unpacked(pd.read_parquet(tmp_path / "hits.parquet").to_numpy()), hits)


def test_any_of_several_boxes_counts() -> None:
    truth = np.array([[0.0, 0, 10, 10], [50, 50, 10, 10]])
    assert best_iou(np.array([50.0, 50, 10, 5]), truth) == 0.5
    assert best_iou(np.zeros(4), truth) == best_iou(np.array([0.0, 0, 9, 9]), np.zeros((0, 4))) == 0


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
    table["cluster"] = np.repeat(range(len(ids)), 2)
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


def test_what_is_shown_begins_with_telling_images() -> None:
    """Then those of several objects whose box moves (d, e), then others that move (a), then any (c); each once."""
    ids = ["a", "b", "c", "d", "e"]
    td = two_steps(ids, [1, 2, 2, 2, 2], [(1, 0), (1, 0), (1, 0), (0, 1), (1, 0)], [True, True, False, True, True])
    plain = random_table(5, 1).sort_values("id", ignore_index=True)
    plain["id"], plain["label"], plain["class_1"] = ids, 0, [1, 1, 1, 1, 0]
    assert shown_images(plain, td, 9) == ["b", "d", "e", "a", "c"]
    assert shown_images(plain, td, 2) == ["b", "d"]
    assert shown_images(plain, td, 1) == ["b"]


def test_images_of_one_source_move_together() -> None:
    """Forty images of eight sources: the share is the same, its interval as wide as that of about eight images."""
    ids = [f"{i:02d}" for i in range(40)]
    table = two_steps(ids, [2] * 40, [(0, 0)] * 40, [i // 5 % 2 == 0 for i in range(40)])
    alone, together = MetricKey("moved", of="several"), table.assign(cluster=np.repeat(np.arange(8), 10))
    independent, clustered = (moving_boxes(one)[0][alone] for one in (table, together))
    assert independent.value == clustered.value == 50
    assert clustered.high - clustered.low > 1.8 * (independent.high - independent.low)


def test_spread_and_histogram() -> None:
    assert spread(list("abcdefgh"), 3) == ["a", "c", "f"]
    assert spread(["a"], 3) == ["a"]
    assert histogram([0.0, 0.04, 0.55, 1.0]).tolist() == [0.5, 0, 0, 0, 0, 0.25, 0, 0, 0, 0.25]
    assert histogram([]).tolist() == [0.0] * 10
