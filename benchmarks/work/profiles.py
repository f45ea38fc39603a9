"""Profiles: how much of an experiment to run, with which networks, data and training recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Recipe:
    """How networks are trained; the same for every model of a profile on one backbone.

    Attributes:
        epochs: Passes over the training images.
        batch: Images of a process and step.
        lr: Peak learning rate at ``reference_batch`` images a step; scaled linearly with the step's images.
        reference_batch: See ``lr``.
        weight_decay: Applied to all parameters.
        warmup_epochs: Epochs of linear warm-up, in parts of one for short recipes.
        warmup_lr: Learning rate that the warm-up starts from.
        min_lr: Learning rate that the cosine ends at.
        optimizer: ``sgd`` (Nesterov momentum 0.9) or ``adamw``.
        label_smoothing: As in ``torch.nn.CrossEntropyLoss``.
        framing: ``resized``, a random-resized crop; or ``squashed``, a random crop of the squashed image.
        crop_scale: Least area of the random-resized crop; of a squashed image the share of its side that is kept.
        flip: Probability of a horizontal flip.
        color_jitter: Strength of brightness, contrast and saturation jitter.
        random_erasing: Probability of erasing a rectangle.
        mixup: Alpha of mixup, 0 for none.
        cutmix: Alpha of cutmix, 0 for none; where both are set, each batch draws one of them.
        resolution: Side of the training images in pixels.
        amp: Automatic mixed precision on CUDA.
    """

    epochs: int
    batch: int
    lr: float
    reference_batch: int
    weight_decay: float
    warmup_epochs: float
    warmup_lr: float = 1e-4
    min_lr: float = 1e-6
    optimizer: str = "sgd"
    label_smoothing: float = 0.1
    framing: str = "resized"
    crop_scale: float = 0.08
    flip: float = 0.5
    color_jitter: float = 0.4
    random_erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    resolution: int = 224
    amp: bool = True


@dataclass(frozen=True)
class Transfer:
    """A task of other data that trained networks are fine-tuned for.

    Attributes:
        train: Training images, as ``<data set>/<split>``.
        test: Evaluated images.
        method: A name in ``benchmarks.work.methods``.
        recipe: Of the fine-tuning.
        crop: Side of the evaluated center crop over the resized side; both sides are resized to it.
        multi_label: Whether images show several classes at once.
    """

    train: str
    test: str
    method: str
    recipe: Recipe
    crop: float
    multi_label: bool = False


@dataclass(frozen=True)
class Reduced:
    """Some classes of the profile's data, for what would take too long on all: figure 8, center."""

    train: str
    val: str
    classes: int


@dataclass(frozen=True)
class EfficiencyPlan:
    """How speed and memory are measured, where the user does not say otherwise.

    Attributes:
        inference_batch: Images a step.
        training_batch: Images a step.
        rounds: Counted rounds of the interleaved run.
        warmup: Rounds before them.
    """

    inference_batch: int
    training_batch: int
    rounds: int
    warmup: int


@dataclass(frozen=True)
class Profile:
    """How much to run.

    Attributes:
        name: ``smoke``, ``mini`` or ``full``.
        size: Which networks: ``paper`` or ``mini``, see ``benchmarks.networks.models``.
        trains: Whether a run trains missing weights by itself.
        num_classes: K.
        data: Data set that image sets belong to where their name tells none.
        splits: Image sets that stand for the paper's ``v1`` and ``v2`` columns.
        train_count: Training images used, None for all.
        val_count: Images evaluated of each set, None for all.
        recipe: The training recipe.
        recipes: What other backbones change in it.
        resolution: Side of the evaluated images.
        crop: Side of the center crop over the resized side; by backbone, ``""`` for all others.
        batch: Images of an evaluation batch.
        tuning: Image set on which localization chooses thresholds; None sets a tenth of the evaluated images apart.
        reduced: The reduced data set.
        transfers: By the data set of the paper that they stand for: ``cub``, ``dogs``, ``coco``.
        efficiency: On the CPU; on CUDA the batch is 256 and rounds are longer.
    """

    name: str
    size: str
    trains: bool
    num_classes: int
    data: str
    splits: Mapping[str, str]
    recipe: Recipe
    resolution: int
    batch: int
    efficiency: EfficiencyPlan
    reduced: Reduced
    transfers: Mapping[str, Transfer]
    tuning: str | None = None
    train_count: int | None = None
    val_count: int | None = None
    recipes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    crop: Mapping[str, float] = field(default_factory=lambda: {"": 1.0})

    def recipe_of(self, backbone: str) -> Recipe:
        """The recipe for one backbone."""
        return replace(self.recipe, **self.recipes.get(backbone, {}))  # type: ignore[arg-type]

    def crop_of(self, backbone: str) -> float:
        """The center crop's share for one backbone."""
        return self.crop.get(backbone, self.crop[""])


