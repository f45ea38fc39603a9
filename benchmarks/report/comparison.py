"""Paper, measured and verdict in one table, as Markdown, LaTeX and CSV.

Markdown and LaTeX show up to three rows for each line of the table; the CSV keeps everything, one row per value. Text
between backticks, in notes and reasons, is a command.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tabulate import tabulate

from benchmarks.core.files import write_text
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.verdicts import SIGNS, Verdict, earned_by_plain

NOTHING = Value()
# Units of numbers that are shown with half of their interval.
WITH_INTERVAL = ("%", "points")
EXTREME: Mapping[str, Callable[[list[float]], float]] = {"higher": max, "lower": min}
READING = (
    "Italic: the paper's number. Bold: the best measured of a block, where all of the block is measured. "
    "±: half of the 95 % interval. Reasons and record ids: `{name}.csv`."
)
CSV_FIELDS = [
    *("table", "group", "label", "model", "column", "unit", "paper", "measured", "low", "high"),
    *("verdict", "plain", "reason", "missing", "note", "record"),
]


@dataclass(frozen=True)
class Markup:
    """How a format writes what both formats show.

    Attributes:
        text: Prose, its special characters escaped and its backticks honored.
        italic: Around text that is escaped already.
        bold: Likewise.
        marks: The numbers of remarks, set beside a cell.
        symbols: Short for each verdict.
    """

    text: Callable[[str], str]
    italic: Callable[[str], str]
    bold: Callable[[str], str]
    marks: Callable[[str], str]
    symbols: Mapping[Verdict, str]


@dataclass
class Remarks:
    """Texts under a table: each once, numbered from 1 in the order of their first use."""

    texts: list[str] = field(default_factory=list)

    def marks(self, texts: Sequence[str | None], markup: Markup) -> str:
        """The marks of those texts that there are, or an empty string."""
        numbers = []
        for text in filter(None, texts):
            if text not in self.texts:
                self.texts.append(text)
            numbers.append(str(self.texts.index(text) + 1))
        return markup.marks(",".join(numbers)) if numbers else ""


# ---------------------------------------------------------------- what both formats show


def blocks(table: Table) -> list[tuple[str, list[Line]]]:
    """Lines of one backbone each."""
    return [(group, list(lines)) for group, lines in groupby(table.lines, key=lambda line: line.group)]


def value_of(line: Line, column: Column) -> Value:
    """A line's value in a column; an empty one where it has none."""
    return line.values.get(column.key, NOTHING)


def digits(measured: float, column: Column) -> str:
    """A measured number as the column shows it."""
    return f"{measured:.{column.decimals}f}"


def best_digits(block: Sequence[Line], column: Column) -> str | None:
    """The best number of a column within a block as shown, so that ties are all bold; None unless it is complete."""
    measured = [number for line in block if (number := value_of(line, column).measured) is not None]
    if column.better is None or len(measured) < max(2, len(block)):
        return None
    return digits(EXTREME[column.better](measured), column)


def paper_cell(value: Value, markup: Markup) -> str:
    """The paper's digits."""
    return markup.italic(markup.text(value.paper)) if value.paper else ""


def measured_cell(value: Value, column: Column, best: str | None, markup: Markup, remarks: Remarks) -> str:
    """The measured number with its interval, or the mark of the reason why there is none."""
    if value.measured is None:
        return remarks.marks([value.missing, value.note], markup)
    shown = digits(value.measured, column)
    is_best = shown == best
    if column.unit in WITH_INTERVAL and value.low is not None and value.high is not None:
        shown += markup.text("±" + digits((value.high - value.low) / 2, column))
    return (markup.bold(shown) if is_best else shown) + remarks.marks([value.note], markup)


def block_rows(table: Table, block: Sequence[Line], markup: Markup, remarks: Remarks) -> list[list[list[str]]]:
    """For each line up to three rows (paper, measured, verdict); rows without content are left out."""
    best = {column.key: best_digits(block, column) for column in table.columns}
    shown = []
    for line in block:
        values = [(value_of(line, column), column) for column in table.columns]
        kinds = {
            "paper": [paper_cell(value, markup) for value, _ in values],
            "measured": [measured_cell(value, column, best[column.key], markup, remarks) for value, column in values],
            "verdict": ["" if value.verdict is None else markup.symbols[value.verdict] for value, _ in values],
        }
        rows = [["", kind, *cells] for kind, cells in kinds.items() if any(cells)]
        rows = rows or [["", "", *[""] * len(values)]]
        rows[0][0] = markup.text(line.label)
        shown.append(rows)
    return shown


def heading_rows(table: Table, markup: Markup) -> tuple[list[str], list[str]]:
    """Titles, and units with views, with the two columns that name the rows."""
    titles = ["", "", *(markup.text(column.title) for column in table.columns)]
    units = ["", "", *(markup.text(f"({column.measure})") if column.measure else "" for column in table.columns)]
    return titles, units


