"""The gate on images on disk: given weights against what a folder keeps of the same weights and the same images.

Other weights and other images are refused before anything is run: what would differ is no regression. Labels that are
read otherwise, and cells that are defined otherwise, are one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.core.records import Cell, Record, Scalar
from benchmarks.core.store import Store
from benchmarks.data.selected import Limited
from benchmarks.networks.names import ATTENTIONS, TIMM, split_name
from benchmarks.report.gate.check import Task, read_reference
from benchmarks.report.gate.compare import absent, newest
from benchmarks.report.gate.images import LIBRARIES, Pair, table_of
from benchmarks.report.gate.numbers import Comparison, State, told
from benchmarks.report.paper import Gate
from benchmarks.work.evaluation import images_of
from benchmarks.work.kind import Blocked, Waiting
from benchmarks.work.kinds import KINDS
from benchmarks.work.runner import plan
from benchmarks.work.session import WEIGHT_SUFFIXES, Session
from benchmarks.work.weights import GIVEN
from benchmarks.work.workers import COMPUTED_WITH

SHOWN_HASH = 12
LABELS = "images are read under other labels than they were"
DEFINED = "the cell is not defined as it was"


# ---------------------------------------------------------------- what is compared, and what is kept


def to_check(own: Gate, session: Session, folder: Path) -> Task:
    """What to run to compare given weights with a folder, as far as it keeps the networks that are asked for.

    Args:
        own: The paper's gate.
        session: The run's settings, on a profile of data on disk.
        folder: What was kept.

    Raises:
        ValueError: The folder keeps nothing, or nothing of a network; or weights, images or their number are others.
    """
    require_places(session)
    kept = list(newest(read_reference(folder, renewing(session, folder))).values())
    strange = [one for one in kept if one.cell.profile != session.profile.name or not is_given(one)]
    if strange:
        raise ValueError(
            f"{folder} holds other records than this gate's, such as {strange[0].cell}; {anew(session, folder)}"
        )
    models = session.models or tuple(dict.fromkeys(one.cell.model for one in kept))
    unknown = sorted(set(models) - {one.cell.model for one in kept})
    if unknown:
        raise ValueError(f"{folder} keeps nothing of {', '.join(unknown)}; {anew(session, folder)}")
    session = replace(session, models=models)
    require_weights(session)
    wanted = cells_of(own, session)
    decided: list[Comparison] = []
    cells: list[Cell] = []
    for record in kept:
        if record.cell.model in models:
            outcome = looked_at(record, wanted, session, folder)
            decided += outcome
            cells += [] if outcome else [record.cell]
    return Task(folder, session, cells, tuple(decided))


def to_renew(own: Gate, session: Session, folder: Path) -> Task:
    """What to run to keep given weights' numbers in a folder; what data are lacking for is left out, and told.

    Args and exceptions as :func:`to_check`, but for what the folder keeps; it must not be one of runs, which would go.
    """
    require_places(session)
    others = [one for one in Store(folder).records() if one.cell.profile != session.profile.name or not is_given(one)]
    if others or (folder / ".lock").exists():
        raise ValueError(
            f"{folder} holds the records of runs, which --renew would remove; name another folder (--against)"
        )
    session = replace(session, models=networks_of(session))
    planned = plan(cells_of(own, session), session)
    cells = [one.cell for one in planned if one.state == "run"]
    if not cells:
        raise ValueError(f"nothing can be run: {planned[0].reason}")
    lacking = dict.fromkeys(
        f"left out: {one.cell.kind} on {images_of(one.cell)}: {one.reason}" for one in planned if one.state != "run"
    )
    models = ", ".join(dict.fromkeys(cell.model for cell in cells))
    sets = [f"{split}: {part_told(split, session)}" for split in dict.fromkeys(images_of(cell) for cell in cells)]
    return Task(
        folder, session, cells, said=(*lacking, f"{folder} keeps {len(cells)} cells of {models}; {'; '.join(sets)}")
    )


def cells_of(own: Gate, session: Session) -> list[Cell]:
    """The gate's cells on the profile's data.

    Raises:
        ValueError: It has none.
    """
    if own.on_disk is None:
        raise ValueError("the paper's gate has no cells on data on disk; give its Gate some (on_disk)")
    return own.on_disk(session)


def require_places(session: Session) -> None:
    """Refuse a run that is not told where weights and images are.

    Raises:
        ValueError: It is not, or its images are embedded.
    """
    if not session.profile.papers_data:
        name = session.profile.name
        raise ValueError(
            f"--profile is for data on disk, and those of {name} are embedded; leave it out for their gate"
        )
    if session.data_root is None or session.weights is None:
        raise ValueError(f"--profile {session.profile.name} needs --data-root and --weights; name both folders")


def networks_of(session: Session) -> tuple[str, ...]:
    """The networks that the user names, or all that a folder has weights of, by name.

    Raises:
        ValueError: There are none, or there is no file for one; or a single file is not named for its network.
    """
    if session.models is None and session.weights is not None and session.weights.is_dir():
        files = [path.name for path in session.weights.iterdir() if path.is_file()]
        names = {one.removesuffix(suffix) for one in files for suffix in WEIGHT_SUFFIXES if one.endswith(suffix)}
        known = tuple(sorted(filter(is_network, names)))
        if not known:
            raise ValueError(f"no file in {session.weights} is named for a network; name them <model>.pth")
        return known
    require_weights(session)
    return session.models or ()


def is_network(name: str) -> bool:
    """Whether a file's name is a network's."""
    model = split_name(name)
    return model is not None and (model.attention in (None, *ATTENTIONS) or str(model.attention).startswith(TIMM))


def require_weights(session: Session) -> None:
    """Refuse networks without weights.

    Raises:
        ValueError: There is no file for one.
    """
    # Without a model it is a single file's turn to ask for its name.
    lacking = [name for name in session.models or ("",) if session.given_weights(name) is None]
    if lacking:
        raise ValueError(f"no weights of {', '.join(lacking)} in {session.weights}; put <model>.pth there")


def is_given(record: Record) -> bool:
    """Whether a record is of given weights."""
    return record.cell.options.get("weights") == GIVEN


def renewing(session: Session, folder: Path) -> str:
    """The command that makes a folder anew."""
    models = "" if session.models is None else f" --models {','.join(session.models)}"
    classes = "" if session.num_classes is None else f" --num-classes {session.num_classes}"
    places = f"--data-root {session.data_root} --weights {session.weights}{session.limit_told}{models}{classes}"
    return f"{session.program} check --profile {session.profile.name} {places} --against {folder} --renew"


def anew(session: Session, folder: Path) -> str:
    """What to do with a folder that cannot be compared with, in words."""
    return f"name another folder, or make this one anew with `{renewing(session, folder)}`"


# ---------------------------------------------------------------- before anything is run


def looked_at(record: Record, wanted: Sequence[Cell], session: Session, folder: Path) -> list[Comparison]:
    """What can be told of a kept record without running its cell; nothing if it is to be run.

    Args:
        record: It.
        wanted: The gate's cells as they are now.
        session: The run's settings.
        folder: Where it is kept.

    Raises:
        ValueError: It is of other weights, classes or images, or the cell cannot be run.
    """
    classes = record.cell.options.get("classes")
    if classes != session.classes:
        raise ValueError(
            f"{folder} is of {classes} classes, this run of {session.classes}; give the same --num-classes"
        )
    if record.cell not in wanted:
        return list(other_cell(record.cell, wanted))
    inputs = KINDS[record.cell.kind].inputs(record.cell, session)
    if isinstance(inputs, Blocked | Waiting):
        reason = inputs.reason if isinstance(inputs, Blocked) else f"it waits for {inputs.cell}"
        raise ValueError(f"{told(record.cell)} is kept in {folder} and cannot be run: {reason}")
    require_equal_weights(record, inputs["weights"], session, folder)
    if record.inputs.get("data") == inputs["data"]:
        return []
    return [other_labels(record, session, folder)]


def other_cell(cell: Cell, wanted: Iterable[Cell]) -> Iterable[Comparison]:
    """How the gate's cells differ from one that was kept."""
    like = [one for one in wanted if (one.kind, one.model, images_of(one)) == (cell.kind, cell.model, images_of(cell))]
    if not like:
        yield absent(told(cell), "one", "none: the gate has no such cell any more")
        return
    for name in sorted({*cell.options, *like[0].options}):
        before, after = cell.options.get(name), like[0].options.get(name)
        if before != after:
            values = str(before), str(after)
            yield Comparison(told(cell), name, State.CHANGED, *values, "must be equal", DEFINED)


