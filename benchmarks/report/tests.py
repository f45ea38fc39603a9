"""The kinds of tests that decide parts of claims.

What varies decides the unit: a statement about a method varies with the training, so that its unit is the
pair of trainings from one seed; a statement about given weights varies with the images; speed varies with the rounds.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.core.records import MetricKey, Record
from benchmarks.metrics.statistics import Effect, by_image, log_ratio, mcnemar, over
from benchmarks.networks.names import TWIN
from benchmarks.report.claims import Finding, Part
from benchmarks.report.differences import POINTS, Quantity, Seen, Side, above_zero, finding, similar, sized
from benchmarks.report.endings import TIMES_CHANCE, held_out, longer_by_seed, why_barred
from benchmarks.report.evidence import Evidence, Missing, Query, ids, number, outcomes, same_images, seed_of
from benchmarks.report.prices import (
    Rows,
    by_checking_the_end,
    by_longer_trainings,
    by_more_images,
    by_more_rounds,
    by_more_seeds,
    epochs_of,
)
from benchmarks.work.cost import FLOPS, PARAMETERS
from benchmarks.work.rows import FEWEST_SEEDS
from benchmarks.work.training import LONGER

# What a test asks for, once the profile is known.
Ask = Callable[[Evidence], Query]
# Key of a metric under a step rule.
Key = Callable[[str], MetricKey]
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
        return Finding(text, holds(*values), None, "exact", records=ids(*records), keys=(key,))

    return Part(says, test, tuple(asks))


# ---------------------------------------------------------------- what was seen


class Term(NamedTuple):
    """One number in a sum of numbers: its weight, what it is of, and which number of it."""

    weight: float
    ask: Ask
    key: Key


def versus(first: Ask, second: Ask, key: Key) -> tuple[Term, Term]:
    """One network against another."""
    return Term(1.0, first, key), Term(-1.0, second, key)


def asks_of(terms: Sequence[Term]) -> tuple[Ask, ...]:
    """What a sum of numbers asks for."""
    return tuple(term.ask for term in terms)


def seen(evidence: Evidence, terms: Sequence[Term], rule: str) -> Seen:
    """A weighted sum of networks' shares: by seed where they were trained here, by image where weights were given.

    Raises:
        Missing: A record or its outcomes are missing, or the outcomes are of different images.
    """
    by_term = evidence.paired([term.ask(evidence) for term in terms])
    same_images([record for records in by_term for record in records])
    weights = [term.weight for term in terms]
    keys = [term.key(rule) for term in terms]
    if seed_of(by_term[0][0]) is None:
        require_shares(by_term, keys)
        hits = [outcomes(records, key)[0] for records, key in zip(by_term, keys, strict=True)]
        points = by_image([100 * weight for weight in weights], hits)
        models = [records[0].cell.model for records in by_term]

        def way(images: int) -> str:
            return f", {by_more_images(models, images - points.n, evidence)}"

        return Seen(points, ids(*by_term), shared_sources(evidence), way, paired_p(weights, hits), keys=tuple(keys))
    values = [[number([record], key) for record in records] for records, key in zip(by_term, keys, strict=True)]
    differences = [float(np.dot(weights, one)) for one in zip(*values, strict=True)]
    images = by_term[0][0].metrics[keys[0]].n
    effect = over(differences, "seeds", 100 / images if images else 0.0)
    barred = why_barred(evidence, by_term)
    return Seen(effect, ids(*by_term), barred, more_seeds(by_term, evidence), keys=tuple(keys))


def require_shares(by_term: Rows, keys: Sequence[MetricKey]) -> None:
    """Refuse numbers of given weights that are no shares of images.

    Raises:
        Missing: Such as a box's overlap or a median over channels: what would vary are trainings, and there is one.
    """
    for records, key in zip(by_term, keys, strict=True):
        if any(key in record.metrics and key not in record.outcomes for record in records):
            raise Missing(
                f"not decidable for given weights: {key} is no count of images, so that what varies are trainings; "
                "networks that are trained here, without --weights, decide it"
            )


def shared_sources(evidence: Evidence) -> str:
    """Why images that given weights were shown decide nothing: those of embedded sets are not independent."""
    if evidence.profile.papers_data:
        return ""
    return (
        f"images of profile {evidence.profile.name} share their sources and are no independent units; judge given "
        "weights on the paper's data: `--profile full`"
    )


def more_seeds(rows: Rows, evidence: Evidence) -> Callable[[int], str]:
    """How to have so many seeds of rows, with the price."""
    return lambda seeds: f": {by_more_seeds(rows, seeds, evidence)}"


def paired_p(weights: Sequence[float], hits: Sequence[np.ndarray]) -> float | None:
    """McNemar's p of two networks on the same images; None for longer sums."""
    if sorted(weights) != [-1, 1]:
        return None
    first, second = (hits[weights.index(sign)] for sign in (1, -1))
    return mcnemar(int((first & ~second).sum()), int((second & ~first).sum()))


