"""The trained networks that a gate looks at: trained by one of the paper's recipes, and committed in half precision.

Rounded they are other networks than those that were trained. It is the rounded ones that the gate knows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.files import write_atomically
from benchmarks.core.records import Cell
from benchmarks.report.paper import Gate
from benchmarks.work.session import Session
from benchmarks.work.training import TRAIN
from benchmarks.work.weights import known_inputs

if TYPE_CHECKING:
    import numpy as np

# Committed, all together.
MOST_BYTES = 2_000_000


def trainings(gate: Gate, session: Session) -> list[Cell]:
    """The trainings of a gate's networks, under a session of the profile that trains them."""
    return [TRAIN.cell(name, session.seeds[0], session) for name in gate.networks]


def export(gate: Gate, session: Session) -> list[Path]:
    """Put a gate's networks, which were trained, where it looks for them.

    Returns:
        The files.

    Raises:
        ValueError: The gate looks at no networks, one diverged or cannot be rounded, or they are too large together.
    """
    if gate.weights is None:
        raise ValueError("the gate looks at no trained networks; name a folder of weights in its Gate")
    files = [gate.weights / f"{name}.safetensors" for name in gate.networks]
    for cell, file in zip(trainings(gate, session), files, strict=True):
        record = session.store.find(cell, known_inputs(TRAIN, cell, session))
        if record is None or "weights" not in record.notes:
            raise ValueError(f"{cell} left no weights; the gate's stay as they were")
        write_halved(session.store.folder / "weights" / record.notes["weights"], file)
    size = sum(file.stat().st_size for file in files)
    if size > MOST_BYTES:
        raise ValueError(f"the gate's networks have {size:,} bytes, {MOST_BYTES:,} are allowed; choose smaller ones")
    return files


def write_halved(source: Path, target: Path) -> None:
    """Write a file of weights in half precision, with what it tells of its training.

    Raises:
        ValueError: A number is too large for half precision, or is none.
    """
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    with safe_open(source, framework="numpy") as file:
        facts = file.metadata()
    state = halved(load_file(source), source)
    write_atomically(target, lambda temporary: save_file(state, temporary, facts))


def halved(state: "Mapping[str, np.ndarray]", source: Path) -> "dict[str, np.ndarray]":
    """Tensors in half precision; whole numbers stay as they are.

    Raises:
        ValueError: As :func:`write_halved`.
    """
    import numpy as np

    half = {name: array.astype(np.float16) if array.dtype.kind == "f" else array for name, array in state.items()}
    broken = [name for name, array in half.items() if not np.isfinite(array).all()]
    if broken:
        raise ValueError(f"{source}: {broken[0]} does not fit into half precision; train the network anew")
    return half
