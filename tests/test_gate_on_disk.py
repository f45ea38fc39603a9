"""The gate on images on disk: what passes, what it names, and what it refuses before it runs anything."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file

import tdam
from benchmarks.cli import main
from benchmarks.core.store import Store
from benchmarks.metrics.rules import Bools, Floats, StepRule, one_step
from benchmarks.networks.models import create
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.recipes import PROFILES
from benchmarks.papers.tdam.rules import RULES
from benchmarks.report.paper import ROOT
from benchmarks.work.workers import COMPUTED_WITH
from tests.test_checkpoints import released_layout
from tests.test_wsol_path import draw_tree
from tests.trees import draw_imagenet, draw_imagenet_v2

PLAIN, FEEDBACK = "resnet18", "resnet18-td-joint-t2-m2"
CLASSES = 4


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve validation images with boxes, and V2."""
    root = tmp_path_factory.mktemp("tree")
    draw_tree(root)
    draw_imagenet_v2(root, classes=CLASSES, per_class=1)
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: of a plain network in the suite's format, of one with feedback as the authors release theirs."""
    folder = tmp_path_factory.mktemp("weights")
    write_weights(folder, seed=0)
    (folder / "README.pth").write_text("no network's name")
    return folder


def write_weights(folder: Path, seed: int) -> None:
    torch.manual_seed(seed)
    save_file(create(PLAIN, CLASSES).state_dict(), folder / f"{PLAIN}.safetensors")
    state = released_layout(tdam.resnet18(distance=2, num_classes=CLASSES))
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, folder / f"{FEEDBACK}.pth")


