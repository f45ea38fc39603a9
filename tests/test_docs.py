"""README and docs are true: commands run or parse, code runs, links lead somewhere, numbers are the suite's own.

What takes minutes, or data that are drawn in place of the paper's, is run by ``make docs-test``.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.shell_completion import BashComplete, get_completion_class
from click.testing import CliRunner

import baselines
from benchmarks import cli
from benchmarks.core.pack import PACK
from benchmarks.core.store import Store
from benchmarks.data.registry import on_disk
from benchmarks.measure.cost import measure_costs
from benchmarks.networks import plugins
from benchmarks.networks.models import create
from benchmarks.papers.tdam import PAPER, efficiency, front
from benchmarks.report import shares
from benchmarks.report.claims import ClaimVerdict
from benchmarks.report.closing import closing
from benchmarks.report.endings import STILL_GAINED
from benchmarks.report.opening import opening
from benchmarks.report.paper import load_paper
from benchmarks.report.report import Wanted
from benchmarks.report.verdicts import Verdict
from benchmarks.work.kinds import KINDS
from benchmarks.work.rows import FEWEST_SEEDS
from tests.pages import PAGES, PLACEHOLDER, ROOT, Command, blocks, commands, headings, links, prose
from tests.plant_faults import FAULTS
from tests.sessions import make_session
from tests.test_structure import LOOSE, ORDER, imported, sources

README, DOCS = ROOT / "README.md", ROOT / "docs"
REFERENCE, FRONT = ROOT / "results" / "reference", DOCS / "front.png"
MOST_BYTES = 10_240
# Programs that are not ours, and the shell's own words, whose lines nothing here can check.
OTHERS = ("cd", "cp", "for", "git", "mkdir", "rsync", "sacct", "sinfo", "squeue", "ssh")
COMPLETE = "_TDAM_BENCH_COMPLETE"
# Subcommands that are done in seconds on the reference's records, and run as they stand.
QUICK = ("costs", "list", "lock", "plan", "report", "show", "verify")
# Plug-ins of a page are its own.
pytestmark = pytest.mark.usefixtures("without_plugins")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run commands in: the committed records, also as the user's own, the examples, the README's file."""
    for name in ("reference", "runs"):
        (tmp_path / "results" / name).mkdir(parents=True)
        shutil.copy(REFERENCE / PACK, tmp_path / "results" / name)
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (own,) = blocks(README, "python")
    (tmp_path / "gate.py").write_text(own)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---------------------------------------------------------------- commands


