"""What can be wrong with data."""


class DataError(ValueError):
    """Data that is missing, incomplete, or laid out so that its labels would be wrong."""
