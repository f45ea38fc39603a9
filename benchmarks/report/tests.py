"""The kinds of tests that decide parts of claims."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import mannwhitneyu, norm, ttest_1samp

from benchmarks.core.records import MetricKey, Record
from benchmarks.metrics.statistics import Difference, contrast
from benchmarks.report.claims import Finding, Part
from benchmarks.report.evidence import Evidence, Missing, Query, ids, number, outcomes, same_images, samples
from benchmarks.work.cost import FLOPS, PARAMETERS

# What a test asks for, once the profile is known.
Ask = Callable[[Evidence], Query]
Term = tuple[float, Ask]
Outcome = Callable[[str], MetricKey]
SCALES = {PARAMETERS: 1e6, FLOPS: 1e9}


def count(says: str, asks: Sequence[Ask], key: MetricKey, holds: Callable[..., bool], show: str) -> Part:
    """An exact statement on parameters or FLOPs.

    Args:
        says: The statement.
        asks: For the counts of networks, which are passed to ``holds`` in this order.
        key: ``PARAMETERS`` or ``FLOPS``.
        holds: Decides.
        show: Format of the counts in millions (parameters) or G (FLOPs), such as ``{0:.2f} < {1:.2f} M``.
    """

    def test(evidence: Evidence, rule: str) -> Finding:
        records = [evidence.needed(ask(evidence)) for ask in asks]
        values = [number(one, key) for one in records]
        text = show.format(*(value / SCALES[key] for value in values))
        return Finding(text, holds(*values), None, "exact", records=ids(*records))

    return Part(says, test)


def difference(evidence: Evidence, terms: Sequence[Term], key: MetricKey) -> tuple[Difference, bool, tuple[str, ...]]:
    """A contrast over the seeds that all terms have; whether each seed has the sign of the whole; and the records.

    Raises:
        Missing: A record or its outcomes are missing, or the outcomes are of different images.
    """
    by_term = evidence.paired([ask(evidence) for _, ask in terms])
    same_images([record for records in by_term for record in records])
    weights = [weight for weight, _ in terms]
    hits = [outcomes(records, key) for records in by_term]
    whole = contrast(weights, [np.concatenate(one) for one in hits])
    by_seed = [contrast(weights, one).value for one in zip(*hits, strict=True)]
    one_sign = all(math.copysign(1, value) == math.copysign(1, whole.value) for value in by_seed)
    return whole, one_sign, ids(*by_term)


def points(one: Difference) -> str:
    """A difference in points with its interval."""
    low, value, high = (100 * x for x in (one.low, one.value, one.high))
    return f"{value:+.2f} points ({low:+.2f} to {high:+.2f}), n={one.n:,}"


def above(says: str, terms: Sequence[Term], outcome: Outcome, least: float = 0.0) -> Part:
    """Networks' outcomes on the same images: the weighted sum is above ``least`` points.

    Above zero it is tested against none. A stated size is not ruled out as long as the interval reaches it.

    Args:
        says: The statement.
        terms: Weight and query of each network.
        outcome: Key of the outcome under a step rule.
        least: Points.
    """

    def test(evidence: Evidence, rule: str) -> Finding:
        seen, one_sign, records = difference(evidence, terms, outcome(rule))
        detectable = f"{100 * seen.detectable:.2f} points"
        text = points(seen)
        if least and 100 * seen.high < least and seen.value > 0:
            error = (seen.high - seen.low) / 2 / float(norm.ppf(0.975))
            p = float(2 * norm.sf((least / 100 - seen.value) / error)) if error else 0.0
            return Finding(f"{text}, short of {least:g}", False, p, "z of the mean", detectable, records=records)
        # Networks of other seeds may turn it: then nothing is decided.
        p = seen.p if one_sign else 1.0
        seeds = "" if one_sign else ", but not in every seed"
        return Finding(text + seeds, seen.value > 0, p, seen.test, detectable, records=records)

    return Part(says, test)


def alike(says: str, terms: Sequence[Term], outcome: Outcome, margin: float) -> Part:
    """Networks' outcomes on the same images differ by less than ``margin`` points (two one-sided tests)."""

    def test(evidence: Evidence, rule: str) -> Finding:
        seen, _, records = difference(evidence, terms, outcome(rule))
        error = (seen.high - seen.low) / 2 / float(norm.ppf(0.975))
        room = margin / 100 - abs(seen.value)
        p = float(norm.sf(abs(room) / error)) if error else 0.0
        text = f"{points(seen)}, margin {margin:g}"
        return Finding(text, room > 0, p, "two one-sided z tests", f"{margin:g} points", records=records)

    return Part(says, test)


