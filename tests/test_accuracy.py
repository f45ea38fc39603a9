"""The step rules against cases worked out by hand and a plain second implementation."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.metrics.accuracy import (
    BOX,
    COLUMNS,
    accuracy,
    correct,
    correct_with_runners_up,
    guesses,
    runner_up_by_margin,
)
from benchmarks.metrics.boxes import Box
from benchmarks.metrics.outcomes import won
from benchmarks.metrics.rules import LAST, PLAIN_RULES, StepRule
from benchmarks.metrics.statistics import wilson
from benchmarks.papers.tdam.rules import RULES
from benchmarks.papers.tdam.steps import CONFIDENT, RELEASED, remaining_steps, standing_steps
from tests.merging import released_places

GOLDEN = json.loads((Path(__file__).parent / "golden" / "released_merging.json").read_text())["cases"]

LEFT: Box = (0, 0, 100, 100)
LEFT_HALF: Box = (0, 0, 100, 50)  # IoU with LEFT: exactly 0.5
NEAR_LEFT: Box = (20, 0, 100, 100)  # 80 / 120 = 0.67
MIDDLE: Box = (40, 0, 100, 100)  # 60 / 140 = 0.43 with LEFT, 80 / 120 = 0.67 with NEAR_LEFT
RIGHT: Box = (120, 120, 100, 100)
NONE: Box = (0, 0, 0, 0)
Step = tuple[int, float, Box]


def image(name: str, label: int, *steps: Step) -> list[tuple[object, ...]]:
    """Rows of an image whose steps are (best class, its probability, box); the four classes after it follow."""
    return [
        (name, label, step, *range(best, best + 5), score, *(0.1 * (1 - score),) * 4, *box)
        for step, (best, score, box) in enumerate(steps, start=1)
    ]


def table(*images: list[tuple[object, ...]]) -> pd.DataFrame:
    return pd.DataFrame([row for rows in images for row in rows], columns=list(COLUMNS))


def hits(predictions: pd.DataFrame, rule: StepRule, k: int = 1) -> dict[str, bool]:
    result = correct(predictions, rule, k)
    assert result.dtype == bool
    return {str(name): bool(hit) for name, hit in result.items()}


def random_predictions(images: int, steps: int, seed: int = 0) -> pd.DataFrame:
    """Random rows with many equal scores, overlapping and empty boxes, in random order."""
    rng = np.random.default_rng(seed)
    n = images * steps
    data: dict[str, object] = {
        "id": [f"val_{index // steps:06d}" for index in range(n)],
        "label": np.repeat(rng.integers(0, 10, images), steps),
        "step": np.tile(np.arange(1, steps + 1), images),
    }
    classes = rng.random((n, 10)).argsort(axis=1)
    scores = -np.sort(-rng.integers(1, 8, (n, 5)) / 10, axis=1)
    for rank in range(5):
        data[f"class_{rank + 1}"] = classes[:, rank]
        data[f"score_{rank + 1}"] = scores[:, rank]
    boxes = np.column_stack([rng.integers(0, 60, (n, 2)), rng.integers(80, 160, (n, 2))])
    boxes[rng.random(n) < 0.1] = 0
    for column, name in enumerate(("box_x", "box_y", "box_w", "box_h")):
        data[name] = boxes[:, column]
    return pd.DataFrame(data).sample(frac=1, random_state=seed)


def plain_correct(predictions: pd.DataFrame, rule: StepRule, k: int) -> dict[str, bool]:
    """Second implementation, image by image, with lists."""
    result = {}
    for name, rows in predictions.groupby("id"):
        steps = [row for _, row in rows.sort_values("step").iterrows()]
        if rule == LAST:
            standing = steps[-1:]
        elif rule == CONFIDENT:
            standing = [max(steps, key=lambda row: row["score_1"])]
        else:
            standing = released_places(steps)
        result[str(name)] = any(row["label"] in [row[f"class_{rank}"] for rank in range(1, k + 1)] for row in standing)
    return result


# Label 1 everywhere; class 50 is wrong. Columns: last, confident, released.
TWO_STEPS = [
    ("both wrong", [(50, 0.9, LEFT), (50, 0.8, RIGHT)], (False, False, False)),
    ("first right, apart", [(1, 0.4, LEFT), (50, 0.8, RIGHT)], (False, False, True)),
    ("second right, apart", [(50, 0.9, LEFT), (1, 0.3, RIGHT)], (True, False, True)),
    ("first right and sure, same place", [(1, 0.9, LEFT), (50, 0.8, NEAR_LEFT)], (False, True, True)),
    ("first right and unsure, same place", [(1, 0.4, LEFT), (50, 0.8, NEAR_LEFT)], (False, False, False)),
    ("second right and unsure, same place", [(50, 0.9, LEFT), (1, 0.3, NEAR_LEFT)], (True, False, False)),
    ("equally sure: the earlier", [(50, 0.5, LEFT), (1, 0.5, LEFT)], (True, False, False)),
    ("IoU 0.5 does not merge", [(50, 0.9, LEFT), (1, 0.3, LEFT_HALF)], (True, False, True)),
    ("empty boxes do not merge", [(1, 0.3, NONE), (50, 0.9, NONE)], (False, False, True)),
]
MORE_STEPS = [
    # Step 2 takes the place and brings its box, which step 3 overlaps; against step 1's box it would stay apart.
    ("box of the surer", [(50, 0.5, LEFT), (50, 0.9, NEAR_LEFT), (1, 0.6, MIDDLE)], (True, False, False)),
    # Step 2 merges into step 1 and its box is gone: step 3 stays.
    ("box of the unsure is gone", [(50, 0.9, LEFT), (50, 0.5, NEAR_LEFT), (1, 0.3, MIDDLE)], (True, False, True)),
    # Step 3 overlaps both that stand, wins, and takes both places.
    ("winner of two", [(50, 0.3, LEFT), (1, 0.2, MIDDLE), (50, 0.9, NEAR_LEFT)], (False, False, False)),
    ("and of the other", [(1, 0.3, LEFT), (50, 0.2, MIDDLE), (50, 0.9, NEAR_LEFT)], (False, False, False)),
    # It wins the first place and loses at the second: what it has won it keeps.
    ("winner that loses then", [(50, 0.2, LEFT), (50, 0.9, MIDDLE), (1, 0.5, NEAR_LEFT)], (True, False, True)),
    # It loses at the first place, and the first goes on with its own box, which the second does not overlap.
    ("loser does not go on", [(50, 0.9, LEFT), (1, 0.2, MIDDLE), (50, 0.5, NEAR_LEFT)], (False, False, True)),
    # Step 1 holds step 3's place too, and so outlives the loss of its own.
    (
        "two places of one",
        [(1, 0.3, LEFT), (50, 0.9, MIDDLE), (50, 0.2, LEFT), (50, 0.5, NEAR_LEFT)],
        (False, False, True),
    ),
    ("three places", [(50, 0.9, LEFT), (1, 0.2, RIGHT), (50, 0.5, NONE)], (False, False, True)),
]


@pytest.mark.parametrize(("name", "steps", "expected"), TWO_STEPS + MORE_STEPS, ids=lambda value: str(value)[:40])
def test_step_rules_by_hand(name: str, steps: list[Step], expected: tuple[bool, bool, bool]) -> None:
    predictions = table(image("a", 1, *steps))
    assert tuple(hits(predictions, rule)["a"] for rule in RULES.steps) == expected


def test_top_5_counts_the_first_five() -> None:
    """The classes of a step are best to best + 4."""
    predictions = table(
        image("in", 7, (3, 0.5, LEFT)), image("out", 8, (3, 0.5, LEFT)), image("top", 3, (3, 0.5, LEFT))
    )
    assert hits(predictions, LAST, 5) == {"in": True, "out": False, "top": True}
    assert hits(predictions, LAST, 1) == {"in": False, "out": False, "top": True}
    assert hits(predictions, LAST, 4) == {"in": False, "out": False, "top": True}


def test_top_5_chooses_by_the_best_class() -> None:
    """Step 2 is surer, so step 1's fifth class does not count unless it looks elsewhere."""
    apart = table(image("a", 5, (1, 0.4, LEFT), (50, 0.6, RIGHT)))
    merged = table(image("a", 5, (1, 0.4, LEFT), (50, 0.6, LEFT)))
    assert [hits(apart, rule, 5)["a"] for rule in RULES.steps] == [False, False, True]
    assert [hits(merged, rule, 5)["a"] for rule in RULES.steps] == [False, False, False]


