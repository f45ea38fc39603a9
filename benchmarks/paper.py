"""The paper's numbers, as they stand in ``results/paper/``. Nothing measured lives there."""

import csv
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "results" / "paper"


def read_paper(table: str) -> list[dict[str, str]]:
    """Rows of one of the paper's tables, values as printed; an empty string where the paper prints none.

    Raises:
        FileNotFoundError: There is no such table.
    """
    with (FOLDER / f"{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))
