"""The kinds of tests that decide parts of claims."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import mannwhitneyu, norm, ttest_1samp

from benchmarks.report.claims import Finding, Part
from benchmarks.report.evidence import Evidence, Missing
from benchmarks.metrics.statistics import Difference, contrast
from benchmarks.core.records import Cell
from benchmarks.work.session import Session
from benchmarks.work import Costs

Cells = Callable[[Session], Sequence[Cell]]
Term = tuple[float, Cells]


def count(says: str, models: Sequence[str], metric: str, holds: Callable[..., bool], show: str) -> Part:
    """An exact statement on parameters or FLOPs.

    Args:
        says: The statement.
        models: Their counts are passed to ``holds`` in this order.
        metric: ``parameters`` or ``flops``.
        holds: Decides.
        show: Format of the counts in millions (parameters) or G (FLOPs), such as ``{0:.2f} < {1:.2f} M``.
    """
    cells = [Costs.cell(model) for model in models]

    def test(evidence: Evidence, rule: str) -> Finding:
        values = [evidence.number([cell], metric) for cell in cells]
        scale = {"parameters": 1e6, "flops": 1e9}[metric]
        text = show.format(*(value / scale for value in values))
        return Finding(text, holds(*values), None, "exact", records=evidence.ids(cells))

    return Part(says, lambda session: cells, test)


def difference(evidence: Evidence, terms: Sequence[Term], outcome: str) -> tuple[Difference, bool, tuple[str, ...]]:
    """A contrast over all seeds; whether every seed has the sign of the whole; and the records."""
    by_term = [list(cells(evidence.session)) for _, cells in terms]
    everything = [cell for cells in by_term for cell in cells]
    seeds = {len(cells) for cells in by_term}
    if len(seeds) != 1:
        raise Missing("the networks compared were not trained on the same number of seeds")
    if len(evidence.images(everything)) != 1:
        raise Missing("the networks compared were not evaluated on the same images")
    weights = [weight for weight, _ in terms]
    outcomes = [evidence.outcomes(cells, outcome) for cells in by_term]
    whole = contrast(weights, [np.concatenate(found) for found in outcomes])
    parts = [contrast(weights, [found[seed] for found in outcomes]).value for seed in range(seeds.pop())]
    alike = all(math.copysign(1, part) == math.copysign(1, whole.value) for part in parts)
    return whole, alike, evidence.ids(everything)


def points(found: Difference) -> str:
    """A difference in points with its interval."""
    low, value, high = (100 * x for x in (found.low, found.value, found.high))
    return f"{value:+.2f} points ({low:+.2f} to {high:+.2f}), n={found.n:,}"


def above(says: str, terms: Sequence[Term], outcome: str, least: float = 0.0) -> Part:
    """Networks' outcomes on the same images: the weighted sum is above ``least`` points.

    Above zero it is tested against none. A stated size is not ruled out as long as the interval reaches it.

    Args:
        says: The statement.
        terms: Weight and cells of each network.
        outcome: Name of the outcome, ``{rule}`` standing for the step protocol.
        least: Points.
    """

    def test(evidence: Evidence, rule: str) -> Finding:
        found, alike, records = difference(evidence, terms, outcome.format(rule=rule))
        detectable = f"{100 * found.detectable:.2f} points"
        text = points(found)
        if least and 100 * found.high < least and found.value > 0:
            error = (found.high - found.low) / 2 / float(norm.ppf(0.975))
            p = float(2 * norm.sf((least / 100 - found.value) / error)) if error else 0.0
            return Finding(f"{text}, short of {least:g}", False, p, "z of the mean", detectable, records=records)
        # Networks of other seeds may turn it: then nothing is decided.
        p = found.p if alike else 1.0
        seeds = "" if alike else ", but not in every seed"
        return Finding(text + seeds, found.value > 0, p, found.test, detectable, records=records)

    return Part(says, lambda session: [cell for _, cells in terms for cell in cells(session)], test)


def alike(says: str, terms: Sequence[Term], outcome: str, margin: float) -> Part:
    """Networks' outcomes on the same images differ by less than ``margin`` points (two one-sided tests)."""

    def test(evidence: Evidence, rule: str) -> Finding:
        found, _, records = difference(evidence, terms, outcome.format(rule=rule))
        error = (found.high - found.low) / 2 / float(norm.ppf(0.975))
        room = margin / 100 - abs(found.value)
        p = float(norm.sf(abs(room) / error)) if error else 0.0
        text = f"{points(found)}, margin {margin:g}"
        return Finding(text, room > 0, p, "two one-sided z tests", f"{margin:g} points", records=records)

    return Part(says, lambda session: [cell for _, cells in terms for cell in cells(session)], test)


