"""Another paper in a folder of its own: the suite runs, shows and verifies it, and knows none of its words."""

import json
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.core.records import Cell, MetricKey
from benchmarks.core.store import Store
from benchmarks.report.paper import ROOT, Paper, load_paper
from benchmarks.report.report import Wanted
from benchmarks.work.profiles import Profile

FOLDER = ROOT / "examples" / "eca_net"
CHECKED = "every number is that of its record"
# Parameters in 2^20 and FLOPs in 2^30, from the suite's counts.
MEASURED = {
    "resnet50": ("24.37", "3.859"),
    "resnet50-se": ("26.77", "3.861"),
    "resnet50-cbam": ("26.77", "3.865"),
    "resnet50-eca": ("24.37", "3.859"),
    "resnet101": ("42.49", "7.340"),
    "resnet101-se": ("47.01", "7.344"),
    "resnet101-cbam": ("47.01", "7.350"),
    "resnet101-eca": ("42.49", "7.340"),
}
Call = Callable[..., Result]


@pytest.fixture(autouse=True, scope="module")
def untouched_modules() -> Iterator[None]:
    """A paper from outside puts its parent on the path and its modules among the loaded ones."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == FOLDER.name]:
        del sys.modules[name]


def call(*arguments: str, paper: Path | str = FOLDER) -> Result:
    return CliRunner().invoke(main, ["--paper", str(paper), *arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with its records in ``runs`` and their report in ``report``."""
    folder = tmp_path_factory.mktemp("second")
    for command in (["run", "table3"], ["report"]):
        result = call(*command, "--results", str(folder / "runs"), "--out", str(folder / "report"))
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def shown(runs: Path) -> Call:
    """Calls a command on those records."""
    return lambda *arguments: call(*arguments, "--results", str(runs / "runs"))


def test_table_has_its_rows_and_verdicts(runs: Path) -> None:
    paper = load_paper(str(FOLDER))
    evidence = Wanted(paper, paper.names).evidence(Store(runs / "runs"))
    table = paper.experiment("table3").table(evidence)
    params, flops, top1 = table.columns
    seen = {
        line.model: tuple(f"{line.values[one.key].measured:.{one.decimals}f}" for one in (params, flops))
        for line in table.lines
    }
    assert seen == MEASURED
    printed = paper.costs()
    for line in table.lines:
        for column in (params, flops, top1):
            assert line.values[column.key].paper == printed[line.model][column.key]
    verdicts = {column.key: {line.model: str(line.values[column.key].judgement.verdict) for line in table.lines}
                for column in table.columns}  # fmt: skip
    # What the plain network has to the same digit tells nothing of an attention.
    as_plain = {"resnet50", "resnet50-eca", "resnet101", "resnet101-eca"}
    expected = {model: "CONSISTENT" if model in as_plain else "REPRODUCED" for model in printed}
    assert verdicts["params_m"] == expected
    assert set(verdicts["top1"].values()) == {"NOT RUN"}
    differing = {model for model, verdict in verdicts["flops_g"].items() if verdict == "DIFFERS"}
    assert differing == {"resnet50-se", "resnet50-cbam", "resnet101-se", "resnet101-eca"}


def test_plain_networks_have_the_digits_of_the_paper(runs: Path) -> None:
    """Its counter is known, so what it prints of the networks without attention must come out to the digit."""
    flops = {record.cell.model: record.metrics[MetricKey("flops")].value for record in Store(runs / "runs").records()}
    assert f"{flops['resnet50'] / 2**30:.2f}" == "3.86"
    assert f"{flops['resnet101'] / 2**30:.2f}" == "7.34"
    # thop 0.0.22 itself counts 4,142,713,856: of a ReLU that is called several times it has the last call only.
    assert flops["resnet50"] == pytest.approx(4_142_713_856, rel=2e-4)


def test_show_prints_it(shown: Call) -> None:
    result = shown("show")
    assert result.exit_code == 0
    assert [result.stdout.count(f"**{method}**") for method in ("ResNet", "SENet", "CBAM", "ECA-Net")] == [2] * 4
    assert "✓ REPRODUCED (5), ≈ CONSISTENT (7), ✗ DIFFERS (4)" in result.stdout
    assert "The paper counts 80" in result.stdout
    assert "laim" not in result.stdout


@pytest.mark.parametrize("command", [("show", "--results", "reference"), ("compare", "reference", ".")])
def test_it_has_no_records_of_the_project_s_own(command: tuple[str, ...]) -> None:
    """Wrong usage, which is neither an error of the run nor a regression."""
    result = call(*command)
    assert result.exit_code == 2
    assert "has no reference; give its PAPER one" in result.stderr


def test_a_second_run_has_nothing_to_do(shown: Call, tmp_path: Path) -> None:
    assert "8 done, 0 run, 0 wait, 0 blocked" in shown("plan", "table3").stdout
    assert "0 cells run, 8 done before" in shown("run", "--out", str(tmp_path)).stdout


def test_report_has_what_the_paper_has(runs: Path) -> None:
    for name in ("index.html", "report.md", "report.tex"):
        text = (runs / "report" / name).read_text()
        assert "ECA-Net" in text
        for absent in ("TDAM", "Deviations", "Claims"):
            assert absent not in text, name
    assert "<p></p>" not in (runs / "report" / "index.html").read_text()


def test_verify_names_a_changed_number(runs: Path, shown: Call) -> None:
    report = runs / "report"
    assert CHECKED in shown("verify", str(report)).stdout
    for name, mark, named in (
        ("index.html", "26.77<", "index.html, table3.resnet50-se.params_m: shows '26.78"),
        ("tables/table3.md", " 26.77 |", "shows 26.78, the records say 26.77"),
    ):
        text = (report / name).read_text()
        (report / name).write_text(text.replace(mark, mark.replace("26.77", "26.78"), 1))
        result = shown("verify", str(report))
        (report / name).write_text(text)
        assert result.exit_code == 1
        assert named in result.stderr
    assert CHECKED in shown("verify", str(report)).stdout


