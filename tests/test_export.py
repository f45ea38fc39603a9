"""Every network of table 1 and of the supplement leaves Python: by torch.export, and by ONNX into onnxruntime."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.awake import apart, settled
from tests.rows import ROWS

# Relative to the largest logit.
TOLERANCE = 1e-4
PAPERS_SIZE = ("resnet50-td-joint-t2-m1", "convnext_tiny-td-joint-t2-m1")


def images(side: int, count: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def by_onnxruntime(program: "torch.export.ExportedProgram", file: Path, shown: Tensor) -> Tensor:
    """Logits that onnxruntime gives of a file written from an exported program."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    written = torch.onnx.export(program, dynamo=True, verbose=False)
    assert written is not None
    written.save(file)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: shown.numpy()})
    return torch.from_numpy(logits)


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_exported(name: str, tmp_path: Path) -> None:
    """Small ones; no norm at zero and statistics of their own images, so that every path counts in the logits."""
    torch.manual_seed(0)
    network, shown = settled(name, images(64), 10, "mini"), images(64, 2, seed=1)
    with torch.no_grad():
        program = torch.export.export(network, (shown,))
        logits = network(shown)
        assert apart(program.module()(shown), logits) < 1e-5
    assert apart(by_onnxruntime(program, tmp_path / "network.onnx", shown), logits) < TOLERANCE


@pytest.mark.parametrize("name", PAPERS_SIZE)
def test_networks_of_the_papers_size_are_exported(name: str, tmp_path: Path) -> None:
    """At its resolution, for batches of any size: the exported program is shown another number of images."""
    torch.manual_seed(0)
    network, shown = settled(name, images(224, 2), 1000), images(224, 3, seed=1)
    with torch.no_grad():
        program = torch.export.export(network, (shown[:2],), dynamic_shapes=({0: torch.export.Dim("batch")},))
        logits = network(shown)
    assert apart(by_onnxruntime(program, tmp_path / "network.onnx", shown), logits) < TOLERANCE


def test_the_comparison_sees_another_network() -> None:
    """Of two networks that differ in their searchlight alone, the logits are further apart than is allowed."""
    torch.manual_seed(0)
    network, shown = settled("resnet50-td-joint-t2-m1", images(64), 10, "mini"), images(64, 2, seed=1)
    with torch.no_grad():
        before = network(shown)
        for parameter_name, parameter in network.named_parameters():
            if "searchlight.out" in parameter_name:
                nn.init.zeros_(parameter)
        assert apart(network(shown), before) > 10 * TOLERANCE