# WS-DAN's recipe (arXiv 1901.09891, section 4), with a cosine in place of a factor of 0.9 every second epoch.
FULL_FINE_GRAINED = Recipe(
    epochs=80,
    batch=16,
    lr=1e-3,
    reference_batch=16,
    weight_decay=1e-5,
    warmup_epochs=0,
    min_lr=0.0,
    label_smoothing=0.0,
    framing="squashed",
    crop_scale=0.875,
    color_jitter=0.2,
    resolution=448,
    amp=False,  # bilinear attention pooling takes roots of numbers that half precision rounds to zero
)
# The recipe that ASL's authors published (arXiv 2009.14119) without its moving average of weights and RandAugment;
# AdamW in place of Adam, random erasing in place of cutout, a cosine in place of one cycle.
FULL_MULTI_LABEL = Recipe(
    epochs=40,
    batch=128,
    lr=1e-4,
    reference_batch=128,
    weight_decay=1e-4,
    warmup_epochs=4,
    warmup_lr=4e-6,
    min_lr=0.0,
    optimizer="adamw",
    label_smoothing=0.0,
    framing="squashed",
    crop_scale=1.0,
    random_erasing=0.5,
    resolution=448,
)

# The authors' published ImageNet recipe: lr 0.4 at 4 x 128 images, cosine to 1e-6, 5 warm-up epochs from 1e-4.
FULL = Profile(
    name="full",
    size="paper",
    trains=False,
    num_classes=1000,
    data="imagenet",
    splits={"v1": "val", "v2": "v2"},
    recipe=Recipe(
        epochs=150,
        batch=128,
        lr=0.4,
        reference_batch=512,
        weight_decay=2e-5,
        warmup_epochs=5,
        random_erasing=0.5,
    ),
    recipes={
        "resnet18": {"epochs": 100},
        "resnet34": {"epochs": 100},
        "resnet50": {"mixup": 0.7, "cutmix": 1.0},
        # The authors tell none for it: this is that of its own paper (table 5) without RandAugment.
        "convnext_tiny": {
            "epochs": 300,
            "optimizer": "adamw",
            "lr": 4e-3,
            "reference_batch": 4096,
            "weight_decay": 0.05,
            "warmup_epochs": 20,
            "random_erasing": 0.25,
            "mixup": 0.8,
            "cutmix": 1.0,
        },
    },
    reduced=Reduced("imagenet-reduced/train", "imagenet-reduced/val", classes=200),
    transfers={
        "cub": Transfer("cub/train", "cub/test", "ws-dan", FULL_FINE_GRAINED, crop=0.875),
        "dogs": Transfer("dogs/train", "dogs/test", "ws-dan", FULL_FINE_GRAINED, crop=0.875),
        "coco": Transfer("coco/train", "coco/val", "asl", FULL_MULTI_LABEL, crop=1.0, multi_label=True),
    },
    resolution=224,
    crop={"": 0.875, "resnet101": 0.95},
    batch=256,
    efficiency=EfficiencyPlan(inference_batch=8, training_batch=4, rounds=15, warmup=2),
)

MINI_FINE_GRAINED = Recipe(
    epochs=5,
    batch=32,
    lr=3e-3,
    reference_batch=32,
    weight_decay=5e-4,
    warmup_epochs=0.25,
    label_smoothing=0.0,
    framing="squashed",
    crop_scale=0.9,
    flip=0.0,
    color_jitter=0.0,
    resolution=96,
    amp=False,
)
MINI_MULTI_LABEL = replace(MINI_FINE_GRAINED, lr=0.02, crop_scale=1.0)

MINI = Profile(
    name="mini",
    size="mini",
    trains=True,
    num_classes=10,
    data="mini",
    splits={"v1": "val", "v2": "val-v2"},
    recipe=Recipe(
        epochs=7,
        batch=32,
        lr=0.15,
        reference_batch=32,
        weight_decay=5e-4,
        warmup_epochs=0.25,
        crop_scale=0.7,
        flip=0.0,
        color_jitter=0.0,
        resolution=64,
        amp=False,
    ),
    recipes={
        "resnet18": {"epochs": 5},
        "resnet34": {"epochs": 5},
        "mobilenet_v3_large": {"epochs": 6},
        "convnext_tiny": {
            "epochs": 6,
            "optimizer": "adamw",
            "batch": 16,
            "reference_batch": 16,
            "lr": 2e-3,
            "weight_decay": 0.01,
        },
    },
    reduced=Reduced("mini-reduced/train", "mini-reduced/val", classes=5),
    transfers={
        "cub": Transfer("spots/train", "spots/test", "ws-dan", MINI_FINE_GRAINED, crop=0.9),
        "dogs": Transfer("cuts/train", "cuts/test", "ws-dan", MINI_FINE_GRAINED, crop=0.9),
        "coco": Transfer("many/train", "many/test", "asl", MINI_MULTI_LABEL, crop=1.0, multi_label=True),
    },
    resolution=64,
    batch=250,
    tuning="tune",
    efficiency=EfficiencyPlan(inference_batch=4, training_batch=2, rounds=6, warmup=1),
)

SMOKE = replace(
    MINI,
    name="smoke",
    recipe=replace(MINI.recipe, epochs=1, warmup_epochs=0),
    recipes={name: {**changes, "epochs": 1} for name, changes in MINI.recipes.items()},
    transfers={
        name: replace(transfer, recipe=replace(transfer.recipe, epochs=1, warmup_epochs=0))
        for name, transfer in MINI.transfers.items()
    },
    train_count=384,
    val_count=250,
    efficiency=EfficiencyPlan(inference_batch=1, training_batch=1, rounds=1, warmup=1),
)

PROFILES = {profile.name: profile for profile in (SMOKE, MINI, FULL)}
