"""Networks of given weights in the gate: bit by bit on the reference's processor, within rounding on others."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record
from benchmarks.core.store import Store
from benchmarks.metrics.accuracy import CLASSES, SCORES
from benchmarks.metrics.outcomes import pack
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.recipes import GATE
from benchmarks.report.gate.compare import compare_runs, compare_with_reference
from benchmarks.report.gate.images import FLIPPED, MOVED, OTHER_DEVICE, OTHER_PROCESSOR
from benchmarks.report.gate.numbers import Comparison, State
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.localization import LOCALIZATION

IMAGES, STEPS = 400, 2
ROWS = IMAGES * STEPS
HERE, ELSEWHERE = "a processor, AVX512", "another one, AVX2"
TOP1 = MetricKey("top1", steps="last")
CELL = Cell("accuracy", "resnet50", "gate", {"data": "val", "resolution": 64, "seed": None, "weights": "given"})
INPUTS = {"weights": "1", "data": "2", "torch": "2.9", "torchvision": "0.24"}


def table() -> pd.DataFrame:
    """Predictions of a network with two steps; the probabilities of its two best classes are tied in the first rows."""
    draw = np.random.default_rng(1)
    ids = [f"val/{image:06d}" for image in range(IMAGES) for _ in range(STEPS)]
    columns = {"id": ids, "label": 0, "step": [1, 2] * IMAGES}
    columns |= {name: rank for rank, name in enumerate(CLASSES)}
    spread = draw.uniform(0, 0.1, ROWS)
    columns |= {name: (0.5 - 0.1 * rank - spread).astype(np.float32) for rank, name in enumerate(SCORES)}
    made = pd.DataFrame(columns)
    made.loc[:9, "score_2"] = made.loc[:9, "score_1"] - OTHER_PROCESSOR.tied / 4
    made["box_x"] = draw.integers(0, 64, ROWS).astype(np.float32)
    made.loc[20, "box_x"] = np.nan
    made["iou"] = draw.uniform(0, 1, ROWS).astype(np.float32)
    return made


HITS = np.arange(IMAGES) % 5 > 0
Change = Callable[[pd.DataFrame], pd.DataFrame]


def kept(folder: Path, made: pd.DataFrame, processor: str = HERE, value: float = 80.0, **inputs: str) -> Record:
    """A results folder's record, and what it keeps of each image."""
    low, high = value - 4, value + 4
    metrics = {TOP1: Metric(value, "%", IMAGES, low, high)}
    samples = {TOP1: [0.25, 0.5]}
    notes = {"predictions": "made.parquet", "computed_with": processor}
    record = new_record(CELL, {**INPUTS, **inputs}, metrics, samples, notes)
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    made.to_parquet(folder / "predictions" / "made.parquet", index=False)
    return replace(record, outcomes={TOP1: pack(HITS)})


def compared(tmp_path: Path, change: Change, processor: str = HERE) -> list[Comparison]:
    """What is told of a run whose table was changed."""
    before, after = tmp_path / "before", tmp_path / "after"
    reference = kept(before, table())
    return compare_with_reference([reference], [kept(after, change(table()), processor)], (before, after))


def changed(comparisons: list[Comparison]) -> list[str]:
    return [comparison.number for comparison in comparisons if comparison.state is State.CHANGED]


def nothing(made: pd.DataFrame) -> pd.DataFrame:
    """The table as it is."""
    return made


def moved(by: float) -> Change:
    """Let a probability of every row be another."""

    def change(made: pd.DataFrame) -> pd.DataFrame:
        return made.assign(score_1=made["score_1"] + np.float32(by))

    return change


def swapped(rows: slice) -> Change:
    """Let the two best classes of some rows change places."""

    def change(made: pd.DataFrame) -> pd.DataFrame:
        made.loc[rows, ["class_1", "class_2"]] = [1, 0]
        return made

    return change


def other_boxes(count: int) -> Change:
    """Let so many rows have another box."""

    def change(made: pd.DataFrame) -> pd.DataFrame:
        made.loc[100 : 99 + count, "box_x"] += 1
        return made

    return change


MOST = round(FLIPPED * ROWS)


