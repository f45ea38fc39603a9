"""A table's rows as Markdown, LaTeX, CSV or JSON."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

from tabulate import tabulate

Row = Mapping[str, object]

MISSING = "-"
DECIMALS = 3


def as_markdown(rows: Sequence[Row]) -> str:
    """A GitHub table; numbers with three decimals, ``-`` where there is nothing."""
    return tabulate([shown(row) for row in rows], headers="keys", tablefmt="github", disable_numparse=True)


def as_latex(rows: Sequence[Row]) -> str:
    """A booktabs tabular."""
    return tabulate([shown(row) for row in rows], headers="keys", tablefmt="latex_booktabs", disable_numparse=True)


def as_long_latex(rows: Sequence[Row], widths: Mapping[str, int]) -> str:
    """A small longtable, which runs over pages, of the columns that have a width, in mm."""
    chosen = [{key: show(row[key]) for key in widths} for row in rows]
    text = tabulate(chosen, headers="keys", tablefmt="latex_longtable", disable_numparse=True)
    columns = "".join(f"p{{{width}mm}}" for width in widths.values())
    framed = text.replace(f"{{{'l' * len(widths)}}}", f"{{{columns}}}", 1)
    return f"\\begingroup\\scriptsize\n{framed}\n\\endgroup"


def as_csv(rows: Sequence[Row]) -> str:
    """CSV with full precision; an empty field where there is nothing. No rows, which name the columns, make no text."""
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def as_json(rows: Sequence[Row]) -> str:
    """A list of objects with full precision; null where there is nothing."""
    return json.dumps(rows, indent=2)


FORMATS: dict[str, Callable[[Sequence[Row]], str]] = {
    "md": as_markdown,
    "tex": as_latex,
    "csv": as_csv,
    "json": as_json,
}


def shown(row: Row) -> dict[str, str]:
    """A row's values as a person reads them."""
    return {key: show(value) for key, value in row.items()}


def show(value: object) -> str:
    """One value as a person reads it."""
    if value is None:
        return MISSING
    return f"{value:.{DECIMALS}f}" if isinstance(value, float) else str(value)
