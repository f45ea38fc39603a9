"""All networks of :mod:`tdam.named` as timm models, named ``tdam_<network>``: importing this module registers them.

    import timm, tdam.timm
    timm.create_model("tdam_resnet50_joint_t2_m1", num_classes=10)
    timm.create_model("tdam_resnet50_joint_t2_m1", features_only=True)(images)  # the maps of each stage

Each is the network of this package with timm's methods added: module tree, state-dict keys and numbers are the same, so
``tdam.load_weights(model, file)`` takes every layout, and timm's ``checkpoint_path`` takes ours. No weights come with
them (``pretrained=True`` needs a file of yours in ``pretrained_cfg_overlay``). Options of the network's own constructor
are passed on, such as ``widths`` or ``steps``.

Needs timm, which nothing else of this package does.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.backbone import Backbone, run_layers
from baselines.chain import ResidualBranch
from baselines.convnext import ConvNeXt, per_pixel
from baselines.mobilenet import MobileNetV3
from baselines.resnet import ResNet
from tdam.attention import check_choice
from tdam.named import NETWORKS, PREFIX

try:
    from timm.layers import SelectAdaptivePool2d
    from timm.models import adapt_input_conv, build_model_with_cfg, register_model
except ModuleNotFoundError as error:
    raise ImportError("tdam.timm needs timm: pip install timm") from error

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
POOLS = ("avg", "max", "avgmax", "")


class Timm(Backbone):
    """What timm asks of a network, on one of ours, whose parts it takes over.

    Its layers before the head stand in parts, by their names; the map after each part is a feature.

    Args:
        network: Ours; not to be used by itself any more.
        num_classes: K; 0 for no classifier, so that the output is pooled features.
        in_chans: Channels of images. Weights of the first layer are drawn for 3 and converted as timm converts them.
        drop_rate: Dropout before the classifier; None for the network's own, which only MobileNetV3 has.
        global_pool: One of ``POOLS``; empty for none, which goes without a classifier only.

    Attributes:
        first_conv: Name of the first layer.
        last_layer: Name of the classifier.
        own_drop_rate: Where none is given.

    Raises:
        ValueError: An unknown pooling, or none before a classifier.
    """

    first_conv: ClassVar[str]
    last_layer: ClassVar[str]
    own_drop_rate: ClassVar[float] = 0.0

    def __init__(
        self,
        network: Backbone,
        num_classes: int = 1000,
        in_chans: int = 3,
        drop_rate: float | None = None,
        global_pool: str = "avg",
    ) -> None:
        nn.Module.__init__(self)
        vars(self).update(vars(network))
        self.in_chans = in_chans
        self.drop_rate = self.own_drop_rate if drop_rate is None else drop_rate
        self.part_names = self.cut()
        self.feature_info = list(self.describe_features())
        self.num_features: int = self.feature_info[-1]["num_chs"]
        self.head_hidden_size = cast(nn.Linear, self.get_classifier()).in_features
        self.num_classes = cast(nn.Linear, self.get_classifier()).out_features
        self.set_pool(global_pool, num_classes)
        if num_classes != self.num_classes:
            self.reset_classifier(num_classes)
        if in_chans != 3:
            self.take_channels(in_chans)

    def cut(self) -> list[list[str]]:
        """Names of the layers before the head in their order, in parts that each end in a feature."""
        raise NotImplementedError

    def parts(self) -> list[list[nn.Module]]:
        """The layers before the head, as :meth:`cut` has them; without those that were pruned."""
        return [[self.get_submodule(name) for name in names] for names in self.part_names]

    def describe_features(self) -> Iterator[dict[str, Any]]:
        """Channels, share of the input's side, and last layer of each feature, as timm tells them."""
        reduction = 1
        for names, layers in zip(self.part_names, self.parts(), strict=True):
            for layer in layers:
                reduction *= stride_of(layer)
            yield {"num_chs": channels_after(layers), "reduction": reduction, "module": names[-1]}

    def take_channels(self, in_chans: int) -> None:
        """Let the first layer take images of so many channels."""
        first = cast(nn.Conv2d, self.get_submodule(self.first_conv))
        first.weight = nn.Parameter(adapt_input_conv(in_chans, first.weight.detach()))
        first.in_channels = in_chans

    def set_pool(self, global_pool: str, num_classes: int) -> None:
        """Pool in another way before the head.

        Raises:
            ValueError: An unknown way, or none before a classifier.
        """
        check_choice("global_pool", global_pool, POOLS)
        if num_classes and not global_pool:
            raise ValueError("global_pool='' leaves maps, which no classifier takes; use it with num_classes=0")
        self.global_pool = SelectAdaptivePool2d(pool_type=global_pool)

    def get_classifier(self) -> nn.Module:
        """The last layer; an identity where there is none."""
        return self.get_submodule(self.last_layer)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Give the network a fresh classifier, or none with 0 classes; ``global_pool`` None keeps the pooling.

        Raises:
            ValueError: As for the class.
        """
        self.set_pool(self.global_pool.pool_type if global_pool is None else global_pool, num_classes)
        self.num_classes = num_classes
        like = next(self.parameters())
        fresh = nn.Linear(self.head_hidden_size, num_classes).to(like) if num_classes else nn.Identity()
        replace(self, self.last_layer, fresh)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature: (N, C_in, H, W) to (N, C, h, w)."""
        for layers in self.parts():
            x = run_layers(layers, x)
        return x

    def before_classifier(self, pooled: Tensor) -> Tensor:
        """What the classifier reads, from pooled features (N, C, 1, 1): (N, C'); unpooled ones stay maps."""
        return torch.flatten(pooled, 1) if self.global_pool.pool_type else pooled

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits (N, K) from the last feature; what the classifier reads with ``pre_logits`` or without classifier."""
        x = functional.dropout(self.before_classifier(self.global_pool(x)), self.drop_rate, self.training)
        return x if pre_logits else self.get_classifier()(x)

    def classify(self, feature_map: Tensor) -> Tensor:
        return self.forward_head(feature_map)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
        **unused: bool,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The features, and before them the last one unless ``intermediates_only``.

        Args:
            x: Images.
            indices: Which: so many last ones, these, or all (None).
            norm: Not offered.
            output_fmt: ``NCHW`` alone.
            intermediates_only: Whether to leave the last one out.
            unused: ``stop_early``, which changes nothing: pruned layers do not run anyway.

        Raises:
            ValueError: What is not offered.
        """
        if norm or output_fmt != "NCHW":
            raise ValueError(f"features come as they are, in NCHW; got norm={norm}, output_fmt={output_fmt!r}")
        taken = self.places(indices)
        features = []
        for place, layers in enumerate(self.parts()):
            x = run_layers(layers, x)
            features += [x] if place in taken else []
        return features if intermediates_only else (x, features)

    def prune_intermediate_layers(
        self, indices: int | Sequence[int] | None = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Take away what comes after the last of the features named, and the classifier; returns their places."""
        taken = self.places(indices)
        end = max(taken) + 1
        for name in (name for names in self.part_names[end:] for name in names):
            replace(self, name, nn.Identity())
        self.part_names = self.part_names[:end]
        if prune_head:
            self.reset_classifier(0, "")
        return taken

    def places(self, indices: int | Sequence[int] | None) -> list[int]:
        """Places from 0 of the features named: so many last ones, these (from the end where negative), or all.

        Raises:
            ValueError: There are not so many.
        """
        count = len(self.part_names)
        wanted = range(count) if indices is None else range(-indices, 0) if isinstance(indices, int) else indices
        taken = [place + count if place < 0 else place for place in wanted]
        if not taken or not all(0 <= place < count for place in taken):
            raise ValueError(f"the network has {count} features, at 0 to {count - 1}; got {indices!r}")
        return taken


def stride_of(layer: nn.Module) -> int:
    """How many times smaller a layer or block makes the sides of maps."""
    shrinking = (one for one in layer.modules() if isinstance(one, nn.Conv2d | nn.MaxPool2d))
    strides = (one.stride if isinstance(one.stride, int) else one.stride[0] for one in shrinking)
    return max(strides, default=1)


def channels_after(layers: Sequence[nn.Module]) -> int:
    """Channels of the map after layers."""
    for layer in reversed(layers):
        if isinstance(layer, ResidualBranch):
            return layer.channels
        convolutions = [one.out_channels for one in layer.modules() if isinstance(one, nn.Conv2d)]
        if convolutions:
            return convolutions[-1]
    raise ValueError("no layer tells how many channels there are")


def replace(network: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer in the place of the one of a name."""
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, layer)