def quicker(says: str, ask: Ask, first: str, second: str) -> Part:
    """One network takes less time than another, turn by turn in one run (t test of the log ratios over rounds)."""
    keys = [MetricKey("seconds", of=name) for name in (first, second)]

    def timed(record: Record) -> bool:
        rounds = [len(record.samples.get(key, ())) for key in keys]
        return rounds[0] == rounds[1] > 0

    def test(evidence: Evidence, rule: str) -> Finding:
        run = newest_run(evidence, ask(evidence), [MetricKey("fps", of=key.of) for key in keys], timed)
        mine, other = (np.array(run.samples[key]) for key in keys)
        logs = np.log(mine / other)
        if len(logs) < 2:
            raise Missing("a single round tells nothing of noise; measure with a profile of several rounds")
        p = float(ttest_1samp(logs, 0.0).pvalue)
        error = float(logs.std(ddof=1)) / math.sqrt(len(logs))
        text = f"{first} takes {math.exp(float(logs.mean())):.3f} of the time of {second}, {len(logs)} rounds"
        detectable = f"{100 * math.expm1(2 * error):.1f} % of the time"
        return Finding(text, bool(logs.mean() < 0), p, "t of log ratios", detectable, records=ids([run]))

    return Part(says, test)


def smaller(says: str, ask: Ask, metric: str, first: str, second: str) -> Part:
    """One network's figure of a run is below another's; for figures that do not scatter, such as peak memory."""
    keys = [MetricKey(metric, of=name) for name in (first, second)]

    def sized(record: Record) -> bool:
        return all(key in record.metrics and record.metrics[key].value is not None for key in keys)

    def test(evidence: Evidence, rule: str) -> Finding:
        run = newest_run(evidence, ask(evidence), keys, sized)
        mine, other = (number([run], key) for key in keys)
        text = f"{first} {mine:.4g}, {second} {other:.4g}"
        return Finding(text, mine < other, None, "exact", records=ids([run]))

    return Part(says, test)


def newest_run(evidence: Evidence, query: Query, keys: Sequence[MetricKey], fits: Callable[[Record], bool]) -> Record:
    """The newest measurement in which two networks ran in turn; runs may be of different networks.

    Args:
        evidence: What there is.
        query: Of the runs.
        keys: The metric of either network whose status says what kept it from being measured.
        fits: Whether a run has what is compared, of both.

    Raises:
        Missing: There is none.
    """
    evidence.needed(query)
    runs = [record for record in evidence.by_model[query.kind, query.model] if query.matches(record.cell)]
    fitting = [run for run in runs if fits(run)]
    if fitting:
        return fitting[-1]
    newest = runs[-1].metrics
    reasons = [f"{key.of}: {newest[key].status}" for key in keys if key in newest and newest[key].value is None]
    why = f" ({', '.join(reasons)})" if reasons else ""
    raise Missing(f"no run measured both {' and '.join(key.of for key in keys)}{why}: `{evidence.command}`")


def drawn_above(says: str, first: Ask, second: Ask, metric: str) -> Part:
    """A measure that is kept as bootstrap draws over the same images is higher for one network than for another."""

    def test(evidence: Evidence, rule: str) -> Finding:
        mine, other = evidence.paired([first(evidence), second(evidence)])
        same_images([*mine, *other])
        key = MetricKey(metric)
        gain = np.mean(samples(mine, key), axis=0) - np.mean(samples(other, key), axis=0)
        value = number(mine, key) - number(other, key)
        low, high = np.quantile(gain, (0.025, 0.975)).tolist()
        error = float(gain.std(ddof=1))
        p = float(2 * norm.sf(abs(value) / error)) if error else 1.0
        text = f"{value:+.2f} points ({low:+.2f} to {high:+.2f})"
        detectable = f"{1.96 * error:.2f} points"
        return Finding(text, value > 0, p, "paired bootstrap", detectable, records=ids(mine, other))

    return Part(says, test)


def share_above(says: str, ask: Ask, first: MetricKey, second: MetricKey) -> Part:
    """The share under one metric is above that under another, of different images (z test of two proportions)."""

    def test(evidence: Evidence, rule: str) -> Finding:
        records = evidence.needed(ask(evidence))
        shares = [number(records, key) / 100 for key in (first, second)]
        n = [sum(record.metrics[key].n or 0 for record in records) for key in (first, second)]
        pooled = (shares[0] * n[0] + shares[1] * n[1]) / sum(n)
        error = math.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))
        p = float(2 * norm.sf(abs(shares[0] - shares[1]) / error)) if error else 1.0
        text = f"{shares[0]:.1%} against {shares[1]:.1%}, n={n[0]:,} and {n[1]:,}"
        detectable = f"{196 * error:.1f} points"
        return Finding(text, shares[0] > shares[1], p, "z of two shares", detectable, records=ids(records))

    return Part(says, test)


def distributed_above(says: str, first: Ask, second: Ask, keys: tuple[MetricKey, MetricKey]) -> Part:
    """The samples of one network lie above those of another (Mann and Whitney's rank test)."""

    def test(evidence: Evidence, rule: str) -> Finding:
        records = evidence.paired([first(evidence), second(evidence)])
        mine, other = (np.concatenate(samples(one, key)) for one, key in zip(records, keys, strict=True))
        statistic, p = mannwhitneyu(mine, other)
        share = float(statistic) / (len(mine) * len(other))
        text = f"medians {np.median(mine):.3f} and {np.median(other):.3f}, above in {share:.1%} of pairs"
        error = math.sqrt((len(mine) + len(other) + 1) / (12 * len(mine) * len(other)))
        detectable = f"{50 + 98 * error:.1f} % of pairs"
        return Finding(text, share > 0.5, float(p), "Mann-Whitney", detectable, records=ids(*records))

    return Part(says, test)
