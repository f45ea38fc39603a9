"""Weights from file to file: every layout in, ours or the authors' out, with a model card; and what is refused."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from click.testing import CliRunner, Result
from torch import Tensor

import baselines
import tdam
from baselines.backbone import Backbone
from baselines.checkpoints import read_checkpoint
from benchmarks.cli import main
from benchmarks.networks.models import create
from benchmarks.papers.tdam.numbers import paper_rows
from tests.awake import awake
from tests.rows import ROWS
from tests.test_golden import released_state

ROOT = Path(__file__).resolve().parents[1]
TD18 = "resnet18-td-joint-t2-m2"


def convert(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


def facts(file: Path) -> dict[str, str]:
    with safetensors.safe_open(file, framework="pt") as opened:
        return dict(opened.metadata())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights as the authors' training leaves them."""
    file = tmp_path_factory.mktemp("theirs") / "model_best.pth"
    state = {f"module.{key}": value.float() for key, value in released_state("td_resnet18_joint_t2_m2")[0].items()}
    torch.save({"state_dict": state, "epoch": 90}, file)
    return file


def test_from_the_authors_to_ours_and_back(tmp_path: Path, theirs: Path) -> None:
    """The file says what it is and what it came from; written back, it holds the authors' tensors by their keys."""
    ours, back = tmp_path / "ours.safetensors", tmp_path / "back.pth"
    done = convert(theirs, ours, "--model", TD18)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"{ours}: {TD18}, from {theirs} in the layout TDAM authors",
        str(tmp_path / "ours.md"),
    ]
    assert facts(ours) == {
        "model": TD18,
        "size": "paper",
        "num_classes": "1000",
        "layout": "tdam-bench",
        "source": "model_best.pth",
        "source_sha256": hashlib.sha256(theirs.read_bytes()).hexdigest(),
        "source_layout": "TDAM authors",
    }
    network = create(TD18)
    network.load_state_dict(safetensors.torch.load_file(ours))
    assert convert(ours, back).exit_code == 0  # what it is of stands in the file
    content = torch.load(back, weights_only=True)
    assert all(key.startswith("module.") for key in content["state_dict"])
    assert same(read_checkpoint(back), read_checkpoint(theirs))


@pytest.mark.parametrize("name", ROWS)
def test_every_row_goes_to_ours_and_back(name: str, tmp_path: Path) -> None:
    """Small ones, whose size their weights tell; those that the authors have a layout of go there and back as well."""
    network = awake(name, 7, "mini")
    source, ours, back = (tmp_path / one for one in (f"{name}.pth", "ours.safetensors", "back.pth"))
    torch.save(network.state_dict(), source)
    done = convert(source, ours)  # the file's name is the network's
    assert done.exit_code == 0, done.output
    assert same(safetensors.torch.load_file(ours), network.state_dict())
    assert (facts(ours)["model"], facts(ours)["size"], facts(ours)["num_classes"]) == (name, "mini", "7")
    written = convert(ours, back)
    if name.startswith("mobilenet") or name == "convnext_tiny-se":
        assert written.exit_code == 1
        assert not back.exists()
        return
    assert written.exit_code == 0, written.output
    again = create(name, 7, "mini")
    tdam.load_weights(again, back)
    assert same(again.state_dict(), network.state_dict())


def test_from_an_attention_repository(tmp_path: Path) -> None:
    state, _ = released_state("fca_resnet50")
    torch.save(state, tmp_path / "theirs.pth")
    ours = tmp_path / "ours.safetensors"
    assert convert(tmp_path / "theirs.pth", ours, "--model", "resnet50-fca").exit_code == 0
    network = baselines.resnet50("fca")
    baselines.load_published(network, state)
    assert same(safetensors.torch.load_file(ours), network.state_dict())
    assert facts(ours)["source_layout"] == "attention repositories or timm"


