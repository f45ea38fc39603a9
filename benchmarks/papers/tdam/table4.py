"""Table 4: top-1 of ResNet50 with each attention at test resolutions from 128 to 448, networks trained at 224.

The claims: TD gains most from larger images and loses least; CBAM drops most from its best resolution to 448.

    make table4
    make table4 PROFILE=full DATA=imagenet WEIGHTS=dir DEVICE=cuda
"""

from dataclasses import replace

from benchmarks.core.records import Cell, MetricKey
from benchmarks.papers.tdam.numbers import TABLE1, read_paper
from benchmarks.papers.tdam.queries import RESOLUTIONS, scaled, swept
from benchmarks.papers.tdam.table1 import INTERVALS
from benchmarks.report.evidence import Evidence, judged, line_of
from benchmarks.report.layout import Column, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.report.shares import Printed, printed_in, share_value
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.profiles import Profile
from benchmarks.work.rows import training_cells
from benchmarks.work.session import Session
from benchmarks.work.weights import for_seeds

TITLE = "Table 4: top-1 at test resolutions from 128 to 448"
TIME = "mini: up to 7 minutes on two CPU cores after table 1; full: not timed yet"

METHODS = {row["method"]: TABLE1["resnet50", row["method"]] for row in read_paper("table4")}
COLUMNS = {"best": "best", "r224": "224", "r168": "168", "r448": "448"}
STEP_RULES = ("released", "last", "confident")


def cells(session: Session) -> list[Cell]:
    """Training, and accuracy at every resolution."""
    planned: list[Cell] = []
    for model in session.rows(tuple(METHODS.values())):
        planned += training_cells(model, session)
        planned += [cell for resolution in RESOLUTIONS for cell in cells_at(model, resolution, session)]
    return planned


def cells_at(model: str, resolution: int, session: Session) -> list[Cell]:
    """The cells of one model at one of the paper's resolutions, one for each seed."""
    looks, side = session.profile.looks, scaled(resolution, session.profile)
    return for_seeds(model, session, lambda seed: ACCURACY.cell(model, looks, seed, session, side))


def top1(model: str, resolution: int, steps: str, evidence: Evidence) -> Value:
    """Top-1 of one model at one resolution under a step rule, percent."""
    return evidence.value(swept(model, evidence, resolution), MetricKey("top1", steps=steps))


def at_resolution(model: str, resolution: int, key: MetricKey, printed: Printed | None, evidence: Evidence) -> Value:
    """Top-1 of one model at one of the paper's resolutions beside the paper's."""
    return share_value(evidence, swept(model, evidence, resolution), key, printed)


def best(model: str, key: MetricKey, printed: Printed | None, evidence: Evidence) -> Value:
    """The best top-1 over all resolutions, with the resolution that it was at; the whole sweep must be there."""
    values = {resolution: top1(model, resolution, key.steps, evidence) for resolution in RESOLUTIONS}
    absent = [value for value in values.values() if value.measured is None]
    if absent:
        return judged(absent[0], None if printed is None else printed.digits, None)
    at = max(values, key=lambda resolution: values[resolution].measured or 0.0)
    pixels = scaled(at, evidence.profile)
    note = f"at {pixels} pixels" + (f", {at} at the paper's scale" if pixels != at else "")
    value = at_resolution(model, at, key, printed, evidence)
    return replace(value, note="; ".join(said for said in (note, value.note) if said))


def beside(column: str, model: str, steps: str) -> Printed | None:
    """What the paper's column has of a model; it stands against the paper's own step rule."""
    rows = {METHODS[row["method"]]: row[f"{column}_top1"] for row in read_paper("table4")}
    return printed_in(rows, model) if steps == "released" else None


def table(evidence: Evidence) -> Table:
    """Best, 224, 168 and 448 under each step rule."""
    evidence = evidence.filled_by("table4")
    columns = [
        Column(f"{key}_{steps}", title, "%", group_title(evidence.profile), 2, "higher", view=steps)
        for steps in STEP_RULES
        for key, title in COLUMNS.items()
    ]
    labels = {model: method for method, model in METHODS.items()}
    lines = []
    for model in evidence.rows(METHODS.values()):
        values = {}
        for steps in STEP_RULES:
            key = MetricKey("top1", steps=steps)
            values[f"best_{steps}"] = best(model, key, beside("best", model, steps), evidence)
            for side in (224, 168, 448):
                printed = beside(f"r{side}", model, steps)
                values[f"r{side}_{steps}"] = at_resolution(model, side, key, printed, evidence)
        lines.append(line_of("ResNet50", labels.get(model, model), model, values))
    title = f"Table 4, profile {evidence.profile.name}: top-1 by test resolution"
    return Table("table4", title, notes(evidence), columns, lines)


def group_title(profile: Profile) -> str:
    """What the columns are of."""
    return "ImageNet-V1" if profile.papers_data else f"{profile.name} {profile.looks}"


def notes(evidence: Evidence) -> list[str]:
    """What a reader must know of scale and step rules."""
    models = evidence.rows(METHODS.values())
    asked = [swept(model, evidence, resolution) for model in models for resolution in RESOLUTIONS]
    said = [
        "Networks are trained at 224 and tested at 128, 140, and 168 to 448 in steps of 28. Best is over all of them. "
        "The paper's TD accuracies come from its released rule, which gives TD a second guess; the columns last and "
        "confident do not.",
        f"Seeds recorded: {evidence.seeds_of(asked)}; {INTERVALS}.",
    ]
    profile = evidence.profile
    if not profile.papers_data:
        said.append(
            f"Profile {profile.name}: networks are trained at {profile.resolution} pixels, and columns are named for "
            f"the same factors, so 448 is {scaled(448, profile)} pixels, the size at which the scenes are drawn."
        )
    return [*said, *evidence.left_out]


EXPERIMENT = Experiment(TITLE, TIME, cells, table)
