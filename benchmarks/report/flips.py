"""Which images one network has right and another has not: from the outcomes that records keep of each image."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.core.records import MetricKey, Record, Scalar
from benchmarks.data.pictures import PICTURES, Picture
from benchmarks.metrics.outcomes import pack, unpack
from benchmarks.metrics.rules import LAST
from benchmarks.networks.names import parse
from benchmarks.report.evidence import Evidence, Query, seed_of
from benchmarks.report.packing import as_webp
from benchmarks.work.accuracy import ACCURACY

KEY = MetricKey("top1", steps=LAST.name)
# The set of the paper's two that is looked at.
SPLIT = "v1"
# Of so many first images those are pictured that flip most; side of a picture, pixels, and pictures in a line.
LOOKED_AT, PICTURED, SIDE, ACROSS = 160, 40, 64, 8


@dataclass(frozen=True)
class Flips:
    """What the page compares image by image.

    Attributes:
        data: The image set.
        images: How many it has.
        rows: Whether each image was right at the last step, packed, by network and seed; seed ``given`` of weights from
            outside. Images are in the order of their ids.
        pictures: Position, id and class of each image on the sheet, in its order.
        sheet: The pictures as a data URI, ``ACROSS`` in a line of ``SIDE`` pixels; empty where there is none.
    """

    data: str
    images: int
    rows: Mapping[str, Mapping[str, str]]
    pictures: Sequence[tuple[int, str, str]] = ()
    sheet: str = ""

    def as_dict(self, labels: Mapping[str, str]) -> dict[str, Any]:
        """For the page's script: rows in the order of the tables, and which two are compared at first.

        Image by image it is told which networks were right, packed, and of each network and seed its place there: most
        images are right with all networks, so that this packs to half of what networks one by one pack to.

        Args:
            labels: Of the networks, in the order of the tables.
        """
        order = [
            *(model for model in labels if model in self.rows),
            *(model for model in self.rows if model not in labels),
        ]
        places = {one: place for place, one in enumerate((row, seed) for row in order for seed in self.rows[row])}
        rows = [
            {"model": one, "label": labels.get(one, one), "seeds": {seed: places[one, seed] for seed in self.rows[one]}}
            for one in order
        ]
        hits = np.array([unpack(self.rows[row][seed], self.images) for row, seed in places]).T
        first = next((one for one in order if parse(one).feedback), order[-1])
        plain = str(parse(first).plain)
        second = plain if plain in self.rows and plain != first else next(one for one in order if one != first)
        compared = {"rows": rows, "hits": [pack(image) for image in hits], "first": first, "second": second}
        return {**asdict(self), **compared, "side": SIDE, "across": ACROSS}


def flips(evidence: Evidence) -> Flips | None:
    """What can be compared image by image; None where fewer than two networks have outcomes of the same images."""
    profile = evidence.profile
    split = profile.splits.get(SPLIT)
    if split is None:
        return None
    options: dict[str, Scalar] = {"data": split, "resolution": profile.resolution, "trained_on": "train"}
    models = dict.fromkeys(record.cell.model for record in evidence.of_models if record.cell.kind == ACCURACY.name)
    known = {model: kept(evidence, Query(ACCURACY.name, model, options)) for model in models}
    records = [record for rows in known.values() for record in rows]
    if not records:
        return None
    same = [record for record in records if alike(record, records[0])]
    rows: dict[str, dict[str, str]] = {}
    for record in same:
        rows.setdefault(record.cell.model, {})[seed_name(record)] = record.outcomes[KEY]
    if len(rows) < 2:
        return None
    found = Flips(f"{profile.data} {split}", same[0].metrics[KEY].n or 0, rows)
    whole = not any("part" in record.notes for record in same)
    return pictured(found, profile.data, split) if whole and profile.data in PICTURES else found


def kept(evidence: Evidence, query: Query) -> list[Record]:
    """The records that keep outcomes."""
    return [record for record in evidence.select(query) if KEY in record.outcomes]


def alike(record: Record, other: Record) -> bool:
    """Whether two records are of the same images."""
    return record.notes.get("images") == other.notes.get("images") and record.metrics[KEY].n == other.metrics[KEY].n


def seed_name(record: Record) -> str:
    """A record's seed, as a name."""
    seed = seed_of(record)
    return "given" if seed is None else str(seed)


def flipped(found: Flips) -> npt.NDArray[np.int64]:
    """How often each image is right in a network and wrong in the plain one of its seed, or the other way (images,)."""
    times = np.zeros(found.images, np.int64)
    for model, seeds in found.rows.items():
        plain = found.rows.get(str(parse(model).plain), {})
        for seed in seeds.keys() & plain.keys():
            times += unpack(seeds[seed], found.images) != unpack(plain[seed], found.images)
    return times


def pictured(found: Flips, data: str, split: str) -> Flips:
    """The same with pictures of those that flip most, of the first images."""
    times = flipped(found)[:LOOKED_AT]
    # Stable, so that of equals the first is taken.
    chosen = sorted(np.argsort(-times, kind="stable")[:PICTURED].tolist())
    chosen = [place for place in chosen if times[place]]
    if not chosen:
        return found
    drawn = PICTURES[data](split, len(times))
    pictures = [(place, drawn[place].id, drawn[place].label) for place in chosen]
    return Flips(found.data, found.images, found.rows, pictures, sheet_of([drawn[place] for place in chosen]))


def sheet_of(pictures: Sequence[Picture]) -> str:
    """Pictures beside and below each other, as a data URI."""
    from PIL import Image

    sheet = Image.new("RGB", (ACROSS * SIDE, -(-len(pictures) // ACROSS) * SIDE))
    for place, one in enumerate(pictures):
        sheet.paste(one.image.resize((SIDE, SIDE)), (place % ACROSS * SIDE, place // ACROSS * SIDE))
    return as_webp(sheet, quality=70)
