"""Outcomes survive packing."""

import numpy as np
import pytest

from benchmarks.metrics.outcomes import images_hash, pack, unpack


@pytest.mark.parametrize("n", [1, 7, 8, 9, 2000])
def test_packing_keeps_every_image(n: int) -> None:
    hits = np.random.default_rng(n).random(n) < 0.5
    assert np.array_equal(unpack(pack(hits), n), hits)
    assert len(pack(hits)) == 2 * ((n + 7) // 8)
    with pytest.raises(ValueError, match="do not hold"):
        unpack(pack(hits), n + 8)


def test_other_images_have_another_hash() -> None:
    assert images_hash(["a", "b"]) == images_hash(iter(["a", "b"]))
    assert len({images_hash(ids) for ids in (["a", "b"], ["b", "a"], ["ab"])}) == 3