def test_a_report_is_verified_by_its_own_paper(runs: Path) -> None:
    result = call("verify", str(runs / "report"), "--results", str(runs / "runs"), paper="tdam")
    assert result.exit_code == 1
    assert "is on the paper eca_net, not tdam" in result.stderr


def test_two_papers_share_a_results_folder(runs: Path, tmp_path: Path) -> None:
    """Records of the one paper's profiles are nothing to the other."""
    both = Store(tmp_path / "both")
    (both.folder / "records").mkdir(parents=True)
    for file in [runs / "runs" / "schema.json", *(runs / "runs" / "records").iterdir()]:
        (both.folder / file.relative_to(runs / "runs")).write_bytes(file.read_bytes())
    both.note_absence(Cell("train", "resnet50", "mini", {"seed": 0}), "not run", "")
    assert call("show", "--results", str(both.folder)).exit_code == 0
    result = call("show", "table1", "--results", str(both.folder), paper="tdam")
    assert result.exit_code == 1
    assert "nothing of table1 is measured" in result.stderr
    assert "tdam-bench run table1 --profile mini" in result.stderr


def test_gaps_name_a_command_of_this_paper(tmp_path: Path) -> None:
    result = call("show", "--results", str(tmp_path))
    assert result.exit_code == 1
    assert "`tdam-bench --paper examples/eca_net run --profile counts" in result.stderr


def test_costs_are_counted_as_the_paper_counts() -> None:
    result = call("costs", "resnet50", "resnet50-eca", "--format", "csv")
    header, *rows = (line.split(",") for line in result.stdout.splitlines())
    by_model = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert f"{float(by_model['resnet50']['FLOPs [G]']):.2f}" == by_model["resnet50"]["paper FLOPs [G]"] == "3.86"
    assert {row["params verdict"] for row in by_model.values()} == {"CONSISTENT"}
    parts = call("costs", "resnet50", "--by-operator", "--format", "json").stdout
    total = sum(part["FLOPs [G]"] for part in json.loads(parts))
    assert total == pytest.approx(float(by_model["resnet50"]["FLOPs [G]"]))


def test_list_names_its_table() -> None:
    assert call("list").stdout.startswith("table3")


@pytest.mark.parametrize(
    ("arguments", "paper", "code", "message"),
    [
        (["list"], "nowhere", 1, "unknown paper 'nowhere'; choose one of tdam, or a folder"),
        (["check"], FOLDER, 2, "the paper 'eca_net' has no gate; give its PAPER one"),
        (["lock"], FOLDER, 1, "the paper eca_net keeps no lock; name one in its PAPER"),
        (["show", "claims"], FOLDER, 1, "unknown experiment 'claims'; choose one of table3"),
        (["plan", "--profile", "mini"], FOLDER, 1, "unknown profile 'mini'; choose one of counts"),
        (["train", "resnet50"], FOLDER, 1, "the profile counts has no recipe to train by"),
        (["train", "resnet50", "--reduced"], FOLDER, 1, "the profile counts has no reduced data"),
    ],
)  # fmt: skip
def test_what_it_lacks_is_said_in_one_line(arguments: list[str], paper: Path | str, code: int, message: str) -> None:
    result = call(*arguments, paper=paper)
    assert result.exit_code == code
    (line,) = result.stderr.splitlines()
    assert message in line


def test_two_folders_of_one_name_are_two_papers(tmp_path: Path) -> None:
    """A copy that was changed is not taken for the one that was loaded before, nor the other way round."""
    copy = shutil.copytree(FOLDER, tmp_path / FOLDER.name)
    text = (copy / "__init__.py").read_text()
    (copy / "__init__.py").write_text(text.replace('"eca_net"', '"a copy"'))
    assert [load_paper(str(one)).name for one in (FOLDER, copy, FOLDER)] == ["eca_net", "a copy", "eca_net"]


def test_a_paper_by_the_name_of_a_module_is_refused(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "json")
    result = call("list", paper=tmp_path / "json")
    assert result.exit_code == 1
    assert "has the name of a module of Python, json; give its folder another" in result.stderr


def test_a_name_is_enough_for_a_paper_that_only_counts() -> None:
    profile = Profile("counts")
    assert profile.size == "paper"
    assert not profile.trains
    assert profile.crop_of("resnet50") == 1.0
    with pytest.raises(ValueError, match="no recipe"):
        profile.recipe_of("resnet50")


def test_it_is_small() -> None:
    texts = [path.read_text() for path in sorted(FOLDER.glob("*.py"))]
    assert sum(bool(line.strip()) for text in texts for line in text.splitlines()) <= 130


def test_the_suite_does_not_know_it() -> None:
    paper = load_paper(str(FOLDER))
    assert isinstance(paper, Paper)
    for path in (ROOT / "benchmarks").rglob("*.*"):
        if path.suffix in (".py", ".j2", ".css", ".js", ".json"):
            text = path.read_text().lower()
            assert paper.name not in text, path
            assert paper.cited.partition(" ")[0].lower() not in text, path


def test_the_suites_own_paper_passes_between_processes() -> None:
    """Also after its modules were imported, whose names must not take the place of what it offers."""
    own = load_paper("tdam")
    loaded = own.rules(), own.claims(), own.probes(), own.costs()
    assert all(loaded)
    assert pickle.loads(pickle.dumps(own)) == own