@pytest.mark.parametrize(
    ("change", "here", "elsewhere"),
    [
        (nothing, [], []),
        (moved(MOVED / 10), ["score_1"], []),
        (moved(3 * MOVED), ["score_1"], ["score_1"]),
        (swapped(slice(0, 1)), ["class_1", "class_2"], []),  # tied
        (swapped(slice(30, 30)), ["class_1", "class_2"], ["class_1"]),  # the second and third are as far apart
        (other_boxes(1), ["box_x"], []),
        (other_boxes(MOST), ["box_x"], []),
        (other_boxes(MOST + 1), ["box_x"], ["box_x"]),
    ],
    ids=["nothing", "rounding", "another score", "tied classes", "other classes", "a box", "few boxes", "many boxes"],
)
def test_what_rounding_explains(tmp_path: Path, change: Change, here: list[str], elsewhere: list[str]) -> None:
    """Nothing on the reference's processor; on another scores move a little, tied classes swap, few boxes differ."""
    assert changed(compared(tmp_path, change)) == here
    told = changed(compared(tmp_path, change, ELSEWHERE))
    assert told[: len(elsewhere)] == elsewhere
    assert bool(told) == bool(elsewhere)


def test_the_first_image_that_differs_is_told(tmp_path: Path) -> None:
    (box,) = (one for one in compared(tmp_path, other_boxes(3)) if one.state is State.CHANGED)
    assert box.measured.endswith(" there, 3 rows differ")
    assert "at val/000050 step 1" in box.expected
    assert box.tolerance == "0 of 800 rows may differ: this processor is the reference's"
    assert str(box).endswith("come out otherwise on the same images")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda made: made.drop(index=[7]), ["images"]),
        (lambda made: made.drop(columns="iou"), ["iou"]),
        (lambda made: made.assign(charm=1.0), ["charm"]),
        (lambda made: made.assign(label=1), ["label"]),
    ],
    ids=["a row less", "a column less", "a column more", "labels"],
)
def test_other_rows_and_columns(tmp_path: Path, change: Change, told: list[str]) -> None:
    assert changed(compared(tmp_path, change)) == told
    assert changed(compared(tmp_path, change, ELSEWHERE)) == told


NEAR, CLEAR, BOXED = 60, 61, 62  # images
ON_GPU = {"device": "cuda"}


def stood() -> pd.DataFrame:
    """The table with the steps that stand, the more probable ones; of one image both steps are as probable."""
    made = table()
    made.loc[2 * NEAR + 1, "score_1"] = made.loc[2 * NEAR, "score_1"] - OTHER_PROCESSOR.tied / 4
    first = made["score_1"].to_numpy().reshape(-1, 2).argmax(axis=1) == 0
    return made.assign(stands_confident=np.stack([first, ~first], axis=1).reshape(-1))


def other_step(image: int) -> Change:
    """Let the other step of an image stand."""

    def change(made: pd.DataFrame) -> pd.DataFrame:
        made.loc[[2 * image, 2 * image + 1], "stands_confident"] ^= True
        return made

    return change


def with_box(made: pd.DataFrame) -> pd.DataFrame:
    """Another step of an image stands, whose box is another too."""
    made.loc[2 * BOXED, "box_x"] += 1
    return other_step(BOXED)(made)


@pytest.mark.parametrize(
    ("change", "image", "here", "elsewhere"),
    [
        (nothing, None, 0, 0),
        (other_step(NEAR), None, 1, 0),
        (other_step(CLEAR), None, 1, 1),
        (with_box, None, 2, 0),
        (nothing, NEAR, 1, 0),
        (nothing, CLEAR, 1, 1),
    ],
    ids=["nothing", "steps tied", "steps apart", "box and step", "right, steps tied", "right, steps apart"],
)
def test_what_follows_differs_only_where_its_causes_do(
    tmp_path: Path, change: Change, image: int | None, here: int, elsewhere: int
) -> None:
    """One image's step or outcome is explained by steps that are as probable, or by a box, and by nothing else."""
    before, after = tmp_path / "before", tmp_path / "after"
    reference = kept(before, stood())
    flipped = HITS.copy()
    if image is not None:
        flipped[image] ^= True
    for processor, count in ((HERE, here), (ELSEWHERE, elsewhere)):
        now = replace(kept(after, change(stood()), processor), outcomes={TOP1: pack(flipped)})
        told = changed(compare_with_reference([reference], [now], (before, after)))
        assert len(told) == count, told
        assert set(told) <= {"stands_confident", "box_x", f"{TOP1}, image by image"}