def require_equal_weights(record: Record, digest: Scalar, session: Session, folder: Path) -> None:
    """Refuse other weights than a record's.

    Raises:
        ValueError: They are others.
    """
    kept, model = record.inputs.get("weights"), record.cell.model
    if kept != digest:
        hashes = f"SHA-256 {str(kept)[:SHOWN_HASH]} there, {str(digest)[:SHOWN_HASH]} here"
        file = session.given_weights(model)
        raise ValueError(f"{folder} is of other weights of {model} than {file} ({hashes}); {anew(session, folder)}")


def other_labels(record: Record, session: Session, folder: Path) -> Comparison:
    """How the labels of the kept images differ; of a limited set they decide what is drawn, too.

    Raises:
        ValueError: It is other images that differ.
    """
    split = images_of(record.cell)
    images = session.image_set(split)
    before, after = str(record.notes.get("part", "")) or "all images", part_told(split, session)
    if before != after:
        raise ValueError(f"of {split}, {folder} keeps {before}, and this run is of {after}; {anew(session, folder)}")
    whole = images.of if isinstance(images, Limited) else images
    labels = dict(zip(whole.ids, whole.labels, strict=True))
    kept = dict(table_of(record, folder)[["id", "label"]].itertuples(index=False, name=None))
    others = {name: label for name, label in kept.items() if name in labels and labels[name] != label}
    if not others:
        raise ValueError(f"{folder} is of other images of {split} than {session.data_root}; {anew(session, folder)}")
    name, label = next(iter(others.items()))
    values = f"{label} of {name}", f"{labels[name]} there, {len(others)} of {len(kept)} images have another"
    return Comparison(told(record.cell), "label", State.CHANGED, *values, "must be equal", LABELS)


def part_told(split: str, session: Session) -> str:
    """How much of a published set is looked at, in words."""
    return session.image_set(split).part or "all images"


# ---------------------------------------------------------------- after


def how_compared(task: Task) -> str:
    """Whether numbers were compared to the last bit, and if not, what was allowed and why, in a line."""
    now = newest(task.session.store.records())
    kept = newest(Store(task.folder).records())
    pairs = [Pair(kept[cell], now[cell]) for cell in task.cells if cell in now]
    if not pairs:
        return "no image was compared"
    unlike = [pair for pair in pairs if not pair.alike]
    device = str(pairs[0].now.notes[COMPUTED_WITH])
    if not unlike:
        return f"compared to the last bit: {device} and its libraries are those of {task.folder}"
    pair = unlike[0]
    sides = [
        ", ".join([str(one.notes.get(COMPUTED_WITH)), *(f"{name} {one.inputs.get(name)}" for name in LIBRARIES)])
        for one in (pair.now, pair.reference)
    ]
    rounding = pair.rounding
    allowed = f"probabilities within {rounding.moved:g}, at most {rounding.flipped:.1%} of the images, each explained"
    return f"compared but for rounding ({allowed}): here {sides[0]}; {task.folder} {sides[1]}"
