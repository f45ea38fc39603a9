"""Attention over steps: the images that tell most, and the maps of networks on them."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.core.records import Cell, Metric, MetricKey, Record, Scalar, new_record, options_of
from benchmarks.data.errors import DataError
from benchmarks.work.kind import Advance, Amount, Blocked, Change, Inputs, Kind, MetricSpec, Waiting
from benchmarks.work.localization import LOCALIZATION, LocalizationOptions
from benchmarks.work.results import part_notes, status_of_part, write_arrays
from benchmarks.work.session import Session
from benchmarks.work.weights import CONDITIONS, known_inputs, loaded_network

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from benchmarks.data.images import ImageSet

SHOWN = 6
TELLING = MetricKey("telling")


@dataclass(frozen=True)
class AttentionOptions(LocalizationOptions):
    """What a cell says of a pair of networks.

    Attributes:
        plain: The other one.
        shown: Images that are shown at most.
    """

    plain: str
    shown: int


class Attention(Kind):
    """Maps of a plain network and of one with feedback at each step, on images chosen by a rule."""

    name = "attention"
    version = 2
    options = AttentionOptions
    conditions = CONDITIONS
    metrics = (MetricSpec("telling", Change.NEAR, "networks look elsewhere, or are right elsewhere", tolerance=0.5),)
    shared = True

    def cell(self, plain: str, model: str, split: str, seed: int, session: Session) -> Cell:
        """The cell of a pair of networks."""
        source = options_of(LOCALIZATION.cell(model, split, seed, session), LocalizationOptions)
        options = AttentionOptions(**asdict(source), plain=plain, shown=SHOWN)
        return Cell.of(self.name, model, session.profile.name, options)

    def rests_on(self, cell: Cell, session: Session) -> Sequence[Cell]:
        """The localizations of both networks."""
        return localized_cells(cell, session)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """The localizations of both networks, which weights and images stand behind, and versions."""
        inputs: dict[str, Scalar] = {**self.versioned(session), "device": session.device_kind}
        for source in localized_cells(cell, session):
            known = LOCALIZATION.inputs(source, session)
            if isinstance(known, Blocked | Waiting):
                return known
            record = session.store.find(source, known)
            if record is None:
                return Waiting(source)
            inputs[f"localization of {source.model}"] = record.id
        return inputs

    def group(self, cell: Cell) -> object:
        """Each on its own."""
        return cell

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """The pictures that are shown."""
        return Amount(SHOWN, "images")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Choose images, look at them."""
        from benchmarks.data.selected import Subset
        from benchmarks.metrics.movement import telling_images
        from benchmarks.metrics.showing import shown_images

        (cell,) = cells
        options = options_of(cell, AttentionOptions)
        plain, feedback = localized_cells(cell, session)
        located = localizations(plain, session), localizations(feedback, session)
        telling = telling_images(*located)
        images = session.image_set(options.data)
        chosen = Subset(images, shown_images(*located, options.shown))
        metrics = {TELLING: Metric(float(len(telling)), "images", status=status_of_part("ok", images))}
        record = new_record(cell, known_inputs(self, cell, session), metrics)
        notes: dict[str, Any] = {"images": chosen.ids, "labels": chosen.labels, **part_notes(images)}
        if len(chosen):
            path = session.store.path("attention", f"{cell.model}-{record.id}", ".npz")
            write_arrays(maps_of((plain, feedback), chosen, session), path)
            notes |= {"maps": path.name, "classes": chosen.classes}
        advance(options.shown)
        yield replace(record, notes=notes)


ATTENTION = Attention()


def localized_cells(cell: Cell, session: Session) -> tuple[Cell, Cell]:
    """The localization cells that an attention cell builds on: the plain network's and that with feedback."""
    options = options_of(cell, AttentionOptions)
    seed = options.seed or 0  # given weights have none
    plain, feedback = (LOCALIZATION.cell(model, options.data, seed, session) for model in (options.plain, cell.model))
    return plain, feedback


def localizations(cell: Cell, session: Session) -> "pd.DataFrame":
    """The table of a localization cell that has been run."""
    import pandas as pd

    record = session.store.find(cell, known_inputs(LOCALIZATION, cell, session))
    assert record is not None
    return pd.read_parquet(session.store.folder / "localizations" / record.notes["localizations"])


def maps_of(cells: Sequence[Cell], images: "ImageSet", session: Session) -> "dict[str, np.ndarray]":
    """What the networks of localization cells see in images.

    Returns:
        ``images`` (N, R, R, 3) uint8, and for each network the arrays of
        :class:`benchmarks.work.collectors.attention.AttentionCollector`, as ``NAME/maps`` and so on; maps in 255 parts,
        uint8, which the eye cannot tell from more, so that a results folder can keep them under version control.

    Raises:
        DataError: An image cannot be read any more.
    """
    import numpy as np
    import torch

    from benchmarks.work.collectors.attention import AttentionCollector
    from benchmarks.work.passes import Show, View, run_pass

    options = options_of(cells[0], LocalizationOptions)
    view = View(options.resolution, options.crop)
    collectors = [AttentionCollector(view, loaded_network(cell, session)) for cell in cells]
    passed = run_pass(collectors, Show(images, torch.device(session.device), batch=1), lambda done: None)
    if passed[0].unreadable:
        raise DataError(passed[0].unreadable[0])
    arrays = {"images": passed[0].part["pixels"]}
    for cell, collected in zip(cells, passed, strict=True):
        arrays |= {f"{cell.model}/{name}": collected.part[name] for name in ("classes", "scores", "boxes")}
        arrays[f"{cell.model}/maps"] = np.round(255 * collected.part["maps"]).astype(np.uint8)
    return arrays
