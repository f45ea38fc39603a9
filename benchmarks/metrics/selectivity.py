"""How much a channel prefers one class: the class selectivity index (Morcos et al., ICLR 2018, arXiv 1803.06959)."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def class_selectivity(means: Floats) -> Floats:
    """``(mu_max - mu_rest) / (mu_max + mu_rest)`` of each channel (equation 1).

    Here ``mu_max`` is the mean activation of the class that the channel answers most, ``mu_rest`` that of all other
    classes together, each class counting alike.

    Args:
        means: Mean activation of each class and channel (K, C), not negative: of maps after a ReLU.

    Returns:
        (C,), from 0 (answers all classes alike) to 1 (answers one class only); nan for a channel that is always silent.

    Raises:
        ValueError: Fewer than two classes, or activations that are negative or not finite.
    """
    if means.ndim != 2 or len(means) < 2:
        raise ValueError(f"class selectivity compares classes; got {means.shape}, need (K, C) with K >= 2")
    if not np.isfinite(means).all() or (means < 0).any():
        raise ValueError("class selectivity needs activations that are finite and not negative, as after a ReLU")
    best = means.max(axis=0)
    rest = (means.sum(axis=0) - best) / (len(means) - 1)
    total = best + rest
    index: Floats = np.divide(best - rest, total, out=np.full(means.shape[1], np.nan), where=total > 0)
    return index
