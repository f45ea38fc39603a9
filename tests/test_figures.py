"""The paper's figures from made-up records: full, in part, of some models and of nothing; captions and remarks."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.core.records import Metric, Record
from benchmarks.papers.tdam import PAPER, fig4, fig5, fig8, table1
from benchmarks.papers.tdam.claims_counted import JOINT, TOP3
from benchmarks.report.comparison import latex_text, markdown_text
from benchmarks.report.evidence import Evidence
from benchmarks.report.plots import Captioned
from benchmarks.report.report import Wanted, render_one, write_report
from benchmarks.work.attention import TELLING
from benchmarks.work.training import HELD_OUT, diverged
from tests.recorded import kept, recorded_all
from tests.sessions import make_session
from tests.test_plots import font_types

MINI = PAPER.profiles["mini"]
DRAWING = [name for name in PAPER.experiments if PAPER.experiment(name).figures]
PLAIN = "resnet50"


def made(folder: Path, seeds: Iterable[int] = (0, 1)) -> list[Record]:
    return recorded_all(make_session(folder, "mini", seeds=tuple(seeds)))


def evidence(records: Iterable[Record], folder: Path = Path("none"), **rest: object) -> Evidence:
    return Evidence(MINI, folder, list(records), **rest)


def drawn(seen: Evidence, names: Iterable[str] = DRAWING) -> Iterator[Captioned]:
    for name in names:
        figures = PAPER.experiment(name).figures
        assert figures is not None
        yield from figures(seen)


def with_maps(record: Record, folder: Path, maps: type = np.uint8) -> Record:
    """A record of maps with their file: two images, the network with feedback right at its last step."""
    name = f"{record.cell.model}-{record.id}.npz"
    arrays: dict[str, np.ndarray] = {"images": np.zeros((2, 8, 8, 3), np.uint8)}
    for model, steps in ((PLAIN, 1), (record.cell.model, 2)):
        ramp = np.linspace(0, 255 if maps is np.uint8 else 1, 8 * 8)
        shown = np.broadcast_to(ramp.reshape(8, 8), (2, steps, 8, 8))
        arrays |= {
            f"{model}/maps": np.round(shown).astype(maps) if maps is np.uint8 else shown.astype(maps),
            f"{model}/classes": np.full((2, steps), int(steps > 1)),
            f"{model}/scores": np.full((2, steps), 0.5),
            f"{model}/boxes": np.ones((2, steps, 4), int),
        }
    (folder / "attention").mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "attention" / name, **arrays)  # type: ignore[arg-type]
    notes = {**record.notes, "maps": name, "labels": [1, 1], "images": ["a", "b"], "classes": ["ant", "bee"]}
    return replace(record, notes=notes, metrics={TELLING: Metric(1.0, "images")})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Records of all cells of two seeds, with maps."""
    root = tmp_path_factory.mktemp("whole")
    records = [with_maps(one, root) if one.cell.kind == "attention" else one for one in made(root)]
    return evidence(records, root)


@pytest.fixture(scope="module")
def figures(whole: Evidence) -> list[Captioned]:
    return list(drawn(whole))


# ---------------------------------------------------------------- all figures


def test_every_figure_is_drawn_and_captioned(figures: list[Captioned]) -> None:
    """In words: what is plotted, of which profile and seeds; no two captions are alike, for figures stand by them."""
    assert len({one.name for one in figures}) == len({one.caption for one in figures}) == len(figures) == 12
    for one in figures:
        assert one.figure is not None, one.name
        assert one.lacks == "", one.name
        assert one.caption.count(". ") >= 2, one.name
        assert "Profile mini, seed" in one.caption
        assert "`" not in one.caption  # a page shows captions as they are
    bare = [one.name for one in figures if "95 % intervals" not in one.caption]
    assert bare == [f"fig5-{JOINT}", f"fig5-{TOP3}"]


def test_what_is_measured_on_mini_is_never_titled_imagenet(figures: list[Captioned]) -> None:
    """No axis, heading or legend names ImageNet unless it says that these are the paper's numbers."""
    said = []
    for one in figures:
        assert one.figure is not None
        texts = [text.get_text() for legend in one.figure.legends for text in legend.get_texts()]
        for axis in one.figure.axes:
            texts += [axis.get_title(), axis.get_xlabel(), axis.get_ylabel(), *(text.get_text() for text in axis.texts)]
        said += [text for text in texts if "ImageNet" in text]
    assert said
    assert all("the paper" in text for text in said), said


