"""The package works away from the repository: it brings numbers, records, weights, templates, and stays as it is.

A wheel is built of what git carries and installed into an environment of its own, which sees the libraries of this one
and not the repository. Nothing is downloaded.
"""

import importlib.metadata
import os
import re
import shutil
import site
import subprocess
import sys
import tempfile
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from benchmarks.core.pack import PACK, read_pack

ROOT = Path(__file__).resolve().parents[1]
CARRIED = ("baselines", "benchmarks", "tdam", "results")
# In megabytes (1e6 bytes), beside the reference's records, whose number is as it is; the gate's networks and their
# predictions are most of it. And in bytes for each record: those of accuracies tell of 8,000 images which are right.
LARGEST_WHEEL, LARGEST_RECORD = 3.0, 1400
REFERENCE = ROOT / "results" / "reference" / PACK
OFFLINE = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
MODELS = "resnet50,resnet50-td-joint-t2-m1"
# What a run leaves beside the records, and is ignored by git.
LEFT = ("results/runs/schema.json", "results/reference/predictions/left.parquet", "results/reference/weights/left.pth")
WHERE = """
import importlib.util, pathlib, sys
import benchmarks
print(pathlib.Path(benchmarks.__file__).parents[1])
print(importlib.util.find_spec("tests"), [one for one in sys.path if pathlib.Path(one, "pyproject.toml").exists()])
"""


def tracked(*patterns: str) -> list[str]:
    """Files of the repository, but for ignored ones."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def called(program: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, without a word of where the repository is."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(program), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def pip(*arguments: str) -> None:
    """Run pip where it does not see the repository, which an editable installation leaves its own metadata in."""
    with tempfile.TemporaryDirectory() as folder:
        done = called(Path(sys.executable), Path(folder), "-m", "pip", *arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a copy of what git carries, with what runs leave lying beside it."""
    pytest.importorskip("setuptools", minversion="77")
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for name in tracked(*CARRIED, "pyproject.toml", "README.md", "LICENSE"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for name in LEFT:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("left", encoding="utf-8")
    pip("wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(out), str(copy))
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program `tdam-bench` of an environment that has the wheel, and by path the libraries of this one."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False, symlinks=os.name != "nt")
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    (packages,) = {path.parent for path in place.rglob("site-packages")}
    # Folders that such a file names are searched, and files like it in them, such as those of editable packages, not.
    libraries = [path for path in site.getsitepackages() if path.endswith("-packages")]
    (packages / "site-packages" / "libraries.pth").write_text("\n".join(libraries), encoding="utf-8")
    pip("--python", str(programs / "python"), "install", *OFFLINE, "--ignore-installed", str(wheel))
    return programs / "tdam-bench"


def test_the_wheel_holds_what_git_carries_and_nothing_else(wheel: Path) -> None:
    """Code, the paper's numbers, the reference with the gate's weights, templates, the lock, the deviations."""
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = set(tracked(*CARRIED))
    assert {"results/paper/table1.csv", "benchmarks/papers/tdam/lock.json", "tdam/DEVIATIONS.md"} <= wanted
    assert held == wanted
    assert wheel.stat().st_size - REFERENCE.stat().st_size < LARGEST_WHEEL * 1e6
    assert REFERENCE.stat().st_size < LARGEST_RECORD * len(read_pack(REFERENCE))


def test_its_metadata(wheel: Path) -> None:
    """The README is its description, the license is named, and versions agree with the citation and the change log."""
    with zipfile.ZipFile(wheel) as content:
        (name,) = [name for name in content.namelist() if name.endswith(".dist-info/METADATA")]
        text = content.read(name).decode()
    told = message_from_string(text)
    assert told["License-Expression"] == "MIT"
    assert told["Description-Content-Type"] == "text/markdown"
    assert text.endswith((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(text.partition("\n\n")[0]) < 4000
    (cited,) = re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert wheel.name.split("-")[1] == told["Version"] == cited


def test_the_repository_is_not_there(program: Path, tmp_path: Path) -> None:
    """What the tests below show is shown of the package alone."""
    done = called(program.with_name("python"), tmp_path, "-c", WHERE)
    assert done.returncode == 0, done.stderr
    where, others = done.stdout.splitlines()
    assert Path(where).parents[2] == program.parents[1].resolve()
    assert others == "None []"
    version = called(program, tmp_path, "--version")
    assert importlib.metadata.version("tdam-bench") in version.stdout


def files_of(program: Path) -> set[str]:
    """Files of the environment, but for what Python compiles."""
    return {str(path) for path in program.parents[1].rglob("*") if "__pycache__" not in path.parts}


def test_costs_stand_beside_the_papers(program: Path, tmp_path: Path) -> None:
    done = called(program, tmp_path, "costs", *MODELS.split(","))
    assert done.returncode == 0, done.stderr
    for name, printed in zip(MODELS.split(","), ("25.56", "27.65"), strict=True):
        (row,) = [line for line in done.stdout.splitlines() if line.split("|")[1].strip() == name]
        assert printed in row
    assert list(tmp_path.iterdir()) == []


def test_the_reference_is_shown_and_reported(program: Path, tmp_path: Path) -> None:
    """Its records are the package's own, and what is written lies in the folder in which it was asked for."""
    before = files_of(program)
    shown = called(program, tmp_path, "show", "claims", "--results", "reference")
    assert shown.returncode == 0, shown.stderr
    assert "HOLDS" in shown.stdout
    assert list(tmp_path.iterdir()) == []
    report = called(program, tmp_path, "report", "table1", "--results", "reference", "--models", MODELS)
    assert report.returncode == 0, report.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert "deviations" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8").lower()
    verified = called(program, tmp_path, "verify", "report", "--results", "reference")
    assert verified.returncode == 0, verified.stderr
    assert files_of(program) == before


def test_nothing_is_shown_where_nothing_was_run(program: Path, tmp_path: Path) -> None:
    """The package's records do not stand in for the user's."""
    done = called(program, tmp_path, "show", "table1")
    assert done.returncode == 1
    assert "no records of the profile mini in results" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_gate_finds_its_networks_and_its_reference(program: Path, tmp_path: Path) -> None:
    done = called(program, tmp_path, "check", "--only", "accuracy resnet50 gate classes=10 crop=1.0 data=val-v2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("nothing regressed: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("lock",), ("gate-networks",), ("check", "--renew")])
def test_what_is_installed_stays_as_it_is(program: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    before = files_of(program)
    done = called(program, tmp_path, *arguments)
    assert done.returncode != 0
    assert "belongs to an installed package and stays as it is; do this in a checkout" in done.stderr
    assert files_of(program) == before
