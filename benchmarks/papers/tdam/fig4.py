"""Figure 4: top-1 over test resolutions, the curves behind table 4.

The claim: SE, ECA and FCA are more robust to resolution than the plain network, and less than TD.

    make fig4
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.core.records import MetricKey
from benchmarks.papers.tdam.captions import recorded, unmeasured
from benchmarks.papers.tdam.controls import TOP1, between
from benchmarks.papers.tdam.numbers import TITLES, read_paper
from benchmarks.papers.tdam.queries import RESOLUTIONS, scaled, swept
from benchmarks.papers.tdam.table1 import INTERVALS, look_of
from benchmarks.papers.tdam.table4 import METHODS, at_resolution, cells, group_title, notes, top1
from benchmarks.report.curves import BEHIND, Chart, Curve, Row, charts_figure, level
from benchmarks.report.evidence import Evidence, line_of
from benchmarks.report.guesses import seen_value
from benchmarks.report.layout import Column, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import GRAY, Captioned, Look
from benchmarks.report.shares import printed_in

NAME = "fig4"
PLAIN = "ResNet"
# How the paper's gains look beside the measured ones.
THEIRS: dict[str, Any] = {"filled": False, "dash": ":"}
TITLE = "Figure 4: top-1 over test resolutions"
TIME = "the cells of table 4"


def shown(evidence: Evidence) -> dict[str, str]:
    """Methods asked for, with their models."""
    return {method: model for method, model in METHODS.items() if evidence.models is None or model in evidence.models}


def curve_of(look: Look, values: Mapping[int, Value]) -> list[Curve]:
    """A curve over resolutions at the paper's scale, with its band; none where nothing is measured."""
    known = {at: value for at, value in values.items() if value.measured is not None}
    y, low, high = ([getattr(value, end) for value in known.values()] for end in ("measured", "low", "high"))
    band = (low, high) if None not in low else ((), ())
    return [Curve(look, list(known), y, *band)] if known else []


def measured(model: str, evidence: Evidence) -> dict[int, Value]:
    """A model's top-1 under the released rule by resolution."""
    return {at: top1(model, at, "released", evidence) for at in RESOLUTIONS}


def gained(model: str, evidence: Evidence) -> dict[int, Value]:
    """The same above the plain network, by seed."""
    gain = between(TOP1["released"], TOP1["released"])
    values = {}
    for at in RESOLUTIONS:
        own, plain = (swept(name, evidence, at) for name in (model, METHODS[PLAIN]))
        values[at] = seen_value(partial(gain, evidence, own, plain))
    return values


def printed(method: str) -> dict[int, float]:
    """The paper's top-1 by resolution."""
    (row,) = (row for row in read_paper("fig4") if row["method"] == method)
    return {int(key): float(value) for key, value in row.items() if key != "method" and value}


def rows(evidence: Evidence) -> list[Row]:
    """Each method beside the plain network: as measured, as the paper has it, and what both gain by it."""
    here, theirs, gains = [], [], []
    plain, at_plain = curve_of(BEHIND, measured(METHODS[PLAIN], evidence)), printed(PLAIN)
    behind = Curve(BEHIND, list(at_plain), list(at_plain.values()))
    for method, model in shown(evidence).items():
        if method == PLAIN:
            continue
        look, own, their = look_of(model), curve_of(look_of(model), measured(model, evidence)), printed(method)
        difference = [their[at] - at_plain[at] for at in their]
        gain = [Curve(replace(look, **THEIRS), list(their), difference), *curve_of(look, gained(model, evidence))]
        here.append(Chart(method, [*plain, *own] if own else []))
        theirs.append(Chart(method, [behind, Curve(look, list(their), list(their.values()))]))
        gains.append(Chart(method, [level(RESOLUTIONS), *gain]))
    data = group_title(evidence.profile)
    named = {f"top-1, {data} [%]": here, "top-1, the paper [%]": theirs, "gain over plain [points]": gains}
    return [Row(label, charts) for label, charts in named.items()]


def table(evidence: Evidence) -> Table:
    """The figure's numbers: top-1 at each resolution under the released and the last-step rule."""
    evidence = evidence.filled_by("fig4")
    printed = {METHODS[row["method"]]: row for row in read_paper("fig4")}
    columns = [
        Column(f"r{at}_{steps}", str(at), "%", group_title(evidence.profile), 2, "higher", view=steps)
        for steps in ("released", "last")
        for at in RESOLUTIONS
    ]
    lines = []
    for method, model in shown(evidence).items():
        values = {}
        for column in columns:
            at, steps = column.key[1:].split("_")
            paper = printed_in({name: row.get(at) for name, row in printed.items()}, model)
            key = MetricKey("top1", steps=steps)
            values[column.key] = at_resolution(model, int(at), key, paper if steps == "released" else None, evidence)
        lines.append(line_of("ResNet50", method, model, values))
    return Table("fig4", f"Figure 4, profile {evidence.profile.name}", notes(evidence), columns, lines)


def figures(evidence: Evidence) -> Iterator[Captioned]:
    """The curves."""
    evidence = evidence.filled_by(NAME)
    side, data = scaled(224, evidence.profile), group_title(evidence.profile)
    scale = "" if side == 224 else f" Resolutions are told at the paper's scale: 224 stands for {side} pixels here."
    asked = [swept(model, evidence, at) for model in shown(evidence).values() for at in RESOLUTIONS]
    caption = (
        f"Figure 4: top-1 [%] under the released rule over test resolutions; dashed, in every plot: the plain "
        f"{TITLES[METHODS[PLAIN]]}. Upper row: measured on {data}. Middle row: the paper's own curves, on ImageNet-V1. "
        "Lower row: the gain over the plain network [points], of the same seed, measured (solid) and in the paper "
        f"(dotted, hollow). Bands: {INTERVALS}; gains of a single seed have none.{scale} {recorded(evidence, asked)}"
    )
    here, *others = rows(evidence)
    absent = [chart.heading for chart in here.charts if not chart.curves]
    lacks = unmeasured(f"top-1 over resolutions of {', '.join(absent)}", evidence) if absent else ""
    legend = {"plain network": BEHIND, "measured": Look(GRAY, "o"), "the paper": replace(Look(GRAY, "o"), **THEIRS)}
    nothing = len(absent) == len(here.charts)
    figure = None if nothing else charts_figure([here, *others], "test resolution [pixels]", legend)
    yield Captioned(f"{NAME}-resolution", caption, figure, lacks)


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
