"""Tables and plots show what they are given: nothing lost, nothing bold that should not be, files that compile."""

import csv
import io
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.report.comparison import to_csv, to_latex, to_markdown, write_table
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.verdicts import Judgement, Verdict

ROOT = Path(__file__).resolve().parents[1]
REPRODUCED = Judgement(Verdict.REPRODUCED, "25.56 against 25.56")
DIFFERS = Judgement(Verdict.DIFFERS, "off by 50 %, allowed 5 %")
UNDECIDED = Judgement(Verdict.UNDECIDED, "differences below 3 % cannot be told")
OTHER_TASK = Judgement(Verdict.NOT_COMPARABLE, "digits are not ImageNet: `make table1 PROFILE=full` can be compared")
MISSING = "out of memory at batch 256: `tdam-bench run table1 --batch 128` fills it"

COLUMNS = (
    Column("params", "Params", "M", better="lower"),
    Column("fps", "Speed", "images/s", decimals=0, better="higher"),
    Column("top1", "top-1", "%", group="ImageNet-V2", decimals=1, better="higher"),
    Column("top5", "top-5", "%", group="ImageNet-V2", decimals=1),
)


def line(group: str, label: str, number: int, params: float, fps: float | None, top1: float) -> Line:
    """A row; its records are named after its number."""
    record = f"{number:016x}"
    speed = Value("704", fps, REPRODUCED, record) if fps else Value("704", None, None, missing=MISSING)
    accuracy = Value("66.39", top1, OTHER_TASK, record, low=top1 - 1.0, high=top1 + 1.2)
    values = {"params": Value("25.56", params, DIFFERS, record), "fps": speed, "top1": accuracy}
    return Line(group, label, f"model-{number}", {**values, "top5": Value(None, 97.04, None, record)})


@pytest.fixture
def table() -> Table:
    """Two blocks of two: speed is complete in the second only; every verdict occurs, and every special character."""
    plain = line("ResNet50", "ResNet", 1, 25.557, 700.4, 84.24)
    plain = replace(plain, values={**plain.values, "params": Value("25.56", 25.557, REPRODUCED, f"{1:016x}")})
    partial = line("ResNet101", "TD_joint & co*", 4, 46.75, 512.0, 81.06)
    value = replace(partial.values["fps"], note="partial, n=9,998", judgement=UNDECIDED)
    return Table(
        "table1",
        "Table 1: 100 % of {accuracy} & cost_of #1",
        [
            "224² at ±5 %, a_b *c* ~ ^ \\ < > | $5 #6 {7} é ✓ \N{EN DASH} \N{RIGHT SINGLE QUOTATION MARK}.",
            "Weights by `--weights a_b|c`.",
        ],
        COLUMNS,
        [
            plain,
            line("ResNet50", "SE", 2, 28.07, None, 85.06),
            line("ResNet101", "ResNet", 3, 44.55, 498.0, 84.0),
            replace(partial, values={**partial.values, "fps": value}),
        ],
    )


def bold_numbers(markdown: str) -> list[str]:
    """Bold numbers in the measured rows, in order."""
    rows = [row for row in markdown.splitlines() if "| measured" in row]
    return [number for row in rows for number in re.findall(r"\*\*([\d.]+)", row)]


def test_bold_is_the_best_of_complete_columns(table: Table) -> None:
    """Lowest parameters and highest top-1 of each block; speed only in the block that has all of it; never top-5."""
    assert bold_numbers(to_markdown(table)) == ["25.56", "85.1", "44.55", "84.0", "512"]
    latex = [match for match in re.findall(r"\\textbf\{([\d.]+)", to_latex(table)) if match]
    assert latex == ["25.56", "85.1", "44.55", "84.0", "512"]


def test_ties_as_shown_are_all_bold(table: Table) -> None:
    """Two numbers that read the same are treated the same."""
    lines = [line("ResNet50", "A", 1, 25.561, 700.0, 80.0), line("ResNet50", "B", 2, 25.559, 710.0, 80.0)]
    assert bold_numbers(to_markdown(replace(table, lines=lines))) == ["25.56", "80.0", "25.56", "710", "80.0"]