def test_missing_classes_are_never_right() -> None:
    predictions = table(image("a", 1, (0, 0.9, LEFT)), image("b", -1, (0, 0.9, LEFT)))
    predictions[["class_3", "class_4", "class_5"]] = -1
    predictions[["score_3", "score_4", "score_5"]] = np.nan
    assert hits(predictions, LAST, 5) == {"a": True, "b": False}


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@pytest.mark.parametrize("rule", RULES.steps, ids=lambda rule: rule.name)
def test_against_the_plain_implementation(rule: StepRule, steps: int) -> None:
    predictions = random_predictions(80, steps, seed=steps)
    before = predictions.copy()
    for k in (1, 5):
        result = hits(predictions, rule, k)
        assert result == plain_correct(predictions, rule, k)
        assert list(result) == sorted(result)
        assert 0 < sum(result.values()) < 80
    pd.testing.assert_frame_equal(predictions, before)


def test_step_rules_agree_for_one_step_and_differ_for_two() -> None:
    one, two = random_predictions(200, 1), random_predictions(200, 2)
    assert accuracy(one, LAST) == accuracy(one, CONFIDENT) == accuracy(one, RELEASED)
    values = [accuracy(two, rule)["top1"].value for rule in RULES.steps]
    assert len(set(values)) == 3
    assert values[2] == max(values)


