"""What a training tells as it goes, beside its record: a CSV file, and TensorBoard's files where they are wanted."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.core.files import write_text
from benchmarks.measure.stopwatch import Stopwatch

# Steps of an epoch between two rows.
EVERY = 50
STEP, EPOCH = "step", "epoch"
NO_TENSORBOARD = "--tensorboard needs the package tensorboard: pip install tensorboard"
COLUMNS = ("row", "epoch", "step", "loss", "lr", "images_per_second", "held_out")


@dataclass(frozen=True)
class LogFiles:
    """Where a training is logged.

    Attributes:
        table: The CSV file.
        board: Folder of TensorBoard's files, None where they are not wanted.
    """

    table: Path
    board: Path | None = None


class TrainingLog:
    """The log of one training, written row by row; a killed one keeps what it has.

    Args:
        files: Where it goes.
        step: Steps of the training that are done: rows of later ones, of a run that was cut off after it was saved,
            are cut off too, for they come again.

    Raises:
        ModuleNotFoundError: TensorBoard is wanted and missing; the message has the command.
    """

    def __init__(self, files: LogFiles, step: int) -> None:
        self.table = files.table
        kept = [row for row in read_rows(self.table) if int(row["step"]) <= step]
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        write_text(self.table, text.getvalue().rstrip("\n"))
        self.board = None if files.board is None else board_at(files.board, step)
        self.since, self.images = Stopwatch(), 0

    def count(self, images: int) -> None:
        """So many images more were shown, by all processes."""
        self.images += images

    def add(self, row: str, values: Mapping[str, float]) -> None:
        """Write a row.

        Args:
            row: ``STEP``, for the loss of one batch, or ``EPOCH``, for the mean of an epoch.
            values: Of the columns, as far as there are such.
        """
        told: dict[str, Any] = {"row": row, **values}
        if row == STEP:
            told["images_per_second"] = round(self.images / max(self.since.seconds(), 1e-9), 1)
            self.since, self.images = Stopwatch(), 0
        with self.table.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(told)
        if self.board is not None:
            for name in set(told) - {"row", "epoch", "step"}:
                self.board.add_scalar(f"{row}/{name}", told[name], int(values["step"]))
            self.board.flush()

    def close(self) -> None:
        """Let go of TensorBoard's files."""
        if self.board is not None:
            self.board.close()


def read_rows(path: Path) -> list[dict[str, str]]:
    """The whole rows of a log, the last of which a kill may have cut; none where there is no file."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(io.StringIO(whole)))


def board_at(folder: Path, step: int) -> Any:
    """TensorBoard's writer, which hides what came after a step.

    Raises:
        ModuleNotFoundError: The package is missing.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(NO_TENSORBOARD) from error
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