def test_a_step_that_nothing_explains_is_named(tmp_path: Path) -> None:
    """Its image comes first, also behind differences that rounding explains."""
    before, after = tmp_path / "before", tmp_path / "after"
    reference = kept(before, stood())
    now = kept(after, other_step(CLEAR)(other_step(NEAR)(stood())), ELSEWHERE)
    told = [one for one in compare_with_reference([reference], [now], (before, after)) if one.state is State.CHANGED]
    assert [one.number for one in told] == ["stands_confident"]
    assert f"at val/{CLEAR:06d} step 1" in told[0].expected


def nearer(margin: float) -> Change:
    """The two best classes of a row are so near in the reference."""

    def change(made: pd.DataFrame) -> pd.DataFrame:
        made.loc[30, "score_2"] = made.loc[30, "score_1"] - np.float32(margin)
        return made

    return change


BOUND = OTHER_DEVICE.tied


@pytest.mark.parametrize(
    ("margin", "moves", "told"),
    [(0.9 * BOUND, 0.0, []), (1.1 * BOUND, 0.0, ["class_1"]), (0.9 * BOUND, BOUND, ["score_1"])],
    ids=["explained", "unexplained", "moved too far"],
)
def test_what_a_cuda_device_may_round(tmp_path: Path, margin: float, moves: float, told: list[str]) -> None:
    """A class flips where the kept margin is within TF32's rounding; on another CPU neither is explained."""
    before, after = tmp_path / "before", tmp_path / "after"
    reference = kept(before, nearer(margin)(table()))
    now = moved(moves)(swapped(slice(30, 30))(nearer(margin)(table())))
    for inputs, expected in ((ON_GPU, told), ({}, ["class_1"])):
        comparisons = compare_with_reference([reference], [kept(after, now, "a GPU", **inputs)], (before, after))
        assert set(expected) <= set(changed(comparisons))
        assert bool(changed(comparisons)) == bool(expected)
    # Of one GPU, with the same libraries, nothing is explained.
    same = kept(before, table(), "a GPU", **ON_GPU), kept(after, moved(1e-7)(table()), "a GPU", **ON_GPU)
    assert changed(compare_with_reference([same[0]], [same[1]], (before, after))) == ["score_1"]


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    before, after = records(tmp_path)
    path = tmp_path / "a" / "predictions" / "made.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=f"{path}, what is known of each image of .* is damaged"):
        compare_with_reference([before], [after], (tmp_path / "a", tmp_path / "b"))


def records(tmp_path: Path, **other: str) -> tuple[Record, Record]:
    """Two records that differ in what is told."""
    return kept(tmp_path / "a", table()), kept(tmp_path / "b", table(), **other)


def test_numbers_intervals_samples_and_outcomes(tmp_path: Path) -> None:
    """One image more is told where the processor is the same; where it is not, one of 400 may be rounding's."""
    one = 100 / IMAGES
    for processor, most in ((HERE, 0), (ELSEWHERE, 2)):
        for images in (1, 2, 3):
            before, after = kept(tmp_path / "a", table()), kept(tmp_path / "b", table(), processor, 80 + images * one)
            expected = [str(TOP1)] if images > most else []
            assert changed(compare_with_reference([before], [after])) == expected
            flipped = HITS.copy()
            flipped[:images] ^= True
            hit = replace(kept(tmp_path / "b", table(), processor), outcomes={TOP1: pack(flipped)})
            expected = [f"{TOP1}, image by image"] if images > most else []
            assert changed(compare_with_reference([before], [hit])) == expected
        same = kept(tmp_path / "b", table(), processor)
        narrow = replace(same, metrics={TOP1: replace(same.metrics[TOP1], low=77.5, high=82.5)})
        assert changed(compare_with_reference([before], [narrow])) == [str(TOP1)]
        for values in ([0.25, 0.6], [0.25]):
            other = replace(same, samples={TOP1: values})
            told = changed(compare_with_reference([before], [other]))
            assert told == ([f"{TOP1}, one by one"] if processor == HERE or len(values) < 2 else [])


def test_what_is_gone_is_a_change(tmp_path: Path) -> None:
    before, after = records(tmp_path)
    empty = replace(after, metrics={}, outcomes={}, samples={})
    numbers = [str(TOP1), f"{TOP1}, image by image", f"{TOP1}, one by one"]
    assert changed(compare_with_reference([before], [empty])) == numbers
    assert changed(compare_with_reference([empty], [before])) == numbers


