"""The gate's networks: what is committed is small, trained and whole; and how it is made."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from benchmarks.cli import main
from benchmarks.core.records import new_record
from benchmarks.core.store import Store
from benchmarks.networks.models import create
from benchmarks.papers.tdam import GATE_FOLDER, PAPER
from benchmarks.papers.tdam.gate import cells
from benchmarks.papers.tdam.recipes import GATE, GATE_NETWORKS, MINI, SMOKE
from benchmarks.report.gate import check, networks
from benchmarks.report.gate.networks import MOST_BYTES, export, halved, trainings, write_halved
from benchmarks.report.paper import Gate
from benchmarks.work.training import TRAIN
from benchmarks.work.weights import known_inputs
from tdam import load_weights
from tests.sessions import make_session

FILES = {name: GATE_FOLDER / "weights" / f"{name}.safetensors" for name in GATE_NETWORKS}
# The gate's committed reference has far to fall: so many times chance at least.
TIMES_CHANCE = 3
assert PAPER.gate is not None
OWN = PAPER.gate


def test_the_committed_networks_are_small_and_whole() -> None:
    assert {file.name for file in (GATE_FOLDER / "weights").iterdir()} == {file.name for file in FILES.values()}
    assert sum(file.stat().st_size for file in FILES.values()) <= MOST_BYTES
    for name, file in FILES.items():
        state = load_file(file)
        assert {array.dtype for array in state.values()} == {np.dtype(np.float16), np.dtype(np.int64)}
        network = create(name, MINI.num_classes, MINI.size)
        load_weights(network, file)
        for key, value in network.state_dict().items():
            assert value.numpy().astype(state[key].dtype) == pytest.approx(state[key])
        with safe_open(file, framework="numpy") as opened:
            assert json.loads(opened.metadata()["training"])["seed"] == 0


def test_the_last_network_has_several_steps_to_merge() -> None:
    assert create(GATE_NETWORKS[-1], MINI.num_classes, MINI.size).steps > 2
    assert create(GATE_NETWORKS[0], MINI.num_classes, MINI.size).steps == 1


def test_the_reference_has_far_to_fall() -> None:
    """Networks at chance could not be seen to become worse."""
    records = [record for record in Store(GATE_FOLDER).records() if record.cell.kind == "accuracy"]
    assert {record.cell.model for record in records} == set(GATE_NETWORKS)
    for record in records:
        for key, metric in record.metrics.items():
            if key.name == "top1":
                assert metric.n == GATE.val_count
                assert (metric.value or 0) > TIMES_CHANCE * 100 / MINI.num_classes, f"{record.cell}: {key}"


def test_the_gate_looks_at_given_weights() -> None:
    with check.fresh_session(PAPER, None) as session:
        looked = [cell for cell in cells(session) if "weights" in cell.options]
    assert {cell.options["weights"] for cell in looked} == {"given"}
    assert {cell.kind for cell in looked} == {"accuracy", "localization", "selectivity", "attention"}
    assert {cell.options["data"] for cell in looked} == set(MINI.splits.values())
    assert len({cell.options["resolution"] for cell in looked if cell.kind == "accuracy"}) == 2


def test_a_gate_without_its_weights_trains_none(tmp_path: Path) -> None:
    """Networks that were trained on the spot would be other ones."""
    gate = replace(OWN, weights=tmp_path)
    with check.fresh_session(replace(PAPER, gate=gate), None) as session:
        assert session.profile.trains is False
        (cell,) = [one for one in cells(session) if one.kind == "selectivity" and one.model == "resnet50"]
        assert "given" not in cell.options.values()


# ---------------------------------------------------------------- how they are made


def state(value: float = 0.1) -> dict[str, np.ndarray]:
    return {"weight": np.full(3, value, np.float32), "seen": np.array(7)}


def gate_of(folder: Path, *names: str) -> Gate:
    return replace(OWN, weights=folder, networks=names, trained_by=SMOKE.name)


def test_weights_are_rounded_to_half_precision(tmp_path: Path) -> None:
    save_file(state(), tmp_path / "whole.safetensors", {"training": "facts"})
    write_halved(tmp_path / "whole.safetensors", tmp_path / "half.safetensors")
    half = load_file(tmp_path / "half.safetensors")
    assert [half[name].dtype for name in ("weight", "seen")] == [np.dtype(np.float16), np.dtype(np.int64)]
    assert half["weight"].astype(np.float32) == pytest.approx(np.full(3, 0.1), rel=1e-3)
    with safe_open(tmp_path / "half.safetensors", framework="numpy") as opened:
        assert opened.metadata() == {"training": "facts"}


@pytest.mark.parametrize("value", [1e5, float("nan")])
def test_weights_that_do_not_fit_are_refused(value: float) -> None:
    with (
        np.errstate(over="ignore"),
        pytest.raises(ValueError, match="weight does not fit into half precision; train the network anew"),
    ):
        halved(state(value), Path("x.safetensors"))


def test_export_needs_trained_networks_that_are_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_session(tmp_path)
    gate = gate_of(tmp_path / "gate", "resnet18")
    with pytest.raises(ValueError, match="left no weights; the gate's stay as they were"):
        export(gate, session)
    (cell,) = trainings(gate, session)
    record = new_record(cell, known_inputs(TRAIN, cell, session), {}, notes={"weights": "a.safetensors"})
    session.store.write(record)
    path = session.store.path("weights", "a", ".safetensors")
    path.parent.mkdir()
    save_file(state(), path)
    assert export(gate, session) == [tmp_path / "gate" / "resnet18.safetensors"]
    monkeypatch.setattr(networks, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match="bytes, 10 are allowed"):
        export(gate, session)
    with pytest.raises(ValueError, match="looks at no trained networks"):
        export(replace(gate, weights=None), session)


def test_the_command_trains_and_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One small network by the smoke recipe; a second call trains nothing."""
    own = gate_of(tmp_path / "gate", "resnet18")
    monkeypatch.setattr("benchmarks.report.gate.check.gate_of", lambda paper: own)
    command = ["gate-networks", "--results", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache"), "--jobs", "1"]
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.output
    assert "1 cells run, 0 done before" in first.stdout
    assert "resnet18.safetensors: " in first.stdout
    again = CliRunner().invoke(main, command)
    assert "0 cells run, 1 done before" in again.stdout
