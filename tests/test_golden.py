"""The networks equal the released ones: logits at every step, state-dict keys and shapes, module outputs."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import baselines
import tdam
from baselines.backbone import Backbone
from tests.fill import fill

GOLDEN = Path(__file__).parent / "golden"

NETWORKS: dict[str, Callable[[], Backbone]] = {
    "td_resnet50_joint_t2_m1": lambda: tdam.resnet50("joint"),
    "td_resnet50_top_t2_m1": lambda: tdam.resnet50("top"),
    "td_resnet18_joint_t2_m2": lambda: tdam.resnet18("joint", distance=2),
    "td_convnext_tiny_joint_t2_m1": lambda: tdam.convnext_tiny("joint"),
    "cbam_resnet50_official": lambda: baselines.resnet50(partial(baselines.CBAM, bias=True)),
    "eca_resnet50_k3": lambda: baselines.resnet50(partial(baselines.ECA, kernel_size=3)),
    "fca_resnet50": lambda: baselines.resnet50("fca"),
}
# FCA's release keeps its DCT filters in float32.
TOLERANCE = {"fca_resnet50": 1e-6}
MODULE_KINDS = {
    "joint_top_bottom_concat_attention": "joint",
    "top_attention_only": "top",
    "joint_top_bottom_bilinear_attention": "joint_bilinear",
}


def released_state(name: str) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The golden state dict as the released network has it, and the file's facts."""
    facts = json.loads((GOLDEN / f"{name}.json").read_text())
    state = {
        key: torch.from_numpy(np.asarray(fill(key, tuple(shape))))
        for key, shape in facts["state_dict"].items()
        if key not in facts["computed_buffers"]
    }
    return state, facts


def error(ours: Tensor, golden: np.ndarray) -> float:
    """Largest difference, relative to the largest golden value."""
    return float((ours.double() - torch.from_numpy(golden)).abs().max() / np.abs(golden).max())


def test_every_golden_file_is_met() -> None:
    files = {path.stem for path in GOLDEN.iterdir()}
    assert files == {*NETWORKS, "attention_module", "released_boxes", "released_merging", "wsol_maxbox"}


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_of_the_released_network(name: str) -> None:
    """Strict loading by rule, the parameter count, and logits at every step in float32 and float64.

    The golden logits come from float32 weights in a float64 forward pass, so the weights are loaded first.
    """
    state, facts = released_state(name)
    model = NETWORKS[name]().eval()
    load = tdam.load_released if name.startswith("td_") else baselines.load_published
    load(model, state)
    assert sum(p.numel() for p in model.parameters()) == facts["parameters"]
    golden = np.load(GOLDEN / f"{name}.npz")
    image = torch.from_numpy(fill("input", tuple(facts["input_shape"])))  # type: ignore[arg-type]
    with torch.no_grad():
        assert error(model(image.float()), golden["logits"]) < 1e-4
        model.double()
        steps = model.forward_steps(image)
        assert error(model(image), golden["logits"]) < TOLERANCE.get(name, 1e-10)
    for step in range(1, model.steps + 1):
        if f"step{step}" in golden:
            assert error(steps[step - 1], golden[f"step{step}"]) < 1e-10
    assert torch.equal(steps[-1], model(image))


@pytest.mark.parametrize("case", json.loads((GOLDEN / "attention_module.json").read_text())["state_dict"])
def test_attention_module(case: str) -> None:
    """Three kinds in four orders: the searchlight before the sigmoid, and the next bottom map."""
    kind, order = case.split("|")
    shapes = json.loads((GOLDEN / "attention_module.json").read_text())["state_dict"][case]
    module = tdam.TopDownAttention(256, 64, MODULE_KINDS[kind], order).double()
    ours = {theirs: name for name, theirs in module.searchlight.released_names.items()}
    assert {f"{theirs}.weight" for theirs in ours} == set(shapes)
    # These golden values were made by a float32 module that was turned into float64.
    weights = {key: torch.from_numpy(fill(key, tuple(shape))).float() for key, shape in shapes.items()}
    module.searchlight.load_state_dict(
        {f"{ours[key.removesuffix('.weight')]}.weight": value.flatten(1) for key, value in weights.items()}
    )
    bottom = torch.from_numpy(fill("bottom", (2, 64, 14, 14))).relu()
    top = torch.from_numpy(fill("top", (2, 256, 14, 14)))
    golden = np.load(GOLDEN / "attention_module.npz")
    with torch.no_grad():
        searchlight = module.searchlight(top.mean((2, 3)), bottom.mean((2, 3)))
        assert error(searchlight, golden[f"{case}|searchlight"]) < 1e-10
        assert error(module(top, bottom), golden[case]) < 1e-10
