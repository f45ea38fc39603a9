"""Attentions from outside: a file, an entry point, timm; and what is said of those that cannot be used."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.networks import plugins
from benchmarks.networks.models import create
from benchmarks.networks.plugins import PluginError, add_files, fingerprint
from benchmarks.papers.tdam import PAPER
from benchmarks.work.cost import COST
from tests.sessions import make_session

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "gated_channel.py"

pytestmark = pytest.mark.usefixtures("without_plugins")


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.py"
    path.write_text(text)
    return path


def run(folder: Path, experiment: str, *arguments: str) -> Result:
    common = ["--profile", "smoke", "--results", str(folder / "runs"), "--cache", str(folder / "cache"), "--jobs", "1"]
    out = ["--out", str(folder / "report")]
    return CliRunner().invoke(main, ["run", experiment, *common, *out, *arguments])


def test_the_example_is_short_and_works() -> None:
    code = [line for line in EXAMPLE.read_text().partition('"""\n\n')[2].splitlines() if line.strip()]
    assert len(code) <= 20
    assert add_files([EXAMPLE]) == ("gated",)
    network = create("resnet50-gated", 10, "mini")
    assert network(torch.randn(2, 3, 64, 64)).shape == (2, 10)
    plain = sum(p.numel() for p in create("resnet50", 10, "mini").parameters())
    assert sum(p.numel() for p in network.parameters()) == plain + 2 * (48 + 96 + 2 * 192 + 320)


def test_a_plug_in_gets_through_the_experiments(tmp_path: Path) -> None:
    """Trained, measured and shown beside its plain network, with the verdict new; the repository stays as it is."""
    chosen = "resnet50,resnet50-gated"
    for experiment in ("table1", "table4", "table7-wsol", "table7-tasks"):
        result = run(tmp_path, experiment, "--plugin", str(EXAMPLE), "--models", chosen)
        assert result.exit_code == 0, result.output
        table = (tmp_path / "report" / "tables" / f"{experiment}.md").read_text()
        rows = [line for line in table.splitlines() if "resnet50-gated" in line]
        assert rows, table
        assert "+ NEW (" in table
    with (tmp_path / "report" / "tables" / "table1.csv").open() as file:
        own = [line for line in file if ",resnet50-gated," in line and ",NEW," in line]
    assert len(own) >= 10


def test_a_plug_in_is_a_row_of_every_experiment(tmp_path: Path) -> None:
    """Without --models it joins the paper's rows, on each plain network that an experiment has."""
    session = make_session(tmp_path, plugins=add_files([EXAMPLE]))
    names = ("table1", "table4", "supplement", "fig8")
    rows = {name: {cell.model for cell in PAPER.experiment(name).cells(session)} for name in names}
    assert {"resnet50-gated", "resnet101-gated"} <= rows["table1"]
    assert "resnet50-gated" in rows["table4"]
    assert {"resnet18-gated", "mobilenet_v3_large-gated", "convnext_tiny-gated"} <= rows["supplement"]
    assert rows["fig8"]
    assert not any("gated" in model for model in rows["fig8"])


def convolution(width: int) -> str:
    """A plug-in made of torch's own modules; as many bytes for every width of one digit."""
    return f"from torch import nn\nATTENTIONS = {{'conv': lambda c: nn.Conv2d(c, c, {width}, padding={width // 2})}}\n"


def test_a_change_of_the_file_is_another_network(tmp_path: Path) -> None:
    """Even where the plug-in is made of torch's own modules, and within a second."""
    fingerprints, sizes = set(), set()
    for width in (3, 5):
        add_files([written(tmp_path, convolution(width))])
        fingerprints.add(fingerprint("resnet50-conv"))
        sizes.add(sum(p.numel() for p in create("resnet50-conv", 10, "mini").parameters()))
    assert len(fingerprints) == 2
    assert len(sizes) == 2


def test_a_change_during_a_run_is_of_the_next_run(tmp_path: Path) -> None:
    """Records name the file that their network was made of, not the one that lies there when they are written."""
    add_files([written(tmp_path, convolution(3))])
    network = create("resnet50-conv", 10, "mini")
    written(tmp_path, convolution(5))
    at_start = fingerprint("resnet50-conv")
    plugins.forget()
    assert fingerprint("resnet50-conv") != at_start
    written(tmp_path, convolution(3))
    plugins.forget()
    assert fingerprint("resnet50-conv") == at_start
    assert any(getattr(part, "kernel_size", None) == (3, 3) for part in network.modules())


def test_a_name_that_the_file_no_longer_offers_is_unknown(tmp_path: Path) -> None:
    add_files([written(tmp_path, convolution(3))])
    assert create("resnet50-conv", 10, "mini")
    assert add_files([EXAMPLE]) == ("gated",)
    with pytest.raises(ValueError, match="unknown model 'resnet50-conv'"):
        create("resnet50-conv", 10, "mini")