@pytest.mark.parametrize(("name", "symptom"), [("weights", "not those of the reference"), ("data", "other images")])
def test_other_weights_and_images_are_named(tmp_path: Path, name: str, symptom: str) -> None:
    before, after = records(tmp_path, **{name: "9"})
    (told,) = [one for one in compare_with_reference([before], [after]) if one.state is State.CHANGED]
    assert (told.number, told.measured) == (name, "9")
    assert symptom in told.symptom
    # Runs of users, who know what they compare, are compared by chance.
    assert changed(compare_runs([before], [after])) == []


def test_another_library_rounds_otherwise(tmp_path: Path) -> None:
    before, after = records(tmp_path, torch="2.10")
    nearly = replace(after, metrics={TOP1: Metric(80 + 1e-7, "%", IMAGES, 76, 84)})
    assert changed(compare_with_reference([before], [nearly])) == []
    assert changed(compare_with_reference([before], [replace(nearly, inputs=before.inputs)])) == [str(TOP1)]


def test_a_metric_that_nobody_declared_is_refused(tmp_path: Path) -> None:
    before, after = records(tmp_path)
    odd = replace(after, metrics={MetricKey("charm"): Metric(1.0, "1")})
    with pytest.raises(ValueError, match="accuracy declares no metric 'charm'"):
        compare_with_reference([before], [odd])


# ---------------------------------------------------------------- the command, with the committed networks


@pytest.fixture
def one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate of one committed network on few scenes."""
    assert PAPER.gate is not None
    few = replace(PAPER.gate, profile=replace(GATE, val_count=24))
    monkeypatch.setattr("benchmarks.report.gate.check.gate_of", lambda paper: few)
    made = lambda session: [  # noqa: E731
        ACCURACY.cell("resnet50", "val", 0, session),
        LOCALIZATION.cell("resnet50-td-joint-t3-m1", "val", 0, session),
    ]
    monkeypatch.setattr("benchmarks.papers.tdam.gate.cells", made)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def run_check(reference: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "--against", str(reference), *arguments])


@pytest.mark.usefixtures("one_network")
def test_check_of_given_weights(tmp_path: Path) -> None:
    """A renewed reference holds what is known of each image; a box of one image that is another is told."""
    reference = tmp_path / "reference"
    assert run_check(reference, "--renew").exit_code == 0
    assert not list((reference / "records").glob("*.json"))
    assert len(Store(reference).records()) == 2
    good = run_check(reference)
    assert (good.exit_code, good.stdout.count("\n")) == (0, 1), good.stdout
    (path,) = (reference / "localizations").iterdir()
    seen = pd.read_parquet(path)
    assert {"stands_last", "stands_confident", "stands_released", "iou_gradcam"} < set(seen)
    assert len(seen) == 3 * 24
    seen.loc[5, "stands_released"] = not seen.loc[5, "stands_released"]
    seen.to_parquet(path, index=False)
    bad = run_check(reference)
    assert bad.exit_code == 1
    assert "localization resnet50-td-joint-t3-m1 data=val resolution=64: stands_released: expected" in bad.stdout
    only = run_check(reference, "--only", "accuracy")
    assert only.exit_code == 0, only.stdout
    shutil.rmtree(reference / "localizations")
    gone = run_check(reference)
    assert (gone.exit_code, "is missing; restore it" in gone.stderr) == (2, True)
    # A renewed one keeps nothing of the old.
    (reference / "predictions" / "old.parquet").touch()
    assert run_check(reference, "--renew").exit_code == 0
    assert len(list((reference / "predictions").iterdir())) == len(list((reference / "localizations").iterdir())) == 1


@pytest.mark.usefixtures("one_network")
def test_parts_of_the_gate_are_named(tmp_path: Path) -> None:
    reference = tmp_path / "reference"
    assert run_check(reference, "--renew").exit_code == 0
    none = run_check(reference, "--only", "dance")
    assert (none.exit_code, "no cell of the gate holds 'dance'" in none.stderr) == (2, True)
    both = run_check(reference, "--only", "accuracy", "--renew")
    assert (both.exit_code, "leave --only out" in both.stderr) == (2, True)
