"""What one run is told: profile, folders, device, and how it opens its data. Imports no torch by itself."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from benchmarks.core.records import Store
from benchmarks.data.boxes import Boxed
from benchmarks.data.images import DataError, ImageSet
from benchmarks.data.registry import Source, find
from benchmarks.data.selected import read_class_list
from benchmarks.work.profiles import Profile, Recipe

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".tar")


@dataclass(frozen=True)
class Session:
    """One run's settings.

    Attributes:
        profile: How much to run.
        store: The results folder.
        cache: Where the embedded data set is kept.
        device: ``cpu`` or ``cuda``.
        data_root: Folder of the paper's data sets, for ``full``.
        weights: Folder of ``<model>.pth`` files, or one file for a single model; None uses what was trained here.
        models: Names chosen, None for the experiment's own.
        seeds: Seeds of training.
        step_loss: What enters the loss of TD models, see ``benchmarks.work.loop``.
        zero_init: Where TD ResNets start at zero, see ``tdam.resnet``.
        class_list: File with the classes of the reduced data set, None for the suite's.
        threshold: Probability above which a class of several counts as present, for F1.
        num_classes: K, None for the profile's.
        epochs: Of training, None for the recipe's.
        workers: Loader processes.
        jobs: Models trained at a time on the CPU, one thread each.
        batch: Images of a speed measurement's step, None for the profile's.
        dtype: ``float32``, ``bfloat16`` or ``float16``, of speed measurements.
        channels_last: Memory format of speed measurements.
        compile: Whether speed measurements compile the networks.
        plugins: Names of attentions from outside, see ``benchmarks.networks.plugins``.
    """

    profile: Profile
    store: Store
    cache: Path
    device: str = "cpu"
    data_root: Path | None = None
    weights: Path | None = None
    models: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = (0,)
    step_loss: str = "confident"
    zero_init: str = "first"
    class_list: Path | None = None
    threshold: float = 0.8
    num_classes: int | None = None
    epochs: int | None = None
    workers: int = 0
    jobs: int = 1
    batch: int | None = None
    dtype: str = "float32"
    channels_last: bool = True
    compile: bool = False
    plugins: tuple[str, ...] = ()
    opened: dict[str, ImageSet] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """K."""
        return self.num_classes or self.profile.num_classes

    @property
    def device_kind(self) -> str:
        """``cpu`` or ``cuda``, without a number."""
        return self.device.partition(":")[0]

    def classes_of(self, split: str) -> int:
        """Classes of an image set that networks are trained on."""
        if split != self.profile.reduced.train:
            return self.classes
        return self.profile.reduced.classes if self.class_list is None else len(read_class_list(self.class_list))

    def chosen(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The experiment's models and each plug-in on its plain networks, or the user's."""
        if self.models is not None:
            return self.models
        plain = [name for name in names if "-" not in name]
        return (*names, *(f"{name}-{plugin}" for name in plain for plugin in self.plugins))

    def recipe_of(self, model: str) -> Recipe:
        """The training recipe of a model: its backbone's, with this run's number of epochs."""
        return self.with_epochs(self.profile.recipe_of(model.partition("-")[0]))

    def with_epochs(self, recipe: Recipe) -> Recipe:
        """A recipe with this run's number of epochs."""
        if self.epochs is None:
            return recipe
        return replace(recipe, epochs=self.epochs, warmup_epochs=min(recipe.warmup_epochs, self.epochs - 1))

    def image_set(self, split: str) -> ImageSet:
        """Open a split of the profile's data, once.

        Raises:
            DataError: The data is missing or not as it must be; the message says what to do.
        """
        if split not in self.opened:
            self.opened[split] = self.open(split)
        return self.opened[split]

    def open(self, split: str) -> ImageSet:
        """Open a split anew; see :meth:`image_set`."""
        name, part = self.located(split)
        return find(name).open(part, self.source_of(split))

    def located(self, split: str) -> tuple[str, str]:
        """Data set and split of an image set's name, such as ``cub/test``, or ``val`` of the profile's own data."""
        name, _, part = split.rpartition("/")
        return name or self.profile.data, part

    def source_of(self, split: str) -> Source:
        """Where an image set comes from."""
        # A smaller profile draws a prefix, so that it need not wait for the whole.
        training = self.located(split)[1] == "train"
        limit = self.profile.train_count if training else self.profile.val_count
        reduced = self.profile.reduced.classes
        return Source(self.data_root, self.cache, self.classes, limit, reduced, self.class_list)

    def boxes(self, split: str) -> Boxed:
        """The boxes of a split's images.

        Raises:
            DataError: As :meth:`image_set`, or there are no boxes.
        """
        images = self.image_set(split)
        if self.profile.size == "mini":
            return cast(Boxed, images)
        from benchmarks.data.imagenet_boxes import open_boxes

        assert self.data_root is not None
        return open_boxes(images, self.data_root)

    def manifest_path(self, images: ImageSet) -> Path:
        """Where the manifest of an image set is kept; its hash stands in records."""
        return self.store.path("manifests", f"{images.name}-{images.manifest_hash[:12]}", ".csv")

    def given_weights(self, model: str, data: str = "train") -> Path | None:
        """The user's file for a model, or None; ``<model>-reduced`` for weights trained on the reduced data set.

        Raises:
            DataError: ``weights`` does not exist, or is one file for several models.
        """
        if self.weights is None:
            return None
        if self.weights.is_file():
            if self.models is None or len(self.models) != 1:
                raise DataError(f"{self.weights} is one file, so name its model with --models, or give a folder")
            return self.weights if model in self.models else None
        if not self.weights.is_dir():
            raise DataError(
                f"no weights at {self.weights}: name a folder of <model>.pth files, or a file for one model"
            )
        name = f"{model}-reduced" if data == self.profile.reduced.train else model
        files = [self.weights / f"{name}{suffix}" for suffix in WEIGHT_SUFFIXES]
        return next((file for file in files if file.is_file()), None)