def test_files_of_the_same_name_in_two_folders(tmp_path: Path) -> None:
    """Each is a plug-in of its own; the same attention from both is refused."""
    (tmp_path / "other").mkdir()
    one = written(tmp_path, convolution(3))
    two = written(tmp_path / "other", convolution(5).replace("'conv'", "'wide'"))
    assert add_files([one, two]) == ("conv", "wide")
    assert fingerprint("resnet50-conv") != fingerprint("resnet50-wide")
    written(tmp_path / "other", convolution(5))
    with pytest.raises(PluginError, match="the name 'conv' is taken"):
        add_files([one, two])


def test_what_a_changed_file_no_longer_offers_is_gone(tmp_path: Path) -> None:
    add_files([written(tmp_path, convolution(3))])
    create("resnet50-conv", 10, "mini")
    add_files([written(tmp_path, convolution(3).replace("'conv'", "'other'"))])
    assert create("resnet50-other", 10, "mini").steps == 1
    with pytest.raises(ValueError, match="unknown model 'resnet50-conv'"):
        create("resnet50-conv", 10, "mini")


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    files = []
    for name, width in (("one", 3), ("two", 5)):
        (tmp_path / name).mkdir()
        files.append(written(tmp_path / name, convolution(width).replace("'conv'", f"'{name}'")))
    assert add_files(files) == ("one", "two")
    assert fingerprint("resnet50-one") != fingerprint("resnet50-two")
    for file in files:
        file.write_text(convolution(3))
    with pytest.raises(PluginError, match=r"two.mine\.py: the name 'conv' is taken"):
        add_files(files)


def test_networks_of_the_suites_own_parts_have_one_fingerprint() -> None:
    assert {fingerprint(name) for name in ("resnet50", "resnet50-se", "resnet50-td-joint-t2-m1")} == {"own"}


def test_the_fingerprint_of_an_unknown_model_names_it() -> None:
    with pytest.raises(ValueError, match="unknown model 'resnet18-sse'"):
        fingerprint("resnet18-sse")


def test_child_processes_find_it(tmp_path: Path) -> None:
    code = "from benchmarks.networks.models import create; create('resnet50-gated', 10, 'mini')"
    add_files([EXAMPLE])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_an_entry_point_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As an installed package would offer it."""
    (tmp_path / "outside.py").write_text("from baselines import ECA\nmake = lambda channels: ECA(channels)\n")
    monkeypatch.syspath_prepend(tmp_path)
    point = metadata.EntryPoint("outside", "outside:make", plugins.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == plugins.GROUP else [])
    assert plugins.names() == ("outside",)
    assert create("resnet18-outside", 10, "mini")(torch.zeros(1, 3, 64, 64)).shape == (1, 10)


def test_an_entry_point_is_known_to_commands_without_plug_in_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "installed.py").write_text("from baselines import ECA\nmake = lambda channels: ECA(channels)\n")
    monkeypatch.syspath_prepend(tmp_path)
    point = metadata.EntryPoint("installed", "installed:make", plugins.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == plugins.GROUP else [])
    counted = CliRunner().invoke(main, ["costs", "resnet18-installed"])
    assert counted.exit_code == 0, counted.output
    assert "resnet18-installed" in counted.output
    for arguments in (["costs", "resnet18-instaled"], ["train", "resnet18-instaled", "--results", str(tmp_path)]):
        refused = CliRunner().invoke(main, arguments)
        assert refused.exit_code == 1
        assert "did you mean resnet18-installed" in refused.output
        assert "ATTENTION one of se, cbam, eca, fca, installed;" in refused.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "has no dictionary ATTENTIONS"),
        ("def f(:\n", "cannot be loaded \\(SyntaxError"),
        ("import nothing_of_this_name\n", "cannot be loaded \\(ModuleNotFoundError"),
        ("ATTENTIONS = {'se': lambda c: None}\n", "the name 'se' is taken"),
        ("ATTENTIONS = {'My Own': lambda c: None}\n", "is no name for an attention"),
        ("ATTENTIONS = {'own': 3}\n", "must be a callable channels -> nn.Module, got int"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        add_files([written(tmp_path, text)])
    result = CliRunner().invoke(main, ["plan", "table1", "--plugin", str(tmp_path / "mine.py")])
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_a_plug_in_that_returns_no_module(tmp_path: Path) -> None:
    add_files([written(tmp_path, "ATTENTIONS = {'none': lambda channels: None}\n")])
    with pytest.raises(TypeError, match=r"must return an nn\.Module, got NoneType"):
        create("resnet50-none", 10, "mini")


def test_a_missing_file() -> None:
    with pytest.raises(PluginError, match=r"no plug-in file nowhere\.py"):
        add_files([Path("nowhere.py")])


def test_timm_by_name() -> None:
    pytest.importorskip("timm")
    network = create("resnet50-timm:gc", 10, "mini").eval()
    assert network(torch.randn(1, 3, 64, 64)).shape == (1, 10)
    assert fingerprint("resnet50-timm:gc") == f"timm {metadata.version('timm')}"
    assert COST.cell("resnet50-timm:gc") != COST.cell("resnet50-timm:eca")
    with pytest.raises(ValueError, match="unknown model 'resnet50-timm:nothing'"):
        create("resnet50-timm:nothing", 10, "mini")


def test_without_timm_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "timm.layers", None)
    with pytest.raises(PluginError, match="timm:gc needs timm: pip install timm"):
        create("resnet50-timm:gc", 10, "mini")
