"""The committed report is what the committed reference renders to, and every number there has its record."""

import itertools
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import cli
from benchmarks.cli import main
from benchmarks.core.pack import PACK
from benchmarks.core.records import Record, identity
from benchmarks.core.store import Store
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import PAPER, controls, supplement, table7_tasks
from benchmarks.papers.tdam.numbers import TABLE1
from benchmarks.papers.tdam.reference import PARTS
from benchmarks.papers.tdam.table7_tasks import PAPERS
from benchmarks.report import calibration
from benchmarks.report.claims import ClaimVerdict, judge_claims
from benchmarks.report.endings import STILL_GAINED, near_the_bound
from benchmarks.report.evidence import Query, read_evidence
from benchmarks.report.paper import Paper, Part
from benchmarks.report.report import Wanted, render_one
from benchmarks.report.verification import verify
from tests.sessions import make_session

ROOT = Path(__file__).resolve().parents[1]
REFERENCE, REPORT = ROOT / "results" / "reference", ROOT / "report" / "reference"
ON_MINI = "networks trained on mini"
# What the reference has not. Until they are measured they say what is missing.
LEFT = ("fig8", "endings")
MEASURED = [part for part in PARTS if part.experiment not in LEFT]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The reference as a fresh clone has it: records, maps of grids and the calibration, and no weights."""
    folder = tmp_path_factory.mktemp("reference")
    if (REFERENCE / "attention").is_dir():
        shutil.copytree(REFERENCE / "attention", folder / "attention")
    for name in (PACK, calibration.FILE):
        shutil.copy(REFERENCE / name, folder)
    return Store(folder)


@pytest.fixture(scope="module")
def records(clone: Store) -> list[Record]:
    return clone.records()


def test_the_committed_report_is_what_the_reference_renders_to(clone: Store) -> None:
    """After a new reference: make reference-report. Its page is not committed."""
    assert [line for line in verify(REPORT, clone, PAPER) if line != "index.html is missing"] == []


def test_the_readme_answers_with_the_references_verdicts() -> None:
    """After `make reference-report`, the lines of report/reference/answer.md stand in the README."""
    assert (REPORT / "answer.md").read_text().strip() in (ROOT / "README.md").read_text()


def test_what_the_readme_says_of_claims_on_trained_networks_is_so(clone: Store) -> None:
    """Beside the answer; once claims are decided otherwise, or by other seeds, it must say so."""
    text = " ".join((ROOT / "README.md").read_text().split())
    for said in (
        "Claims 14 to 17, on the gains of table 1, fail on `mini` by ten seeds of ResNet50 and five of ResNet101.",
        "Those on resolutions and on localization are open: their differences are too small for five seeds to tell.",
        "So are those on transfer, where TD is about a point above the plain network on the two fine-grained tasks and "
        "level with it on the third.",
        "So is that on MobileNetV3, where TD and the network's own squeeze-and-excitation differ by less than their "
        "seeds do. "
        "Most ablations are not measured.",
    ):
        assert said in text
    evidence = read_evidence(clone, PAPER.profiles, "mini", None)
    results = [one for one in judge_claims(PAPER.claims(), evidence, PAPER.claim_rules) if one.scope == ON_MINI]
    by_family = {one.claim.family: [two for two in results if two.claim.family == one.claim.family] for one in results}
    assert [one.claim.number for one in by_family["accuracy"]] == [14, 15, 16, 17]
    assert {one.verdict for one in by_family["accuracy"]} == {ClaimVerdict.FAILS}
    still_open = [*by_family["resolution"], *by_family["localization"], *by_family["transfer"]]
    assert {one.verdict for one in still_open} == {ClaimVerdict.UNDECIDED}
    assert all(re.search(r"about \d+ seeds .* would decide", one.reason) for one in still_open)
    tasks = {line.model: line.values for line in PAPER.experiment("table7-tasks").table(evidence).lines}
    for model in (one for one in tasks if parse(one).feedback):
        for column, low, high in (("cub_top1", 0.5, 1.5), ("dogs_top1", 0.5, 1.5), ("coco_map", -0.5, 0.5)):
            own, plain = tasks[model][column].measured, tasks["resnet50"][column].measured
            assert own is not None, column
            assert plain is not None, column
            assert low < own - plain < high, (model, column)
    others = {line.model: line.values["v1_last_top1"] for line in PAPER.experiment("supplement").table(evidence).lines}
    squeezed, fed_back = (others[f"mobilenet_v3_large{end}"] for end in ("", "-td-joint-t2-m1"))
    assert squeezed.measured is not None
    assert squeezed.low is not None
    assert fed_back.measured is not None
    assert abs(fed_back.measured - squeezed.measured) < squeezed.measured - squeezed.low
    assert next(one for one in results if one.claim.number == 32).verdict is ClaimVerdict.UNDECIDED
    ablations = [one.verdict for one in by_family["ablation"]]
    assert ablations.count(ClaimVerdict.NOT_RUN) > len(ablations) / 2
    for model in TABLE1.values():
        seeds = [
            len(evidence.select(Query(kind, model, {"data": data})))
            for kind, data in (("accuracy", "val"), ("accuracy", "val-part"), ("localization", "val-part"))
        ]
        assert seeds[0] == {"resnet50": 10, "resnet101": 5}[parse(model).backbone], model
        assert set(seeds[1:]) <= {0, 5}, model


def test_no_network_of_the_reference_was_trained_too_short(clone: Store) -> None:
    """Rule 2 of docs/verdicts.md: each row's longer trainings bring less than a point over the mean of its seeds."""
    table = PAPER.experiment("endings").table(read_evidence(clone, PAPER.profiles, "mini", None))
    known = [line for line in table.lines if line.values["end"].measured is not None]
    tasks = {f"fine-tuned for {PAPERS[target]}" for target in PAPER.profiles["mini"].transfers}
    tuned = {(line.group, line.model) for line in known if line.group in tasks}
    assert tuned == set(itertools.product(tasks, table7_tasks.printed_rows()))
    assert {line.model for line in known if line.group not in tasks} == {
        *TABLE1.values(),
        *controls.ROWS,
        *supplement.ROWS,
    }
    for line in known:
        gain, judged = (line.values[key].measured for key in ("gain", "judged"))
        assert gain is not None, line
        assert gain < STILL_GAINED, line
        assert judged is not None, line
        assert judged > 85, line


