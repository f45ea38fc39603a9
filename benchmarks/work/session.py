"""What one run is told: profile, folders, device, choices, and how it opens its data. Imports no torch by itself."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchmarks.core.store import Store
from benchmarks.data.registry import Source, find
from benchmarks.networks.names import parse
from benchmarks.work.choices import ChoicesT
from benchmarks.work.profiles import Profile

if TYPE_CHECKING:
    from benchmarks.data.boxes import Boxed
    from benchmarks.data.images import ImageSet
    from benchmarks.metrics.rules import Rules
    from benchmarks.work.probe import Probe

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".tar")
MOST_WORKERS = 16
# Where in the results folder trainings keep what they are shown, and how many bytes; see ``benchmarks.work.repeats``.
SHOWN, ROOM = "shown", 2e9
# The share of a run that shows all images by itself.
WHOLE = (0, 1)


@dataclass(frozen=True)
class Session:
    """One run's settings.

    Attributes:
        profile: How much to run.
        store: The results folder.
        cache: Where embedded data sets are kept.
        rules: The paper's step and box rules.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        data_root: Folder of the paper's data sets.
        weights: Folder of ``<model>.pth`` files, or one file for a single model; None uses what was trained here.
        models: Names chosen, None for the experiment's own.
        seeds: Seeds of training.
        class_list: File with the classes of the reduced data set, None for the suite's.
        num_classes: K, None for the profile's.
        workers: Loader processes, and as many for boxes; None follows the machine, see :meth:`loaders`.
        decode: Where pictures are decoded for evaluations: ``cpu``, or ``device``, see :meth:`decodes_on_device`.
        jobs: Models trained at a time on the CPU, one thread each.
        plugins: Names of attentions from outside, see ``benchmarks.networks.plugins``.
        choices: What the user chose for kinds of work, by the dataclass that each declares.
        probes: The paper's probes by name.
        share: Which share of a pass's images this run shows, and of how many; whoever has the last one joins them.
        limit: Images evaluated of each set that lies on disk, None for all.
        processes: How many share each training, where jobs run the cells; None for as many as there are.
        elsewhere: Whether this process plans only, and cells run on other hosts, of whose processors it knows nothing.
        program: How the suite is called on the paper.
        shown: Folder in which trainings keep what they are shown for each other, None where they do not.
    """

    profile: Profile
    store: Store
    cache: Path
    rules: "Rules"
    device: str = "cpu"
    data_root: Path | None = None
    weights: Path | None = None
    models: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = (0,)
    class_list: Path | None = None
    num_classes: int | None = None
    workers: int | None = None
    decode: str = "cpu"
    jobs: int = 1
    plugins: tuple[str, ...] = ()
    choices: Mapping[type, object] = field(default_factory=dict)
    probes: "Callable[[], Mapping[str, Probe]]" = dict
    program: str = "tdam-bench"
    limit: int | None = None
    share: tuple[int, int] = WHOLE
    processes: int | None = None
    elsewhere: bool = False
    shown: Path | None = None
    opened: dict[str, "ImageSet"] = field(default_factory=dict)

    def chosen(self, kind: type[ChoicesT]) -> ChoicesT:
        """What the user chose for a kind of work; its defaults where nothing was chosen."""
        return cast(ChoicesT, self.choices.get(kind)) if kind in self.choices else kind()

    @property
    def limit_told(self) -> str:
        """The option by which a command looks at the same part of the images; nothing for all of them."""
        return "" if self.limit is None else f" --limit {self.limit}"

    @property
    def classes(self) -> int:
        """K."""
        return self.num_classes or self.profile.num_classes

    @property
    def device_kind(self) -> str:
        """``cpu``, ``cuda`` or ``mps``, without a number."""
        return self.device.partition(":")[0]

    def classes_of(self, split: str) -> int:
        """Classes of an image set that networks are trained on."""
        if split != self.profile.reduced.train:
            return self.classes
        if self.class_list is None:
            return self.profile.reduced.classes
        from benchmarks.data.selected import read_class_list

        return len(read_class_list(self.class_list))

    def rows(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The experiment's models and each plug-in on its plain networks, or the user's."""
        if self.models is not None:
            return self.models
        plain = [name for name in names if parse(name).is_plain]
        return (*names, *(f"{name}-{plugin}" for name in plain for plugin in self.plugins))

    def loaders(self, split: str) -> int:
        """Loader processes for an image set: the user's number, or the cores where files are decoded for a GPU."""
        if self.workers is not None:
            return self.workers
        # On the CPU the networks need the cores (a picture takes 2 ms of one, each network 100), and trainings give the
        # same bits on any number of them.
        feeds_gpu = self.device_kind != "cpu" and find(self.located(split)[0]).look is not None
        return min(os.cpu_count() or 1, MOST_WORKERS) if feeds_gpu else 0

    def keeps_shown(self, split: str) -> bool:
        """Whether what trainings are shown is kept: of embedded data, which are small, in one process each."""
        embedded = find(self.located(split)[0]).look is None
        return embedded and not self.loaders(split) and self.processes in (None, 1)

    def decodes_on_device(self, split: str) -> bool:
        """Whether an image set that networks are evaluated on is decoded on the device: where asked for, of files."""
        if self.decode != "device":
            return False
        from benchmarks.data.images import ImageFiles

        return isinstance(self.image_set(split), ImageFiles)

    def image_set(self, split: str) -> "ImageSet":
        """Open a split of the profile's data, once.

        Raises:
            DataError: The data is missing or not as it must be; the message says what to do.
        """
        if split not in self.opened:
            name, part = self.located(split)
            images = find(name).open(part, self.source_of(split))
            if self.limit is not None and self.evaluated_only(split):
                from benchmarks.data.selected import limited

                images = limited(images, self.limit)
            self.opened[split] = images
        return self.opened[split]

    def located(self, split: str) -> tuple[str, str]:
        """Data set and split of an image set's name, such as ``birds/test``, or ``val`` of the profile's own data."""
        name, _, part = split.rpartition("/")
        return name or self.profile.data, part

    @property
    def followed_on(self) -> set[str]:
        """Image sets that trainings and fine-tunings are followed on, or judged on whether they had ended."""
        profile, reduced = self.profile, self.profile.reduced
        tuned = (split for one in profile.transfers.values() for split in (one.held_out, one.ended_on))
        followed = (profile.held_out, profile.ended_on, reduced.held_out, reduced.ended_on, *tuned)
        return {split for split in followed if split is not None}

    def evaluated_only(self, split: str) -> bool:
        """Whether no network is trained, or followed in training, on an image set."""
        return self.located(split)[1] != "train" and split not in self.followed_on

    def source_of(self, split: str) -> Source:
        """Where an image set comes from."""
        # A smaller profile draws a prefix, so that it need not wait for the whole.
        training = self.located(split)[1] == "train"
        limit = self.profile.train_count if training else self.profile.val_count
        reduced = self.profile.reduced.classes
        return Source(self.data_root, self.cache, self.classes, limit, reduced, self.class_list)

    def boxes(self, split: str) -> "Boxed":
        """The boxes of a split's images.

        Raises:
            DataError: As :meth:`image_set`, or there are no boxes.
        """
        from benchmarks.data.registry import boxes_of

        return boxes_of(self.located(split)[0], self.image_set(split), self.data_root)

    def manifest_path(self, images: "ImageSet") -> Path:
        """Where the manifest of an image set is kept; its hash stands in records."""
        return self.store.path("manifests", f"{images.name}-{images.manifest_hash[:12]}", ".csv")

    def given_weights(self, model: str, data: str = "train") -> Path | None:
        """The user's file for a model, or None; ``<model>@<data set>`` for weights trained on the reduced data set.

        Raises:
            ValueError: ``weights`` does not exist, or is one file for several models.
        """
        if self.weights is None:
            return None
        if self.weights.is_file():
            if self.models is None or len(self.models) != 1:
                raise ValueError(f"{self.weights} is one file, so name its model with --models, or give a folder")
            return self.weights if model in self.models else None
        if not self.weights.is_dir():
            raise ValueError(
                f"no weights at {self.weights}: name a folder of <model>.pth files, or a file for one model"
            )
        name = f"{model}@{self.located(data)[0]}" if data == self.profile.reduced.train else model
        files = [self.weights / f"{name}{suffix}" for suffix in WEIGHT_SUFFIXES]
        return next((file for file in files if file.is_file()), None)
