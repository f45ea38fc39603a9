"""Whole families of the paper's claims on networks with drawn accuracies, judged as a report judges them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.core.records import Cell, Metric, MetricKey, Record, Scalar
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.numbers import paper_rows
from benchmarks.papers.tdam.queries import TRAINED_AT, scaled
from benchmarks.report.claims import Claim, ClaimVerdict, judge_claims
from benchmarks.report.evidence import Evidence
from benchmarks.work.training import HELD_OUT

# Top-1 of each model on each of the paper's two sets.
Shares = Mapping[tuple[str, str], float]
SETS = ("v1", "v2")
NO_NOISE = 1e-6


class Family:
    """A family of claims on accuracies, and records of networks that came to their end.

    Args:
        claims: Of one family.
        rule: The step rule that they are judged by.
        seeds: Of every network.
    """

    # Name; the share of what the paper has each row differ by from its plain network; and the share of the variation,
    # where equality can be shown only with less. A little above a half lies beyond the margin of "no difference".
    TRUTHS: ClassVar = {
        "nothing there": (0.0, 1.0),
        "half of the paper's differences": (0.502, 1.0),
        "half of the paper's differences, half of the variation": (0.502, 0.5),
        "the paper's differences": (1.0, 1.0),
    }

    def __init__(self, claims: Sequence[Claim], rule: str, seeds: int) -> None:
        self.claims, self.rule, self.seeds = claims, rule, seeds
        self.profile = next(iter(PAPER.profiles.values()))
        self.models = tuple(paper_rows())
        self.trainings = [one for model in self.models for seed in range(seeds) for one in self.trained(model, seed)]

    def truths(self) -> dict[str, tuple[Shares, float]]:
        """True accuracies, and the share of the variation, by the name of the truth."""
        return {name: (self.differing(share), varied) for name, (share, varied) in self.TRUTHS.items()}

    def differing(self, share: float) -> Shares:
        """Accuracies with so much of the paper's differences to the plain network."""
        printed = {(model, split): float(row[f"{split}_top1"]) for model, row in paper_rows().items() for split in SETS}
        plain = {(model, split): printed[parse(model).backbone, split] for model, split in printed}
        return {key: plain[key] + share * (printed[key] - plain[key]) for key in printed}

    def trained(self, model: str, seed: int) -> list[Record]:
        """A training that came to its end, and the longer one that shows it."""
        options: dict[str, Scalar] = {"seed": seed, "trained_on": "train"}
        notes = {"sha256": f"{model} {seed}", "chance": 1.0, "seconds": 1.0}
        usual = drawn("train", model, self.profile.name, options, {})
        usual = replace(usual, samples={HELD_OUT: [50.0]}, notes=notes)
        longer = replace(usual.cell, kind="train_longer")
        return [usual, replace(usual, cell=longer, notes={"chance": 1.0})]

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
            self.evaluated(model, split, seed, rng.normal(share, sd))
            for (model, split), share in shares.items()
            for seed in range(self.seeds)
        ]
        evidence = Evidence(self.profile, Path(), [*self.trainings, *records])
        return [one.verdict for one in judge_claims(self.claims, evidence, (self.rule, self.rule))]

    def evaluated(self, model: str, split: str, seed: int, share: float) -> Record:
        """Top-1 of a network."""
        side = scaled(TRAINED_AT, self.profile)
        options: dict[str, Scalar] = {"data": self.profile.splits[split], "resolution": side, "trained_on": "train"}
        record = drawn("accuracy", model, self.profile.name, {**options, "seed": seed}, {"weights": f"{model} {seed}"})
        return replace(record, metrics={MetricKey("top1", steps=self.rule): Metric(share, "%")})


def drawn(kind: str, model: str, profile: str, options: Mapping[str, Scalar], inputs: Mapping[str, Scalar]) -> Record:
    """A record without numbers; nothing is asked for its id."""
    return Record(Cell(kind, model, profile, options), inputs, {}, {}, {}, {}, "", "drawn")
