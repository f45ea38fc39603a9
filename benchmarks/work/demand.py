"""What a run will need: bytes on disk and in memory, and time where nothing like it was timed, by stated guesses."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.core.records import Cell, MetricKey, Record
from benchmarks.networks.names import parse
from benchmarks.work.cost import PARAMETERS
from benchmarks.work.kind import evaluated_images
from benchmarks.work.kinds import KINDS
from benchmarks.work.profiles import PIXELS_ON_CPU
from benchmarks.work.session import ROOM, Session
from benchmarks.work.training import TrainingKind

FLOAT, COLORS = 4, 3
# Of torch's random numbers.
STATE = 5056
# What an id and the columns that every table has take of an image, in a file beside the record: of 5,000 images whose
# names are a class's and a number. Of 1,000 it is more (26 bytes), of 50,000 less (15), for they repeat more.
LABELED = 19
# Guesses, where no record tells. Parameters by the size of networks; bytes of feature maps for each pixel of the input,
# in inference and in training; and what the libraries themselves hold in memory.
GUESSED_PARAMETERS = {"paper": 27e6, "mini": 0.3e6}
GUESSED_INFERENCE, GUESSED_TRAINING = 256.0, 2000.0
LIBRARIES = 400e6
# Images a second that one network is shown, by device, of SIDE pixels; a step of training takes as long as three of
# inference. The small networks of embedded data train on 700 images a second on one core, whatever their pixels; other
# devices wait for the images there, too.
GUESSED_SPEED = {"cpu": 10.0, "cuda": 1000.0, "mps": 100.0}
SMALL_SPEED = 2000.0
TRAINING_TAKES, SIDE = 3, 224


@dataclass(frozen=True)
class Kept:
    """What a pass keeps of an image on disk, in bytes: whatever the network, and for each of its steps."""

    image: int
    step: int


# By kind of work, as Parquet packs what the collector of that name gives (``benchmarks.work.collectors``), measured:
# integers by their range, floats with 1.75 bytes more for their place in a dictionary.
KEPT = {
    # The position; of each step five classes, five scores and now and then a box.
    "accuracy": Kept(9, 38),
    # Besides how many objects; two boxes, an overlap by each of two box rules, many of which are zero, and hits by
    # threshold, whose runs pack.
    "localization": Kept(10, 68),
}


@dataclass(frozen=True)
class Demand:
    """A prediction, in bytes.

    Attributes:
        weights: Of the networks that are trained.
        tables: What stays of each image, by the folder's name.
        parts: Of passes, until each has ended: the most at any time, as one follows the other.
        shown: What trainings keep of their images for each other until they end.
        memory: The most at any time, of all processes.
        guessed: Whether ``memory`` rests on guesses.
    """

    weights: float
    tables: dict[str, float]
    parts: float
    shown: float
    memory: float
    guessed: bool

    @property
    def disk(self) -> float:
        """All on disk."""
        return self.weights + sum(self.tables.values()) + self.parts + self.shown

    def lines(self) -> list[str]:
        """Disk and memory, a line each."""
        passing = {"parts of a pass until it ends": self.parts, "images of trainings until they end": self.shown}
        named = {"weights": self.weights, **self.tables, **passing}
        shown = ", ".join(f"{name} {in_bytes(size)}" for name, size in named.items() if size)
        why = " (guessed: no record here tells what these networks hold)" if self.guessed else ""
        return [f"disk: {in_bytes(self.disk)}{f' ({shown})' if shown else ''}", f"memory: {in_bytes(self.memory)}{why}"]


def in_bytes(size: float) -> str:
    """A number of bytes as people say it."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB")):
        if size >= factor:
            return f"about {size / factor:,.1f} {unit}"
    return "less than 1 MB"


