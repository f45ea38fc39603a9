"""Records against records, cell by cell: as each number's kind of work declares that it changes.

What looked at given weights is compared with a reference image by image besides (``benchmarks.report.gate.images``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.core.records import Cell, MetricKey, Record
from benchmarks.networks.names import TWIN
from benchmarks.report.gate.images import compare_images
from benchmarks.report.gate.numbers import QUANTITIES, RULES, Comparison, Number, State, kind_of, plain_of, told
from benchmarks.work.kind import Change
from benchmarks.work.weights import GIVEN

# What must be equal for two runs' numbers to be compared, beside what their kind of work declares: of cells' options,
# of those of timed cells (elsewhere the resolution is the question), and of records' inputs.
SETTINGS = ("device", "dtype", "batch")
TIMED_SETTINGS = ("resolution",)
MACHINE = ("device", "processor", "torch", "torchvision", "fvcore", "numpy", "scikit-learn", "scipy")


# ---------------------------------------------------------------- two records


def compare_records(reference: Record, now: Record) -> Iterator[Comparison]:
    """Every number that one of two records of a cell has, by the rule that is declared for it.

    Raises:
        ValueError: Nothing is declared of a number, or of its kind of work; or no network was measured twice where
            times are compared.
    """
    kind = kind_of(now.cell)
    for key in keys_of(reference, now):
        number = Number(key, kind.spec(key.name), reference, now)
        if number.spec.change is Change.NEVER or is_yardstick(number):
            continue
        yield RULES[number.spec.change](number)


def keys_of(reference: Record, now: Record) -> list[MetricKey]:
    """Keys of the samples that times are, and of all metrics.

    Raises:
        ValueError: Nothing is declared of a number.
    """
    kind = kind_of(now.cell)
    samples = {key for record in (reference, now) for key in record.samples}
    timed = {key for key in samples if kind.spec(key.name).change is Change.TIME}
    return sorted(timed) + sorted({*reference.metrics, *now.metrics} - timed)


def is_yardstick(number: Number) -> bool:
    """Whether a number is of what ratios refer to: the plain network, or its twin."""
    if number.spec.change not in QUANTITIES:
        return False
    plain = plain_of(number.reference, number.now)
    return number.key.of in (plain, f"{plain}{TWIN}")


# ---------------------------------------------------------------- two runs


def newest(records: Sequence[Record]) -> dict[Cell, Record]:
    """The newest record of each cell; ``records`` come oldest first."""
    return {record.cell: record for record in records}


def absent(cell: str, expected: str, measured: str) -> Comparison:
    """A cell that one side has no record of."""
    return Comparison(cell, "record", State.ABSENT, expected, measured, "every cell")


def compare_with_reference(
    reference: Sequence[Record], now: Sequence[Record], folders: tuple[Path, Path] | None = None
) -> list[Comparison]:
    """All comparisons of a run with the reference; a cell that the run lacks is absent.

    Args:
        reference: Its records.
        now: The run's.
        folders: The results folders of both, in which they keep what is known of each image; None compares records.

    Raises:
        ValueError: As :func:`compare_records`; or a file of images is missing.
    """
    mine = newest(now)
    comparisons: list[Comparison] = []
    for cell, record in newest(reference).items():
        if cell not in mine:
            comparisons.append(absent(told(cell), "one", "none"))
        elif cell.options.get("weights") == GIVEN:
            comparisons += compare_images(record, mine[cell], folders)
        else:
            comparisons += compare_records(record, mine[cell])
    return comparisons


def compare_runs(a: Sequence[Record], b: Sequence[Record]) -> list[Comparison]:
    """All comparisons of two runs' cells; what was measured under other conditions is refused, with both values.

    Raises:
        ValueError: As :func:`compare_records`.
    """
    before, after = newest(a), newest(b)
    alike = {stripped(cell): cell for cell in after}
    partners = {cell: cell if cell in after else alike.get(stripped(cell)) for cell in before}
    comparisons: list[Comparison] = []
    for cell, partner in partners.items():
        if partner is None:
            comparisons.append(absent(told(cell), "one", "none"))
            continue
        pair = before[cell], after[partner]
        refused = list(differing_conditions(*pair))
        comparisons += refused or compare_records(*pair)
    known = {stripped(cell) for cell in before}
    return comparisons + [absent(told(cell), "none", "one") for cell in after if stripped(cell) not in known]


def stripped(cell: Cell) -> Cell:
    """A cell without the conditions it was measured under."""
    names = settings_of(cell)
    return replace(cell, options={name: value for name, value in cell.options.items() if name not in names})


def settings_of(cell: Cell) -> tuple[str, ...]:
    """Names of conditions of a cell's measurement."""
    kind = kind_of(cell)
    timed = any(spec.change is Change.TIME for spec in kind.metrics)
    return tuple(dict.fromkeys((*SETTINGS, *(TIMED_SETTINGS if timed else ()), *kind.conditions)))


def differing_conditions(a: Record, b: Record) -> Iterator[Comparison]:
    """What two records of one cell differ in so that their numbers cannot be compared."""
    names, options = settings_of(a.cell), {**a.cell.options, **b.cell.options}
    pairs = {name: (a.cell.options.get(name), b.cell.options.get(name)) for name in names if name in options}
    # An input may have an option's name and be something else: weights, trained or given, and their hash.
    for name in dict.fromkeys((*MACHINE, *names)):
        if name not in pairs and name in a.inputs and name in b.inputs:
            pairs[name] = (a.inputs[name], b.inputs[name])
    for name, (before, after) in pairs.items():
        if before != after:
            yield Comparison(told(a.cell), name, State.REFUSED, str(before), str(after), "must be equal")


def exit_code(comparisons: Sequence[Comparison]) -> int:
    """0 nothing regressed, 1 a regression, 2 something was not measured, or nothing was, 3 no verdict."""
    states = {comparison.state for comparison in comparisons}
    if State.CHANGED in states:
        return 1
    if State.ABSENT in states or not states:
        return 2
    return 3 if states & {State.NOISY, State.REFUSED} else 0