def test_from_timms_cbam(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    theirs = timm.create_model("resnet50", num_classes=7, block_args={"attn_layer": "cbam"})
    torch.save({"state_dict": theirs.state_dict(), "arch": "resnet50"}, tmp_path / "model_best.pth.tar")
    ours = tmp_path / "ours.safetensors"
    done = convert(tmp_path / "model_best.pth.tar", ours, "--model", "resnet50-cbam")
    assert done.exit_code == 0, done.output
    written = safetensors.torch.load_file(ours)["layer1.0.attention.conv.weight"]
    assert torch.equal(written.flip(1), theirs.layer1[0].se.spatial.conv.conv.weight)


def card_and_network(folder: Path, name: str) -> tuple[str, Backbone]:
    """The card of a network's converted weights, and that network."""
    network = create(name, 1000)
    torch.save(network.state_dict(), folder / "source.pth")
    done = convert(folder / "source.pth", folder / "ours.safetensors", "--model", name)
    assert done.exit_code == 0, done.output
    return (folder / "ours.md").read_text(), network


def test_the_card_tells_what_was_counted_and_what_the_paper_prints(tmp_path: Path) -> None:
    """The paper's numbers are under a heading that says so; the three lines of code load the weights."""
    card, network = card_and_network(tmp_path, "resnet50-td-joint-t2-m1")
    measured, _, printed = card.partition("## Numbers of the paper")
    assert f"| parameters | {sum(p.numel() for p in network.parameters()):,} |" in measured
    assert "| FLOPs | 4.59 G multiply-accumulates of one 224x224 image" in measured
    assert "None was measured with these." in printed
    row = paper_rows()["resnet50-td-joint-t2-m1"]
    assert f"| v1_top1 | {row['v1_top1']} |" in printed
    assert row["v1_top1"] not in measured
    assert "MIT license" in card
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(code.splitlines()) == 3
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print(model.fc.weight[0].tolist())"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == network.fc.weight[0].tolist(), done.stderr


def test_of_a_network_that_the_paper_does_not_print_the_card_says_so(tmp_path: Path) -> None:
    card, _ = card_and_network(tmp_path, "resnet18-eca")
    assert "TDAM (ECCV 2022) prints none of this network." in card
    assert "v1_top1" not in card


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.pth", "out.safetensors"], "there is no nowhere.pth (IN); name a file that exists"),
        ([".", "out.safetensors"], ". is a folder, and IN takes a file; name one"),
        (["nowhere.pth", "out.safetensors", "--model", TD18], "there is no nowhere.pth (IN); name a file that exists"),
        (["{theirs}", "out.safetensors"], "{theirs} does not say which network it is of; name it with --model"),
        (["{theirs}", "out.safetensors", "--model", "resnet18-tdd"], "unknown model 'resnet18-tdd'"),
        (["{theirs}", "out.onnx", "--model", TD18], "out.onnx must end in .safetensors (this suite's layout) or .pth"),
        (["{theirs}", "{theirs}", "--model", TD18], "{theirs} is there already and is not overwritten"),
        (["{garbage}", "out.safetensors"], "{garbage} is not a safetensors file, or it is cut short"),
        (["{theirs}", "out.safetensors", "--model", "resnet50"], "the checkpoint does not fit this network: "),
    ],
)
def test_what_is_refused_is_one_line(
    arguments: list[str], message: str, theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "garbage.safetensors").write_bytes(b"no such thing")
    places = {"theirs": str(theirs), "garbage": "garbage.safetensors"}
    result = convert(*(one.format(**places) for one in arguments))
    assert result.exit_code == (2 if "IN" in message else 1)  # a path of the wrong kind, or what it holds
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"Error: {message.format(**places)}")
    assert "Traceback" not in result.output
    assert [file.name for file in tmp_path.iterdir()] == ["garbage.safetensors"]


def test_a_network_without_a_layout_of_the_authors_leaves_nothing(tmp_path: Path) -> None:
    torch.save(create("mobilenet_v3_large", 7, "mini").state_dict(), tmp_path / "mobilenet_v3_large.pth")
    result = convert(tmp_path / "mobilenet_v3_large.pth", tmp_path / "out.pth")
    assert result.exit_code == 1
    assert "Error: no released layout is known for MobileNetV3" in result.stderr
    assert len(list(tmp_path.iterdir())) == 1


def test_a_card_that_is_there_is_kept(tmp_path: Path, theirs: Path) -> None:
    (tmp_path / "ours.md").write_text("my notes")
    result = convert(theirs, tmp_path / "ours.safetensors", "--model", TD18)
    assert result.exit_code == 1
    assert "ours.md is there already and is not overwritten; name another file" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["ours.md"]
