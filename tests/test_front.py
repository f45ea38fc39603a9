"""The front page's picture: an image at each step of a network with feedback, and a field for every claim."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure, FigureBase

from benchmarks.core.store import Store
from benchmarks.papers.tdam import PAPER, front
from benchmarks.report.attention import Look, Picture
from benchmarks.report.claims import ClaimResult, ClaimVerdict
from benchmarks.report.paper import ROOT
from benchmarks.report.report import Wanted

REFERENCE = ROOT / "results" / "reference"


@pytest.fixture(scope="module")
def judged() -> list[ClaimResult]:
    wanted = Wanted(PAPER, PAPER.names)
    return wanted.judged(wanted.measured(Store(REFERENCE)))


def texts(figure: Figure) -> Iterator[str]:
    """All that is written in a figure."""
    parts: list[FigureBase] = [figure, *figure.subfigs]
    for part in parts:
        yield from (text.get_text() for text in part.texts)
    for axis in figure.axes:
        yield from (axis.get_title(), axis.get_title(loc="left"), *(text.get_text() for text in axis.texts))


def test_every_claim_has_its_field(judged: list[ClaimResult]) -> None:
    """With its number and the sign of its verdict, which the heading explains; without maps that is said."""
    said = list(texts(front.front_figure(None, judged)))
    for result in judged:
        assert f"{result.claim.number}\n{result.verdict.sign}" in said
    (heading,) = [text for text in said if f"The paper's {len(judged)} claims" in text]
    assert {str(one) for one in ClaimVerdict if str(one) in heading} == {str(result.verdict) for result in judged}
    assert front.NO_IMAGE in said
    assert {result.scope for result in judged} <= set(said)


def test_every_verdict_has_its_own_look() -> None:
    """Told by color, by sign, and by word."""
    assert set(front.COLORS) == set(ClaimVerdict)
    signs = {verdict.sign for verdict in ClaimVerdict}
    assert len({*front.COLORS.values()}) == len(signs) == len(ClaimVerdict)


def test_the_image_stands_beside_its_steps(judged: list[ClaimResult]) -> None:
    """The image, then each step of the network with feedback; the plain network's look is left out."""
    shape = np.zeros((8, 8))
    looks = [Look(shape, (1, 1, 4, 4), f"{k} (50%)", right) for k, right in enumerate((None, False, True))]
    figure = front.front_figure(Picture(np.zeros((8, 8, 3), np.uint8), "label: 2", looks), judged)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:3] == ["label: 2", "step 1, wrong: 1 (50%)", "step 2, right: 2 (50%)"]
    assert [bool(axis.patches) for axis in figure.axes[:3]] == [False, True, True]
    assert front.NO_IMAGE not in texts(figure)


def test_the_file_says_what_it_shows(tmp_path: Path) -> None:
    """Drawn again it says the same; without records there is none, and one line says so."""
    out = tmp_path / "front.png"
    result = CliRunner().invoke(front.main, ["--results", str(REFERENCE), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert front.text_in(out).startswith((ROOT / "report" / "reference" / "answer.md").read_text())
    result = CliRunner().invoke(front.main, ["--results", str(tmp_path), "--out", str(out)])
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1