def test_no_figure_is_drawn_of_nothing(tmp_path: Path) -> None:
    """Where only counts are known each says in words which command fills it; what was drawn before goes."""
    counted = [one for one in made(tmp_path) if one.cell.kind == "cost"]
    seen = evidence(counted, tmp_path)
    for one in drawn(seen):
        assert one.figure is None, one.name
        assert "Not in the figures: " in one.lacks, one.name
        assert "`tdam-bench run " in one.lacks
    stale = tmp_path / "out" / "figures" / "fig8.pdf"
    stale.parent.mkdir(parents=True)
    stale.write_text("of another time")
    files = render_one(PAPER, "fig8", seen, tmp_path / "out")
    assert not stale.exists()
    assert {path.suffix for path in files} == {".md", ".tex", ".csv"}
    assert "Not in the figures: top-1 of " in (tmp_path / "out" / "tables" / "fig8.md").read_text()


def test_what_a_figure_lacks_is_named(whole: Evidence) -> None:
    """Of rows without records; the others are drawn."""
    gone = f"{PLAIN}-cbam"
    seen = replace(whole, records=[one for one in whole.records if one.cell.model != gone])
    lacks = {one.name: one.lacks for one in drawn(seen, ("table1", "fig4"))}
    command = "measured by `tdam-bench run table1 --profile mini`."
    assert lacks["table1-training-resnet50"] == f"Not in the figures: training of ResNet50 with CBAM; {command}"
    assert lacks["table1-training-resnet101"] == ""
    assert "of CBAM; measured by `tdam-bench run fig4" in lacks["fig4-resolution"]


def test_without_the_plain_network_nothing_is_compared(whole: Evidence) -> None:
    """Curves stand alone, and no gain is drawn."""
    seen = replace(whole, records=[one for one in whole.records if one.cell.model != PLAIN])
    trained, *_ = (one for one in drawn(seen, ["table1"]) if one.name == "table1-training-resnet50")
    assert trained.figure is not None
    assert [axis.get_ylabel() for axis in trained.figure.axes if axis.get_ylabel()] == [
        "held-out top-1 [%]",
        "training loss [nat]",
    ]


@pytest.mark.parametrize("models", [(PLAIN,), (f"{PLAIN}-se",), (JOINT, PLAIN)])
def test_figures_of_some_models(whole: Evidence, models: tuple[str, ...]) -> None:
    """Whatever was asked for, nothing fails and nothing is empty."""
    for one in drawn(replace(whole, models=models)):
        assert one.figure is None or any(axis.axison or axis.images for axis in one.figure.axes), one.name


def test_a_report_holds_captions_and_no_type_3_font(whole: Evidence, figures: list[Captioned], tmp_path: Path) -> None:
    """The Markdown, the LaTeX and the page have the captions; every PDF is one that publishers take."""
    store = kept(whole.records, make_session(tmp_path, "mini").store)
    shutil.copytree(whole.folder / "attention", store.folder / "attention")
    names = ("table1", "fig5", "claims")
    write_report(Wanted(PAPER, names), store, tmp_path / "out")
    markdown, latex = ((tmp_path / "out" / name).read_text() for name in ("report.md", "report.tex"))
    shown = [one for one in figures if one.name.startswith(names)]
    for one in shown:
        assert f"![{one.name}](figures/{one.name}.png)\n\n*Figure: {markdown_text(one.caption)}*" in markdown
        assert latex_text(one.caption) in latex
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("<figcaption>") == len(shown) == 6
    pdfs = list((tmp_path / "out").rglob("*.pdf"))
    assert len(pdfs) >= 6
    for path in pdfs:
        assert font_types(path), path
        assert "Type3" not in font_types(path), path


# ---------------------------------------------------------------- table 1 and figures 4 and 8


