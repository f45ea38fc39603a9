"""What a row of trained networks has to have: its trainings, and what tells whether these had come to their end."""

from benchmarks.core.records import Cell
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.finetuning import FINETUNE_LONGER
from benchmarks.work.session import Session
from benchmarks.work.training import TRAIN, TRAIN_LONGER
from benchmarks.work.transfer import TRANSFER

# A statement about a method rests on so many seeds at least.
FEWEST_SEEDS = 5


def training_cells(model: str, session: Session, data: str = "train") -> list[Cell]:
    """What an experiment has to train of a model: a cell for each seed; none where weights are given or looked for.

    With as many seeds as a verdict needs comes what tells whether they had ended, which it needs too.
    """
    if not session.profile.trains or session.given_weights(model, data) is not None:
        return []
    usual = [TRAIN.cell(model, seed, session, data) for seed in session.seeds]
    return [*usual, *(ending_cells(model, session, data) if decides(session) else ())]


def decides(session: Session) -> bool:
    """Whether there are as many seeds as a statement about a method needs."""
    return len(session.seeds) >= FEWEST_SEEDS


def ending_cells(model: str, session: Session, data: str = "train") -> list[Cell]:
    """What tells whether the trainings of a model had ended: a longer one of the first seed, and how far all came.

    The latter on the images on which it is judged, where these are not those that trainings are followed on.
    """
    longer = TRAIN_LONGER.cell(model, session.seeds[0], session, data)
    split = session.profile.ended_on_after(data)
    if split is None:
        return [longer]
    return [longer, *(ACCURACY.cell(model, split, seed, session, trained_on=data) for seed in session.seeds)]


def tuned_ending_cells(model: str, target: str, session: Session) -> list[Cell]:
    """What tells whether the fine-tunings of a model for a target had ended, as :func:`ending_cells`."""
    longer = FINETUNE_LONGER.cell(model, target, session.seeds[0], session)
    split = session.profile.transfers[target].ended_on
    if split is None:
        return [longer]
    return [longer, *(TRANSFER.cell(model, target, seed, session, split) for seed in session.seeds)]