def test_a_block_of_one_has_no_best(table: Table) -> None:
    assert not bold_numbers(to_markdown(replace(table, lines=table.lines[:1])))


def test_rows_tell_paper_measured_and_verdict_apart(table: Table) -> None:
    """Paper in italics as printed, interval as its half, each verdict its own symbol, counted in the legend."""
    text = to_markdown(table)
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in text.splitlines() if row.startswith("|")]
    start = next(index for index, row in enumerate(rows) if row[0] == "**ResNet**")
    assert rows[start] == ["**ResNet**", "paper", "*25.56*", "*704*", "*66.39*", ""]
    assert rows[start + 1] == ["", "measured", "**25.56**", "700", "84.2±1.1", "97.0"]
    assert rows[start + 2] == ["", "verdict", "✓", "✓", "·", ""]
    assert (
        "✓ REPRODUCED (3), ≈ CONSISTENT (0), ✗ DIFFERS (3), ? UNDECIDED (1), · NOT COMPARABLE (4), ○ NOT RUN (1)"
        in text
    )
    assert all(heading in text for heading in ("ImageNet-V2", "(images/s)", "### ResNet50", "### ResNet101"))


def test_the_legend_tells_what_the_plain_network_would_have_earned(table: Table) -> None:
    """Of what agrees with the paper: one of two CONSISTENT is its own as well, and of what differs nothing is told."""
    told = "The plain network's own numbers would have earned"
    assert f"{told} 0 of the 3 REPRODUCED.\n" in to_markdown(table)
    alike = Judgement(Verdict.CONSISTENT, "as the plain network has it too", Verdict.CONSISTENT)
    better = Judgement(Verdict.CONSISTENT, "not told", Verdict.DIFFERS)
    judged = [
        replace(each, values={**each.values, "params": replace(each.values["params"], judgement=one)})
        for each, one in zip(table.lines[:2], (alike, better), strict=True)
    ]
    for text in (to_markdown, to_latex):
        assert f"{told} 0 of the 1 REPRODUCED and 1 of the 2 CONSISTENT." in text(replace(table, lines=judged))
    differing = [replace(table.lines[1], values={"params": table.lines[1].values["params"]})]
    assert told not in to_markdown(replace(table, lines=differing))


def test_differences_are_shown_with_their_interval(table: Table) -> None:
    """As shares are: a number in points without it would say more than was measured."""
    column = Column("gain", "gain", "points", decimals=1)
    lines = [replace(table.lines[0], values={"gain": Value(measured=-0.4, low=-1.5, high=0.7, record="0" * 16)})]
    assert "-0.4±1.1" in to_markdown(replace(table, columns=[column], lines=lines))


def test_missing_reasons_are_listed_once_with_their_command(table: Table) -> None:
    """Equal reasons share a mark; a partial number has its own."""
    lines = [replace(each, values={**each.values, "params": Value(missing=MISSING)}) for each in table.lines]
    text = to_markdown(replace(table, lines=lines))
    assert text.count(MISSING) == 1
    assert f"- [1] {MISSING}" in text
    assert len(re.findall(r"\| +\[1\] ", text)) == 5
    assert text.count("partial, n=9,998") == 1
    assert "512** [2]" in text
    latex = to_latex(table)
    assert latex.count(r"\texttt{tdam-bench run table1 -{}-batch 128}") == 1


def test_a_number_of_the_papers_that_was_not_measured_is_not_run(table: Table) -> None:
    """In every format, and counted; where the paper prints none, nothing is lacking."""
    lines = [
        replace(table.lines[0], values={"params": Value("25.56", missing=MISSING), "top5": Value(missing=MISSING)})
    ]
    lacking = replace(table, lines=lines)
    text = to_markdown(lacking)
    assert "○ NOT RUN (1)" in text
    (verdicts,) = (row for row in text.splitlines() if "| verdict" in row)
    assert [cell.strip() for cell in verdicts.strip("|").split(" | ")][2:] == ["○", "", "", ""]
    assert "NOT RUN (1)" in to_latex(lacking)
    assert [row["verdict"] for row in csv.DictReader(io.StringIO(to_csv(lacking)))] == ["NOT RUN", ""]


