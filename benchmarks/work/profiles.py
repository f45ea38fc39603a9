"""Profiles: how much of an experiment to run, with which networks, data and recipe. A paper supplies their values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

# Pixels of an evaluation batch on the CPU, where larger ones are no faster: 83 images of 224 x 224, of which networks
# of 50 layers hold less than 2 GB, and not 4 as of 256. What is lost of a run that is told to end is smaller, too.
PIXELS_ON_CPU = 2**22


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
        averaging: Decay a step of an exponential moving average of the weights, which then is what is followed and
            saved; 0 for none.
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
    averaging: float = 0.0


@dataclass(frozen=True)
class Transfer:
    """A task of other data that trained networks are fine-tuned for.

    Attributes:
        train: Training images, as ``<data set>/<split>``.
        test: Evaluated images.
        held_out: Images that the fine-tuning is followed on, None for none.
        ended_on: As in :class:`Profile`.
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
    held_out: str | None = None
    ended_on: str | None = None


@dataclass(frozen=True)
class Reduced:
    """Some classes of the profile's data, for what would take too long on all; empty where a profile has none.

    Attributes:
        train: Training images.
        val: Evaluated images.
        classes: Of them.
        held_out: Images that trainings are followed on, None for none.
        ended_on: As in :class:`Profile`.
        recipe: What it changes in the recipes: fewer images want more epochs.
        recipes: What other backbones change in it.
    """

    train: str = ""
    val: str = ""
    classes: int = 0
    held_out: str | None = None
    ended_on: str | None = None
    recipe: Mapping[str, object] = field(default_factory=dict)
    recipes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True)
class EfficiencyPlan:
    """How speed and memory are measured, where the user does not say otherwise.

    Attributes:
        inference_batch: Images a step.
        training_batch: Images a step.
        rounds: Counted rounds of the interleaved run, at least.
        warmup: Rounds before them.
        budget: Seconds of further rounds, until all ratios to the plain network are known to 2 %.
    """

    inference_batch: int = 8
    training_batch: int = 4
    rounds: int = 15
    warmup: int = 2
    budget: float = 0.0


@dataclass(frozen=True)
class Profile:
    """How much to run. Its name is enough where nothing is trained and no image is shown.

    Attributes:
        name: As on the command line.
        size: Which networks: ``paper`` or ``mini``, see ``benchmarks.networks.models``.
        trains: Whether a run trains missing weights by itself.
        papers_data: Whether data and networks are the paper's, so that accuracies can be judged against its own.
        num_classes: K.
        data: Data set that image sets belong to where their name tells none; empty where no image is shown.
        splits: Image sets that stand for the paper's ``v1`` and ``v2`` columns.
        train_count: Training images used, None for all.
        val_count: Images evaluated of each set, None for all.
        recipe: The training recipe, None where nothing is trained.
        recipes: What other backbones change in it.
        resolution: Side of the evaluated images.
        crop: Side of the center crop over the resized side; by backbone, ``""`` for all others.
        batch: Images of an evaluation batch; on the CPU fewer where they have more than ``PIXELS_ON_CPU`` together.
        together: Images of a part of an evaluation: a run that is cut off loses one part at most.
        held_out: Image set that trainings are followed on, epoch by epoch, None for none.
        ended_on: More held-out images, on which it is judged whether trainings had ended; None for ``held_out``.
        looked_at: Images of ``v1`` for what varies with the training rather than with the images: resolutions, boxes,
            maps, selectivity; None for all of them.
        reduced: The reduced data set.
        transfers: By the data set of the paper that they stand for: ``cub``, ``dogs``, ``coco``.
        efficiency: On the CPU; on CUDA the batch is 256 and rounds are longer.
    """

    name: str
    size: str = "paper"
    trains: bool = False
    num_classes: int = 1000
    data: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)
    recipe: Recipe | None = None
    resolution: int = 224
    batch: int = 256
    together: int = 2000
    efficiency: EfficiencyPlan = EfficiencyPlan()
    reduced: Reduced = Reduced()
    transfers: Mapping[str, Transfer] = field(default_factory=dict)
    held_out: str | None = None
    ended_on: str | None = None
    looked_at: str | None = None
    papers_data: bool = False
    train_count: int | None = None
    val_count: int | None = None
    recipes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    crop: Mapping[str, float] = field(default_factory=lambda: {"": 1.0})

    def recipe_of(self, backbone: str, data: str = "train") -> Recipe:
        """The recipe for one backbone on an image set.

        Raises:
            ValueError: The profile has none.
        """
        if self.recipe is None:
            raise ValueError(f"the profile {self.name} has no recipe to train by; choose a profile that has one")
        changes = dict(self.recipes.get(backbone, {}))
        if data == self.reduced.train:
            changes |= {**self.reduced.recipe, **self.reduced.recipes.get(backbone, {})}
        return replace(self.recipe, **changes)  # type: ignore[arg-type]

    def ended_on_after(self, trained_on: str) -> str | None:
        """The image set on which it is judged whether a training on another one had ended; None for its curve's."""
        tuned = {one.train: one.ended_on for one in self.transfers.values()}
        return {**tuned, self.reduced.train: self.reduced.ended_on, "train": self.ended_on}.get(trained_on)

    @property
    def looks(self) -> str:
        """The image set for what varies with the training rather than with the images."""
        return self.looked_at or self.splits["v1"]

    def crop_of(self, backbone: str) -> float:
        """The center crop's share for one backbone."""
        return self.crop.get(backbone, self.crop[""])
