"""Attention over steps: the images that tell most, and the maps of networks on them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.identity import code_version
from benchmarks.core.records import Cell, Metric, Record, Scalar, new_record, write_atomically
from benchmarks.work.kind import Advance, Amount, Blocked, Inputs, Waiting
from benchmarks.work.localization import Localizations
from benchmarks.work.session import Session
from benchmarks.work.training import known_inputs, loaded_network

CODE = ("work/looking.py", "work/passes.py", "networks/maps.py", "metrics/movement.py", "metrics/boxes.py")
SHOWN = 6


class Attentions:
    """Maps of a plain network and of one with feedback at each step, on images chosen by a rule."""

    name = "attention"
    shared = False
    parallel = False

    @staticmethod
    def cell(plain: str, model: str, split: str, seed: int, session: Session) -> Cell:
        """The cell of a pair of networks."""
        options: dict[str, Scalar] = {**Localizations.cell(model, split, seed, session).options, "plain": plain}
        return Cell("attention", model, session.profile.name, {**options, "shown": SHOWN})

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """The localizations of both networks, which weights and images stand behind, and the code."""
        found: dict[str, Scalar] = {"code": code_version(*CODE), "device": session.device_kind}
        for model in (cell.options["plain"], cell.model):
            source = localized_cell(cell, str(model), session)
            inputs = Localizations().inputs(source, session)
            if isinstance(inputs, Blocked | Waiting):
                return inputs
            record = session.store.find(source, inputs)
            if record is None:
                return Waiting(source)
            found[f"localization of {model}"] = record.id
        return found

    def group(self, cell: Cell) -> object:
        """Each on its own."""
        return cell

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """The pictures that are shown."""
        return Amount(SHOWN, "images")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Choose images, look at them."""
        import torch

        from benchmarks.metrics.movement import spread, telling_images
        from benchmarks.work.looking import look
        from benchmarks.work.passes import View

        (cell,) = cells
        o: Any = cell.options
        sources = {model: localized_cell(cell, model, session) for model in (o["plain"], cell.model)}
        telling = telling_images(*(localizations(source, session) for source in sources.values()))
        chosen = spread(telling, SHOWN)
        images = session.image_set(o["data"])
        places = {name: i for i, name in enumerate(images.ids)}
        record = new_record(cell, known_inputs(self, cell, session), {"telling": Metric(float(len(telling)), "images")})
        notes: dict[str, Any] = {"images": chosen, "labels": [images.labels[places[name]] for name in chosen]}
        if chosen:
            networks = {model: loaded_network(source, session) for model, source in sources.items()}
            pictures = [images.image(places[name]) for name in chosen]
            maps = look(networks, pictures, View(o["resolution"], o["crop"]), torch.device(session.device))
            path = session.store.path("attention", f"{cell.model}-{record.id}", ".npz")
            write_atomically(path, partial(save, maps))
            notes |= {"maps": path.name, "classes": images.classes}
        advance(SHOWN)
        yield replace(record, notes=notes)


def save(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write named arrays, compressed."""
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def localized_cell(cell: Cell, model: str, session: Session) -> Cell:
    """The localization cell of a model that an attention cell builds on."""
    return Localizations.cell(model, str(cell.options["data"]), int(str(cell.options.get("seed", 0))), session)


def localizations(cell: Cell, session: Session) -> Any:
    """The table of a localization cell that has been run."""
    import pandas as pd

    record = session.store.find(cell, known_inputs(Localizations(), cell, session))
    assert record is not None
    return pd.read_parquet(session.store.folder / "localizations" / record.notes["localizations"])
