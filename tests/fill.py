"""Deterministic tensors by key, for parity with networks of another code base."""

import zlib

import numpy as np

SPREAD = 0.1


def fill(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the float64 tensor that belongs to ``key``; the same on every machine.

    NumPy's legacy ``RandomState`` stream is frozen; it is seeded with the CRC-32 of the key. The key's last word
    decides the scale, so that deep networks keep their activations in range.

    Args:
        key: A state-dict key such as ``layer3.0.bn3_1.running_var``, or ``input``.
        shape: The tensor's shape; ``()`` gives the integer zero of ``num_batches_tracked``.
    """
    if not shape:
        return np.zeros((), dtype=np.int64)
    stream = np.random.RandomState(zlib.crc32(key.encode()))
    role = key.split(".")[-1]
    if role == "running_var":
        return np.asarray(stream.uniform(0.8, 1.25, shape))
    if role in ("weight", "gamma") and len(shape) == 1:
        return np.asarray(stream.uniform(0.4, 0.8, shape))
    values: np.ndarray = stream.standard_normal(shape)
    if role in ("running_mean", "bias"):
        return values * SPREAD
    if role == "weight":
        return np.asarray(values * np.sqrt(2.0 / np.prod(shape[1:])))
    return values