def children_of(network: nn.Module, name: str) -> list[str]:
    """Names of the layers in a sequence."""
    return [f"{name}.{own}" for own, _ in network.get_submodule(name).named_children()]


class TimmResNet(Timm, ResNet):
    """ResNet for timm: features are the stem's map and each stage's, as of timm's own."""

    first_conv = "conv1"
    last_layer = "fc"

    def cut(self) -> list[list[str]]:
        first, *others = (children_of(self, f"layer{number}") for number in range(1, 5))
        return [["conv1", "bn1", "relu"], ["maxpool", *first], *others]


class TimmConvNeXt(Timm, ConvNeXt):
    """ConvNeXt for timm: features are the maps of each stage."""

    first_conv = "features.0.0"
    last_layer = "classifier.2"

    def cut(self) -> list[list[str]]:
        return [[f"features.{place}", *children_of(self, f"features.{place + 1}")] for place in (0, 2, 4, 6)]

    def before_classifier(self, pooled: Tensor) -> Tensor:
        return super().before_classifier(self.classifier[0](pooled))


class TimmMobileNetV3(Timm, MobileNetV3):
    """MobileNetV3 for timm: as of timm's own, features are the last maps of each size."""

    first_conv = "features.0.0"
    last_layer = "classifier.3"
    own_drop_rate = 0.2

    def cut(self) -> list[list[str]]:
        stem, *names = children_of(self, "features")
        parts = [[stem]]
        for name in names:
            if stride_of(self.get_submodule(name)) > 1:
                parts.append([])
            parts[-1].append(name)
        return parts

    def before_classifier(self, pooled: Tensor) -> Tensor:
        # The classifier's hidden layer; without pooling it reads each pixel.
        hidden = partial(run_layers, [self.classifier[0], self.classifier[1]])
        return hidden(torch.flatten(pooled, 1)) if self.global_pool.pool_type else per_pixel(hidden, pooled)