def legend(table: Table, markup: Markup) -> list[str]:
    """What the symbols mean and how often each occurs, and how to read the numbers."""
    values = [value_of(line, column) for line in table.lines for column in table.columns]
    counts = Counter(value.verdict for value in values if value.verdict is not None)
    judgements = [value.judgement for value in values if value.judgement is not None]
    shown = [verdict for verdict in Verdict if counts[verdict] or verdict is not Verdict.NEW]
    verdicts = ", ".join(f"{markup.symbols[verdict]} {verdict} ({counts[verdict]})" for verdict in shown)
    said = [f"Verdicts: {verdicts}."] if counts else []
    said += [markup.text(earned)] if (earned := earned_by_plain(judgements)) else []
    return [*said, markup.text(READING.format(name=table.name))]


# ---------------------------------------------------------------- Markdown


def markdown_text(text: str) -> str:
    """Escape what Markdown would read; code between backticks needs only its bars escaped."""
    parts = text.replace("|", r"\|").split("`")
    # Underscores within words are literal in GitHub's Markdown and stay legible in a terminal.
    special = re.compile(r"\\(?!\|)|[*<\[\]]|(?<!\w)_|_(?!\w)")
    return "`".join(part if index % 2 else special.sub(r"\\\g<0>", part) for index, part in enumerate(parts))


MARKDOWN = Markup(
    text=markdown_text,
    italic=lambda text: f"*{text}*",
    bold=lambda text: f"**{text}**",
    marks=lambda numbers: f" [{numbers}]",
    symbols=SIGNS,
)


def markdown_headings(table: Table) -> tuple[list[str], list[list[str]]]:
    """Heading and the rows below it that belong to it: Markdown has one heading row, so units and titles follow."""
    titles, units = heading_rows(table, MARKDOWN)
    if not any(column.group for column in table.columns):
        return titles, [units]
    groups = ["", "", *(MARKDOWN.text(column.group) for column in table.columns)]
    return groups, [[MARKDOWN.bold(title) if title else "" for title in titles], units]


def to_markdown(table: Table) -> str:
    """GitHub Markdown, legible in a terminal: one table for each block, remarks and notes once under all of them."""
    remarks = Remarks()
    heading, below = markdown_headings(table)
    align = ["left", "left", *["right"] * len(table.columns)]
    parts = [f"## {MARKDOWN.text(table.title)}"]
    for name, block in blocks(table):
        lines = block_rows(table, block, MARKDOWN, remarks)
        for rows in lines:
            rows[0][0] = MARKDOWN.bold(rows[0][0]) if rows[0][0] else ""
        body = [*below, *(row for rows in lines for row in rows)]
        parts += [f"### {MARKDOWN.text(name)}"] if name else []
        parts.append(tabulate(body, headers=heading, tablefmt="pipe", colalign=align, disable_numparse=True))
    notes = [*legend(table, MARKDOWN), *(MARKDOWN.text(note) for note in table.notes)]
    parts.append("\n".join(f"- {note}" for note in notes))
    if remarks.texts:
        numbered = enumerate(remarks.texts, start=1)
        parts.append("\n".join(f"- [{number}] {MARKDOWN.text(text)}" for number, text in numbered))
    return "\n\n".join(parts)


# ---------------------------------------------------------------- LaTeX

