"""torch.hub loads every row of the repository from its folder."""

import importlib.util
from pathlib import Path

import pytest
import safetensors.torch
import torch

import tdam
from baselines.checkpoints import CheckpointError
from benchmarks.networks.names import parse
from tests.awake import settled
from tests.rows import ROWS, small

ROOT = str(Path(__file__).resolve().parents[1])


def images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_the_hub_lists_the_rows_and_nothing_else() -> None:
    """It takes every callable without a leading underscore for one; there is no listing of local folders."""
    spec = importlib.util.spec_from_file_location("hubconf", Path(ROOT, "hubconf.py"))
    assert spec is not None
    assert spec.loader is not None
    hub = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hub)
    listed = {name for name in dir(hub) if callable(getattr(hub, name)) and not name.startswith("_")}
    assert listed == set(ROWS.values())
    assert all(name in getattr(hub, name).__doc__ for name in listed)
    assert all(importlib.util.find_spec(name) for name in hub.dependencies)


@pytest.mark.parametrize("name", ROWS)
def test_rows_from_the_hub_give_our_logits(name: str, tmp_path: Path) -> None:
    """With the weights of a file, in the size that its options tell."""
    network = settled(name, images(), 10, "mini")
    safetensors.torch.save_file(network.state_dict(), tmp_path / "ours.safetensors")
    options = {"num_classes": 10, "weights": str(tmp_path / "ours.safetensors"), **small(name)}
    model = torch.hub.load(ROOT, ROWS[name], source="local", **options).eval()
    assert type(model) is type(network)
    assert model.steps == parse(name).steps
    with torch.no_grad():
        assert torch.equal(model(images()), network(images()))


def test_weights_of_another_network_and_names_that_are_none(tmp_path: Path) -> None:
    safetensors.torch.save_file(tdam.resnet18(widths=(8, 8, 8, 8)).state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="does not fit this network"):
        torch.hub.load(ROOT, "resnet18", source="local", weights=str(tmp_path / "other.safetensors"))
    with pytest.raises(CheckpointError, match="no checkpoint at nowhere"):
        torch.hub.load(ROOT, "resnet18", source="local", weights="nowhere")
    with pytest.raises(RuntimeError, match="Cannot find callable resnet152"):
        torch.hub.load(ROOT, "resnet152", source="local")