def told(tree: Path, weights: Path, kept: Path, *more: str) -> list[str]:
    """The command line; what comes later counts."""
    places = ["--data-root", str(tree), "--weights", str(weights), "--against", str(kept)]
    return ["check", "--profile", "full", "--num-classes", str(CLASSES), "--limit", "5", *places, *more]


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(scope="module")
def kept(tree: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What --renew wrote."""
    folder = tmp_path_factory.mktemp("kept") / "new"
    result = check(*told(tree, weights, folder, "--renew"))
    assert result.exit_code == 0, result.output
    part = "5 of 50,000 images (--limit), drawn of the 12 that are there"
    assert result.stdout.startswith(f"{folder} keeps 6 cells of {PLAIN}, {FEEDBACK}; val: {part}; v2: ")
    return folder


@pytest.fixture
def against(tree: Path, weights: Path, kept: Path) -> list[str]:
    """The command line of a run that nothing is wrong with."""
    return told(tree, weights, kept)


def copied(kept: Path, target: Path) -> Path:
    """A copy of what was kept, to be changed."""
    for path in kept.rglob("*"):
        if path.is_file():
            (target / path.relative_to(kept)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(kept)).write_bytes(path.read_bytes())
    return target


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


# ---------------------------------------------------------------- what passes


def test_a_clean_rerun_passes_to_the_last_bit(tree: Path, weights: Path, kept: Path, tmp_path: Path) -> None:
    """All that was kept is compared, and it is said how; also of one network, of a file, and with the records kept."""
    result = check(*told(tree, weights, kept))
    assert result.exit_code == 0, result.output
    how, summary = result.stdout.splitlines()
    assert how.startswith("compared to the last bit: ")
    assert summary.startswith("nothing regressed: ")
    one = check(
        *told(tree, weights / f"{FEEDBACK}.pth", kept, "--models", FEEDBACK, "--keep", str(tmp_path / "mine")),
        "--junit", str(tmp_path / "junit.xml"),
    )  # fmt: skip
    assert one.exit_code == 0, one.output
    assert {record.cell.model for record in Store(tmp_path / "mine").records()} == {FEEDBACK}
    assert "stands" not in one.stdout
    assert (tmp_path / "junit.xml").read_text().count("<testcase") == 3
    only = check(*told(tree, weights, kept, "--only", "localization", "--models", PLAIN))
    assert only.exit_code == 0, only.output


def test_what_data_are_lacking_for_is_left_out_and_told(weights: Path, tmp_path: Path) -> None:
    """A folder with val alone, flat: no V2, no boxes; its gate looks at the accuracy on val."""
    tree, folder = tmp_path / "tree", tmp_path / "kept"
    draw_imagenet(tree, classes=CLASSES, per_class=3, flat_val=True)
    result = check(*told(tree, weights, folder, "--renew", "--models", PLAIN))
    assert result.exit_code == 0, result.output
    v2, boxes, keeps = result.stdout.splitlines()
    assert v2.startswith("left out: accuracy on v2: imagenet-v2 is missing")
    assert boxes.startswith("left out: localization on val: ")
    assert f"keeps 1 cells of {PLAIN}; val: 5 of 50,000 images" in keeps
    assert check(*told(tree, weights, folder)).exit_code == 0


# ---------------------------------------------------------------- what is a regression


def least_sure(scores: Floats, boxes: Floats) -> Bools:
    """The step of the lowest probability: a fault."""
    return one_step(scores, scores.argmin(axis=1))


def other_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = tuple(StepRule("confident", least_sure) if one.name == "confident" else one for one in RULES.steps)
    monkeypatch.setattr("benchmarks.papers.tdam.rules.RULES", replace(RULES, steps=steps))


def other_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.work.passes.resized_side", lambda resolution, crop: resolution)


def other_crop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "full", replace(PROFILES["full"], crop={"": 0.95}))


def other_normalization(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.work.passes.IMAGENET_STD", (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("plant", "symptom"),
    [
        (other_rule, f"localization {FEEDBACK} data=val resolution=224: stands_confident: expected"),
        (other_view, f"accuracy {FEEDBACK} data=val resolution=224: score_1: expected"),
        (other_crop, f"accuracy {FEEDBACK} data=val resolution=224: crop: expected 0.875, found 0.95"),
        (other_normalization, f"accuracy {FEEDBACK} data=val resolution=224: score_1: expected"),
    ],
    ids=["stop rule", "view", "crop", "normalization"],
)
def test_a_planted_fault_is_a_regression(
    against: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch], None],
    symptom: str,
) -> None:
    plant(monkeypatch)
    result = check(*against, "--models", FEEDBACK, "--junit", str(tmp_path / "junit.xml"))
    assert result.exit_code == 1, result.output
    assert symptom in (tmp_path / "junit.xml").read_text() + result.stdout
    assert "REGRESSION" in result.stdout


@pytest.mark.parametrize("limit", ["5", "12"])
def test_a_swapped_label_file_is_a_regression(weights: Path, tmp_path: Path, limit: str) -> None:
    """Also where the labels decide which images are drawn; no image need be looked at."""
    tree, folder = tmp_path / "tree", tmp_path / "kept"
    draw_imagenet(tree, classes=CLASSES, per_class=3, flat_val=True)
    options = ["--models", PLAIN, "--limit", limit]
    assert check(*told(tree, weights, folder, "--renew", *options)).exit_code == 0
    (labels,) = tree.rglob("ILSVRC2012_validation_ground_truth.txt")
    numbers = labels.read_text().split()
    labels.write_text("\n".join([*numbers[1:], numbers[0], ""]))
    result = check(*told(tree, weights, folder, *options))
    assert result.exit_code == 1, result.output
    assert f"REGRESSION accuracy {PLAIN} data=val resolution=224: label: expected" in result.stdout
    assert "images are read under other labels than they were" in result.stdout
    assert "no image was compared" in result.stdout


# ---------------------------------------------------------------- another device


def of_another_processor(folder: Path, device: str = "cpu") -> None:
    """Let all that was kept be of another processor, whose probabilities are a little different."""
    store = Store(folder)
    records = store.records()
    store.clear()
    for record in records:
        notes = {**record.notes, COMPUTED_WITH: "another one"}
        store.write(replace(record, notes=notes, inputs={**record.inputs, "device": device}))
    for path in (*folder.glob("predictions/*"), *folder.glob("localizations/*")):
        table = pd.read_parquet(path)
        table.assign(score_1=table["score_1"] + 1e-7).to_parquet(path, index=False)


def test_what_rounding_explains_passes_and_what_it_does_not_fails(
    tree: Path, weights: Path, kept: Path, tmp_path: Path
) -> None:
    """On another processor probabilities move; a step that stands elsewhere though the steps are apart is a fault."""
    folder = copied(kept, tmp_path / "kept")
    of_another_processor(folder)
    options = ["--models", FEEDBACK, "--only", "localization"]
    fine = check(*told(tree, weights, folder, *options))
    assert fine.exit_code == 0, fine.output
    assert (
        "compared but for rounding (probabilities within 1e-05, at most 0.5% of the images, each explained)"
        in fine.stdout
    )
    (path,) = folder.glob(f"localizations/{FEEDBACK}-*")
    table = pd.read_parquet(path)
    table.loc[:1, "stands_confident"] ^= True
    table.to_parquet(path, index=False)
    bad = check(*told(tree, weights, folder, *options))
    assert bad.exit_code == 1, bad.output
    assert "stands_confident: expected" in bad.stdout


# ---------------------------------------------------------------- what is refused


def refusal(*arguments: str) -> str:
    """The one line of a run that is broken."""
    result = check(*arguments)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("broken: ")]
    assert len(lines) == 1, result.output
    assert "Traceback" not in result.output
    assert "REGRESSION" not in result.output
    return lines[0]


def test_another_limit_is_refused_by_both_names(tree: Path, weights: Path, kept: Path) -> None:
    line = refusal(*told(tree, weights, kept, "--limit", "6"))
    five, six = (f"{count} of 50,000 images (--limit), drawn of the 12 that are there" for count in (5, 6))
    assert f"of val, {kept} keeps {five}, and this run is of {six}; " in line
    assert f"--limit 6 --models {PLAIN},{FEEDBACK} --num-classes {CLASSES} --against {kept} --renew`" in line


def test_other_images_are_refused(tree: Path, weights: Path, kept: Path, tmp_path: Path) -> None:
    """As many, of the same names and labels, but other files."""
    other = tmp_path / "tree"
    draw_tree(other)
    draw_imagenet_v2(other, classes=CLASSES, per_class=1)
    for path in (other / "val").rglob("*.JPEG"):
        path.write_bytes(path.read_bytes() + b" ")
    assert f"{kept} is of other images of val than {other}" in refusal(*told(other, weights, kept))


def test_a_changed_weight_file_and_a_missing_network_are_refused(
    tree: Path, weights: Path, kept: Path, tmp_path: Path
) -> None:
    write_weights(tmp_path, seed=1)
    line = refusal(*told(tree, tmp_path, kept))
    assert f"{kept} is of other weights of {PLAIN} than {tmp_path / PLAIN}.safetensors (SHA-256 " in line
    (tmp_path / f"{PLAIN}.safetensors").unlink()
    assert f"no weights of {PLAIN} in {tmp_path}; put <model>.pth there" in refusal(*told(tree, tmp_path, kept))


def test_a_folder_that_is_not_there_tells_the_command(tree: Path, weights: Path, tmp_path: Path) -> None:
    line = refusal(*told(tree, weights, tmp_path / "none", "--models", PLAIN))
    places = f"--data-root {tree} --weights {weights} --limit 5 --models {PLAIN} --num-classes {CLASSES}"
    assert f"`tdam-bench check --profile full {places} --against {tmp_path / 'none'} --renew`" in line


def test_damaged_records_and_tables_are_refused(tree: Path, weights: Path, kept: Path, tmp_path: Path) -> None:
    torn, cut, gone = (copied(kept, tmp_path / name) for name in ("torn", "cut", "gone"))
    (pack,) = torn.glob("records*")
    pack.write_bytes(pack.read_bytes()[:-20])
    assert str(pack) in refusal(*told(tree, weights, torn))
    options = ["--models", PLAIN, "--only", "localization"]
    for path in cut.glob("localizations/*"):
        path.write_bytes(path.read_bytes()[:100])
    assert "is damaged" in refusal(*told(tree, weights, cut, *options))
    for path in gone.glob("localizations/*"):
        path.unlink()
    assert "is missing; restore it" in refusal(*told(tree, weights, gone, *options))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--models", "resnet50"], "keeps nothing of resnet50; name another folder, or make this one anew with `"),
        (["--num-classes", "5"], "is of 4 classes, this run of 5; give the same --num-classes"),
        (["--profile", "mini", "--limit", "5"], "--limit is for data on disk"),
        (["--profile", "quick"], "unknown profile 'quick'"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--only", "dance"], "no cell of the gate holds 'dance'"),
    ],
)
def test_what_does_not_fit_is_one_line(tree: Path, weights: Path, kept: Path, more: list[str], message: str) -> None:
    assert message in refusal(*told(tree, weights, kept, *more))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit", "5", "--weights", "."], "--limit, --weights: for data on disk only; name their profile too"),
        (["--profile", "full"], "--profile needs --against, the folder in which --renew keeps what is compared"),
        (["--profile", "full", "--against", "new"], "--profile full needs --data-root and --weights; name both"),
        (["--profile", "mini", "--against", "new"], "--profile is for data on disk, and those of mini are embedded"),
    ],
)
def test_what_is_not_told_is_one_line(arguments: list[str], message: str) -> None:
    assert message in refusal("check", *arguments)


def test_renewing_removes_no_records_of_runs(tree: Path, weights: Path, tmp_path: Path) -> None:
    """A folder of another profile, or that a run has held; and nothing is kept where nothing can be run."""
    reference = ROOT / "results" / "reference" / "gate"
    before = Store(reference).digests()
    assert "which --renew would remove" in refusal(*told(tree, weights, reference, "--renew"))
    assert Store(reference).digests() == before
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".lock").touch()
    assert "which --renew would remove" in refusal(*told(tree, weights, tmp_path / "runs", "--renew"))
    (tmp_path / "empty").mkdir()
    assert "imagenet-val is missing" in refusal(*told(tmp_path / "empty", weights, tmp_path / "new", "--renew"))
    assert "no file in" in refusal(*told(tree, tmp_path / "empty", tmp_path / "new", "--renew"))
    assert not (tmp_path / "new").exists()


def test_a_paper_without_such_cells_says_so(
    tree: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PAPER.gate is not None
    monkeypatch.setattr("benchmarks.report.gate.check.gate_of", lambda paper: replace(PAPER.gate, on_disk=None))
    assert "has no cells on data on disk" in refusal(*told(tree, weights, tmp_path / "new", "--renew"))


@pytest.mark.parametrize("name", ["regressions.yml", "regressions-on-disk.yml"])
def test_workflows_name_options_that_there_are(name: str) -> None:
    text = (ROOT / ".github" / "workflows" / name).read_text()
    commands = re.findall(r"tdam-bench check((?:\s+#?\s*(?:--[a-z-]+|[^\s`|-]\S*))+)", text)
    flags = {flag for command in commands for flag in re.findall(r"--[a-z-]+", command)}
    known = {flag for option in main.commands["check"].params for flag in option.opts}  # type: ignore[attr-defined]
    assert "--junit" in flags
    assert flags <= known