# ---------------------------------------------------------------- differences


def by_size(says: str, terms: Sequence[Term], size: float) -> Part:
    """A weighted sum of shares is of a stated size in points, see :func:`benchmarks.report.differences.sized`."""
    return Part(says, lambda evidence, rule: sized(seen(evidence, terms, rule), size), asks_of(terms))


def above(says: str, terms: Sequence[Term], paper: float | None = None, quantity: Quantity = POINTS) -> Part:
    """A weighted sum of shares is above zero, see :func:`benchmarks.report.differences.above_zero`.

    Args:
        says: The statement.
        terms: What is summed.
        paper: The paper's difference, None where it prints none.
        quantity: What it is a difference of.
    """

    def test(evidence: Evidence, rule: str) -> Finding:
        return above_zero(replace(seen(evidence, terms, rule), quantity=quantity), paper)

    return Part(says, test, asks_of(terms))


def alike(says: str, terms: Sequence[Term], gain: float) -> Part:
    """Networks' shares are similar, see :func:`benchmarks.report.differences.similar`.

    Args:
        says: The statement.
        terms: What is summed.
        gain: The paper's gain over the plain network, points.
    """
    return Part(says, lambda evidence, rule: similar(seen(evidence, terms, rule), gain), asks_of(terms))


def below_twice_chance(says: str, ask: Ask) -> Part:
    """A network does not train: its accuracy on held-out images stays below twice that of guessing.

    Also when it is trained for longer. A training whose loss was no longer a number counts as guessing.
    """

    def test(evidence: Evidence, rule: str) -> Finding:
        records = evidence.needed(ask(evidence))
        chance = max(float(record.notes["chance"]) for record in records)
        bound = TIMES_CHANCE * chance
        effect = over([held_out(record) for record in records], "seeds")
        name = "Student's t"
        holds = Side(2 * effect.p_below(bound), True, "below twice chance", name)
        fails = Side(2 * effect.p_above(bound), False, "above twice chance", name)
        side = min((holds, fails), key=lambda side: side.p)
        barred = why_chance_undecided(evidence, records, side.favors, bound)
        one = Seen(effect, ids(records), barred, more_seeds([records], evidence))
        low, high = effect.interval()
        between = f"{low:.1f} to {high:.1f}" if math.isfinite(low) else "its spread is unknown"
        text = f"{effect.value:.1f} % ({between}) of held-out images, {effect.n} seeds; chance {chance:.3g} %"
        return replace(finding(one, side, lambda design: effect.to_tell(bound, design)), measured=text)

    return Part(says, test, (ask,))