def test_accuracy_counts_images() -> None:
    """Of four images two are right at top-1 by the last step, and three at top-5."""
    labels = {"a": 1, "b": 1, "c": 4, "d": 40}
    predictions = table(*(image(name, label, (90, 0.9, LEFT), (1, 0.2, LEFT)) for name, label in labels.items()))
    assert accuracy(predictions, LAST) == {"top1": wilson(2, 4), "top5": wilson(3, 4)}
    assert accuracy(predictions, CONFIDENT) == {"top1": wilson(0, 4), "top5": wilson(0, 4)}


def test_unknown_boxes_are_refused_only_where_they_decide() -> None:
    """Of "a" the surer step is right and of "b" none is; of "c" the less sure one is, so its boxes decide."""
    predictions = table(
        image("a", 1, (1, 0.9, LEFT), (50, 0.8, RIGHT)),
        image("b", 1, (50, 0.9, LEFT), (50, 0.8, RIGHT)),
        image("c", 1, (1, 0.4, LEFT), (50, 0.8, RIGHT)),
    )
    expected = hits(predictions, RELEASED)
    assert expected == {"a": True, "b": False, "c": True}
    unknown = predictions.astype(dict.fromkeys(BOX, float))
    unknown.loc[unknown["id"] != "c", list(BOX)] = np.nan
    assert hits(unknown, RELEASED) == expected
    unknown.loc[:, list(BOX)] = np.nan
    assert hits(unknown, LAST) == {"a": False, "b": False, "c": False}
    assert hits(unknown, CONFIDENT) == {"a": True, "b": False, "c": False}
    with pytest.raises(ValueError, match="unknown boxes where they decide a result; evaluate anew"):
        correct(unknown, RELEASED, 1)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_standing_steps_of_one_image_are_those_of_many(steps: int) -> None:
    predictions = random_predictions(100, steps).sort_values(["id", "step"])
    scores = predictions["score_1"].to_numpy().reshape(-1, steps)
    boxes = predictions[list(BOX)].to_numpy(dtype=np.float64).reshape(-1, steps, 4)
    together = remaining_steps(scores, boxes)
    assert [standing_steps(*one) for one in zip(scores, boxes, strict=True)] == [
        {step for step in range(steps) if stands[step]} for stands in together
    ]
    assert steps == 1 or 0 < (~together).sum() < together.size / 2


