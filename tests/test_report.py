"""The report is made from records alone, and verify names every number that is not its record's."""

import itertools
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.core.store import Store
from benchmarks.papers.tdam import PAPER
from benchmarks.report import report as reports
from benchmarks.report.closing import closing
from benchmarks.report.packing import as_lines, packed, unpacked
from benchmarks.report.report import Wanted, compiled, environment_of, write_report
from benchmarks.report.verification import verify
from tests.recorded import kept, recorded_all
from tests.sessions import make_session

WANTED = Wanted(PAPER, ("table1", "claims"), "mini")
TABLES = "report/tables"
PAGE = "report/index.html"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the counts of four networks, and its report."""
    root = tmp_path_factory.mktemp("made")
    models = "resnet50,resnet50-eca,resnet50-td-joint-t2-m1,resnet50-td-top-t2-m1"
    counted = ["--profile", "smoke", "--tasks", "cost", "--models", models]
    arguments = [*counted, "--results", str(root / "runs"), "--out", str(root / "unused")]
    result = CliRunner().invoke(main, ["run", "table1", *arguments])
    assert result.exit_code == 0, result.output
    write_report(WANTED, Store(root / "runs"), root / "report")
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with records of all experiments, made up, and its report."""
    root = tmp_path_factory.mktemp("whole")
    session = make_session(root, "mini", seeds=(0, 1))
    write_report(Wanted(PAPER, PAPER.names), kept(recorded_all(session), session.store), root / "report")
    return root