FAMILIES: dict[str, type[Timm]] = {"resnet": TimmResNet, "mobilenet": TimmMobileNetV3, "convnext": TimmConvNeXt}
# Side of the center crop over the resized side, where the authors' evaluation takes another one.
CROPS = {"resnet101": 0.95}


def of_name(name: str, table: dict[str, Any]) -> Any:
    """What a table says of a network, whose name begins with a key; None for nothing."""
    return next((value for start, value in table.items() if name.startswith(start)), None)


def default_cfg(name: str) -> dict[str, Any]:
    """What timm keeps of a network: no weights, and how the paper's images are prepared."""
    family = of_name(name, FAMILIES)
    return {
        "url": "",
        "num_classes": 1000,
        "input_size": (3, 224, 224),
        "pool_size": (7, 7),
        "crop_pct": of_name(name, CROPS) or 0.875,
        "interpolation": "bicubic",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "first_conv": family.first_conv,
        "classifier": family.last_layer,
    }


def build(name: str, num_classes: int = 1000, **options: Any) -> Timm:
    """A network with timm's methods, by its name in ``NETWORKS``; options are those of :class:`Timm` and its own."""
    for_timm = {key: options.pop(key) for key in ("in_chans", "drop_rate", "global_pool") if key in options}
    # Ours all have a classifier; it is taken away below where none is wanted.
    network = NETWORKS[name](num_classes=max(1, num_classes), **options)
    adopted: Timm = of_name(name, FAMILIES)(network, num_classes, **for_timm)
    return adopted


def entry_point(name: str) -> Callable[..., nn.Module]:
    """What ``timm.create_model`` calls for a network."""

    def create(pretrained: bool = False, **options: Any) -> nn.Module:
        features = {"feature_cls": "getter", "out_indices": None}
        model: nn.Module = build_model_with_cfg(
            partial(build, name), PREFIX + name, pretrained, feature_cfg=features, **options
        )
        return model

    create.__name__ = create.__qualname__ = PREFIX + name
    create.__doc__ = f"The network {name} of tdam.named."
    return create


# timm reads it, by this name, when a model is registered.
default_cfgs = {PREFIX + name: default_cfg(name) for name in NETWORKS}
for network_name in NETWORKS:
    register_model(entry_point(network_name))