def test_standing_steps_by_hand() -> None:
    """The surer of two at one place stands, whichever comes first, and so does what looks elsewhere."""
    boxes = np.array([LEFT, NEAR_LEFT, RIGHT], dtype=np.float64)
    assert standing_steps(np.array([0.9, 0.8, 0.1]), boxes) == {0, 2}
    assert standing_steps(np.array([0.8, 0.9, 0.1]), boxes) == {1, 2}
    with pytest.raises(ValueError, match=r"confidence \(2,\) and boxes \(3, 4\); pass \(T,\) and \(T, 4\)"):
        standing_steps(np.array([0.8, 0.9]), boxes)
    with pytest.raises(ValueError, match="box is unknown"):
        standing_steps(np.array([0.9, 0.8, 0.1]), np.full((3, 4), np.nan))


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{len(case['confidence'])} steps")
def test_golden_merging(case: dict[str, list]) -> None:  # type: ignore[type-arg]
    """The golden file counts steps from 1, this suite from 0; the second implementation meets it too."""
    scores, boxes = np.array(case["confidence"]), np.array(case["boxes_xywh"], dtype=np.float64)
    assert len(GOLDEN) == 60
    expected = {step - 1 for step in case["standing_steps"]}
    assert standing_steps(scores, boxes) == expected
    assert set(np.flatnonzero(remaining_steps(scores[None], boxes[None])[0])) == expected
    rows = [
        {"step": step, "score_1": score, **dict(zip(BOX, box, strict=True))}
        for step, (score, box) in enumerate(zip(scores, boxes, strict=True))
    ]
    assert {row["step"] for row in released_places(rows)} == expected


@pytest.mark.parametrize("steps", [2, 3, 4, 5, 7])
def test_what_is_settled_without_boxes_is_never_otherwise_with_them(steps: int) -> None:
    """In random cases with ties, overlaps and empty boxes; and everywhere else boxes do decide some."""
    images = 4000
    table_ = random_predictions(images, steps, seed=10 + steps).sort_values(["id", "step"])
    scores = table_["score_1"].to_numpy().reshape(images, steps)
    boxes = table_[list(BOX)].to_numpy(dtype=np.float64).reshape(images, steps, 4)
    hits_ = np.random.default_rng(steps).random((images, steps)) < 0.3
    stands = remaining_steps(scores, boxes)
    right = (hits_ & stands).any(axis=1)
    assert RELEASED.settled is not None
    surely = RELEASED.settled(scores)
    assert (stands | ~surely).all()
    unsure = RELEASED.unsure(hits_, scores)
    assert (unsure == (hits_.any(axis=1) & ~hits_[np.arange(images), scores.argmax(axis=1)])).all()
    assert not any(rule.unsure(hits_, scores).any() for rule in (LAST, CONFIDENT))
    assert ((hits_ & surely).any(axis=1) == right)[~unsure].all()
    assert 0 < right[unsure].mean() < 1


def test_rules_have_their_names() -> None:
    assert [rule.name for rule in RULES.steps] == ["last", "confident", "released"]
    assert [rule.name for rule in RULES.boxes] == ["gradcam", "released"]
    assert PLAIN_RULES.steps == (LAST,)


def test_rules_go_to_other_processes() -> None:
    assert pickle.loads(pickle.dumps(RULES)) == RULES


# Guesses under the released rule, and whether the most confident step with as many of its own classes is right. The
# classes of a step are best to best + 4, and the label is 1.
GUESSED = [
    ("one step", [(1, 0.9, LEFT)], 1, True),
    ("apart, alike", [(50, 0.9, LEFT), (50, 0.3, RIGHT)], 1, False),
    ("apart, not alike, runner-up right", [(0, 0.9, LEFT), (50, 0.3, RIGHT)], 2, True),
    ("apart, not alike, both wrong", [(50, 0.9, LEFT), (1, 0.3, RIGHT)], 2, False),
    ("apart, first right", [(1, 0.9, LEFT), (50, 0.3, RIGHT)], 2, True),
    ("the less sure step's runner-up does not count", [(50, 0.9, LEFT), (0, 0.3, RIGHT)], 2, False),
    ("merged: no second guess, so no runner-up", [(0, 0.9, LEFT), (50, 0.3, NEAR_LEFT)], 1, False),
    ("empty boxes do not merge", [(0, 0.9, NONE), (50, 0.3, NONE)], 2, True),
    ("two of three alike", [(0, 0.9, LEFT), (50, 0.3, RIGHT), (50, 0.2, NONE)], 2, True),
    ("alike but not side by side", [(50, 0.2, LEFT), (0, 0.9, RIGHT), (50, 0.3, NONE)], 2, True),
    ("three of three, third class right", [(-1, 0.9, LEFT), (50, 0.3, RIGHT), (60, 0.2, NONE)], 3, True),
    ("three steps, one merged, third class", [(-1, 0.9, LEFT), (50, 0.3, RIGHT), (60, 0.2, NEAR_LEFT)], 2, False),
]


