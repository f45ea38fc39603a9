"""Shares in percent (top-1, localization, mAP, ...) beside the paper's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.core.records import MetricKey, Record
from benchmarks.networks.names import parse
from benchmarks.report.endings import why_barred
from benchmarks.report.evidence import Evidence, Query, judged, seed_of
from benchmarks.report.layout import Value
from benchmarks.report.verdicts import Judgement, Target, Verdict, judge

# The wider margin of an accuracy, points.
WIDE = 0.5


@dataclass(frozen=True)
class Printed:
    """What the paper prints in one column.

    Attributes:
        digits: Of the row.
        plain: Of the plain network, None where it prints none.
        others: Of the rows that this one is to be told from.
    """

    digits: str
    plain: str | None = None
    others: tuple[str, ...] = ()


def printed_in(column: Mapping[str, str | None], model: str) -> Printed | None:
    """What the paper prints of a row and of the rows beside it, its backbone's; None where it does not have the row.

    Args:
        column: The paper's digits by model, None where it prints nothing.
        model: The row's.
    """
    digits = column.get(model)
    if not digits:
        return None
    backbone = parse(model).backbone
    beside = {other: printed for other, printed in column.items() if parse(other).backbone == backbone and printed}
    others = sorted({printed for printed in beside.values() if printed != digits})
    return Printed(digits, beside.get(backbone), tuple(others))


def share_value(evidence: Evidence, query: Query, key: MetricKey, printed: Printed | None) -> Value:
    """A share with its verdict: judged where the data are the paper's, and by networks that were trained to their end.

    Args:
        evidence: The records.
        query: What the share is of.
        key: Which share.
        printed: The paper's, None where nothing of it stands in this column.
    """
    value = evidence.value(query, key)
    if printed is None:
        return value
    if value.measured is None:
        return judged(value, printed.digits, None)
    if not evidence.profile.papers_data:
        other = Judgement(Verdict.NOT_COMPARABLE, f"{evidence.profile.name} is another task than the paper's")
        return judged(value, printed.digits, other)
    records = evidence.recorded(query)
    part, drawn = part_of(records)
    if part and not drawn:
        return judged(value, printed.digits, Judgement(Verdict.NOT_COMPARABLE, f"a part ({part})"))
    barred = why_barred(evidence, [records])
    if barred:
        return judged(value, printed.digits, Judgement(Verdict.UNDECIDED, barred))
    judgement = judge(evidence.effect(query, key), target_of(printed), lambda share: f"{share:.2f}")
    if part:
        compared = f"{judgement.compared} on {part}" if judgement.compared else ""
        judgement = replace(judgement, reason=f"{judgement.reason}; on {part}", compared=compared)
    return judged(value, printed.digits, judgement)


def part_of(records: Sequence[Record]) -> tuple[str, bool]:
    """How much of the published images records are about, empty for all; whether their intervals allow for that.

    Images drawn at random vary an accuracy of given weights as its interval says; over seeds the images are fixed.
    """
    parts = {str(record.notes["part"]): bool(record.notes["drawn"]) for record in records if "part" in record.notes}
    return ", ".join(sorted(parts)), all(parts.values()) and all(seed_of(record) is None for record in records)


def target_of(printed: Printed) -> Target:
    """What a measured share is held against."""
    plain = float(printed.plain) if printed.plain is not None else None
    return Target(float(printed.digits), plain, WIDE, tuple(map(float, printed.others)))
