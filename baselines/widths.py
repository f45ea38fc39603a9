"""The width of attention's hidden layers, one rule for all modules."""


def hidden_width(channels: int, reduction: int) -> int:
    """Channels over the reduction ratio r, at least 1.

    Raises:
        ValueError: The reduction is not a positive whole number.
    """
    if not isinstance(reduction, int) or reduction < 1:
        raise ValueError(f"reduction must be a whole number of at least 1, got {reduction!r}")
    return max(1, channels // reduction)
