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
        crop_scale: Least area of the random-resized crop.
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
    crop_scale: float = 0.08
    flip: float = 0.5
    color_jitter: float = 0.4
    random_erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    resolution: int = 224
    amp: bool = True


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
        size: Which networks: ``paper`` or ``mini``, see ``benchmarks.models``.
        trains: Whether a run trains missing weights by itself.
        num_classes: K.
        splits: Image sets that stand for the paper's ``v1`` and ``v2`` columns.
        train_count: Training images used, None for all.
        val_count: Images evaluated of each set, None for all.
        recipe: The training recipe.
        recipes: What other backbones change in it.
        resolution: Side of the evaluated images.
        crop: Side of the center crop over the resized side; by backbone, ``""`` for all others.
        batch: Images of an evaluation batch.
        tuning: Image set on which localization chooses thresholds; None sets a tenth of the evaluated images apart.
        efficiency: On the CPU; on CUDA the batch is 256 and rounds are longer.
    """

    name: str
    size: str
    trains: bool
    num_classes: int
    splits: Mapping[str, str]
    recipe: Recipe
    resolution: int
    batch: int
    efficiency: EfficiencyPlan
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


# The authors' published ImageNet recipe: lr 0.4 at 4 x 128 images, cosine to 1e-6, 5 warm-up epochs from 1e-4.
FULL = Profile(
    name="full",
    size="paper",
    trains=False,
    num_classes=1000,
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
    },
    resolution=224,
    crop={"": 0.875, "resnet101": 0.95},
    batch=256,
    efficiency=EfficiencyPlan(inference_batch=8, training_batch=4, rounds=15, warmup=2),
)

MINI = Profile(
    name="mini",
    size="mini",
    trains=True,
    num_classes=10,
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
    resolution=64,
    batch=250,
    tuning="tune",
    efficiency=EfficiencyPlan(inference_batch=4, training_batch=2, rounds=6, warmup=1),
)

SMOKE = replace(
    MINI,
    name="smoke",
    recipe=replace(MINI.recipe, epochs=1, warmup_epochs=0),
    train_count=384,
    val_count=250,
    efficiency=EfficiencyPlan(inference_batch=1, training_batch=1, rounds=1, warmup=1),
)

PROFILES = {profile.name: profile for profile in (SMOKE, MINI, FULL)}