def why_chance_undecided(evidence: Evidence, trainings: Sequence[Record], favors: bool, bound: float) -> str:
    """Why trainings do not tell whether a network learns at all, with what to run; nothing where they do.

    Args:
        evidence: Knows the longer trainings.
        trainings: Of one row, by seed.
        favors: Whether the network seems not to learn.
        bound: Above it a network has learned, %.
    """
    model, seeds = trainings[0].cell.model, max(FEWEST_SEEDS, len(trainings))
    if len(trainings) < FEWEST_SEEDS:
        few = f"{len(trainings)} of the {FEWEST_SEEDS} seeds that a statement about a method needs"
        return f"{few}; {by_more_seeds([trainings], FEWEST_SEEDS, evidence)}"
    longer = longer_by_seed(evidence, trainings[-1])
    if favors and not longer:
        unknown = f"whether {model} learns when it is trained for longer is not known"
        return f"{unknown}; {by_checking_the_end(trainings, seeds, evidence)}"
    if favors and max(longer.values()) > bound:
        learns = f"{model} learns when it is trained for longer: {max(longer.values()):.1f} % of held-out images"
        epochs = round(LONGER * (epochs_of(trainings, evidence) or 1))
        return f"{learns}; {by_longer_trainings(trainings, seeds, epochs, evidence)}"
    return ""


# ---------------------------------------------------------------- speed and memory


def quicker(says: str, ask: Ask, first: str, second: str, paper: float) -> Part:
    """One network takes less time than another, turn by turn in one run.

    Args:
        says: The statement.
        ask: For the runs.
        first: The network that is to be faster.
        second: The other.
        paper: The paper's speed of the first over that of the second; equality is shown within half of it (in logs).
    """
    keys = [MetricKey("seconds", of=name) for name in (first, second)]
    figures = tuple(MetricKey("fps", of=name) for name in (first, second))
    margin = abs(math.log(paper)) / 2

    def timed(record: Record) -> bool:
        rounds = [len(record.samples.get(key, ())) for key in keys]
        return rounds[0] == rounds[1] > 0

    def test(evidence: Evidence, rule: str) -> Finding:
        run = newest_run(evidence, ask(evidence), figures, timed)
        speed = speed_over(run, first, second)
        if speed.n < 2:
            raise Missing("a single round tells nothing of noise; measure with a profile of several rounds")

        def way(rounds: int) -> str:
            return f": {by_more_rounds(run, (first, second), rounds, evidence)}"

        decided = above_zero(Seen(speed, ids([run]), way=way), 2 * margin)
        low, high = (math.exp(end) for end in speed.interval())
        ratio = math.exp(speed.value)
        text = f"{first} runs at {ratio:.3f} ({low:.3f} to {high:.3f}) of the speed of {second}, {speed.n} rounds"
        sides = {"above zero": "faster", "below zero": "slower"}

        def named(one: Finding) -> Finding:
            reason = sides.get(one.reason, f"no difference: within {math.expm1(margin):.1%}")
            return replace(one, measured=text, reason=reason, keys=figures)

        return replace(named(decided), otherwise=decided.otherwise and named(decided.otherwise))

    return Part(says, test, (ask,))


def speed_over(run: Record, first: str, second: str) -> Effect:
    """Logarithm of the speed of one network over another's in one run, over rounds.

    The plain network's twin differs from it by nothing but noise: what it is off by on the average is not the rounds'
    noise, and widens the interval by as much.
    """
    plain = run.cell.model
    mine, other, one, twin = (run.samples.get(MetricKey("seconds", of=name), [])
                              for name in (first, second, plain, f"{plain}{TWIN}"))  # fmt: skip
    # Speed is the inverse of time. A twin that was cut off in another round tells of other rounds.
    bias = abs(log_ratio(one, twin).value) if one and len(one) == len(twin) else 0.0
    return replace(log_ratio(other, mine), bias=bias)


def smaller(says: str, ask: Ask, metric: str, first: str, second: str) -> Part:
    """One network's figure of a run is below another's; for figures that do not scatter, such as peak memory."""
    keys = [MetricKey(metric, of=name) for name in (first, second)]

    def sized(record: Record) -> bool:
        return all(key in record.metrics and record.metrics[key].value is not None for key in keys)

    def test(evidence: Evidence, rule: str) -> Finding:
        run = newest_run(evidence, ask(evidence), keys, sized)
        mine, other = (number([run], key) for key in keys)
        text = f"{first} {mine:.4g}, {second} {other:.4g}"
        return Finding(text, mine < other, None, "exact", records=ids([run]), keys=tuple(keys))

    return Part(says, test, (ask,))


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