def test_markdown_escapes_outside_code_only(table: Table) -> None:
    """What Markdown would read is escaped; commands can be copied."""
    text = to_markdown(table)
    assert r"**TD_joint & co\***" in text
    assert r"a_b \*c\*" in text
    assert r"`--weights a_b\|c`" in text


def test_csv_keeps_everything(table: Table) -> None:
    """One row for each value, numbers exact, and a record beside each measured one."""
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert len(rows) == len(table.lines) * len(COLUMNS)
    expected = [(line, column, line.values[column.key]) for line in table.lines for column in COLUMNS]
    for row, (each, column, value) in zip(rows, expected, strict=True):
        assert (row["table"], row["group"], row["label"], row["model"]) == (
            "table1",
            each.group,
            each.label,
            each.model,
        )
        assert (row["column"], row["unit"]) == (column.key, column.unit)
        assert [float(row[key]) if row[key] else None for key in ("measured", "low", "high")] == [
            value.measured, value.low, value.high,
        ]  # fmt: skip
        judged = (str(value.verdict or ""), value.judgement.reason if value.judgement else "")
        assert (row["verdict"], row["reason"]) == judged
        for key in ("paper", "missing", "note", "record"):
            assert (row[key] or None) == getattr(value, key)


def test_a_number_without_a_record_is_refused(table: Table) -> None:
    """No file is left behind, and the line says which number it is."""
    lines = [replace(table.lines[0], values={"params": Value("25.56", 25.56, REPRODUCED)})]
    with pytest.raises(ValueError, match="ResNet50 ResNet, params has a number without a record"):
        to_csv(replace(table, lines=lines))


def test_a_table_without_lines_renders(table: Table) -> None:
    """Before anything ran there is a title, how to read numbers, and notes; without verdicts none is explained."""
    empty = replace(table, lines=())
    assert to_markdown(empty).startswith("## Table 1")
    assert "Italic: the paper's number" in to_markdown(empty)
    assert "REPRODUCED" not in to_markdown(empty)
    assert to_latex(empty).count(r"\midrule") == 0
    assert len(to_csv(empty).splitlines()) == 1


HOSTS = {
    "booktabs": r"\documentclass{article}\usepackage{booktabs}",
    "graphicx": r"\documentclass{article}\usepackage{booktabs,graphicx}",
}


def compile_latex(path: Path) -> str:
    """Compile and return the log, its broken lines joined."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return path.with_suffix(".log").read_text(errors="replace")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("host", [None, *HOSTS])
def test_latex_compiles_alone_and_by_input(table: Table, tmp_path: Path, host: str | None) -> None:
    """Without a box that is too wide, in a table that is wider than the host's line, special characters and all."""
    many = [replace(column, key=f"{column.key}{copy}") for copy in range(3) for column in COLUMNS]
    lines = [
        replace(each, values={column.key: each.values[column.key[:-1]] for column in many}) for each in table.lines
    ]
    write_table(replace(table, columns=many, lines=lines), tmp_path)
    path = tmp_path / "table1.tex"
    if host:
        path = tmp_path / "host.tex"
        path.write_text(
            f"{HOSTS[host]}\n\\begin{{document}}\nBefore.\n\n\\input{{table1}}\n\nAfter.\n\\end{{document}}\n"
        )
    log = compile_latex(path)
    assert "Overfull" not in log
    assert "Missing character" not in log
    assert "1 page" in log


def test_tables_are_written_whole(table: Table, tmp_path: Path) -> None:
    """Three files named after the table and nothing else; twice gives the same bytes."""
    paths = write_table(table, tmp_path / "tables")
    first = [path.read_bytes() for path in paths]
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == ["table1.csv", "table1.md", "table1.tex"]
    assert [path.read_bytes() for path in write_table(table, tmp_path / "tables")] == first


def test_rendering_imports_no_torch() -> None:
    """Not by way of another module either: with torch, rendering would take seconds longer."""
    names = sorted(f"benchmarks.report.{path.stem}" for path in (ROOT / "benchmarks" / "report").glob("*.py"))
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "assert not {'torch', 'pandas', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "from benchmarks.papers.tdam import PAPER\n"
        "PAPER.claims(), [PAPER.experiment(name) for name in PAPER.experiments]\n"
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
