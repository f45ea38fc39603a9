"""What figures are made of: nothing hidden, nothing told by color alone, files that publishers take."""

import re
import subprocess
import sys
import zlib
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PathCollection

from benchmarks.report.ablation import Marks, ablation_figure
from benchmarks.report.ablation import Panel as Plot
from benchmarks.report.attention import Look as Seen
from benchmarks.report.attention import Picture, grid_figure
from benchmarks.report.curves import BEHIND, Chart, Curve, Row, charts_figure, over_seeds, wrapped
from benchmarks.report.plots import STYLE, WIDTH, Look, Panel, Point, scatter_figure, write_figure

ROOT = Path(__file__).resolve().parents[1]
PANELS = (Panel("params", "Parameters (M)"), Panel("fps", "Inference speed (images/s)"))
FAMILIES = {"ResNet": ("#000000", "o"), "SE": ("#56B4E9", "s"), "TDtop": ("#0072B2", "P"), "TDjoint": ("#D55E00", "*")}
POINTS = (
    Point("ResNet", "ResNet50", {"params": 25.6, "fps": 700.0}, 84.2, 83.1, 85.3),
    Point("TDtop", "ResNet50", {"params": 27.7}, 85.0, label="m=3"),
    Point("TDjoint", "ResNet101", {"params": 46.8, "fps": 396.0}, 86.0, 85.0, 87.0),
)
TD = Look("#D55E00", "*")
WRITE = """
import sys
from pathlib import Path
from benchmarks.report.plots import scatter_figure, write_figure
from tests.test_plots import FAMILIES, PANELS, POINTS
write_figure(scatter_figure({"top-1": POINTS}, PANELS, FAMILIES), Path(sys.argv[1]), "cost")
"""


def font_types(path: Path) -> set[str]:
    """Types of a PDF's fonts, also of those within compressed streams."""
    content = path.read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)endstream", content, flags=re.DOTALL)
    for stream in streams:
        try:
            content += zlib.decompressobj().decompress(stream)
        except zlib.error:
            continue  # not compressed by zlib
    fonts = rb"/(Type0|Type1|Type3|TrueType|CIDFontType0|CIDFontType2|MMType1)\b"
    return {name.decode() for name in re.findall(rb"/Subtype\s*" + fonts, content)}


# ---------------------------------------------------------------- files


def test_the_same_figure_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """No time stamps, no random ids, no order of a hash: in three formats."""
    paths = write_figure(scatter_figure({"top-1": POINTS}, PANELS, FAMILIES), tmp_path / "here", "cost")
    assert [path.name for path in paths] == ["cost.svg", "cost.pdf", "cost.png"]
    assert len(list((tmp_path / "here").iterdir())) == 3
    assert [path.read_bytes()[:4] for path in paths] == [b"<?xm", b"%PDF", b"\x89PNG"]
    command = [sys.executable, "-c", WRITE, str(tmp_path / "there")]
    subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)})
    assert [path.read_bytes() for path in paths] == [(tmp_path / "there" / path.name).read_bytes() for path in paths]


def test_pdfs_hold_truetype_fonts(tmp_path: Path) -> None:
    """Matplotlib's own choice would be Type 3, which the same reader finds."""
    figure = scatter_figure({"top-1": POINTS}, PANELS, FAMILIES)
    _, pdf, _ = write_figure(figure, tmp_path, "cost")
    assert font_types(pdf) == {"Type0", "CIDFontType2"}
    with matplotlib.rc_context({**STYLE, "pdf.fonttype": 3}):
        figure.savefig(tmp_path / "other.pdf")
    assert "Type3" in font_types(tmp_path / "other.pdf")


def test_letters_in_svgs_are_outlines(tmp_path: Path) -> None:
    """So that they look alike where the font is not installed."""
    svg, _, _ = write_figure(scatter_figure({"top-1": POINTS}, PANELS, FAMILIES), tmp_path, "cost")
    assert "<text" not in svg.read_text()


def test_figures_fit_a_page_of_two_columns() -> None:
    for columns in (1, 2, 7):
        charts = [Chart(f"TDjoint (t={place})", [Curve(TD, [1, 2], [1, 2])]) for place in range(columns)]
        assert charts_figure([Row("y", charts)], "x", {"TD": TD}).get_figwidth() == WIDTH


# ---------------------------------------------------------------- scatter plots


def test_scatter_leaves_out_what_has_no_x() -> None:
    """Every panel shows its points at the common y, on one axis for each row; a panel without points has no axes."""
    axes = scatter_figure({"here": POINTS, "the paper": [POINTS[1]]}, PANELS, FAMILIES).axes
    assert [len(axis.lines) for axis in axes] == [3, 2, 1, 0]
    assert axes[0].get_ylim() == axes[1].get_ylim() != axes[2].get_ylim()
    assert [axis.axison for axis in axes] == [True, True, True, False]
    assert axes[3].texts[0].get_text() == "not measured"
    assert [axis.get_ylabel() for axis in axes[::2]] == ["here", "the paper"]


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(ValueError, match="no color for the family 'SENet'"):
        scatter_figure({"top-1": [Point("SENet", "ResNet50", {"params": 1.0}, 1.0)]}, PANELS, FAMILIES)


