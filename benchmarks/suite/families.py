"""Networks with drawn accuracies, judged as a report judges them: families of claims, resolutions, trainings' ends."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.core.records import Cell, Metric, MetricKey, Record, Scalar
from benchmarks.metrics.rules import LAST
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.claims_counted import RN50
from benchmarks.papers.tdam.claims_trained import drops_more, printed_drop
from benchmarks.papers.tdam.numbers import paper_rows
from benchmarks.papers.tdam.queries import RESOLUTIONS, TRAINED_AT, scaled
from benchmarks.report.calibration import Variation
from benchmarks.report.claims import Claim, ClaimVerdict, Finding, judge_claims
from benchmarks.report.endings import why_not_trained
from benchmarks.report.evidence import Evidence
from benchmarks.work.training import ENDED, HELD_OUT

# Top-1 of each model on each of the paper's two sets.
Shares = Mapping[tuple[str, str], float]
SETS = ("v1", "v2")
PROFILE = next(iter(PAPER.profiles.values()))
NO_NOISE = 1e-6


class Family:
    """A family of claims on accuracies, and records of networks that came to their end.

    Args:
        claims: Of one family.
        rule: The step rule that they are judged by.
        seeds: Of the networks of each backbone.
    """

    # Name; the share of what the paper has each row differ by from its plain network; and the share of the variation,
    # where equality can be shown only with less. A little above a half lies beyond the margin of "no difference".
    TRUTHS: ClassVar = {
        "nothing there": (0.0, 1.0),
        "half of the paper's differences": (0.502, 1.0),
        "half of the paper's differences, half of the variation": (0.502, 0.5),
        "the paper's differences": (1.0, 1.0),
    }

    def __init__(self, claims: Sequence[Claim], rule: str, seeds: Mapping[str, int]) -> None:
        self.claims, self.rule = claims, rule
        self.seeds = {model: seeds[parse(model).backbone] for model in paper_rows()}
        self.trainings = [one for model, n in self.seeds.items() for seed in range(n) for one in trained(model, seed)]

    def truths(self) -> dict[str, tuple[Shares, float]]:
        """True accuracies, and the share of the variation, by the name of the truth."""
        return {name: (self.differing(share), varied) for name, (share, varied) in self.TRUTHS.items()}

    def differing(self, share: float) -> Shares:
        """Accuracies with so much of the paper's differences to the plain network."""
        printed = {(model, split): float(row[f"{split}_top1"]) for model, row in paper_rows().items() for split in SETS}
        plain = {(model, split): printed[parse(model).backbone, split] for model, split in printed}
        return {key: plain[key] + share * (printed[key] - plain[key]) for key in printed}

    def tried(self, shares: Shares, sd: float, draws: int, rng: np.random.Generator) -> tuple[int, int]:
        """In how many draws a claim is decided the other way than without noise, and in how many all as without.

        Args:
            shares: True accuracies.
            sd: Of one network over seeds, points.
            draws: How many.
            rng: Draws.
        """
        truth = self.verdicts(shares, NO_NOISE, rng)
        wrong = right = 0
        for _ in range(draws):
            verdicts = self.verdicts(shares, sd, rng)
            pairs = list(zip(verdicts, truth, strict=True))
            wrong += any(one not in (true, ClaimVerdict.UNDECIDED) for one, true in pairs)
            right += verdicts == truth
        return wrong, right

    def verdicts(self, shares: Shares, sd: float, rng: np.random.Generator) -> list[ClaimVerdict]:
        """The claims' verdicts on networks that are drawn once for each seed."""
        records = [
            evaluated(model, seed, rng.normal(share, sd), self.rule, PROFILE.splits[split])
            for (model, split), share in shares.items()
            for seed in range(self.seeds[model])
        ]
        evidence = Evidence(PROFILE, Path(), [*self.trainings, *records])
        return [one.verdict for one in judge_claims(self.claims, evidence, (self.rule, self.rule))]


class Drops:
    """What networks lose from their best resolution, which is chosen on the images that they are judged on.

    Args:
        rule: The step rule that they are judged by.
    """

    # Points that a network loses; those that the paper's two differ by.
    lost, first, second = 2.0, RN50, f"{RN50}-se"

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.paper = printed_drop(self.first) - printed_drop(self.second)
        self.part = drops_more(self.first, self.second, "drops more", self.paper)

    def seen(self, value: float, seeds: int, variation: Variation, rng: np.random.Generator) -> Finding:
        """What is found of two networks of which the first loses more by so many points.

        Args:
            value: Points.
            seeds: Of either.
            variation: To draw with.
            rng: Draws.
        """
        records = []
        looks = PROFILE.looks
        for model, lost in ((self.first, self.lost + value), (self.second, self.lost)):
            seen = rng.normal(80.0, variation.seeds / math.sqrt(2), seeds)
            noise = rng.normal(0.0, variation.resolutions, (seeds, len(RESOLUTIONS)))
            for seed in range(seeds):
                records += trained(model, seed)
                for place, side in enumerate(RESOLUTIONS):
                    share = seen[seed] + noise[seed, place] - lost * (side == RESOLUTIONS[-1])
                    records.append(evaluated(model, seed, share, self.rule, looks, side))
        return self.part.test(Evidence(PROFILE, Path(), records), self.rule)


def unfinished(gain: float, seeds: int, sd: float, rng: np.random.Generator) -> bool:
    """Whether trainings are said not to have come to their end.

    Args:
        gain: What half as many epochs again bring in truth, points.
        seeds: Of the usual trainings; one is longer.
        sd: Of one network over seeds, points.
        rng: Draws.
    """
    made = [trained(RN50, seed, rng.normal(50.0, sd), rng.normal(50.0 + gain, sd)) for seed in range(seeds)]
    usual, judged, longer = zip(*made, strict=True)
    return why_not_trained(Evidence(PROFILE, Path(), [*usual, *judged, longer[-1]]), usual) is not None


def trained(model: str, seed: int, end: float = 50.0, longer: float = 50.0) -> list[Record]:
    """A training, its accuracy where endings are judged, and one half as long again, by what they reach there, %."""
    options: dict[str, Scalar] = {"seed": seed, "trained_on": "train"}
    notes = {"sha256": f"{model} {seed}", "chance": 1.0, "seconds": 1.0}
    usual = replace(drawn("train", model, options, {}), samples={HELD_OUT: [end]}, notes=notes)
    lengthened = replace(usual, cell=replace(usual.cell, kind="train_longer"), notes={"chance": 1.0})
    judged = evaluated(model, seed, end, LAST.name, str(PROFILE.ended_on))
    return [usual, judged, replace(lengthened, metrics={ENDED: Metric(longer, "%")})]


def evaluated(model: str, seed: int, share: float, rule: str, data: str, side: int = TRAINED_AT) -> Record:
    """Top-1 of a network on an image set, at one of the paper's resolutions."""
    side = scaled(side, PROFILE)
    options: dict[str, Scalar] = {"data": data, "resolution": side, "trained_on": "train", "seed": seed}
    record = drawn("accuracy", model, options, {"weights": f"{model} {seed}"})
    return replace(record, metrics={MetricKey("top1", steps=rule): Metric(share, "%")})


def drawn(kind: str, model: str, options: Mapping[str, Scalar], inputs: Mapping[str, Scalar]) -> Record:
    """A record without numbers; nothing is asked for its id."""
    return Record(Cell(kind, model, PROFILE.name, options), inputs, {}, {}, {}, {}, "", "drawn")
