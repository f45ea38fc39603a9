"""The paper's networks as timm models: each gives our logits, and its features are the maps of its stages."""

import copy
import functools
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

import tdam
from baselines.backbone import Backbone
from benchmarks.networks.models import create
from benchmarks.networks.names import parse
from benchmarks.papers.tdam.recipes import PROFILES
from tdam.named import NETWORKS
from tests.awake import apart, settled
from tests.rows import ROWS, small
from tests.test_golden import released_state

timm = pytest.importorskip("timm")
import tdam.timm  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
TD = "resnet50-td-joint-t2-m1"
# timm's own networks on the same backbones.
OF_TIMM = {
    "mobilenet_v3_large": "mobilenetv3_large_100",
    **{name: name for name in ("resnet18", "resnet34", "resnet50", "resnet101", "convnext_tiny")},
}


def images(side: int = 64, count: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def as_timm(name: str, **options: object) -> nn.Module:
    """A row's small network from timm, by the suite's name."""
    model: nn.Module = timm.create_model(f"tdam_{ROWS[name]}", **{"num_classes": 10, **small(name), **options})
    return model.eval()


@pytest.fixture(scope="module")
def ours() -> Backbone:
    torch.manual_seed(0)
    return settled(TD, images(), 10, "mini")


def adopted(ours: Backbone, **options: object) -> nn.Module:
    """The model that timm makes of the same network with the same weights, but for those of another classifier."""
    model = as_timm(TD, **options)
    state = {key: value for key, value in ours.state_dict().items() if not key.startswith("fc.")}
    classifier = ours.fc.state_dict() if options.get("num_classes", 10) == 10 else model.get_classifier().state_dict()
    model.load_state_dict({**state, **{f"fc.{key}": value for key, value in classifier.items()}})
    return model


def test_every_row_has_its_name_and_nothing_else_has_one() -> None:
    assert set(NETWORKS) == set(ROWS.values())
    assert set(timm.list_models("tdam_*")) == {f"tdam_{name}" for name in NETWORKS}
    assert len(NETWORKS) == 14 + 11


@pytest.mark.parametrize("name", ROWS)
def test_rows_give_our_logits_and_the_maps_of_their_stages(name: str) -> None:
    """With the same weights; the features' channels and sides are those that are told, the last is our feature map."""
    torch.manual_seed(0)
    network, shown = settled(name, images(), 10, "mini"), images()
    model, features = as_timm(name), as_timm(name, features_only=True)
    model.load_state_dict(network.state_dict())
    left = features.model.load_state_dict(network.state_dict(), strict=False)
    assert not left.missing_keys
    assert all(key.startswith((type(features.model).last_layer, "classifier.")) for key in left.unexpected_keys)
    with torch.no_grad():
        last, maps = network.feature_map(network.trunk(shown)), features(shown)
        assert torch.equal(model(shown), network(shown))
        assert torch.equal(model.forward_features(shown), last)
        assert torch.equal(model.forward_steps(shown), network.forward_steps(shown))
    assert torch.equal(maps[-1], last)
    assert [one.shape[1] for one in maps] == features.feature_info.channels()
    assert [64 // one.shape[-1] for one in maps] == features.feature_info.reduction()


@functools.cache
def told_by_timm(name: str) -> tuple[list[int], list[int]]:
    """Channels and reductions of the features of one of its own networks."""
    told = timm.create_model(name, features_only=True).feature_info
    return told.channels(), told.reduction()


@pytest.mark.parametrize("name", ROWS)
def test_features_of_the_papers_size_are_those_of_timms_own_backbone(name: str) -> None:
    """Channels and reductions; no weights are made for it."""
    with torch.device("meta"):
        told = timm.create_model(f"tdam_{ROWS[name]}", features_only=True).feature_info
    assert (told.channels(), told.reduction()) == told_by_timm(OF_TIMM[parse(name).backbone])


def test_features_are_those_that_timm_takes_of_the_same_resnet() -> None:
    """Its plain ResNet18 has our keys: each of its five maps is one of ours."""
    network = settled("resnet18", images(), 10)
    model, own = (
        timm.create_model(one, num_classes=10, features_only=True).eval() for one in ("tdam_resnet18", "resnet18")
    )
    model.model.load_state_dict(network.state_dict(), strict=False)
    own.load_state_dict(network.state_dict(), strict=False)
    with torch.no_grad():
        pairs = list(zip(model(images()), own(images()), strict=True))
    assert len(pairs) == 5
    assert all(apart(ours, theirs) < 1e-5 for ours, theirs in pairs)


def test_chosen_features_and_what_is_pruned(ours: Backbone) -> None:
    """What comes after the last chosen one is taken away, and the others stay as they were."""
    every, chosen = (
        adopted(ours).forward_intermediates(images(), one, intermediates_only=True) for one in (None, [1, -2])
    )
    assert all(torch.equal(one, other) for one, other in zip(chosen, (every[1], every[3]), strict=True))
    features = as_timm(TD, features_only=True, out_indices=(1, 2))
    assert not [key for key in features.state_dict() if "layer3" in key or "layer4" in key or "fc" in key]
    assert [one.shape[1] for one in features(images())] == features.feature_info.channels() == [48, 96]
    last, tail = adopted(ours).forward_intermediates(images(), 1)
    assert torch.equal(last, tail[0])
    assert len(tail) == 1


def test_classifier_and_pooling(ours: Backbone) -> None:
    """A new one, none, maximum pooling, none at all: what timm's users ask for."""
    shown = images()
    model = adopted(ours)
    with torch.no_grad():
        pooled = ours.feature_map(ours.trunk(shown)).mean((2, 3))
        torch.testing.assert_close(model.forward_head(model.forward_features(shown), pre_logits=True), pooled)
        assert model.get_classifier() is model.fc
        model.reset_classifier(7)
        assert model(shown).shape == (2, 7)
        assert model.num_classes == 7
        assert model.get_classifier().in_features == model.head_hidden_size
        model.reset_classifier(0)
        torch.testing.assert_close(model(shown), pooled)
        model.reset_classifier(0, "max")
        torch.testing.assert_close(model(shown), ours.feature_map(ours.trunk(shown)).amax((2, 3)))
        model.reset_classifier(0, "")
        assert torch.equal(model(shown), ours.feature_map(ours.trunk(shown)))
        torch.testing.assert_close(adopted(ours, num_classes=0)(shown), pooled)
    with pytest.raises(ValueError, match="global_pool='' leaves maps, which no classifier takes"):
        model.reset_classifier(7)
    with pytest.raises(ValueError, match="unknown global_pool 'mean'; choose one of avg, max, avgmax"):
        as_timm(TD, global_pool="mean")


@pytest.mark.parametrize("name", ["mobilenet_v3_large-td-joint-t2-m1", "convnext_tiny-se", "resnet18"])
def test_without_classifier_every_family_gives_what_it_would_read(name: str) -> None:
    model = as_timm(name)
    read = model.head_hidden_size
    with torch.no_grad():
        before = model.forward_head(model.forward_features(images()), pre_logits=True)
        torch.testing.assert_close(model.get_classifier()(before), model(images()))
        model.reset_classifier(0)
        assert torch.equal(model(images()), before)
        assert before.shape == (2, read)
        model.reset_classifier(0, "")
        assert model(images()).shape[:2] == (2, read)
        assert model(images()).dim() == 4


def test_images_of_other_channels(ours: Backbone) -> None:
    """A gray image is seen as the same image in all three."""
    gray = images(channels=1)
    model = as_timm(TD, in_chans=1)
    state = {**ours.state_dict(), "conv1.weight": ours.conv1.weight.sum(1, keepdim=True)}
    model.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(model(gray), ours(gray.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-4)
        assert as_timm("convnext_tiny", in_chans=5)(images(channels=5)).shape == (2, 10)


def test_dropout_before_the_classifier(ours: Backbone) -> None:
    """In training only; without a rate MobileNetV3 keeps its own and the others have none."""
    model = adopted(ours, drop_rate=0.5)
    with torch.no_grad():
        torch.testing.assert_close(model(images()), ours(images()))
        ones = torch.ones(64, 320, 1, 1)
        kept = model.train().forward_head(ones, pre_logits=True)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert [as_timm(name).drop_rate for name in (TD, "convnext_tiny", "mobilenet_v3_large")] == [0.0, 0.0, 0.2]
    assert create("mobilenet_v3_large", 10, "mini").classifier[2].p == 0.2


def test_settings_of_the_data_are_the_papers() -> None:
    """The crop of the evaluation, ImageNet's statistics, and no address of weights."""
    for name, ours in ROWS.items():
        settings = timm.get_pretrained_cfg(f"tdam_{ours}")
        assert settings.crop_pct == PROFILES["full"].crop_of(parse(name).backbone)
        assert (settings.url, settings.mean, settings.std) == ("", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        model = as_timm(name)
        assert model.get_submodule(model.default_cfg["first_conv"]).in_channels == 3
        assert model.get_submodule(model.default_cfg["classifier"]) is model.get_classifier()
    with pytest.raises(RuntimeError, match="No pretrained weights exist for tdam_resnet50_joint_t2_m1"):
        as_timm(TD, pretrained=True)


def test_weights_from_a_file(tmp_path: Path, ours: Backbone) -> None:
    """Ours by timm's own ways, also for another number of classes; the authors' by ``tdam.load_weights``."""
    safetensors.torch.save_file(ours.state_dict(), tmp_path / "ours.safetensors")
    file = str(tmp_path / "ours.safetensors")
    own = {"pretrained": True, "pretrained_cfg_overlay": {"file": file, "num_classes": 10}}
    with torch.no_grad():
        assert torch.equal(as_timm(TD, checkpoint_path=file)(images()), ours(images()))
        assert torch.equal(as_timm(TD, **own)(images()), ours(images()))
    assert torch.equal(as_timm(TD, **own, num_classes=3).conv1.weight, ours.conv1.weight)
    state, _ = released_state("td_resnet18_joint_t2_m2")
    model = timm.create_model("tdam_resnet18_joint_t2_m2")
    tdam.load_weights(model, {f"module.{key}": value for key, value in state.items()})
    assert torch.equal(model.conv1.weight, state["conv1.weight"].float())


def test_models_are_copied_compiled_and_exported(ours: Backbone) -> None:
    model, shown = adopted(ours), images()
    with torch.no_grad():
        expected = ours(shown)
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(twin(shown), expected)
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(shown), expected, atol=1e-5, rtol=1e-5)
        exported = torch.export.export(model, (shown,)).module()
        torch.testing.assert_close(exported(shown), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        ({"indices": [5]}, r"the network has 5 features, at 0 to 4; got \[5\]"),
        ({"indices": 0}, "the network has 5 features, at 0 to 4; got 0"),
        ({"output_fmt": "NHWC"}, "features come as they are, in NCHW"),
        ({"norm": True}, "features come as they are, in NCHW"),
    ],
)
def test_features_that_there_are_not(ask: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_timm(TD).forward_intermediates(images(), **ask)


def test_an_option_of_another_name() -> None:
    with pytest.raises(TypeError, match="drop_path"):
        as_timm(TD, drop_path=0.1)


def test_without_timm_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm.layers", None)
    monkeypatch.delitem(sys.modules, "tdam.timm")
    with pytest.raises(ImportError) as caught:
        importlib.import_module("tdam.timm")
    assert str(caught.value) == "tdam.timm needs timm: pip install timm"


def test_the_package_itself_needs_no_timm() -> None:
    """Nor does a module of its name within ``tdam`` stand in timm's place."""
    code = (
        "import tdam, tdam.named, sys; assert 'timm' not in sys.modules; import tdam.timm, timm; print(timm.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "timm", done.stderr