@pytest.mark.parametrize(("name", "steps", "count", "right"), GUESSED, ids=lambda value: str(value)[:40])
def test_guesses_by_hand(name: str, steps: list[Step], count: int, right: bool) -> None:
    predictions = table(image("a", 1, *steps))
    assert guesses(predictions, RELEASED).to_dict() == {"a": count}
    assert correct_with_runners_up(predictions, RELEASED).to_dict() == {"a": right}
    assert guesses(predictions, LAST).to_dict() == guesses(predictions, CONFIDENT).to_dict() == {"a": 1}


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_guesses_against_the_plain_implementation(steps: int) -> None:
    """Image by image: the classes of the steps that remain, and of the most confident step as many of its best."""
    predictions = random_predictions(300, steps, seed=20 + steps)
    counts, control = guesses(predictions, RELEASED), correct_with_runners_up(predictions, RELEASED)
    for name, rows in predictions.groupby("id"):
        ordered = [row for _, row in rows.sort_values("step").iterrows()]
        count = len({row["class_1"] for row in released_places(ordered)})
        surest = max(ordered, key=lambda row: row["score_1"])
        assert counts[name] == count
        assert control[name] == (surest["label"] in [surest[f"class_{rank}"] for rank in range(1, count + 1)])
    confident = correct(predictions, CONFIDENT, 1)
    assert (control >= confident).all()
    assert (control[counts == 1] == confident[counts == 1]).all()
    assert (steps == 1) == (control == confident).all() == (counts == 1).all()


def test_boxes_must_be_known_where_steps_differ_in_their_best_class() -> None:
    """Of "a" all steps say the same; of "b" they differ, though both are wrong, so that accuracies do not care."""
    predictions = table(
        image("a", 1, (50, 0.9, LEFT), (50, 0.8, RIGHT)), image("b", 1, (50, 0.9, LEFT), (60, 0.8, RIGHT))
    )
    unknown = predictions.astype(dict.fromkeys(BOX, float))
    unknown.loc[unknown["id"] == "a", list(BOX)] = np.nan
    assert guesses(unknown, RELEASED).to_dict() == {"a": 1, "b": 2}
    unknown.loc[:, list(BOX)] = np.nan
    assert hits(unknown, RELEASED) == {"a": False, "b": False}
    for count in (guesses, correct_with_runners_up):
        with pytest.raises(ValueError, match="unknown boxes where they decide a result; evaluate anew"):
            count(unknown, RELEASED)
    with pytest.raises(ValueError, match="'last' gives one guess; pass one that looks at boxes"):
        correct_with_runners_up(predictions, LAST)


def with_margin(name: str, label: int, best: int, scores: tuple[float, float]) -> list[tuple[object, ...]]:
    """Rows of an image with one step, by the probabilities of its best class and the second."""
    ((*facts, _, _, third, fourth, fifth, x, y, w, h),) = image(name, label, (best, 0.5, LEFT))
    return [(*facts, *scores, third, fourth, fifth, x, y, w, h)]