def test_rows_near_the_bound_have_longer_trainings_of_three_seeds(clone: Store) -> None:
    """As docs/verdicts.md says; `make reference` runs those that lack."""
    evidence = read_evidence(clone, PAPER.profiles, "mini", None)
    needed = near_the_bound(evidence)
    assert needed
    recorded = {one.cell for one in evidence.records}
    assert [str(cell) for cell in needed if cell not in recorded] == []


@pytest.mark.parametrize("part", MEASURED, ids=str)
def test_the_reference_is_complete(records: list[Record], part: Part, tmp_path: Path) -> None:
    """No cell of a part is missing."""
    session = make_session(tmp_path, "mini", seeds=tuple(range(part.seeds)), models=part.models)
    assert set(PAPER.experiment(part.experiment).cells(session)) <= {record.cell for record in records}


def test_the_word_for_the_reference_is_read_wherever_records_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a plan, and by a comparison of two folders; a folder of that name is another one."""
    planned: list[Path] = []

    def make_session(paper: Paper, options: dict[str, Any], where: object) -> None:
        planned.append(options["results"])
        raise ValueError("enough")

    monkeypatch.setattr(cli, "make_session", make_session)
    for results in ("reference", "./reference"):
        CliRunner().invoke(main, ["plan", "costs", "--results", results])
    assert planned == [REFERENCE, Path("reference")]
    compared = CliRunner().invoke(main, ["compare", "reference", str(REFERENCE)])
    # Speeds that were measured beside noise give no verdict, not even on themselves; all else is itself.
    *others, summary = compared.output.splitlines()
    assert others == [line for line in others if line.startswith("NO VERDICT efficiency ") and ": time of " in line]
    told = re.search(r"([\d,]+) numbers compared, ([\d,]+) same(?:, (\d+) too noisy to tell)?$", summary)
    assert told, summary
    numbers, same, noisy = (int((one or "0").replace(",", "")) for one in told.groups())
    assert numbers == same + noisy > 1000
    assert len(others) == noisy
    assert compared.exit_code == (3 if noisy else 0)


def test_the_reference_is_packed() -> None:
    """One file, not thousands; after a new reference: tdam-bench pack --results results/reference."""
    assert not list((REFERENCE / "records").glob("*.json"))


def test_no_cell_is_measured_twice(records: list[Record]) -> None:
    assert len({record.cell for record in records}) == len(records)


def test_records_are_what_their_names_say(clone: Store, records: list[Record]) -> None:
    """A record's id is the hash of its cell and inputs, and weights are named after the training that left them."""
    for record in records:
        assert record.id == identity(record.cell, record.inputs)
        assert clone.find(record.cell, record.inputs) == record
        if record.cell.kind in ("train", "finetune") and "diverged" not in record.notes:
            assert record.id in record.notes["weights"], record.cell


def test_every_count_is_there(clone: Store, records: list[Record], tmp_path: Path) -> None:
    """Counts of all experiments, which the claims on parameters and FLOPs rest on."""
    session = make_session(tmp_path, "mini")
    cells = {cell for name in PAPER.experiments for cell in PAPER.experiment(name).cells(session)}
    assert {cell for cell in cells if cell.kind == "cost"} <= {record.cell for record in records}
    table = PAPER.experiment("table1").table(read_evidence(clone, PAPER.profiles, "mini", None))
    assert all(line.values["flops_g"].measured for line in table.lines)


@pytest.mark.parametrize("name", PAPER.experiments)
def test_records_alone_render(clone: Store, name: str, tmp_path: Path) -> None:
    """A fresh clone draws every table and figure, and says what it lacks."""
    files = render_one(PAPER, name, Wanted(PAPER, (name,)).evidence(clone), tmp_path)
    assert files
    assert all(path.stat().st_size for path in files)