def quicker(says: str, cell: Callable[[Session], Cell], first: str, second: str) -> Part:
    """One network takes less time than another, turn by turn in one run (t test of the log ratios over rounds)."""

    def test(evidence: Evidence, rule: str) -> Finding:
        cells = [cell(evidence.session)]
        mine, other = (evidence.samples(cells, f"{name}/seconds")[0] for name in (first, second))
        logs = np.log(np.array(mine) / np.array(other))
        if len(logs) < 2:
            raise Missing("a single round tells nothing of noise; measure with the profile mini or full")
        p = float(ttest_1samp(logs, 0.0).pvalue)
        error = float(logs.std(ddof=1)) / math.sqrt(len(logs))
        text = f"{first} takes {math.exp(float(logs.mean())):.3f} of the time of {second}, {len(logs)} rounds"
        seen = f"{100 * math.expm1(2 * error):.1f} % of the time"
        return Finding(text, bool(logs.mean() < 0), p, "t of log ratios", seen, records=evidence.ids(cells))

    return Part(says, lambda session: [cell(session)], test)


def smaller(says: str, cell: Callable[[Session], Cell], metric: str, first: str, second: str) -> Part:
    """One network's figure of a run is below another's; for figures that do not scatter, such as peak memory."""

    def test(evidence: Evidence, rule: str) -> Finding:
        cells = [cell(evidence.session)]
        mine, other = (evidence.number(cells, f"{name}/{metric}") for name in (first, second))
        text = f"{first} {mine:.4g}, {second} {other:.4g}"
        return Finding(text, mine < other, None, "exact", records=evidence.ids(cells))

    return Part(says, lambda session: [cell(session)], test)


def drawn_above(says: str, first: Cells, second: Cells, metric: str) -> Part:
    """A measure that is kept as bootstrap draws over the same images is higher for one network than for another."""

    def test(evidence: Evidence, rule: str) -> Finding:
        cells = [list(one(evidence.session)) for one in (first, second)]
        if len(evidence.images([*cells[0], *cells[1]])) != 1:
            raise Missing("the networks compared were not evaluated on the same images")
        mine, other = (np.mean(evidence.samples(one, metric), axis=0) for one in cells)
        value = evidence.number(cells[0], metric) - evidence.number(cells[1], metric)
        gain = mine - other
        low, high = np.quantile(gain, (0.025, 0.975)).tolist()
        error = float(gain.std(ddof=1))
        p = float(2 * norm.sf(abs(value) / error)) if error else 1.0
        text = f"{value:+.2f} points ({low:+.2f} to {high:+.2f})"
        records = evidence.ids([*cells[0], *cells[1]])
        return Finding(text, value > 0, p, "paired bootstrap", f"{1.96 * error:.2f} points", records=records)

    return Part(says, lambda session: [*first(session), *second(session)], test)


def share_above(says: str, cells: Cells, first: str, second: str) -> Part:
    """The share under one metric is above that under another, of different images (z test of two proportions)."""

    def test(evidence: Evidence, rule: str) -> Finding:
        chosen = list(cells(evidence.session))
        n = [sum(evidence.record(cell).metrics[name].n or 0 for cell in chosen) for name in (first, second)]
        shares = [evidence.number(chosen, name) / 100 for name in (first, second)]
        pooled = (shares[0] * n[0] + shares[1] * n[1]) / sum(n)
        error = math.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))
        p = float(2 * norm.sf(abs(shares[0] - shares[1]) / error)) if error else 1.0
        text = f"{shares[0]:.1%} against {shares[1]:.1%}, n={n[0]:,} and {n[1]:,}"
        seen = f"{196 * error:.1f} points"
        return Finding(text, shares[0] > shares[1], p, "z of two shares", seen, records=evidence.ids(chosen))

    return Part(says, cells, test)


def distributed_above(says: str, first: Cells, second: Cells, names: tuple[str, str]) -> Part:
    """The samples of one network lie above those of another (Mann and Whitney's rank test)."""

    def test(evidence: Evidence, rule: str) -> Finding:
        cells = [list(first(evidence.session)), list(second(evidence.session))]
        mine, other = (np.concatenate(evidence.samples(one, name)) for one, name in zip(cells, names, strict=True))
        statistic, p = mannwhitneyu(mine, other)
        share = float(statistic) / (len(mine) * len(other))
        text = f"medians {np.median(mine):.3f} and {np.median(other):.3f}, above in {share:.1%} of pairs"
        seen = f"{50 + 98 * math.sqrt((len(mine) + len(other) + 1) / (12 * len(mine) * len(other))):.1f} % of pairs"
        records = evidence.ids([*cells[0], *cells[1]])
        return Finding(text, share > 0.5, float(p), "Mann-Whitney", seen, records=records)

    return Part(says, lambda session: [*first(session), *second(session)], test)
