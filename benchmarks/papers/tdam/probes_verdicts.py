"""Statistics, and the verdicts that rest on them, on made-up numbers: intervals, p-values and words.

The networks of the records are made up too: what they are called says what they are like.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.core.records import Cell, Metric, MetricKey, Record, Scalar, new_record
from benchmarks.metrics.outcomes import pack
from benchmarks.metrics.statistics import (
    USUAL,
    Effect,
    by_image,
    clustered,
    holm,
    log_ratio,
    mcnemar,
    median_interval,
    of_share,
    over,
    simes,
    units_to_equate,
    units_to_tell,
    wilson,
)
from benchmarks.networks.names import TWIN
from benchmarks.papers.tdam.recipes import FULL, MINI
from benchmarks.report.claims import Claim, Part, judge_claims
from benchmarks.report.evidence import Evidence, Query
from benchmarks.report.guesses import over_as_many
from benchmarks.report.shares import Printed, share_value
from benchmarks.report.tests import Ask, above, alike, below_twice_chance, by_size, count, quicker, smaller, versus
from benchmarks.report.verdicts import Target, judge, judge_printed
from benchmarks.work.accuracy import GUESSES, RUNNER_UP
from benchmarks.work.cost import COST, PARAMETERS
from benchmarks.work.probe import Probed
from benchmarks.work.training import ENDED, HELD_OUT

Numbers = dict[str, float]
SEED = 4711
IMAGES = 400
SEEDS = 7
LAST, RELEASED = (MetricKey("top1", steps=rule) for rule in ("last", "released"))
# Mean top-1 of the networks over seeds, % (last step, released rule), and how much seeds scatter. All share what a seed
# does to every network; one has no seed 0, another no last one.
NETWORKS: Mapping[str, tuple[float, float, float]] = {
    "plain": (90.0, 90.0, 0.1),
    "better": (92.0, 93.0, 0.15),
    "alike": (90.1, 90.2, 0.15),
    "worse": (88.0, 90.4, 0.3),
    "loud": (90.9, 91.5, 1.2),
    "unfinished": (91.0, 91.0, 0.1),
}
SHARED_SPREAD = 2.0
WITHOUT = {"better": 0, "alike": SEEDS - 1}
UNTRAINED = "untrained"
# Held-out accuracies after each epoch, %, of all but one network, and what half as many epochs again bring, points.
CURVE, GAINED, UNFINISHED_GAINED = (40.0, 85.0, 90.0), 0.4, 2.5
HOUR = 3600.0


def scattered(what: int, count: int) -> np.ndarray:
    """Numbers of mean 0 and standard deviation 1, the same on every machine."""
    noise = np.random.RandomState([SEED, what]).standard_normal(count)
    scaled: np.ndarray = (noise - noise.mean()) / noise.std(ddof=1)
    return scaled


# ---------------------------------------------------------------- statistics


def of_effect(name: str, effect: Effect) -> Numbers:
    """All that is asked of an effect."""
    low, high = effect.interval()
    narrow, wide = effect.interval(0.9)
    asked = {
        "mean": effect.value,
        "spread": effect.spread,
        "low end": low,
        "high end": high,
        "low end at 90 %": narrow,
        "high end at 90 %": wide,
        "p above 0.3": effect.p_above(0.3),
        "p below 0.3": effect.p_below(0.3),
        "p within -0.2 and 0.9": effect.p_within(-0.2, 0.9),
        "p within 0.3 and 2": effect.p_within(0.3, 2.0),
        "units to tell from 0.1": effect.to_tell(0.1) or 0,
        "units to equate": effect.to_equate(-0.2, 1.1) or 0,
        "units to leave": effect.to_leave(-1.0, 0.2) or 0,
    }
    return {f"{name}: {what}": float(value) for what, value in asked.items() if math.isfinite(value)}


def statistics() -> Probed:
    """Shares, medians, effects, corrections and numbers of units."""
    hits = np.random.RandomState(SEED).random_sample((2, IMAGES)) < np.array([[0.9], [0.86]])
    sources = (np.arange(IMAGES) // 5).tolist()
    numbers: Numbers = {}
    for name, share in {
        "wilson, 3 of 40": wilson(3, 40),
        "wilson, 40 of 40": wilson(40, 40),
        "wilson, 31 of 40 at 80 %": wilson(31, 40, 0.8),
        "clusters of 5": clustered(hits[0], sources),
        "clusters of what is alike": clustered(np.repeat(hits[0, :80], 5), sources),
    }.items():
        numbers |= {f"{name}: share": share.value, f"{name}: low end": share.low, f"{name}: high end": share.high}
    for size in (4, 9, 20):
        ends = median_interval((scattered(size, size) + 5).tolist())
        numbers |= {f"median of {size}: {what}": end for what, end in zip(("value", "low", "high"), ends, strict=True)}
    times = np.exp(0.02 * scattered(1, 12)), 1.3 * np.exp(0.03 * scattered(2, 12))
    numbers |= {
        **of_effect("seven seeds", over((0.5 + 0.3 * scattered(3, 7)).tolist(), "seeds")),
        **of_effect("two seeds", over([0.4, 0.5], "seeds")),
        **of_effect("one seed", over([0.4], "seeds")),
        **of_effect("images", by_image([100, -100], list(hits))),
        **of_effect("a share", of_share(0.93, IMAGES)),
        **of_effect("rounds", log_ratio(times[1].tolist(), times[0].tolist())),
        **of_effect("rounds off by 2 %", replace(log_ratio(times[1].tolist(), times[0].tolist()), bias=0.02)),
    }
    p_values = [0.04, 0.001, 0.03, 0.012, 0.6]
    numbers |= {f"holm {place}": p for place, p in enumerate(holm(p_values))}
    numbers |= {"simes": simes(p_values), "mcnemar 12 to 3": mcnemar(12, 3), "mcnemar 0 to 0": mcnemar(0, 0)}
    for distance in (0.1, 0.5, 2.0):
        numbers[f"units to tell {distance} from 0"] = units_to_tell(distance, 0.4) or 0
        numbers[f"units to equate {distance} with 0"] = units_to_equate(distance, (-1.0, 1.0), 0.4) or 0
    return Probed(numbers)


# ---------------------------------------------------------------- records


def trained(model: str, curve: Sequence[float], missing: int | None) -> Iterator[Record]:
    """The trainings of a network, and of the first seed that there is the longer one."""
    seeds = [seed for seed in range(SEEDS) if seed != missing]
    for seed in seeds:
        cell = Cell("train", model, MINI.name, {"seed": seed, "trained_on": "train"})
        notes = {"sha256": f"{model} {seed}", "chance": 10.0, "seconds": HOUR, "recipe": {"epochs": len(curve)}}
        yield new_record(cell, {}, {}, {HELD_OUT: list(curve)}, notes)
        judged = replace(cell, kind="accuracy", options={**cell.options, "data": str(MINI.ended_on)})
        yield new_record(judged, {"weights": f"{model} {seed}"}, {LAST: Metric(curve[-1], "%", IMAGES)})
        if seed == seeds[0]:
            gained = UNFINISHED_GAINED if model == "unfinished" else GAINED
            ended = {ENDED: Metric(curve[-1] + gained, "%", IMAGES)}
            yield new_record(replace(cell, kind="train_longer"), {}, ended, {HELD_OUT: list(curve)}, {"chance": 10.0})


def accuracies(model: str, place: int) -> Iterator[Record]:
    """The accuracies of a network by seed; what a seed does to all networks is more than what it does to one."""
    last, released, spread = NETWORKS[model]
    shared, own = SHARED_SPREAD * scattered(0, SEEDS), spread * scattered(10 + place, SEEDS)
    second = np.random.RandomState([SEED, place]).random_sample(IMAGES) < np.linspace(0.6, 0.1, IMAGES)
    for seed in (seed for seed in range(SEEDS) if seed != WITHOUT.get(model)):
        options: dict[str, Scalar] = {"seed": seed, "data": "val", "weights": "trained"}
        moved = float(shared[seed] + own[seed])
        runner_up, guesses = MetricKey(RUNNER_UP, steps="last"), MetricKey(GUESSES, steps="released")
        metrics = {
            LAST: Metric(last + moved, "%", IMAGES),
            RELEASED: Metric(released + moved, "%", IMAGES),
            runner_up: Metric(100 * float(second.mean()), "%", IMAGES),
            guesses: Metric(5.0 + place, "%", IMAGES),
        }
        cell = Cell("accuracy", model, MINI.name, options)
        record = new_record(cell, {"weights": f"{model} {seed}"}, metrics, notes={"images": "val"})
        yield replace(record, outcomes={runner_up: pack(second)})


def timed() -> Record:
    """A run of networks in turn, whose twin differs by a little."""
    seconds = {"plain": 1.0, "quicker": 0.8, "as quick": 1.005, f"plain{TWIN}": 1.004}
    samples = {
        MetricKey("seconds", of=name): (second * np.exp(0.01 * scattered(30 + place, 12))).tolist()
        for place, (name, second) in enumerate(seconds.items())
    }
    metrics = {MetricKey("fps", of=name): Metric(1 / second, "images/s", 12) for name, second in seconds.items()}
    metrics |= {MetricKey("memory", of=name): Metric(1e9 * second, "bytes") for name, second in seconds.items()}
    options: dict[str, Scalar] = {"models": ",".join(seconds), "batch": 4}
    return new_record(Cell("efficiency", "plain", MINI.name, options), {}, metrics, samples)


def given(model: str, share: float, place: int) -> Record:
    """A network with weights from outside."""
    hits = np.random.RandomState([SEED, 50 + place]).random_sample(IMAGES) < share
    cell = Cell("accuracy", model, FULL.name, {"data": "val", "weights": "given", "seed": None})
    metrics = {key: Metric(100 * float(hits.mean()), "%", IMAGES) for key in (LAST, RELEASED)}
    record = new_record(cell, {"weights": model}, metrics, notes={"images": "val"})
    return replace(record, outcomes={key: pack(hits) for key in metrics})


def evidence() -> Evidence:
    """Networks that were trained here, by seed."""
    records = [record for model in NETWORKS for record in trained(model, CURVE, WITHOUT.get(model))]
    records += trained(UNTRAINED, (10.0, 11.0, 10.5), None)
    records += [record for place, model in enumerate(NETWORKS) for record in accuracies(model, place)]
    records += [timed(), new_record(COST.cell("plain"), {}, {PARAMETERS: Metric(25.5e6, "1")})]
    return Evidence(MINI, Path("results"), records, command=f"tdam-bench run --profile {MINI.name}")


# ---------------------------------------------------------------- verdicts


def of(model: str, kind: str = "accuracy") -> Ask:
    """Asks for the records of a network."""
    return lambda seen: Query(kind, model, {"data": "val"} if kind == "accuracy" else {})


def by_rule(rule: str) -> MetricKey:
    """Top-1 under a step rule."""
    return MetricKey("top1", steps=rule)


def parts() -> dict[str, Part]:
    """A part of every kind, by what it says."""
    pairs = {model: versus(of(model), of("plain"), by_rule) for model in NETWORKS if model != "plain"}
    listed = {f"{model} than plain": above("", terms, 1.5) for model, terms in pairs.items()}
    listed |= {f"{model} as plain": alike("", terms, 2.0) for model, terms in pairs.items()}
    listed |= {f"{model} by 1.6 points": by_size("", terms, 1.6) for model, terms in pairs.items()}
    run, less = of("plain", "efficiency"), [term._replace(weight=-term.weight) for term in pairs["loud"]]
    return {
        **listed,
        "more than a difference": above("", (*pairs["better"], *less)),
        "plain does not train": below_twice_chance("", of("plain", "train")),
        "untrained does not train": below_twice_chance("", of(UNTRAINED, "train")),
        "quicker": quicker("", run, "quicker", "plain", 1.1),
        "as quick": quicker("", run, "as quick", "plain", 1.1),
        "smaller": smaller("", run, "memory", "quicker", "plain"),
        "counted": count("", [of("plain", "cost")], PARAMETERS, lambda number: number < 26e6, "{0:.2f}"),
        "not run": above("", versus(of("nobody"), of("plain"), by_rule)),
    }


def says(name: str, word: object) -> Numbers:
    """A word as a number: it is there."""
    return {f"{name}: {word}": 1.0}


def claims() -> Numbers:
    """Claims of one part each, and of several, in two families, corrected together."""
    listed = parts()
    together = (
        ("better than plain", "worse than plain"),
        ("better than plain", "alike than plain", "quicker"),
        ("better by 1.6 points", "better than plain", "quicker"),
        ("worse as plain", "alike by 1.6 points"),
    )
    made = [
        Claim(number, "", name, ("accuracy", "ablation")[number % 2], (part,), by_rule=number % 3 == 0)
        for number, (name, part) in enumerate(listed.items())
    ]
    made += [
        Claim(100 + number, "", " and ".join(names), "accuracy", tuple(listed[name] for name in names))
        for number, names in enumerate(together)
    ]
    numbers: Numbers = {}
    for result in judge_claims(made, evidence(), ("last", "released")):
        name = f"claim {result.claim.statement}"
        numbers |= says(name, f"{result.verdict}, other rule {result.other}")
        numbers |= {} if result.p is None else {f"{name}: corrected p": result.p}
        for part in result.parts["last"]:
            finding = part.finding
            if finding is None or finding.p is None:
                continue
            numbers[f"{name}: p"] = finding.p
            numbers[f"{name}: units that would decide"] = finding.by(USUAL).units or 0
            numbers |= says(name, finding.reason or "no reason")
            numbers |= says(name, "barred" if finding.barred else "not barred")
    return numbers


def cells() -> Numbers:
    """Words of a table's cells: of effects at several distances from the paper's number, and of counts."""
    numbers: Numbers = {}
    target = Target(paper=79.0, plain=77.4, wide=0.9, others=(78.2,))
    unknown, near = (replace(target, plain=plain) for plain in (None, 78.4))
    beside = replace(target, others=(79.05,))
    held_against = {"": target, ", plain unknown": unknown, ", plain near": near, ", another beside": beside}
    for spread in (0.1, 0.6, 3.0):
        for value in (77.4, 77.9, 78.2, 78.6, 79.0, 79.2, 79.5, 80.5):
            effect = over((value + spread * scattered(70, 6)).tolist(), "seeds")
            for case, held in held_against.items():
                told = judge(effect, held, lambda share: f"{share:.1f}")
                numbers |= says(f"{value} +- {spread} against 79.0{case}", f"{told.verdict}, plain {told.plain}")
    for measured, printed in ((27.646, "27.65"), (27.656, "27.65"), (25.557, "25.56")):
        told = judge_printed(measured, printed, 25.557)
        numbers |= says(f"{measured} against {printed}", f"{told.verdict}, plain {told.plain}")
    return numbers


def shares() -> Numbers:
    """Shares of a table: over seeds here, over images of given weights beside the paper's, and with equal guesses."""
    here = evidence()
    outside = Evidence(FULL, Path("results"), [given("plain", 0.78, 0), given("better", 0.80, 1)])
    printed = Printed("79.0", "77.4", ("78.2",))
    numbers: Numbers = {}
    for where, seen in {"here": here, "given": outside}.items():
        for model in ("plain", "better"):
            value = share_value(seen, of(model)(seen), RELEASED, printed)
            assert value.judgement is not None
            name = f"{model} {where}"
            known = {"share": value.measured, "low end": value.low, "high end": value.high}
            numbers |= {f"{name}: {what}": one for what, one in known.items() if one is not None}
            numbers |= says(name, value.judgement.verdict)
    told = above("", versus(of("better"), of("plain"), by_rule)).test(outside, "last")
    numbers |= {"given, better than plain: p": told.p or 0.0} | says("given, better than plain", told.test)
    guessed = over_as_many(here, of("better")(here), of("plain")(here), "released").effect
    return numbers | of_effect("over as many guesses", guessed)


def verdicts() -> Probed:
    """All of it."""
    return Probed({**claims(), **cells(), **shares()})
