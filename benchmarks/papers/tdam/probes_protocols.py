"""The rules and protocols on made-up numbers that reach into their corners: empty boxes, ties, up to five steps.

What networks do on scenes passes through them too, but rarely through all of their branches.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from benchmarks.metrics.accuracy import (
    BOX,
    CLASSES,
    SCORES,
    TOP,
    accuracy,
    correct_with_runners_up,
    guesses,
    runner_up_by_margin,
)
from benchmarks.metrics.boxes import gradcam_box
from benchmarks.metrics.localization import published_max_box_accuracy
from benchmarks.metrics.movement import histogram, spread
from benchmarks.metrics.multilabel import estimates
from benchmarks.metrics.outcomes import won
from benchmarks.metrics.selectivity import class_selectivity
from benchmarks.papers.tdam.rules import RULES
from benchmarks.papers.tdam.steps import standing_steps
from benchmarks.work.methods.asl import asymmetric_loss
from benchmarks.work.probe import Probed

Numbers = dict[str, float]
Floats = npt.NDArray[np.float64]
SEED = 1122
MOST_STEPS = 5
# Of each number of steps.
CASES = 16
IMAGES, K = 60, 10
SIDE = 224
SIZES = ((7, 7), (4, 9), (8, 5), (3, 3))
INPUT = (64, 64)


def stream(*what: int) -> np.random.RandomState:
    """Random numbers that are the same on every machine."""
    return np.random.RandomState([SEED, *what])


def looked_at(random: np.random.RandomState, steps: int) -> tuple[Floats, Floats]:
    """Confidences (T,) and boxes (T, 4) of one image: boxes around two places, sometimes none, sometimes tied."""
    confidence = random.randint(3, 9, steps) / 10
    places = random.randint(0, 2, (steps, 1)) * np.array([[70, 40]])
    corners = 20 + places + random.randint(-12, 13, (steps, 2))
    boxes = np.concatenate([corners, random.randint(50, 80, (steps, 2))], axis=1)
    boxes[random.random_sample(steps) < 0.15] = 0
    return confidence, boxes.astype(np.float64)


def steps_that_stand() -> Numbers:
    """Under every step rule the steps that stand, as a number whose bits they are."""
    numbers: Numbers = {}
    for steps in range(2, MOST_STEPS + 1):
        random = stream(1, steps)
        for case in range(CASES):
            confidence, boxes = looked_at(random, steps)
            one = f"of {steps} steps, case {case}"
            numbers[f"merged steps that stand, {one}"] = sum(2**step for step in standing_steps(confidence, boxes))
            for rule in RULES.steps:
                standing = rule.standing(confidence[None], boxes[None])[0]
                numbers[f"steps that stand under {rule.name}, {one}"] = float(standing @ 2 ** np.arange(steps))
    return numbers


def maps() -> list[npt.NDArray[np.float32]]:
    """Signed maps with two bumps and a hole, of several sizes."""
    random = stream(2)
    drawn = []
    for height, width in SIZES * 4:
        y, x = np.mgrid[:height, :width]
        bumps = [
            amount * np.exp(-((y - random.uniform(0, height)) ** 2 + (x - random.uniform(0, width)) ** 2) / 2)
            for amount in (1.0, 0.8, -0.9)
        ]
        drawn.append((sum(bumps) + 0.3 * random.standard_normal((height, width))).astype(np.float32))
    return drawn


def boxes_of_maps() -> Numbers:
    """The box of every rule, in its own pixels and in the input's, and what the published evaluator makes of maps."""
    numbers: Numbers = {}
    drawn = maps()
    for place, cam in enumerate(drawn):
        for rule in RULES.boxes:
            for where, box in (("its own", rule.box(cam, INPUT)), ("the input's", rule.box_in_input(cam, INPUT))):
                numbers |= {
                    f"{rule.name} box of map {place} in {where} pixels: {side}": float(value)
                    for side, value in zip(("x", "y", "width", "height"), box, strict=True)
                }
    # True boxes near those of the maps, so that some are hit at every bound of overlap and some at none.
    made = np.array([gradcam_box(cam, (SIDE, SIDE)) for cam in drawn])
    corners = np.concatenate([made[:, :2], made[:, :2] + made[:, 2:]], axis=1)
    true = (corners + stream(3).randint(-60, 61, corners.shape)).clip(0, SIDE - 1)
    return numbers | published_max_box_accuracy(drawn, [box[None] for box in true], SIDE)