def demand(cells: Sequence[Cell], records: Iterable[Record], session: Session) -> Demand:
    """What running cells needs.

    Args:
        cells: What is to be run; the data that they need can be opened.
        records: What was measured before.
        session: The run's settings.
    """
    rates = Rates(records, session)
    tables: dict[str, float] = {}
    for cell in cells:
        if cell.kind in KEPT:
            folder = str(KINDS[cell.kind].per_image)
            by_image = LABELED + KEPT[cell.kind].step * parse(cell.model).steps
            tables[folder] = tables.get(folder, 0.0) + images_seen(cell, session) * by_image
    parts = max((parts_of(group, session) for group in groups_of(cells)), default=0.0)
    trained = [cell for cell in cells if KINDS[cell.kind].longer is not None]
    weights = sum(FLOAT * rates.parameters(cell.model) for cell in trained)
    memory = max((rates.memory(group) for group in groups_of(cells)), default=0.0)
    shown = shown_in([cell for cell in cells if is_training(cell)], session)
    return Demand(weights, tables, parts, shown, LIBRARIES + memory if cells else 0.0, rates.guessed)


def parts_of(cells: Iterable[Cell], session: Session) -> float:
    """Bytes of the parts that a pass leaves, which go when it has ended."""
    kept = [(cell, KEPT[cell.kind]) for cell in cells if cell.kind in KEPT]
    return sum(images_seen(cell, session) * (one.image + one.step * parse(cell.model).steps) for cell, one in kept)


def shown_in(cells: Sequence[Cell], session: Session) -> float:
    """Bytes of what trainings on embedded data keep for each other, once for each recipe and seed, with its states."""
    shown: dict[object, float] = {}
    for cell in cells if len(cells) > 1 else ():
        kind = KINDS[cell.kind]
        if isinstance(kind, TrainingKind) and session.keeps_shown(kind.images_of(cell)):
            recipe = kind.recipe(cell, session)
            key = kind.images_of(cell), recipe, cell.options.get("seed"), cell.options.get("tuning_seed")
            image = COLORS * recipe.resolution**2 + 2 * STATE / recipe.batch
            shown[key] = kind.amount([cell], session).total * image
    return min(sum(shown.values()), ROOM)


def images_seen(cell: Cell, session: Session) -> int:
    """How many images a cell looks at."""
    return evaluated_images(str(cell.options["data"]), session).total


def shows_images(cell: Cell) -> bool:
    """Whether a cell looks at images, or is trained on them."""
    return "data" in cell.options or is_training(cell)


def is_training(cell: Cell) -> bool:
    """Whether a cell trains a network, from the beginning or further."""
    return isinstance(KINDS[cell.kind], TrainingKind)


