"""Checkpoints: what loads, and the one clear error for each that does not."""

import argparse
import functools
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

import baselines
import tdam
from baselines.backbone import Backbone
from baselines.checkpoints import CheckpointError, read_checkpoint
from tests.awake import apart
from tests.test_golden import NETWORKS, released_state

NAME = "td_resnet18_joint_t2_m2"


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return released_state(NAME)[0]


def td_resnet18(**options: object) -> Backbone:
    return tdam.resnet18(**{"distance": 2, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_layouts_of_a_file(tmp_path: Path, state: dict[str, Tensor], prefix: str, wrapped: bool) -> None:
    """With and without ``state_dict`` and ``module.``; a training script's Namespace beside it does no harm."""
    content: dict[str, object] = {prefix + key: value for key, value in state.items()}
    if wrapped:
        content = {"state_dict": content, "epoch": 3, "args": argparse.Namespace(lr=0.4)}
    torch.save(content, tmp_path / "weights.pth")
    model = td_resnet18()
    tdam.load_released(model, tmp_path / "weights.pth")
    assert torch.equal(model.state_dict()["conv1.weight"], state["conv1.weight"].float())


def test_safetensors(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(state, path)
    tdam.load_released(td_resnet18(), str(path))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="not a safetensors file, or it is cut short"):
        tdam.load_released(td_resnet18(), path)


def test_missing_batch_counters_are_no_error(state: dict[str, Tensor]) -> None:
    """Files of old torch versions lack ``num_batches_tracked``, which evaluation does not use."""
    tdam.load_released(td_resnet18(), {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")})


def refusal(model: Backbone, checkpoint: object) -> str:
    """The error's text; the model must be as it was."""
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        tdam.load_released(model, checkpoint)  # type: ignore[arg-type]
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("golden", "model", "fits"),
    [
        ("td_resnet50_top_t2_m1", "resnet18", "tdam.resnet50(kind='top', steps=2, distance=1)"),
        ("td_resnet50_joint_t2_m1", "resnet18", "tdam.resnet50(kind='joint', steps=2, distance=1)"),
        (NAME, "resnet50", "tdam.resnet18(kind='joint', steps=2, distance=2)"),
        ("td_convnext_tiny_joint_t2_m1", "resnet18", "tdam.convnext_tiny(kind='joint', steps=2, distance=1)"),
        (NAME, "convnext_tiny", "tdam.resnet18(kind='joint', steps=2, distance=2)"),
    ],
)
def test_another_architecture(golden: str, model: str, fits: str) -> None:
    """Says how many keys are missing and left over, names a few, and the configuration that would fit."""
    message = refusal(getattr(tdam, model)(), released_state(golden)[0])
    assert message.endswith(f"It would fit {fits}")
    assert "keys missing (" in message
    assert "left over (" in message
    assert len(message) < 900


CONFIGURATIONS: list[dict[str, object]] = [
    {"kind": "top", "steps": 3, "distance": 1},
    {"kind": "joint_bilinear", "steps": 2, "distance": 2},
    {"kind": "joint", "steps": 5, "distance": 2},
    {"kind": "joint", "steps": 2, "distance": 1, "blocks": {4: [0, 1]}},
    {"kind": "top", "steps": 2, "distance": 2, "num_classes": 7},
    {"kind": "top", "steps": 2, "distance": 0},
    {"kind": "joint", "steps": 2, "distance": 1, "reduction": 8},
    {"backbone": "resnet50", "kind": "top", "steps": 3, "distance": 3},
    {"backbone": "resnet50", "kind": "joint", "steps": 2, "distance": 2},
    {"backbone": "resnet101", "kind": "top", "steps": 3, "distance": 2},
    {"backbone": "resnet34", "kind": "joint_bilinear", "steps": 2, "distance": 2},
]


def released_layout(model: Backbone) -> dict[str, Tensor]:
    """A TD ResNet's weights under the authors' names, written module by module from their naming rules."""
    state: dict[str, Tensor] = {}

    def put(name: str, module: nn.Module, as_conv: bool = False) -> None:
        for key, value in module.state_dict().items():
            state[f"{name}.{key}"] = value[:, :, None, None] if as_conv else value

    for name in ("conv1", "bn1", "fc"):
        put(name, getattr(model, name))
    for stage, blocks in enumerate(model.stages(), start=1):
        for index, block in enumerate(blocks):
            prefix = f"layer{stage}.{index}"
            for name in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample"):
                if getattr(block, name, None) is not None:
                    put(f"{prefix}.{name}", getattr(block, name))
            if not hasattr(block.loop, "norms"):
                continue
            for step, norms in enumerate(block.loop.norms, start=2):
                for position, norm in norms.items():
                    put(f"{prefix}.bn{int(position) + 1}_{step - 1}", norm)
            if block.loop.attention is None:
                continue
            searchlight = block.loop.attention.searchlight
            if hasattr(searchlight, "from_bottom"):
                put(f"{prefix}.RA_block.Ug_top_mlp.0", searchlight.from_top, as_conv=True)
                put(f"{prefix}.RA_block.Ug_bottom_mlp.0", searchlight.from_bottom, as_conv=True)
                put(f"{prefix}.RA_block.Ug_mlp.0", searchlight.out, as_conv=True)
            else:
                put(f"{prefix}.RA_block.Ug_mlp.0", searchlight.from_top, as_conv=True)
                put(f"{prefix}.RA_block.Ug_mlp.2", searchlight.out, as_conv=True)
    return state


@pytest.mark.parametrize("options", CONFIGURATIONS)
def test_the_fitting_configuration_is_named(options: dict[str, object]) -> None:
    """What the error recommends is what the weights came from, and it loads them."""
    build = getattr(tdam, str(options.get("backbone", "resnet18")))
    written = released_layout(build(**{key: value for key, value in options.items() if key != "backbone"}))
    message = refusal(tdam.resnet18(distance=1, num_classes=3), written)
    recommended = message.rpartition("It would fit ")[2]
    tdam.load_released(eval(recommended, {"tdam": tdam}), written)
    assert f"steps={options['steps']}, distance={options['distance']}" in recommended


def test_unused_attention_of_one_step(state: dict[str, Tensor]) -> None:
    """At t=1 the released code keeps an attention that nothing calls; its weights are passed over."""
    one_step = {key: value for key, value in state.items() if ".bn1_1." not in key and ".bn2_1." not in key}
    tdam.load_released(td_resnet18(steps=1), one_step)
    assert "left over" in refusal(baselines.resnet18(), one_step)


def test_two_steps_offered_to_one(state: dict[str, Tensor]) -> None:
    assert refusal(td_resnet18(steps=1), state).endswith("fit tdam.resnet18(kind='joint', steps=2, distance=2)")


def test_the_other_loader_is_named(state: dict[str, Tensor]) -> None:
    """TD weights belong to load_released, attention weights to load_published, our own keys to load_state_dict."""
    assert refusal(td_resnet18(), released_state("cbam_resnet50_official")[0]).endswith("baselines.CBAM, bias=True))")
    with pytest.raises(CheckpointError, match=r"use tdam\.load_released"):
        baselines.load_published(baselines.resnet18(), state)
    assert "use its load_state_dict" in refusal(td_resnet18(), td_resnet18().state_dict())


def test_load_weights_takes_every_layout(tmp_path: Path, state: dict[str, Tensor]) -> None:
    """Ours, the TDAM authors', and the attention repositories'; from a file or a mapping."""
    ours = td_resnet18()
    safetensors.torch.save_file(ours.state_dict(), tmp_path / "ours.safetensors")
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "theirs.pth")
    one_step = {key: value for key, value in state.items() if ".bn1_1." not in key and ".bn2_1." not in key}
    layouts: list[tuple[Backbone, str | Path | dict[str, Tensor]]] = [
        (td_resnet18(), tmp_path / "ours.safetensors"),
        (td_resnet18(), str(tmp_path / "theirs.pth")),
        (td_resnet18(), state),
        (td_resnet18(steps=1), one_step),
        (tdam.convnext_tiny(), released_state("td_convnext_tiny_joint_t2_m1")[0]),
        (NETWORKS["eca_resnet50_k3"](), released_state("eca_resnet50_k3")[0]),
        (NETWORKS["cbam_resnet50_official"](), released_state("cbam_resnet50_official")[0]),
        (baselines.mobilenet_v3_large(), baselines.mobilenet_v3_large().state_dict()),
    ]
    for model, checkpoint in layouts:
        before = {key: value.clone() for key, value in model.state_dict().items()}
        tdam.load_weights(model, checkpoint)
        assert any(not torch.equal(before[key], value) for key, value in model.state_dict().items())
    loaded = layouts[0][0].state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in ours.state_dict().items())
    assert torch.equal(layouts[1][0].state_dict()["conv1.weight"], state["conv1.weight"].float())


def test_load_weights_refuses_those_of_another_network(tmp_path: Path, state: dict[str, Tensor]) -> None:
    """With the reader's own error for each layout."""
    with pytest.raises(CheckpointError, match=r"It would fit tdam\.resnet18\(kind='joint', steps=2, distance=2\)"):
        tdam.load_weights(tdam.resnet50(), state)
    with pytest.raises(CheckpointError, match=r"It would fit baselines\.resnet50\(attention=functools\.partial"):
        tdam.load_weights(baselines.resnet50("se"), released_state("eca_resnet50_k3")[0])
    with pytest.raises(CheckpointError, match="2 keys of another shape"):
        tdam.load_weights(td_resnet18(num_classes=10), td_resnet18().state_dict())
    with pytest.raises(CheckpointError, match="use its load_state_dict"):
        tdam.load_weights(td_resnet18(), tdam.resnet50().state_dict())
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        tdam.load_weights(td_resnet18(), tmp_path / "nowhere.pth")


def test_keys_that_only_look_like_a_layout(state: dict[str, Tensor]) -> None:
    """Describing damaged keys must not fail inside the error."""
    for key in ("layer3.0.RA_block.Ug_mlp.0.weight", "conv1.weight"):
        damaged = {name: value for name, value in state.items() if name != key}
        assert "keys missing" in refusal(tdam.resnet50(), damaged)


@pytest.mark.parametrize(
    "value", [torch.zeros(2, device="meta"), torch.zeros(2, dtype=torch.complex64), torch.ones(2) > 0]
)
def test_unusual_tensors(value: Tensor) -> None:
    assert "pass one that maps names to dense real tensors" in refusal(td_resnet18(), {"fc.bias": value})


def test_another_number_of_classes(state: dict[str, Tensor]) -> None:
    message = refusal(td_resnet18(num_classes=10), state)
    assert "2 keys of another shape (fc.weight is (1000, 512) there, (10, 512) here" in message


def test_no_released_layout() -> None:
    message = refusal(tdam.mobilenet_v3_large(), {"conv.weight": torch.zeros(1)})
    assert message == "no released layout is known for MobileNetV3: only ResNet and ConvNeXt have one"


def test_foreign_keys(state: dict[str, Tensor]) -> None:
    assert "It would fit no network of this package" in refusal(td_resnet18(), {"encoder.weight": torch.zeros(2)})


@pytest.mark.parametrize("cut", [0, 10, 500, 20_000])
def test_truncated_file(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "weights.pth"
    torch.save(tdam.resnet18(widths=(8, 8, 8, 8)).state_dict(), path)
    path.write_bytes(path.read_bytes()[:cut])
    assert "is not a checkpoint that torch.save wrote, or it is cut short" in refusal(td_resnet18(), path)


@pytest.mark.parametrize("cut", range(1, 360, 7))
def test_truncated_file_of_the_old_format(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.zeros(2, 2)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"cut short|refused"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"hello\n", b"PK\x03\x04 nothing", bytes(range(256)) * 4, b"GIF89a" + bytes(40)])
def test_not_a_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert str(path) in refusal(td_resnet18(), path)


class Payload:
    """Runs a command when it is unpickled by a careless reader."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("plain_pickle", [True, False])
def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, plain_pickle: bool) -> None:
    target = tmp_path / "ran"
    path = tmp_path / "weights.pth"
    if plain_pickle:
        path.write_bytes(pickle.dumps({"state_dict": Payload(str(target))}, protocol=2))
    else:
        torch.save({"state_dict": Payload(str(target))}, path)
    message = refusal(td_resnet18(), path)
    assert "refused" in message
    assert "mkdir" in message
    assert not target.exists()


def test_missing_file_and_odd_content(tmp_path: Path) -> None:
    assert "no checkpoint at" in refusal(td_resnet18(), tmp_path / "nowhere.pth")
    assert "is a folder" in refusal(td_resnet18(), tmp_path)
    torch.save([1, 2], tmp_path / "list.pth")
    assert "holds a list, not a mapping" in refusal(td_resnet18(), tmp_path / "list.pth")
    assert "'lr' is a float" in refusal(td_resnet18(), {"lr": 0.1})
    assert "it is empty" in refusal(td_resnet18(), {})
    with pytest.raises(CheckpointError, match="it is empty"):
        read_checkpoint({"state_dict": {}})


def test_published_errors_name_the_fitting_network() -> None:
    state, _ = released_state("eca_resnet50_k3")
    with pytest.raises(
        CheckpointError, match=r"baselines.resnet50\(attention=functools.partial\(baselines.ECA, kernel"
    ):
        baselines.load_published(baselines.resnet50("se"), state)
    state, _ = released_state("cbam_resnet50_official")
    with pytest.raises(CheckpointError, match=r"baselines.resnet50\(attention=functools.partial\(baselines.CBAM, bias"):
        baselines.load_published(baselines.resnet50("cbam"), state)


def test_mixed_eca_kernels_are_described() -> None:
    """Kernel sizes that differ by stage come back as a constructor that builds them."""
    sizes = {256: 3, 512: 3, 1024: 5, 2048: 7}
    written = {
        key.replace(".attention.conv.", ".eca.conv."): value
        for key, value in baselines.resnet50(lambda c: baselines.ECA(c, sizes[c])).state_dict().items()
    }
    with pytest.raises(CheckpointError) as caught:
        baselines.load_published(baselines.resnet50("eca"), written)
    recommended = str(caught.value).rpartition("It would fit ")[2]
    baselines.load_published(eval(recommended, {"baselines": baselines}), written)


def test_published_dct_filters_are_checked() -> None:
    """FcaNet's files carry the filter; the right one is accepted, another one is refused."""
    state, facts = released_state("fca_resnet50")
    model = baselines.resnet50("fca")
    buffers = dict(model.named_buffers())
    for key in facts["computed_buffers"]:  # type: ignore[attr-defined]
        state[key] = buffers[key.replace(".att.dct_layer.weight", ".attention.filter")].clone()
    baselines.load_published(model, state)
    state["layer1.0.att.dct_layer.weight"] *= 2
    with pytest.raises(CheckpointError, match="other frequencies"):
        baselines.load_published(model, state)
    state["layer1.0.att.dct_layer.weight"] = torch.zeros(256, 7, 7)
    with pytest.raises(CheckpointError, match=r"filter of \(256, 7, 7\), this network one of \(256, 56, 56\)"):
        baselines.load_published(model, state)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_authors_layout_is_written_as_they_have_it(name: str) -> None:
    """Every key and shape of the released state dict, and back: the same values."""
    state, facts = released_state(name)
    model = NETWORKS[name]()
    tdam.load_weights(model, state)
    written = tdam.authors_state(model)
    assert {key: list(value.shape) for key, value in written.items()} == facts["state_dict"]
    assert all(torch.equal(written[key], value.to(written[key].dtype)) for key, value in state.items())
    twin = NETWORKS[name]()
    tdam.load_weights(twin, written)
    ours = model.state_dict()
    assert all(torch.equal(value, ours[key]) for key, value in twin.state_dict().items())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: tdam.mobilenet_v3_large(), "no released layout is known for MobileNetV3"),
        (lambda: baselines.convnext_tiny("se", depths=(1, 1, 1, 1)), "the authors' layout has no place for"),
        (lambda: tdam.resnet18(steps=1), "always has top-down attention, which this network has not"),
        (lambda: tdam.resnet18(order="convolution"), "always has top-down attention, which this network has not"),
        (lambda: baselines.resnet18(nn.BatchNorm2d), "no layout of others is known for the attention BatchNorm2d"),
    ],
)
def test_networks_without_a_layout_of_the_authors(build: Callable[[], Backbone], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        tdam.authors_state(build())


def timm_resnet(name: str, **block: object) -> nn.Module:
    """A ResNet of timm's with attention in its blocks, and statistics of the images it was shown."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model: nn.Module = timm.create_model(name, num_classes=7, zero_init_last=False, block_args=block)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(4, 3, 64, 64))
    return model.eval()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_timms_cbam(name: str, bias: bool) -> None:
    """Its spatial gate reads the mean first; with the kernel turned round the logits are timm's."""
    cbam = pytest.importorskip("timm.layers.cbam")
    theirs = timm_resnet(name, attn_layer=functools.partial(cbam.CbamModule, mlp_bias=True) if bias else "cbam")
    ours = getattr(baselines, name)(functools.partial(baselines.CBAM, bias=bias), num_classes=7).eval()
    tdam.load_weights(ours, {"state_dict": theirs.state_dict(), "arch": name})
    shown = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert apart(ours(shown), theirs(shown)) < 1e-5
        for block in ours.blocks():
            block.attention.conv.weight.copy_(block.attention.conv.weight.flip(1))
        assert apart(ours(shown), theirs(shown)) > 1e-3


def test_what_timm_has_besides_cbam_is_refused() -> None:
    """Its light CBAM has the same keys and is another module; to a network of other attention the right one is told."""
    light = timm_resnet("resnet18", attn_layer="lcbam").state_dict()
    message = refusal_of_all(baselines.resnet18("cbam", num_classes=7), light)
    assert "layer1.0.se.spatial.conv.conv.weight is (1, 1, 7, 7): CBAM's reads 2 maps" in message
    cbam = timm_resnet("resnet18", attn_layer="cbam").state_dict()
    message = refusal_of_all(baselines.resnet18("se", num_classes=7), cbam)
    assert message.endswith("It would fit baselines.resnet18(attention='cbam', num_classes=7)")
    squeeze = timm_resnet("resnet18", attn_layer="se").state_dict()
    assert "left over (layer1.0.se.fc1" in refusal_of_all(baselines.resnet18("se", num_classes=7), squeeze)


def refusal_of_all(model: Backbone, state: dict[str, Tensor]) -> str:
    """The error of the loader that takes every layout, in one line; the model must be as it was."""
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        tdam.load_weights(model, state)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_torchvision_weights_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``weights=`` takes torchvision's file from its cache; only the plain network fits it."""
    import torchvision

    enum = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    theirs = torchvision.models.resnet18()
    torch.save(theirs.state_dict(), folder / enum.url.rpartition("/")[2])
    ours = baselines.resnet18(weights="IMAGENET1K_V1")
    assert torch.equal(ours.fc.weight, theirs.fc.weight)
    with pytest.raises(CheckpointError, match="It would fit torchvision's own resnet18"):
        baselines.resnet18("se", weights="IMAGENET1K_V1")
