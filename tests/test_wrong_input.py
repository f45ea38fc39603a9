"""Whatever is wrong on the command line is one line and an exit code, said before anything is imported or written."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.core.records import Cell, new_record
from benchmarks.core.store import Store

ROOT = Path(__file__).resolve().parents[1]
# One process for all of them: each is told whether torch came in with it.
SCRIPT = """
import contextlib, io, json, sys
from benchmarks.cli import main

outcomes = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments, prog_name="tdam-bench")
        except SystemExit as end:
            code = end.code
        except Exception as error:
            code = f"a traceback: {error!r}"
    outcomes.append([code, out.getvalue(), err.getvalue(), "torch" in sys.modules])
print(json.dumps(outcomes))
"""


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    Attributes:
        code: Its exit code.
        out: What it printed.
        err: What it printed to stderr.
        with_torch: Whether torch was imported.
    """

    code: object
    out: str
    err: str
    with_torch: bool


WITH_TORCH = ("check", "--only", "nonsense")
TABLE1, PLAN = ("run", "table1"), ("plan", "table1")
DRAW = ("visualize", "--model", "resnet50", "--weights", "file")
SEEDS = "--seeds takes how many seeds ('8' for seeds 0 to 7, 1000 at most), or which, by commas"
NAMES = "names separated by commas, got ''; leave it out for all"
USES = "choose one of mini, smoke, full"
KINDS_ALLOWED = "choose of cost, train,"
# A command, its exit code, and how its one line begins.
WRONG: list[tuple[tuple[str, ...], int, str]] = [
    # Names that are none.
    (("nonsense",), 2, "No such command 'nonsense'"),
    (("run", "--nonsense"), 2, "No such option '--nonsense'"),
    (("plan", "--gpu-hours", "-1"), 2, "Invalid value for '--gpu-hours': -1.0 is not in the range x>=0"),
    (("run", "table9"), 1, "unknown experiment 'table9'; choose one of table1,"),
    (("show", "table9"), 1, "unknown experiment 'table9'; choose one of table1,"),
    (("--paper", "nonsense", "list"), 1, "unknown paper 'nonsense'; choose one of tdam, or a folder"),
    (("--paper", "empty", "list"), 1, "unknown paper 'empty'; choose one of tdam, or a folder"),
    (("--paper", "bare", "list"), 1, "bare has no PAPER; its __init__.py must hold one"),
    (("--paper", "broken", "list"), 1, "the paper broken cannot be loaded (SyntaxError: "),
    ((*TABLE1, "--profile", "nonsense"), 1, f"unknown profile 'nonsense'; {USES}"),
    (("report", "--profile", "nonsense", "--results", "runs"), 1, f"unknown profile 'nonsense'; {USES}"),
    ((*DRAW, "picture.jpg", "--profile", "nonsense"), 1, f"unknown profile 'nonsense'; {USES}"),
    ((*TABLE1, "--models", "resnet50-sse"), 1, "unknown model 'resnet50-sse' (did you mean resnet50-se"),
    (("report", "--models", "resnet5000", "--results", "runs"), 1, "unknown model 'resnet5000' (did you mean resnet50"),
    (("costs", "resnet5000"), 1, "unknown model 'resnet5000' (did you mean resnet50"),
    (("train", "vgg16"), 1, "unknown model 'vgg16'; names are BACKBONE,"),
    (("visualize", "picture.jpg", "--model", "vgg16", "--weights", "file"), 1, "unknown model 'vgg16'"),
    ((*TABLE1, "--tasks", "nonsense"), 1, f"unknown kind of work 'nonsense'; {KINDS_ALLOWED}"),
    ((*TABLE1, "--splits", "v9"), 1, "unknown image set 'v9'; choose of v1, v2"),
    ((*TABLE1, "--device", "tpu"), 1, "unknown device 'tpu'; choose cpu, cuda, cuda:N or mps"),
    ((*TABLE1, "--executor", "sge"), 2, "Invalid value for '--executor': 'sge' is not one of 'slurm', 'local'"),
    ((*TABLE1, "--step-loss", "first"), 2, "Invalid value for '--step-loss': 'first' is not one of 'highest', 'last'"),
    ((*TABLE1, "--dtype", "int8"), 2, "Invalid value for '--dtype': 'int8' is not one of 'float32',"),
    (("costs", "--format", "yaml"), 2, "Invalid value for '--format': 'yaml' is not one of 'md', 'tex', 'csv', 'json'"),
    (("costs", "--convention", "mine"), 2, "Invalid value for '--convention': 'mine' is not one of 'fvcore',"),
    (("preflight", "empty", "--data", "mnist"), 1, "unknown data set 'mnist'; choose of imagenet,"),
    (("preflight", "empty", "--for", "nonsense"), 1, "nothing is known of 'nonsense'; choose of table1,"),
    # Nothing where something is needed.
    (("train",), 2, "Missing argument 'MODEL'"),
    (("visualize", "picture.jpg", "--model", "resnet50"), 2, "Missing option '--weights'"),
    (("run", "--models"), 2, "Option '--models' requires an argument"),
    *(((*command, "--models", ""), 2, f"--models takes {NAMES}") for command in (TABLE1, PLAN, ("show",), ("report",))),
    ((*TABLE1, "--tasks", ""), 2, f"--tasks takes {NAMES}"),
    ((*TABLE1, "--targets", "birds"), 1, "unknown target 'birds'; choose of cub, dogs, coco"),
    ((*TABLE1, "--splits", ","), 2, "--splits takes names separated by commas, got ','; leave it out for all"),
    # Numbers out of range.
    ((*TABLE1, "--seeds", "-1"), 2, SEEDS),
    (("train", "resnet50", "--seeds", "0"), 2, SEEDS),
    ((*TABLE1, "--limit", "0"), 2, "Invalid value for '--limit': 0 is not in the range x>=1"),
    ((*TABLE1, "--limit", "few"), 2, "Invalid value for '--limit': 'few' is not a valid integer"),
    ((*TABLE1, "--limit", "5"), 1, "--limit is for data on disk, and those of mini are embedded; leave it out"),
    ((*TABLE1, "--jobs", "0"), 2, "Invalid value for '--jobs': 0 is not in the range x>=1"),
    ((*TABLE1, "--workers", "-1"), 2, "Invalid value for '--workers': -1 is not in the range x>=0"),
    ((*TABLE1, "--epochs", "0"), 2, "Invalid value for '--epochs': 0 is not in the range x>=1"),
    ((*TABLE1, "--batch", "0"), 2, "Invalid value for '--batch': 0 is not in the range x>=1"),
    ((*TABLE1, "--threshold", "2"), 2, "Invalid value for '--threshold': 2.0 is not in the range 0<=x<=1"),
    # What does not go together.
    ((*TABLE1, "--decode", "device"), 1, "--decode device needs a CUDA device, got --device cpu"),
    ((*TABLE1, "--slurm", "time=60"), 1, "--slurm: for jobs only; name what runs them with --executor, or leave"),
    ((*TABLE1, "--shares", "2", "--partition", "p"), 1, "--shares, --partition: for jobs only"),
    ((*PLAN, "--shares", "2"), 1, "--shares: for jobs only; name what runs them with --executor, or leave them out"),
    ((*PLAN, "--gpu-hours", "9", "--gpus-per-job", "4"), 1, "--gpus-per-job: for jobs only; name what runs them"),
    ((*PLAN, "--executor", "local", "--device", "cuda", "--gpus-per-job", "2"), 1, "--partition, --slurm and --gpus"),
    ((*TABLE1, "--executor", "slurm", "--slurm", "=3"), 2, "--slurm takes key=value, or key for a switch, got '=3'"),
    ((*TABLE1, "--executor", "slurm"), 1, "there is no sbatch on the path; run where Slurm is, or use --executor"),
    ((*TABLE1, "--executor", "local", "--partition", "p"), 1, "--partition, --slurm and --gpus-per-job are for"),
    (("check", "--profile", "full"), 2, "--profile needs --against, the folder in which --renew keeps what is"),
    (("check", "--limit", "5"), 2, "--limit: for data on disk only; name their profile too, such as --profile full"),
    (("check", "--renew", "--only", "probe"), 2, "--renew makes the whole reference anew; leave --only out"),
    (("preflight", "empty", "--splits", "v1"), 1, "--splits goes with --for, which knows the paper's image sets"),
    (("preflight", "empty", "--data", "coco", "--for", "table1"), 1, "--data names sets and --for what needs them"),
    # Folders and files that are not there.
    ((*TABLE1, "--data-root", "nowhere"), 2, "there is no nowhere (--data-root); name a folder that exists"),
    ((*TABLE1, "--weights", "nowhere"), 2, "there is no nowhere (--weights); name a file or a folder that exists"),
    ((*TABLE1, "--class-list", "nowhere"), 2, "there is no nowhere (--class-list); name a file that exists"),
    ((*TABLE1, "--plugin", "nowhere.py"), 2, "there is no nowhere.py (--plugin); name a file that exists"),
    (("check", "--data-root", "nowhere"), 2, "there is no nowhere (--data-root); name a folder that exists"),
    (("preflight", "nowhere"), 2, "there is no nowhere (ROOT); name a folder that exists"),
    (("verify", "nowhere"), 2, "there is no nowhere (REPORT); name a folder that exists"),
    (("compare", "nowhere", "runs"), 2, "there is no nowhere (RUN_A); name a folder that exists"),
    (("check", "--against", "nowhere"), 2, "no records to compare with in nowhere; make them with"),
    ((*DRAW, "nowhere.jpg"), 2, "there is no nowhere.jpg (IMAGE...); name a file that exists"),
    # Files in the place of folders, and folders in the place of files.
    *(
        ((*command, "--results", "file"), 2, "file is a file, and --results takes a folder; name another")
        for command in (TABLE1, PLAN, ("show",), ("report",), ("pack",), ("status",), ("cancel",), ("reference",))
    ),
    ((*TABLE1, "--results", "file/runs"), 2, "file is a file, and --results takes a folder; name another"),
    # The word for the project's own records, where something would be written.
    *(
        ((*command, "--results", "reference"), 2, "--results reference is the word for the project's own records, for")
        for command in (TABLE1, ("train", "resnet18"), ("pack",), ("status",), ("cancel",), ("reference",))
    ),
    ((*TABLE1, "--out", "file"), 2, "file is a file, and --out takes a folder; name another"),
    (("report", "--results", "runs", "--out", "file/report"), 2, "file is a file, and --out takes a folder"),
    ((*TABLE1, "--cache", "file"), 2, "file is a file, and --cache takes a folder; name another"),
    (("preflight", "file"), 2, "file is a file, and ROOT takes a folder; name another"),
    (("verify", "file"), 2, "file is a file, and REPORT takes a folder; name another"),
    ((*TABLE1, "--class-list", "empty"), 2, "empty is a folder, and --class-list takes a file; name one"),
    ((*DRAW, "empty"), 2, "empty is a folder, and IMAGE... takes a file; name one"),
    (("check", "--junit", "empty"), 2, "empty is a folder, and --junit takes a file; name one"),
    (("check", "--junit", "file/junit.xml"), 2, "file is a file, and --junit takes a file; name another"),
    # Folders and files of another content.
    (("show", "--results", "nowhere"), 1, "no records of the profile mini in nowhere, which is no folder; make them"),
    (("report", "--results", "empty"), 1, "no records of the profile mini in empty, it is empty; make them with"),
    (("report", "--results", "runs", "--profile", "full"), 1, "no records of the profile full in runs, it has smoke;"),
    (("show", "--results", "runs", "--models", "resnet18"), 1, "nothing of --models resnet18 is measured in runs;"),
    (("run", "claims", "--results", "nowhere"), 1, "claims are judged by what experiments have measured: no records"),
    (("run", "claims", "--results", "runs"), 1, "claims are judged by what experiments have measured: no records of "),
    (("pack", "--results", "nowhere"), 1, "no records in nowhere; name a results folder with --results"),
    (("status", "--results", "nowhere"), 1, "no jobs were submitted for nowhere; `tdam-bench run --executor slurm`"),
    (("cancel", "--results", "empty"), 1, "no jobs were submitted for empty; `tdam-bench run --executor slurm`"),
    (("verify", "empty"), 1, "empty holds no report (manifest.json: No such file or directory); write one"),
    (("compare", "empty", "runs"), 2, "no records to compare with in empty; make them with"),
    ((*TABLE1, "--plugin", "file"), 1, "WHERE/file is not a Python file; name one that ends in .py"),
    ((*TABLE1, "--plugin", "syntax.py"), 1, "WHERE/syntax.py cannot be loaded (SyntaxError: "),
    ((*TABLE1, "--plugin", "without.py"), 1, "WHERE/without.py has no dictionary ATTENTIONS of names and callables"),
    # The gate's probes are made of tensors.
    (WITH_TORCH, 2, "no cell of the gate holds 'nonsense'; they are such as 'cost resnet50 any"),
]
IDS = [" ".join(arguments) for arguments, _, _ in WRONG]