def test_the_papers_points_stand_in_a_row_of_their_own(figures: list[Captioned]) -> None:
    """As many as table 1 has rows, at the numbers that it prints; of what is measured besides, each row once."""
    (one,) = (one for one in figures if one.name == "table1-accuracy-cost")
    assert one.figure is not None
    here, theirs = one.figure.axes[:3], one.figure.axes[3:]
    assert [len(axis.lines) for axis in theirs] == [14, 14, 14]
    assert all(len(axis.lines) >= 14 for axis in here)
    printed = {(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in theirs[0].lines}
    assert (27.65, 78.96) in printed
    assert here[0].get_ylabel() == "here: released top-1\non mini val [%]"


def test_a_training_that_broke_off_in_its_first_epoch_hides_no_other(whole: Evidence) -> None:
    """It has no curve: how soon the rest learned is told, what they lost drawn, and why the row decides nothing."""
    technique = next(one.model for one in fig8.variants() if one.panel == fig8.TECHNIQUE and one.model != JOINT)
    records = [
        diverged(replace(one, notes={"chance": 10.0}), {"loss": [], "held_out": []}, "the loss is nan")
        if one.cell.kind == "train" and one.cell.model in (PLAIN, technique) and one.cell.options["seed"] == 0
        else one
        for one in whole.records
    ]
    seen = evidence(records, whole.folder)
    assert table1.sooner_value(JOINT, seen).measured is not None
    variant = next(one for one in fig8.variants() if one.model == technique)
    assert fig8.loss(variant, table1.look_of(JOINT), seen)
    lines = PAPER.experiment("endings").table(seen).lines
    said = {line.values["end"].missing for line in lines if line.model == PLAIN and line.group == "ResNet50"}
    assert said == {f"the training of {PLAIN} diverged from 1 of 2 seeds"}
    assert list(drawn(seen, ["table1", "fig8"]))


def test_gains_by_epoch_are_paired_by_seed(whole: Evidence) -> None:
    """The mean over seeds of the difference to the plain network that was trained from the same seed."""
    own, plain = (table1.epochs_of(name, HELD_OUT, whole) for name in (JOINT, PLAIN))
    level, curve = table1.gained_by_epoch(JOINT, whole)
    expected = [np.mean([own[seed][at] - plain[seed][at] for seed in (0, 1)]) for at in range(3)]
    assert list(curve.y) == pytest.approx(expected)
    assert list(level.y) == [0, 0]
    assert table1.gained_by_epoch(PLAIN, whole) == []


def test_figure_4_shows_both_gains_in_one_plot(whole: Evidence) -> None:
    """Measured by seed, and the paper's: SE is 78.03 - 77.51 above the plain network at 224."""
    *_, gains = fig4.rows(whole)
    chart = next(chart for chart in gains.charts if chart.heading == "SE")
    _, theirs, ours = chart.curves
    assert dict(zip(theirs.x, theirs.y, strict=True))[224] == pytest.approx(78.03 - 77.51)
    assert (theirs.look.filled, ours.look.filled) == (False, True)
    assert len(ours.x) == len(ours.low) == 13


def test_figure_8_says_which_techniques_did_not_converge(whole: Evidence) -> None:
    """Only in the paper's row, at the two places without a number."""
    remarks = [fig8.panels(whole, measured)[2].remarks for measured in (True, False)]
    assert remarks == [{}, {1: "did not converge", 4: "did not converge"}]


# ---------------------------------------------------------------- figure 5


def test_the_grid_is_drawn_from_the_small_file(whole: Evidence, tmp_path: Path) -> None:
    """From a folder that has no more than the records and the maps; without the maps it says what fills it."""
    shutil.copytree(whole.folder / "attention", tmp_path / "attention")
    first, second, *_ = fig5.figures(replace(whole, folder=tmp_path))
    assert first.figure is not None
    assert second.figure is not None
    assert "The first 1 of 2 images meet the rule: " in first.caption
    assert "seed 0." in first.caption
    shutil.rmtree(tmp_path / "attention")
    for one in list(fig5.figures(replace(whole, folder=tmp_path)))[:2]:
        assert one.figure is None
        assert "`tdam-bench run fig5 --profile mini`" in one.lacks


def test_maps_of_earlier_versions_look_alike(whole: Evidence, tmp_path: Path) -> None:
    """They kept shares in place of parts of 255."""
    (record,) = (one for one in whole.records if one.cell.kind == "attention" and one.cell.model == JOINT)
    shown = []
    for maps in (np.uint8, np.float32):
        folder = tmp_path / maps.__name__
        changed = with_maps(record, folder, maps)
        path = fig5.maps_of(changed, evidence([], folder))
        assert path is not None
        shown.append(fig5.pictures(changed, path)[0].looks[2].map)
    np.testing.assert_allclose(shown[0], shown[1], atol=0.5 / 255)
    assert shown[0].max() == 1


def test_captions_tell_which_images_meet_the_rule() -> None:
    assert fig5.met(6, 6).startswith("All 6 images meet the rule: several objects, ")
    assert fig5.met(2, 6).startswith("The first 2 of 6 images meet the rule: ")
    assert fig5.met(0, 6).startswith("None of the 6 images meets the rule: ")
    assert "The others come nearest" in fig5.met(2, 6)


def test_boxes_that_move_are_read_at_the_line(whole: Evidence) -> None:
    """The share of images left of 0.5 is the sum of the bins below it: a tenth in each of five."""
    one, several = fig5.overlaps(JOINT, whole)
    for curve in (one, several):
        assert dict(zip(np.round(curve.x, 1).tolist(), curve.y, strict=True))[0.5] == pytest.approx(50)
        assert [curve.y[0], curve.y[-1]] == pytest.approx([0, 100])