def predictions() -> pd.DataFrame:
    """Predictions of a network with three steps that often answers otherwise when it looks elsewhere."""
    random = stream(4)
    rows = []
    for image in range(IMAGES):
        label = image % K
        confidence, boxes = looked_at(random, 3)
        for step in range(3):
            classes = random.permutation(K)[:TOP]
            if random.random_sample() < 0.6:
                classes[random.randint(2)] = label
            second = random.uniform(0.1, 0.9) * (1 - confidence[step])
            scores = [confidence[step], min(second, confidence[step]), 0.01, 0.005, 0.001]
            rows.append([f"{image:03d}", label, step + 1, *classes, *scores, *boxes[step]])
    return pd.DataFrame(rows, columns=["id", "label", "step", *CLASSES, *SCORES, *BOX])


def counted() -> Numbers:
    """Top-1 and top-5 under every step rule, guesses, and what as many runner-up classes bring."""
    table = predictions()
    numbers: Numbers = {}
    for rule in RULES.steps:
        for name, share in accuracy(table, rule).items():
            ends = {"": share.value, ", low end": share.low, ", high end": share.high}
            numbers |= {f"{name} under {rule.name}{end}": value for end, value in ends.items()}
        if rule.settled is None:
            hits = runner_up_by_margin(table, rule)
            numbers |= {f"won by {count} runners-up after {rule.name}": won(hits, count) for count in (5, 20, IMAGES)}
        else:
            numbers[f"guesses under {rule.name}"] = float(guesses(table, rule).sum())
            hits = correct_with_runners_up(table, rule).to_numpy()
            numbers[f"right with runners-up in place of {rule.name}"] = float(hits.sum())
    return numbers


def several_labels() -> Numbers:
    """MAP and F1 with their intervals, and the asymmetric loss with its gradient, of scores and labels."""
    random = stream(5)
    targets = (random.random_sample((IMAGES, K)) < np.linspace(0.02, 0.6, K)).astype(np.float64)
    scores = np.round(1 / (1 + np.exp(-(2 * targets - 1 + 1.2 * random.standard_normal(targets.shape)))), 2)
    numbers: Numbers = {}
    for name, one in estimates(scores, targets, threshold=0.6, resamples=20).items():
        numbers |= {name: one.value, f"{name}, low end": one.low, f"{name}, high end": one.high}
    for gammas, clip in (((4.0, 0.0), 0.05), ((2.0, 0.5), 0.0)):
        logits = torch.from_numpy(8 * scores - 4).requires_grad_()
        loss = asymmetric_loss(logits, torch.from_numpy(targets), *gammas, clip)
        (gradient,) = torch.autograd.grad(loss, logits)
        case = f"focusing {gammas[0]:g} and {gammas[1]:g}, clip {clip:g}"
        numbers |= {f"loss, {case}": float(loss.detach()), f"gradient, {case}": float(gradient.norm())}
    return numbers


def measured() -> Numbers:
    """Class selectivity of channels, how boxes move, and which images are shown."""
    means = np.abs(stream(6).standard_normal((K, 6))) * np.array([1, 1, 1, 1, 1, 0])
    numbers = {f"selectivity of channel {c}": float(index) for c, index in enumerate(class_selectivity(means)[:-1])}
    numbers |= {f"share in bin {b}": float(share) for b, share in enumerate(histogram(np.linspace(0, 1, 23) ** 2))}
    return numbers | {f"shown {place}": float(name) for place, name in enumerate(spread([*map(str, range(20))], 6))}


def protocols() -> Probed:
    """All of it."""
    return Probed({**steps_that_stand(), **boxes_of_maps(), **counted(), **several_labels(), **measured()})