# Alone the page is wide and the font 8 point; within a document it is that document's \scriptsize, and a table wider
# than the line is shrunk to it, or hangs out on both sides alike where graphicx is not loaded.
LATEX_HEAD = r"""% Compiles alone, and by \input in a document that loads booktabs (and graphicx, to shrink it).
% LaTeX sets \@nodocument to \relax at \begin{document}: until then this file is on its own and needs a preamble.
\expandafter\ifx\csname @nodocument\endcsname\relax
  \let\finishtable\relax
\else
  \documentclass[12pt]{article}
  \usepackage[utf8]{inputenc}
  \usepackage{booktabs,graphicx}
  \usepackage[paperwidth=297mm,paperheight=420mm,margin=10mm]{geometry}
  \pagestyle{empty}
  \def\finishtable{\end{document}}
  \begin{document}
  \begin{raggedright}\textbf{<TITLE>}\par\medskip\end{raggedright}
\fi
\par\medskip
\begingroup\scriptsize\setlength{\tabcolsep}{3pt}\setlength{\parindent}{0pt}%
\sbox0{%"""
LATEX_FIT = r"""}%
\leavevmode
\ifdim\wd0>\linewidth
  \ifdefined\resizebox\resizebox{\linewidth}{!}{\usebox{0}}\else\makebox[\linewidth]{\usebox{0}}\fi
\else
  \usebox{0}%
\fi
\par\smallskip
\begin{raggedright}"""
LATEX_TAIL = r"""\end{raggedright}
\endgroup
\finishtable"""
LATEX_SPECIAL = {
    **{character: "\\" + character for character in "{}%_&#$"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "²": "$^2$",
    "³": "$^3$",
    "°": r"$^\circ$",
    "µ": r"$\mu$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "→": r"$\rightarrow$",
    "…": r"\ldots{}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{LEFT SINGLE QUOTATION MARK}": "{`}",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
    "\N{NO-BREAK SPACE}": "~",
}
LAST_LETTER = "\u017f"  # pdflatex knows the letters up to here


def latex_text(text: str) -> str:
    """Escape what LaTeX would read, and set code between backticks in typewriter."""
    parts = [latex_plain(part) for part in text.split("`")]
    return "".join(rf"\texttt{{{part}}}" if index % 2 else part for index, part in enumerate(parts))


def latex_plain(text: str) -> str:
    """Escape text without code; a character that pdflatex has no glyph for is named by its number, not dropped."""
    # Two hyphens would become a dash, and an option of a command something else.
    characters = (LATEX_SPECIAL.get(character, character) for character in text.replace("--", "\0"))
    known = (text if len(text) > 1 or text <= LAST_LETTER else f"[U+{ord(text):04X}]" for text in characters)
    return "".join(known).replace("\0", "-{}-")


LATEX = Markup(
    text=latex_text,
    italic=lambda text: rf"\textit{{{text}}}",
    bold=lambda text: rf"\textbf{{{text}}}",
    marks=lambda numbers: rf"\textsuperscript{{{numbers}}}",
    symbols={
        Verdict.REPRODUCED: r"$\surd$",
        Verdict.CONSISTENT: r"$\approx$",
        Verdict.DIFFERS: r"$\times$",
        Verdict.UNDECIDED: "?",
        Verdict.NOT_COMPARABLE: r"$\cdot$",
        Verdict.NOT_RUN: "--",
        Verdict.NEW: "new",
    },
)


def latex_row(cells: Sequence[str]) -> str:
    """A row of a tabular."""
    return " & ".join(cells) + r" \\"


def latex_headings(table: Table) -> list[str]:
    """Groups of columns with rules below them, titles, units."""
    titles, units = heading_rows(table, LATEX)
    cells, rules, first = ["", ""], [], 3
    for group, columns in groupby(table.columns, key=lambda column: column.group):
        width = len(list(columns))
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{LATEX.text(group)}}}" if group else " & " * (width - 1))
        rules += [rf"\cmidrule(lr){{{first}-{first + width - 1}}}"] if group else []
        first += width
    groups = [latex_row(cells), "".join(rules)] if rules else []
    return [r"\toprule", *groups, latex_row(titles), latex_row(units)]


def to_latex(table: Table) -> str:
    """A booktabs tabular with its remarks and notes, whole by itself and ready for another document to input."""
    remarks = Remarks()
    width = 2 + len(table.columns)
    body = [rf"\begin{{tabular}}{{ll{'r' * len(table.columns)}}}", *latex_headings(table)]
    for name, block in blocks(table):
        heading = LATEX.bold(LATEX.text(name))
        body += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{{heading}}} \\", r"\addlinespace"]
        lines = block_rows(table, block, LATEX, remarks)
        body.append("\n\\addlinespace\n".join("\n".join(map(latex_row, rows)) for rows in lines))
    body += [r"\bottomrule", r"\end{tabular}%"]
    notes = [*legend(table, LATEX), *(LATEX.text(note) for note in table.notes)]
    notes += [LATEX.marks(str(number)) + "~" + LATEX.text(text) for number, text in enumerate(remarks.texts, start=1)]
    head = LATEX_HEAD.replace("<TITLE>", LATEX.text(table.title))
    return "\n".join([head, *body, LATEX_FIT, *(note + r"\par" for note in notes), LATEX_TAIL])


# ---------------------------------------------------------------- CSV and files


def to_csv(table: Table) -> str:
    """One row for each value, with full precision; an empty field where there is nothing.

    Raises:
        ValueError: A measured number names no record.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=CSV_FIELDS, lineterminator="\n")
    writer.writeheader()
    for line in table.lines:
        for column in table.columns:
            if column.key in line.values:
                writer.writerow(csv_row(table, line, column))
    return text.getvalue().rstrip("\n")


def csv_row(table: Table, line: Line, column: Column) -> dict[str, object]:
    """One value and all that is known of it."""
    value = line.values[column.key]
    if value.measured is not None and not value.record:
        raise ValueError(
            f"{table.name}: {line.group} {line.label}, {column.key} has a number without a record; name it"
        )
    judgement = value.judgement
    return {
        "table": table.name,
        "group": line.group,
        "label": line.label,
        "model": line.model,
        "column": column.key,
        "unit": column.unit,
        "paper": value.paper,
        "measured": value.measured,
        "low": value.low,
        "high": value.high,
        "verdict": value.verdict,
        "plain": judgement.plain if judgement else None,
        "reason": judgement.reason if judgement else None,
        "missing": value.missing,
        "note": value.note,
        "record": value.record,
    }


WRITERS: Mapping[str, Callable[[Table], str]] = {".md": to_markdown, ".tex": to_latex, ".csv": to_csv}


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write the table in all three formats, none of them before all of them are made.

    Returns:
        The files, named after the table.
    """
    texts = {folder / f"{table.name}{suffix}": write(table) for suffix, write in WRITERS.items()}
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)
