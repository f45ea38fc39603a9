"""mAP against scikit-learn, F1 against counts by hand, intervals that behave."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from benchmarks.metrics.multilabel import average_precision, estimates, f1_scores, mean_class_f1, measures


def drawn(ties: bool, n: int = 60, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Random scores and targets; with ties scores have one decimal."""
    rng = np.random.default_rng(0)
    scores = rng.random((n, classes))
    return scores.round(1) if ties else scores, (rng.random((n, classes)) < 0.3).astype(float)


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_scikit_learns(ties: bool) -> None:
    scores, targets = drawn(ties)
    expected = [average_precision_score(targets[:, k], scores[:, k]) for k in range(5)]
    assert np.allclose(average_precision(scores, targets), expected, atol=1e-12)
    assert measures(scores, targets, 0.5)["map"] == pytest.approx(
        average_precision_score(targets, scores, average="macro")
    )


@pytest.mark.parametrize("ties", [False, True])
def test_weights_count_images_several_times(ties: bool) -> None:
    """As scikit-learn's sample weights, images left out included, and as repeating the rows."""
    scores, targets = drawn(ties)
    weights = np.random.default_rng(1).integers(0, 4, len(scores)).astype(float)
    expected = [average_precision_score(targets[:, k], scores[:, k], sample_weight=weights) for k in range(5)]
    assert np.allclose(average_precision(scores, targets, weights), expected, atol=1e-12)
    repeated = np.repeat(np.arange(len(scores)), weights.astype(int))
    assert f1_scores(scores, targets, 0.5, weights) == pytest.approx(
        f1_scores(scores[repeated], targets[repeated], 0.5)
    )


def test_f1_by_hand() -> None:
    """Three images, two classes at 0.5: class 0 has 1 right of 2 said and 2 true, class 1 has 1 right of 1 and 1."""
    scores = np.array([[0.9, 0.1], [0.8, 0.7], [0.2, 0.5]])
    targets = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    overall, by_class = f1_scores(scores, targets, 0.5)
    assert overall == pytest.approx(2 * (2 / 3) * (2 / 3) / (4 / 3))
    precision, recall = (0.5 + 1) / 2, (0.5 + 1) / 2
    assert by_class == pytest.approx(2 * precision * recall / (precision + recall))


def test_both_averages_of_per_class_f1_by_hand() -> None:
    """Precision and recall 1 and 1/2 in one class, 1/2 and 1 in another, 0 in the third, which is always wrong.

    The classes' own F1s are 2/3, 2/3 and 0; the means of precision and recall are 1/2 and 1/2.
    """
    scores = np.array([[0.9, 0.9, 0.9], [0.1, 0.9, 0.1]])
    targets = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    assert mean_class_f1(scores, targets, 0.5) == pytest.approx(4 / 9)
    assert f1_scores(scores, targets, 0.5)[1] == pytest.approx(0.5)
    named = measures(scores, targets, 0.5)
    assert [named["f1_class_mean"], named["f1_class"]] == pytest.approx([4 / 9, 0.5])


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.97])
def test_the_mean_of_class_f1s_is_scikit_learns_macro(threshold: float) -> None:
    """Weighted too, and with classes that are never predicted; a class that no image shows is left out."""
    scores, targets = drawn(ties=False)
    weights = np.random.default_rng(1).integers(0, 4, len(scores)).astype(float)
    expected = f1_score(targets, scores > threshold, average="macro", zero_division=0)
    assert mean_class_f1(scores, targets, threshold) == pytest.approx(expected)
    weighted = f1_score(targets, scores > threshold, average="macro", zero_division=0, sample_weight=weights)
    assert mean_class_f1(scores, targets, threshold, weights) == pytest.approx(weighted)
    targets[:, 2] = 0
    others = [0, 1, 3, 4]
    assert mean_class_f1(scores, targets, threshold) == mean_class_f1(scores[:, others], targets[:, others], threshold)
    assert np.isnan(mean_class_f1(scores, np.zeros_like(targets), threshold))


def test_overall_f1_is_scikit_learns_micro() -> None:
    scores, targets = drawn(ties=False)
    assert f1_scores(scores, targets, 0.4)[0] == pytest.approx(f1_score(targets, scores > 0.4, average="micro"))


def test_a_class_that_no_image_shows_is_left_out() -> None:
    scores, targets = drawn(ties=False)
    targets[:, 2] = 0
    precisions = average_precision(scores, targets)
    assert np.isnan(precisions[2])
    others = [0, 1, 3, 4]
    assert measures(scores, targets, 0.5)["map"] == pytest.approx(precisions[others].mean())
    assert measures(scores, targets, 0.5)["f1_class"] == f1_scores(scores[:, others], targets[:, others], 0.5)[1]


def test_a_class_never_predicted_has_no_precision() -> None:
    scores, targets = np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([[1.0, 1.0], [1.0, 0.0]])
    overall, by_class = f1_scores(scores, targets, 0.5)
    assert overall == pytest.approx(2 * 1.0 * (2 / 3) / (1 + 2 / 3))
    assert by_class == pytest.approx(2 * 0.5 * 0.5 / (0.5 + 0.5))
    assert f1_scores(scores, targets, 0.95) == (0.0, 0.0)


def test_intervals_hold_the_value_and_narrow() -> None:
    few, many = (estimates(*drawn(False, n), 0.5, 100) for n in (40, 640))
    for name in ("map", "f1_overall", "f1_class", "f1_class_mean"):
        assert few[name].low < few[name].value < few[name].high
        assert many[name].high - many[name].low < few[name].high - few[name].low
    assert estimates(*drawn(False, 40), 0.5, 100) == few, "the same draws every time"


@pytest.mark.parametrize(
    ("scores", "targets", "message"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3)), "N above 0"),
        (np.zeros((2, 3)), np.zeros((2, 2)), "must be"),
        (np.full((2, 3), np.nan), np.zeros((2, 3)), "finite"),
        (np.zeros((2, 3)), np.full((2, 3), 0.5), "targets 0 or 1"),
    ],
)
def test_bad_arrays(scores: np.ndarray, targets: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        estimates(scores, targets, 0.5)