def groups_of(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Cells that look at images, as they run together."""
    grouped: dict[object, list[Cell]] = {}
    for cell in filter(shows_images, cells):
        grouped.setdefault((cell.kind, KINDS[cell.kind].group(cell)), []).append(cell)
    return list(grouped.values())


class Rates:
    """What records tell of networks' sizes, and guesses where they do not.

    Attributes:
        guessed: Whether a guess was asked for.
    """

    def __init__(self, records: Iterable[Record], session: Session) -> None:
        self.session = session
        self.guessed = False
        self.counted: dict[str, float] = {}
        # Bytes for each pixel of an input and images a second, by mode and network.
        self.measured: dict[tuple[str, str], float] = {}
        self.speeds: dict[tuple[str, str], float] = {}
        for record in records:
            value = record.metrics[PARAMETERS].value if PARAMETERS in record.metrics else None
            if value is not None:
                self.counted[record.cell.model] = value
            if "mode" in record.cell.options:
                self.measured |= held_by_pixel(record)
                self.speeds |= speeds_in(record) if record.device == session.device_kind else {}

    def parameters(self, model: str) -> float:
        """How many a network has; counts are of the paper's size."""
        size = self.session.profile.size
        known = self.counted.get(model) if size == "paper" else None
        return GUESSED_PARAMETERS.get(size, GUESSED_PARAMETERS["paper"]) if known is None else known

    def by_pixel(self, model: str, mode: str) -> float:
        """Bytes that a network holds for each pixel of its input, its parameters included."""
        known = [rate for (own, _), rate in self.measured.items() if own == mode]
        if self.session.profile.size != "paper" or not known:
            self.guessed = True
            return GUESSED_TRAINING if mode == "training" else GUESSED_INFERENCE
        return self.measured.get((mode, model), median(known))

    def seconds(self, cell: Cell) -> float | None:
        """How long a cell that looks at images takes, by speed; None of others, which nothing tells."""
        if not shows_images(cell):
            return None
        images = KINDS[cell.kind].amount([cell], self.session).total
        return images * self.pixels(cell) / (self.speed(cell) or self.guessed_speed(is_training(cell)))

    def speed(self, cell: Cell) -> float | None:
        """Images a second as measured of a cell's network; that of small ones is not, only the paper's are."""
        if self.session.profile.size != "paper":
            return None
        return self.speeds.get(("training" if is_training(cell) else "inference", cell.model))

    def guessed_speed(self, training: bool) -> float:
        """Images a second that a network is shown, where nothing tells."""
        is_small = self.session.profile.size != "paper"
        speed = SMALL_SPEED if is_small else GUESSED_SPEED[self.session.device_kind]
        return speed / (TRAINING_TAKES if training else 1)

    def guesses(self) -> str:
        """What guessed speeds are, in words."""
        shown, trained = self.guessed_speed(False), self.guessed_speed(True)
        of = f" of {SIDE} pixels" if self.session.profile.size == "paper" else ""
        return f"{shown:,.0f} images{of} a second shown to a network, {trained:,.0f} in training"

    def pixels(self, cell: Cell) -> float:
        """Pixels of the images that a cell shows, over those that speeds are of; 1 for the small networks' images."""
        if self.session.profile.size != "paper":
            return 1.0
        kind = KINDS[cell.kind]
        side = kind.recipe(cell, self.session).resolution if isinstance(kind, TrainingKind) else SIDE
        return (int(str(cell.options.get("resolution") or side)) / SIDE) ** 2

    def memory(self, cells: Sequence[Cell]) -> float:
        """The most bytes that a group of cells holds: all networks, and the feature maps of one at a time."""
        models = {cell.model for cell in cells}
        weights = sum(FLOAT * self.parameters(model) for model in models)
        kind = KINDS[cells[0].kind]
        if isinstance(kind, TrainingKind):
            recipe = kind.recipe(cells[0], self.session)
            pixels = float(recipe.batch * recipe.resolution**2)
            own = max(self.by_pixel(model, "training") for model in models) * pixels
            # Gradients and the optimizer's two moments at most, of as many networks as are trained at a time.
            return (own + 4 * weights) * (self.session.jobs if self.session.device_kind == "cpu" else 1)
        side = max(int(str(cell.options.get("resolution", self.session.profile.resolution))) for cell in cells)
        pixels = float(self.session.profile.batch * side**2)
        pixels = min(pixels, PIXELS_ON_CPU) if self.session.device_kind == "cpu" else pixels
        return weights + max(self.by_pixel(model, "inference") for model in models) * pixels


def held_by_pixel(record: Record) -> dict[tuple[str, str], float]:
    """What a measurement of memory tells of each of its networks, bytes for each pixel of an input."""
    options = record.cell.options
    pixels = float(str(options["batch"])) * float(str(options["resolution"])) ** 2
    return {place: value / pixels for place, value in measured_in(record, "memory").items()}


def speeds_in(record: Record) -> dict[tuple[str, str], float]:
    """What a measurement of speed tells of each of its networks, images a second."""
    return {place: value for place, value in measured_in(record, "fps").items() if value > 0}


def measured_in(record: Record, metric: str) -> dict[tuple[str, str], float]:
    """One metric of every network that was measured in one run, by mode and network."""
    mode = str(record.cell.options["mode"])
    keys = {(mode, name): MetricKey(metric, of=name) for name in str(record.cell.options["models"]).split(",")}
    values = {place: record.metrics[key].value for place, key in keys.items() if key in record.metrics}
    return {place: value for place, value in values.items() if value is not None and math.isfinite(value)}
