"""The front page's picture: an image, where a network with feedback looks at each step, and the claims' verdicts.

    make reference-report
    python -m benchmarks.papers.tdam.front --results results/reference --out docs/front.png

The image is the first of figure 5's grid; the strip has a field for each claim, a line for each thing that claims are
about. What the picture says stands in the file as text too (:func:`said_by`), by which a test knows an old one.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from PIL import Image

from benchmarks.core.store import Store
from benchmarks.papers.tdam import PAPER, fig5
from benchmarks.papers.tdam.numbers import TABLE1
from benchmarks.report.attention import Picture, draw_look
from benchmarks.report.claim_tables import answer
from benchmarks.report.claims import ClaimResult, ClaimVerdict
from benchmarks.report.evidence import Evidence
from benchmarks.report.plots import DOTS_PER_INCH, STYLE
from benchmarks.report.report import Wanted

METHOD = "TDjoint (t=2, m=1)"
MODEL = TABLE1["resnet50", METHOD]
# Color of each verdict, from Okabe and Ito's palette.
COLORS = {
    ClaimVerdict.HOLDS: "#009E73",
    ClaimVerdict.FAILS: "#D55E00",
    ClaimVerdict.UNDECIDED: "#E69F00",
    ClaimVerdict.NOT_RUN: "#BBBBBB",
}
WIDTH, HEIGHT, LINE = 7.4, 2.1, 0.34  # inches: of the picture, of its images, of a line of the strip
TEXT = "Description"
NO_IMAGE = "the maps of figure 5 are not in this results folder"


def shown(evidence: Evidence) -> tuple[str, Picture | None]:
    """Id of the record whose image is shown, and that image; neither where none was recorded or its maps are gone."""
    _, record = fig5.looked_first(MODEL, evidence)
    path = fig5.maps_of(record, evidence) if record is not None else None
    return (record.id, fig5.pictures(record, path)[0]) if record is not None and path is not None else ("", None)


def said_by(evidence: Evidence, results: Sequence[ClaimResult]) -> str:
    """What a picture says, as text: the answer, the signs, and the record of its image."""
    record, _ = shown(evidence)
    signs = ", ".join(f"{verdict.sign} {verdict}" for verdict in ClaimVerdict)
    return f"{answer(results)}\n{signs}\nimage of record {record or 'none'}"


def draw_images(part: SubFigure, picture: Picture | None) -> None:
    """The image, and the network's look at each step; in words why there is none."""
    if picture is None:
        part.text(0.5, 0.5, NO_IMAGE, ha="center", va="center", fontsize=8, color="#555555")
        return
    steps = picture.looks[1:]  # the first is the plain network's
    for axis in (axes := part.subplots(1, 1 + len(steps), squeeze=False)[0]):
        axis.set_axis_off()
    axes[0].imshow(picture.pixels)
    axes[0].set_title(picture.caption, fontsize=8)
    for step, (axis, look) in enumerate(zip(axes[1:], steps, strict=True), 1):
        draw_look(axis, picture.pixels, look)
        axis.set_title(f"step {step}, {axis.get_title()}", fontsize=8)


def draw_strip(axis: Axes, results: Sequence[ClaimResult]) -> None:
    """A field for each claim with its number and sign, a line for each scope."""
    scopes = list(dict.fromkeys(result.scope for result in results))
    widest = max(sum(result.scope == scope for result in results) for scope in scopes)
    for line, scope in enumerate(scopes):
        of_scope = [result for result in results if result.scope == scope]
        axis.text(-0.3, line + 0.5, scope, ha="right", va="center", fontsize=8)
        for place, result in enumerate(of_scope):
            color = COLORS[result.verdict]
            axis.add_patch(Rectangle((place, line + 0.06), 0.88, 0.88, color=color, linewidth=0))
            said = f"{result.claim.number}\n{result.verdict.sign}"
            axis.text(place + 0.44, line + 0.5, said, ha="center", va="center", fontsize=6.5, linespacing=0.95)
    axis.set_xlim(-0.45 * widest, widest)
    axis.set_ylim(len(scopes), 0)
    axis.set_axis_off()
    there = {result.verdict for result in results}
    told = "   ".join(f"{verdict.sign} {verdict}" for verdict in ClaimVerdict if verdict in there)
    axis.set_title(f"The paper's {len(results)} claims:   {told}", fontsize=8, loc="left")


def front_figure(picture: Picture | None, results: Sequence[ClaimResult]) -> Figure:
    """The picture: an image, if there is one, above the strip."""
    strip = LINE * (1 + len({result.scope for result in results}))
    height = LINE if picture is None else HEIGHT
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH, height + strip), layout="constrained")
        parts = figure.subfigures(2, 1, squeeze=False, height_ratios=(height, strip))
        draw_images(parts[0, 0], picture)
        draw_strip(parts[1, 0].subplots(), results)
    return figure


def write_front(results: Path, out: Path) -> None:
    """Draw the picture from a results folder's records.

    Raises:
        ValueError: There are none.
    """
    wanted = Wanted(PAPER, PAPER.names)
    evidence = wanted.measured(Store(results))
    judged = wanted.judged(evidence)
    figure = front_figure(shown(evidence)[1], judged)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=DOTS_PER_INCH, metadata={TEXT: said_by(evidence, judged), "Software": None})


def text_in(path: Path) -> str:
    """What a picture said when it was drawn."""
    with Image.open(path) as image:
        return str(image.info[TEXT])


@click.command()
@click.option("--results", type=click.Path(path_type=Path, exists=True), default=Path("results/reference"))
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/front.png"))
def main(results: Path, out: Path) -> None:
    """Draw the front page's picture."""
    try:
        write_front(results, out)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(out))


if __name__ == "__main__":
    main()