# ---------------------------------------------------------------- curves


def test_seeds_are_a_mean_and_a_band() -> None:
    """The mean of 1 and 3 is 2, between Student's ends; one seed has no band; a shorter training ends the curve."""
    (curve,) = over_seeds(TD, [1, 2, 3], [[1.0, 2.0, 3.0], [3.0, 2.0]])
    assert (list(curve.x), list(curve.y)) == ([1, 2], [2, 2])
    assert curve.low[0] < 1 < 3 < curve.high[0]
    (single,) = over_seeds(TD, [1, 2], [[1.0, 2.0]])
    assert (list(single.y), list(single.low), list(single.high)) == ([1, 2], [], [])
    assert over_seeds(TD, [], []) == []


def test_each_method_has_its_plot() -> None:
    """With what it is compared with behind it; rows share an axis; headings stand once; an empty plot has no axes."""
    plain, own = Curve(BEHIND, [1, 2], [3, 4], [2, 3], [4, 5]), Curve(TD, [1, 2], [4, 5])
    charts = [Chart("SE", []), Chart("TDjoint (t=2, m=1)", [plain, own])]
    figure = charts_figure([Row("loss", charts), Row("top-1", charts[::-1][:1] * 2)], "epoch", {"plain": BEHIND})
    empty, full, *below = figure.axes
    assert not empty.axison
    assert empty.texts[0].get_text() == "not measured"
    assert [line.get_linestyle() for line in full.lines] == ["--", "-"]
    assert len(full.collections) == 1
    assert full.get_title() == "TDjoint\n(t=2, m=1)"
    assert below[0].get_ylim() == below[1].get_ylim()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["plain"]


@pytest.mark.parametrize(("wide", "shown"), [(1.0, (9.0, 21.0)), (100.0, (7.5, 22.5))])
def test_bands_far_beyond_the_curves_are_cut(wide: float, shown: tuple[float, float]) -> None:
    """Whole where they are narrow; else a quarter of the curves' range is shown of them, and curves stay curves."""
    curve = Curve(TD, [1, 2], [10, 20], [10 - wide, 20 - wide], [10 + wide, 20 + wide])
    (axis,) = charts_figure([Row("y", [Chart("SE", [curve])])], "x", {}).axes
    low, high = shown
    edge = 0.05 * (high - low)
    assert axis.get_ylim() == pytest.approx((low - edge, high + edge))


def test_rows_that_repeat_their_headings_show_them_once() -> None:
    charts = [Chart("SE", [Curve(TD, [1], [2])]), Chart("CBAM", [Curve(TD, [1], [2])])]
    axes = charts_figure([Row("a", charts), Row("b", charts)], "x", {}).axes
    assert [axis.get_title() for axis in axes] == ["SE", "CBAM", "", ""]


def test_the_lowest_plot_of_each_column_is_numbered() -> None:
    """Also where a row is not full, or what stands below is not measured."""
    charts = [Chart(name, [Curve(TD, [1, 2], [2, 3])]) for name in "abc"]
    axes = charts_figure(wrapped("y", charts, 2), "x", {}).axes
    numbered = [bool(axis.axison) and axis.xaxis.get_tick_params()["labelbottom"] for axis in axes]
    assert numbered == [False, True, True, False]


# ---------------------------------------------------------------- ablations, pictures


def test_an_ablation_says_why_a_point_is_missing() -> None:
    """Upright at its place; markers of one curve differ in size by parameters."""
    marks = [Marks("TD", [0, 2], [1.0, 2.0], [0.5, 1.5], [1.5, 2.5], [1.0, 2.0])]
    ticks = {0: "a", 1: "b", 2: "c"}
    plots = [Plot("one", "m", marks, ticks, remarks={1: "did not converge"}), Plot("two", "m", [], {})]
    figure = ablation_figure({"here": plots})
    full, empty = figure.axes
    assert [text.get_text() for text in full.texts] == ["did not converge"]
    (points,) = (one for one in full.collections if isinstance(one, PathCollection))
    assert points.get_sizes().tolist() == [14, 70]
    assert not empty.axison


def test_grids_of_pictures(tmp_path: Path) -> None:
    """A row for each picture, a column for it and for each look; boxes have a dark rim."""
    pixels = np.full((8, 8, 3), 100, dtype=np.uint8)
    look = Seen(np.eye(8), (1, 2, 3, 4), "cat (90%)", True)
    figure = grid_figure(["plain", "step 1"], [Picture(pixels, "label: cat", [look, look])] * 2)
    assert len(figure.axes) == 6
    assert figure.axes[1].get_title() == "plain\nright: cat (90%)"
    assert [patch.get_edgecolor()[:3] for patch in figure.axes[1].patches] == [(0, 0, 0), (0, 1, 1)]
    assert len(write_figure(figure, tmp_path, "grid")) == 3