def fill(folder: Path) -> None:
    """What the commands stumble over."""
    for name in ("empty", "bare", "broken"):
        (folder / name).mkdir()
    files = {"file": "", "picture.jpg": "", "syntax.py": "def (", "without.py": "", "bare/__init__.py": ""}
    for name, text in {**files, "broken/__init__.py": "def ("}.items():
        (folder / name).write_text(text)
    Store(folder / "runs").write(new_record(Cell("accuracy", "resnet50", "smoke", {"seed": 0}), {}, {}))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wrong").resolve()
    fill(folder)
    return folder


@pytest.fixture(scope="module")
def outcomes(place: Path) -> dict[str, Outcome]:
    """What each command did, by its words, one after the other; Slurm's programs are not on the path."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([arguments for arguments, _, _ in WRONG]),
        capture_output=True, text=True, cwd=place, env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: Outcome(*one) for name, one in zip(IDS, json.loads(done.stdout), strict=True)}


def test_commands_are_many_and_none_twice() -> None:
    assert len(set(IDS)) == len(WRONG) >= 34


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG, ids=IDS)
def test_wrong_input_is_one_line(
    place: Path, outcomes: dict[str, Outcome], arguments: tuple[str, ...], code: int, message: str
) -> None:
    outcome = outcomes[" ".join(arguments)]
    assert outcome.code == code, outcome
    (line,) = outcome.err.splitlines()
    kind, _, said = line.partition(": ")
    assert kind == ("broken" if arguments[0] in ("check", "compare") and kind != "Error" else "Error")
    assert said.startswith(message.replace("WHERE", str(place)))
    assert outcome.out == ""


@pytest.mark.parametrize("name", IDS)
def test_no_tensor_is_needed_to_say_so(outcomes: dict[str, Outcome], name: str) -> None:
    """Torch takes seconds to import; it comes in with the last, which needs it."""
    assert outcomes[name].with_torch == (name == " ".join(WITH_TORCH))


def test_nothing_was_written(place: Path, outcomes: dict[str, Outcome]) -> None:
    assert not [outcome for outcome in outcomes.values() if outcome.code == 0]
    names = {"empty", "bare", "broken", "file", "picture.jpg", "syntax.py", "without.py", "runs"}
    assert {path.name for path in place.iterdir()} - {"__pycache__"} == names
    assert not list((place / "empty").iterdir())