def test_runners_up_by_margin_by_hand() -> None:
    """Label 1; best class 0 has it as its runner-up. Margins 0.5, 0.1, 0.5 and 0.3: the second image first."""
    predictions = table(
        with_margin("d", 1, 0, (0.7, 0.2)),  # after "a", by its id
        with_margin("b", 1, 1, (0.5, 0.4)),  # right already
        with_margin("a", 1, 50, (0.7, 0.2)),  # wrong anyhow
        with_margin("c", 1, 0, (0.6, 0.3)),
    )
    bits = runner_up_by_margin(predictions, LAST)
    assert bits.tolist() == [False, True, False, True]
    assert [won(bits, count) for count in range(5)] == [0, 0, 0.25, 0.25, 0.5]
    with pytest.raises(ValueError, match="5 further guesses at 4 images; pass 0 to 4"):
        won(bits, 5)
    with pytest.raises(ValueError, match="'released' may let several steps stand; pass one that lets one stand"):
        runner_up_by_margin(predictions, RELEASED)


def test_runners_up_are_those_of_the_step_that_stands() -> None:
    """The last step of "a" is sure of the wrong class; its most confident step is not, and has the label second."""
    predictions = table(image("a", 1, (0, 0.9, LEFT), (50, 0.8, LEFT)), image("b", 1, (50, 0.9, LEFT), (0, 0.3, LEFT)))
    assert runner_up_by_margin(predictions, LAST).tolist() == [True, False]
    assert runner_up_by_margin(predictions, CONFIDENT).tolist() == [True, False]
    assert runner_up_by_margin(predictions.iloc[:2], LAST).tolist() == [False]


def test_a_network_of_one_class_has_no_runner_up() -> None:
    """Its margin is its probability, and its further guesses win nothing."""
    predictions = table(image("a", 0, (0, 1.0, LEFT)), image("b", 0, (0, 1.0, LEFT)))
    names = [f"{what}_{rank}" for what in ("class", "score") for rank in range(2, 6)]
    predictions[names] = [[-1] * 4 + [np.nan] * 4] * 2
    assert runner_up_by_margin(predictions, LAST).tolist() == [False, False]


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_runners_up_at_all_images_make_top_2(steps: int) -> None:
    """Whatever the order: what is won in the end is the share of images with the label second."""
    predictions = random_predictions(200, steps)
    for rule in (LAST, CONFIDENT):
        bits = runner_up_by_margin(predictions, rule)
        assert won(bits, 200) == pytest.approx(
            (correct(predictions, rule, 2).sum() - correct(predictions, rule, 1).sum()) / 200
        )


def test_50_000_images_at_once_are_judged_as_in_parts() -> None:
    """Each image by itself, whatever else is in the table; the seconds are printed by ``make bench-pass``."""
    predictions = random_predictions(50_000, 2)
    whole = correct(predictions, RELEASED, 1)
    ids = predictions["id"]
    middle = ids.unique()[25_000]
    parts = [correct(predictions[part], RELEASED, 1) for part in (ids < middle, ids >= middle)]
    assert len(whole) == 50_000
    pd.testing.assert_series_equal(whole, pd.concat(parts).sort_index())


def test_bad_predictions_are_refused() -> None:
    two = table(image("a", 1, (1, 0.5, LEFT), (2, 0.5, LEFT)), image("b", 1, (1, 0.5, LEFT), (2, 0.5, LEFT)))
    with pytest.raises(ValueError, match="choose k from 1 to 5"):
        correct(two, LAST, 6)
    with pytest.raises(ValueError, match="lack the columns label, box_x; they need id, "):
        correct(two.drop(columns=["label", "box_x"]), LAST, 1)
    with pytest.raises(ValueError, match=r"image 'b' has steps \[1\]; every image needs 1 to 2"):
        correct(two.iloc[:3], LAST, 1)
    with pytest.raises(ValueError, match=r"image 'a' has steps \[2\]; every image needs 1 to 1"):
        correct(two[two["step"] == 2], "last", 1)
    with pytest.raises(ValueError, match="image 'b' has step 2 more than once"):
        correct(pd.concat([two, two.iloc[3:]]), LAST, 1)
    with pytest.raises(ValueError, match="image 'a' has 2 labels"):
        correct(two.assign(label=[1, 2, 1, 1]), LAST, 1)
    with pytest.raises(ValueError, match="unknown values in score_1"):
        correct(two.assign(score_1=[0.5, np.nan, 0.5, 0.5]), CONFIDENT, 1)
    with pytest.raises(ValueError, match="0 cases"):
        accuracy(two.iloc[:0], RELEASED)