@pytest.fixture
def spoiled(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


def verified(root: Path) -> Result:
    return CliRunner().invoke(main, ["verify", str(root / "report"), "--results", str(root / "runs")])


def test_an_untouched_report_is_right(made: Path) -> None:
    result = verified(made)
    assert result.exit_code == 0, result.output
    assert "every number is that of its record" in result.output


def edit(path: Path, old: str, new: str) -> None:
    """Change the first place of a text."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def data_of(page: str) -> str:
    """What a page has packed."""
    (text,) = re.findall(r'<script type="application/gzip" id="data">([^<]*)</script>', page)
    return unpacked(text)


def edit_data(page: Path) -> None:
    """Change a digit of what is told of a number, and pack it again."""
    text = page.read_text()
    data = data_of(text)
    assert '"value": "25.557 M"' in data
    changed = data.replace('"value": "25.557 M"', '"value": "25.657 M"', 1)
    page.write_text(text.replace(packed(data), packed(changed)))


def edit_part(page: Path) -> None:
    """Change what a claim rests on, and pack it again."""
    text = page.read_text()
    data = json.loads(data_of(text))
    part = next(part for parts in data["parts"].values() for part in parts if part["measured"])
    part["measured"] += "9"
    page.write_text(text.replace(packed(data_of(text)), packed(as_lines(data))))


def edit_cell(page: Path) -> None:
    """Change a digit in the page's table."""
    text = page.read_text()
    changed = re.sub(r'(?s)(id="table1\.resnet50".*?>)25\.56(</button>)', r"\g<1>25.66\2", text, count=1)
    assert changed != text
    page.write_text(changed)


def one_record(root: Path) -> Path:
    """The record of ECA's counts by the paper's convention, which the table and the claims show."""
    paths = (root / "runs" / "records").glob("cost-resnet50-eca-*.json")
    return next(
        path for path in paths if json.loads(path.read_text())["cell"]["options"]["convention"] == PAPER.convention
    )


def with_more_parameters(path: Path, more: int) -> dict[str, Any]:
    """A record's content with another number, and nothing else."""
    content: dict[str, Any] = json.loads(path.read_text())
    (parameters,) = (metric for metric in content["metrics"] if metric["name"] == "parameters")
    parameters["value"] += more
    return content


def change_record(root: Path) -> None:
    path = one_record(root)
    path.write_text(json.dumps(with_more_parameters(path, 100_000)))


def newer_record(root: Path) -> None:
    """A record of the same cell from a later run, so that the table shows an older one."""
    path = one_record(root)
    content = with_more_parameters(path, 200_000)
    content |= {"created": "2999-01-01T00:00:00", "id": "0" * 16}
    path.with_name(f"cost-resnet50-eca-{'0' * 16}.json").write_text(json.dumps(content))


SPOILS: dict[str, tuple[Callable[[Path], object], str]] = {
    "Markdown": (lambda r: edit(r / TABLES / "table1.md", "25.56", "25.57"), "shows 25.57, the records say 25.56"),
    "whole Markdown": (lambda r: edit(r / "report" / "report.md", "4.11", "4.21"), "shows 4.21, the records say 4.11"),
    "page": (lambda r: edit_cell(r / PAGE), "shows '25.66 paper 25.56 ≈ consistent', the records say '25.56 paper"),
    "what the page tells of a number": (lambda r: edit_data(r / PAGE), "shows 25.657, the records say 25.557"),
    "what a claim rests on": (lambda r: edit_part(r / PAGE), ", measured: shows '"),
    "what the page has packed": (lambda r: edit(r / PAGE, 'id="data">H4sI', 'id="data">H4sJ'), "index.html, line"),
    "LaTeX": (lambda r: edit(r / TABLES / "table1.tex", "25.56", "26.56"), "shows 26.56, the records say 25.56"),
    "CSV": (lambda r: edit(r / TABLES / "table1.csv", ",25.557032,", ",25.557033,"), "shows 25.557033"),
    "record deleted": (lambda r: one_record(r).unlink(), "is gone from"),
    "record changed": (change_record, "has changed since the report was made"),
    "record torn": (lambda r: one_record(r).write_text("{"), "is not readable as JSON"),
    "older record": (newer_record, "the records say 25.76"),
    "file missing": (lambda r: (r / TABLES / "table1.md").unlink(), "tables/table1.md is missing"),
    "a claim's number": (lambda r: edit(r / PAGE, "27.06 and", "27.16 and"), "27.16 and 27.65 M' shows 27.16, the"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILS)
def test_what_is_not_its_records_is_named(spoiled: Path, what: str) -> None:
    spoil, message = SPOILS[what]
    spoil(spoiled)
    result = verified(spoiled)
    assert result.exit_code == 1, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_folder_without_a_report(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["verify", str(tmp_path), "--results", str(tmp_path)])
    assert result.exit_code == 1
    assert "holds no report (manifest.json: No such file or directory)" in result.output


def test_another_results_folder_is_named(made: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["verify", str(made / "report"), "--results", str(tmp_path)])
    assert result.exit_code == 1
    assert re.search(rf"{tmp_path} has none of the \d+ records of .*; name their folder with --results", result.output)


def test_a_report_on_another_paper_is_refused(made: Path) -> None:
    with pytest.raises(ValueError, match="is on the paper tdam, not other; name it with --paper"):
        verify(made / "report", Store(made / "runs"), replace(PAPER, name="other"))


def test_the_report_is_the_same_every_time(made: Path, tmp_path: Path) -> None:
    write_report(WANTED, Store(made / "runs"), tmp_path)
    for name in ("index.html", "report.md", "report.tex", "manifest.json"):
        assert (tmp_path / name).read_bytes() == (made / "report" / name).read_bytes(), name


def test_a_report_of_some_models_is_verified_as_such(whole: Path, tmp_path: Path) -> None:
    """Profile, models and experiments are those that the report was made of."""
    store = Store(whole / "runs")
    models = ("resnet50", "resnet50-se")
    write_report(Wanted(PAPER, ("table1", "table7-wsol"), models=models), store, tmp_path)
    assert verify(tmp_path, store, PAPER) == []
    shown = (tmp_path / "tables" / "table1.md").read_text()
    assert "**SE**" in shown
    assert "CBAM" not in shown


def test_every_number_of_a_whole_report_is_that_of_its_record(whole: Path) -> None:
    """Of all experiments and the claims; where every cell has its record, nothing is missing."""
    assert verify(whole / "report", Store(whole / "runs"), PAPER) == []
    tables = {path.stem for path in (whole / "report" / "tables").iterdir()}
    assert tables == {*PAPER.names, "claims-tests"}
    page = (whole / "report" / "index.html").read_text()
    assert all(f'id="table-{name}"' in page for name in PAPER.experiments)
    assert all(f'id="claim-{claim.number}"' in page for claim in PAPER.claims())
    for path in (whole / "report" / "tables").glob("*.csv"):
        assert "not run" not in path.read_text(), path


def test_the_page_needs_no_network(made: Path) -> None:
    """No address is loaded; every picture has a text, every table headings; headings descend by one."""
    page = (made / "report" / "index.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page.replace('<a href="http', '<a link="http'))
    assert "url(http" not in page
    assert all('alt="' in image and 'alt=""' not in image for image in re.findall(r"<img[^>]*>", page))
    levels = [int(level) for level in re.findall(r"<h([1-6])", page.partition("<dialog")[0])]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_text_of_records_cannot_break_the_page(tmp_path: Path) -> None:
    """A device that calls itself a script is shown as text."""
    session = make_session(tmp_path, "mini", models=("resnet50",))
    evil = [
        replace(record, inputs={**record.inputs, "device": "</script><!--<script>alert(1)</script>"})
        for record in recorded_all(session, ["table4"])
    ]
    write_report(WANTED, kept(evil, session.store), tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "script>alert(1)" in data_of(page)
    assert "<script>alert" not in page
    assert "<!--" not in page


def test_verify_checks_without_the_command_line(made: Path) -> None:
    assert verify(made / "report", Store(made / "runs"), PAPER) == []


def test_the_command_prints_the_answer_and_no_list_of_files(made: Path, tmp_path: Path) -> None:
    """As a run does at its end; beside what was asked for nothing lies in the folder."""
    out = tmp_path / "report"
    command = ["report", *WANTED.names, "--results", str(made / "runs"), "--out", str(out)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == closing(WANTED, WANTED.evidence(Store(made / "runs")), out)
    printed = f"; for print: {out / 'report.pdf'}" if shutil.which("pdflatex") else ""
    assert result.stdout.endswith(f"the page: {out / 'index.html'}{printed}\n")
    texts = {"answer.md", "index.html", "manifest.json", "report.md", "report.tex"}
    assert {path.name for path in out.iterdir() if path.is_file()} == texts | ({"report.pdf"} if printed else set())


def test_the_environment_names_what_draws(made: Path) -> None:
    told = dict(environment_of(WANTED.evidence(Store(made / "runs"))))
    assert f"matplotlib {metadata.version('matplotlib')}" in told["rendered with"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
def test_where_latex_fails_its_log_is_kept(made: Path, tmp_path: Path) -> None:
    """It goes once LaTeX does not fail any more."""
    out = tmp_path / "report"
    shutil.copytree(made / "report", out)
    right = (out / "report.tex").read_text()
    (out / "report.tex").write_text(right.replace(r"\section*", r"\nonsense", 1))
    with pytest.raises(
        ValueError, match=f"! Undefined control sequence.*, see {out / 'report.log'}; the page is {out}"
    ):
        reports.pdf(out)
    assert "nonsense" in (out / "report.log").read_text(errors="replace")
    (out / "report.tex").write_text(right)
    reports.pdf(out)
    assert {path.suffix for path in out.glob("report.*")} == {".md", ".tex", ".pdf"}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
@pytest.mark.parametrize("report", ["made", "whole"])
def test_nothing_runs_past_the_edges_of_the_pdf(report: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(report) / "report"
    assert (folder / "report.pdf").stat().st_size > 0
    assert compiled("pdflatex", folder, tmp_path).returncode == 0
    assert "Overfull" not in (tmp_path / "report.log").read_text(errors="replace")