def check_cli(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a call of the command line as for a user, run nothing of it, and check the names that it gives."""
    reached: list[dict[str, Any]] = []

    def reach(**options: Any) -> None:
        reached.append(options)
        check_names(options, load_paper(click.get_current_context().find_root().obj).name)

    with monkeypatch.context() as patched:
        # A reader's own files and folders are not here.
        patched.setattr(cli.Place, "convert", lambda place, value, *where: Path(value))
        for command in cli.main.commands.values():
            patched.setattr(command, "callback", reach)
        # Any command stands for the one that a reader puts in.
        told = ["list" if word == "COMMAND" else word for word in words]
        cli.main.main(told, prog_name="tdam-bench", standalone_mode=False)
    assert reached or "--help" in words, "it reaches no command"


def check_names(options: dict[str, Any], paper_name: str) -> None:
    """Experiments, profiles, networks, kinds of work, image sets and data sets that options name are there."""
    paper = PAPER if paper_name == PAPER.name else load_paper(str(ROOT / "examples" / paper_name))

    def named(*keys: str) -> set[str]:
        given = [options.get(key) or () for key in keys]
        words = [word for one in given for word in ((one,) if isinstance(one, str) else one)]
        return {word for word in words if not PLACEHOLDER.fullmatch(word)}

    files = [file for file in options.get("plugins") or () if not PLACEHOLDER.fullmatch(str(file))]
    plugins.add_files(files)
    plugins.require_known(sorted(named("models", "model")))
    assert named("experiments") <= set(paper.names)
    assert named("profile") <= set(paper.profiles)
    assert named("tasks") <= set(KINDS)
    assert named("splits") <= {"v1", "v2"}
    assert named("uses") <= {*paper.names, *KINDS}
    if "uses" in options:  # preflight, whose names are of data sets
        assert named("names") <= set(on_disk())


def check_make(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets and variables of ``make``: a dry run, whose calls of the command line are parsed."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in {word.partition("=")[0] for word in words if "=" in word}:
        assert f"$({name})" in makefile, f"the Makefile has no variable {name}"
    dry = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True)
    assert dry.returncode == 0, dry.stderr
    for line in dry.stdout.splitlines():
        _, called, rest = line.partition(".venv/bin/tdam-bench ")
        if called:
            check_cli(Command(ROOT / "Makefile", rest).words, monkeypatch)
        for module in re.findall(r"python -m (benchmarks\.\S+)", line):
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file(), module


def check(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a command could be run: its program, options, values and names are there."""
    program, *rest = words
    if Path(program).name == "tdam-bench":
        check_cli(rest, monkeypatch)
    elif program == "make":
        check_make(rest, monkeypatch)
    elif program == "torchrun":
        assert rest[0] == "--nproc-per-node"
        assert rest[2:4] == ["-m", "benchmarks"]
        check_cli(rest[4:], monkeypatch)
    elif program == ".":
        assert rest == [".venv/bin/activate"]
    elif program == "pip":
        (extra,) = re.findall(r"(?:tdam-bench|-e \.)\[(\w+)\]", " ".join(rest))
        assert f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    elif COMPLETE in " ".join(words):
        (shell,) = re.findall(rf"{COMPLETE}=(\w+)_source tdam-bench", " ".join(words))
        assert get_completion_class(shell) is not None
    else:
        assert program in OTHERS, f"nothing here checks {program}; say in tests/test_docs.py how it is checked"


def test_pages_have_commands() -> None:
    """What finds them finds them."""
    counts = {page.name: len(list(commands(page))) for page in PAGES}
    assert counts["README.md"] > 10
    assert counts["command-line.md"] > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_understood(page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command in a page: its options exist and take their values, and what it names is there."""
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    for command in commands(page):
        try:
            check(command.words, monkeypatch)
        except (AssertionError, click.ClickException, ValueError) as error:
            pytest.fail(f"{command}: {error}")


@pytest.mark.parametrize(
    "wrong",
    [
        "tdam-bench run table1 --sedes 3",
        "tdam-bench run table9",
        "tdam-bench run table1 --profile huge",
        "tdam-bench run table1 --models resnet50,resnet50-sse",
        "tdam-bench run --tasks fly",
        "tdam-bench train",
        "tdam-bench preflight DIR --data imagenette",
        "tdam-bench costs --convention guess",
        "tdam-bench",
        "make table9",
        "make table1 SEDES=3",
        'make table1 ARGS="--jobs many"',
        "torchrun --nproc-per-node 4 -m benchmarks train MODEL --reducd",
        "pip install 'tdam-bench[tim]'",
        "conda install tdam-bench",
    ],
)
def test_wrong_commands_are_found(wrong: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail."""
    with pytest.raises((AssertionError, click.ClickException, ValueError, pytest.fail.Exception)):
        check(Command(README, wrong).words, monkeypatch)


def quick(command: Command) -> bool:
    """Whether a command is done in seconds on the reference's records; tests/test_second_paper.py runs the others'."""
    program, *rest = command.words
    # Without --check it would lock this checkout anew, and hide from the lock's own test that nobody had.
    ours = program == "tdam-bench" and "--paper" not in rest and rest != ["lock"]
    return ours and not command.readers and not set(rest).isdisjoint(QUICK)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quick_commands_run(page: Path, desk: Path) -> None:
    """Those that are done in seconds, one after the other in one folder; what the reference lacks may be said so."""
    for command in filter(quick, commands(page)):
        result = CliRunner().invoke(cli.main, command.words[1:])
        lacking = result.exit_code == 1 and re.search(r"^Error: nothing of \S+ is measured in", result.output)
        assert result.exit_code == 0 or lacking, f"{command}: {result.output}"


def test_every_command_is_listed() -> None:
    """The table of commands has them all."""
    listed = re.findall(r"^\| [a-z ]+ \| (`.*) \|$", prose(DOCS / "command-line.md"), re.MULTILINE)
    named = {word.split()[0] for row in listed for word in re.findall(r"`([^`]+)`", row)}
    assert named == set(cli.main.commands)


def test_completion() -> None:
    """What the shell asks for: commands, the options of kinds of work among them, and choices."""
    bash = BashComplete(cli.main, {}, "tdam-bench", COMPLETE)
    assert [one.value for one in bash.get_completions([], "sho")] == ["show"]
    assert "--step-loss" in [one.value for one in bash.get_completions(["run"], "--st")]
    assert "fvcore" in [one.value for one in bash.get_completions(["costs", "--convention"], "")]


# ---------------------------------------------------------------- code


def published_fca(path: Path) -> None:
    """Weights of a network with FCA in the layout of this suite, as a checkpoint."""
    torch.save({"state_dict": baselines.resnet50(attention="fca").state_dict()}, path)


# Files that code in pages reads.
FILES: dict[str, Callable[[Path], None]] = {"fca.pth": published_fca}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python blocks, each by itself."""
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "python"):
        for name, make in FILES.items():
            if name in block:
                make(tmp_path / name)
        exec(compile(block, str(page), "exec"), {})


def test_the_readmes_attention_is_one(desk: Path) -> None:
    """It gets through the suite's networks, in at most eight lines."""
    assert len([line for line in (desk / "gate.py").read_text().splitlines() if line]) <= 8
    (name,) = plugins.add_files([desk / "gate.py"])
    assert create(f"resnet50-{name}", 10, "mini")(torch.randn(2, 3, 64, 64)).shape == (2, 10)


# ---------------------------------------------------------------- links


@pytest.mark.parametrize("page", [*PAGES, ROOT / "tdam" / "DEVIATIONS.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        where, _, anchor = link.partition("#")
        if where.startswith("https://"):
            continue
        target = (page.parent / where).resolve() if where else page
        assert target.exists(), f"{page.name}: there is no {where}"
        assert target.is_relative_to(ROOT), f"{page.name}: {where} leaves the repository"
        assert not anchor or anchor in headings(target), f"{page.name}: {where} has no heading {anchor}"


def test_every_page_is_reached() -> None:
    """From the README one comes to every page of docs."""
    linked = {(ROOT / link).resolve() for link in links(README) if not link.startswith("https://")}
    assert {page for page in PAGES if page.parent == DOCS} <= linked


# ---------------------------------------------------------------- numbers


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= MOST_BYTES


def test_the_readme_shows_what_a_run_prints(tmp_path: Path) -> None:
    """The first line of a run from nothing, and of its last ones that of the counts, which every run agrees on."""
    session = make_session(tmp_path, "mini")
    first, *_ = opening(PAPER, ["table1"], PAPER.experiment("table1").cells(session), session).lines
    wanted = Wanted(PAPER, ("table1",), "mini")
    last, *_ = closing(wanted, wanted.evidence(Store(REFERENCE)), tmp_path)
    (shown,) = blocks(README, "text")
    assert shown.splitlines() == [first, last]


def test_the_picture_shows_the_references_verdicts() -> None:
    """After a new reference: make reference-report."""
    wanted = Wanted(PAPER, PAPER.names)
    evidence = wanted.measured(Store(REFERENCE))
    assert front.text_in(FRONT) == front.said_by(evidence, wanted.judged(evidence))
    assert FRONT.relative_to(ROOT).as_posix() in links(README)


def test_the_table_of_conventions_is_measured() -> None:
    """Each count of the page's table, to its last digit."""
    text = prose(DOCS / "costs.md")
    for convention, *printed in re.findall(
        r"^\| `([\w.-]+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE
    ):
        (cost,) = measure_costs(["resnet50-td-joint-t2-m1"], convention)
        values = (cost.plain_flops, cost.flops.total, cost.flops.total - cost.plain_flops)
        assert printed == [f"{value / 1e9:.3f}" for value in values], convention


# Values that attentions in every block pool once, of one 224x224 image: channels, side and blocks of each stage.
STAGES = {"ResNet50": (3, 4, 6, 3), "ResNet101": (3, 4, 23, 3)}
POOLED = {
    backbone: sum(c * s * s * n for c, s, n in zip((256, 512, 1024, 2048), (56, 28, 14, 7), depths, strict=True))
    for backbone, depths in STAGES.items()
}


def test_what_is_missing_of_flops_is_pooling() -> None:
    """Of every row with a feedforward attention: what is counted, pooled values, and the paper's digits."""
    evidence = Wanted(PAPER, ("table1",)).evidence(Store(REFERENCE))
    lines = {f"{one.group}, {one.label}": one for one in PAPER.experiment("table1").table(evidence).lines}
    row = re.compile(r"^\| (ResNet\d+), ([\w-]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
    found = row.findall(prose(DOCS / "costs.md"))
    for backbone, method, *printed, paper in found:
        value = lines[f"{backbone}, {method}"].values["flops_g"]
        assert value.measured is not None
        pooled = POOLED[backbone] / 1e9 * (2 if method == "CBAM" else 1)
        assert printed == [f"{one:.3f}" for one in (value.measured, pooled, value.measured + pooled)]
        assert f"{value.measured + pooled:.2f}" == paper == value.paper
    differing = [
        name
        for name, one in lines.items()
        if (judgement := one.values["flops_g"].judgement) is not None and judgement.verdict is Verdict.DIFFERS
    ]
    assert [f"{backbone}, {method}" for backbone, method, *_ in found] == differing


def test_words_and_bounds_are_the_rules() -> None:
    """The pages on verdicts and profiles name every word, and the numbers that the rules have."""
    text = " ".join(prose(DOCS / "verdicts.md").split())
    for word in (*Verdict, *ClaimVerdict):
        assert str(word) in text, word
    numbers = {5: "five", 1.0: "one"}
    assert f"{shares.WIDE:g} points for accuracies and {100 * efficiency.WIDE:.0f} % for ratios" in text
    assert f"a pair of trainings from one seed; at least {numbers[FEWEST_SEEDS]}" in text
    assert f"bring less than {numbers[STILL_GAINED]} point" in text
    assert f"The paper's {len(PAPER.claims())} testable statements" in text
    assert f"plants {len(FAULTS)} faults" in prose(DOCS / "gate.md")
    profiles = prose(DOCS / "command-line.md").partition("## Profiles")[2].partition("## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", profiles, re.MULTILINE) == list(PAPER.profiles)


def test_every_experiment_has_its_command() -> None:
    """A table or figure that no page names would not be found."""
    words = {word for page in PAGES for command in commands(page) for word in command.words}
    assert set(PAPER.experiments) <= words


# ---------------------------------------------------------------- the drawing


def arrows_of_code() -> set[tuple[str, str]]:
    """Which folder imports which."""
    arrows = set()
    for path in sources("benchmarks", "tdam", "baselines"):
        first, second = path.relative_to(ROOT).parts[:2]
        own = first if first != "benchmarks" else ("cli" if second in LOOSE else second)
        for name in imported(path):
            package, _, rest = name.partition(".")
            other = rest.partition(".")[0] if package == "benchmarks" else package
            if package in ("benchmarks", "tdam", "baselines") and other not in (own, "cli"):
                arrows.add((own, other))
    return arrows


def closure(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """What is reached from what, by way of others too."""
    reached = set(arrows)
    while more := {(a, d) for a, b in reached for c, d in reached if b == c} - reached:
        reached |= more
    return reached


def test_the_drawing_is_the_code() -> None:
    """Its arrows are imports, and whatever is imported is reached by them."""
    (drawing,) = blocks(DOCS / "architecture.md", "mermaid")
    bare = re.sub(r'\["[^"]*"\]', "", drawing)
    drawn = {(a, b) for a, b in re.findall(r"(\w+) --> (\w+)", bare)}
    code = arrows_of_code()
    assert drawn <= code
    assert closure(drawn) == closure(code)
    assert {name for arrow in drawn for name in arrow} == {*ORDER, "cli", "tdam", "baselines"}
