"""Table 7, right: fine-grained and multi-label classification with the networks as backbones.

The claims: TD improves all three tasks over the plain backbone (CUB by 1.5 points, COCO by 2 points of mAP), and is
above CBAM on all three.

    make table7-tasks                                        # after table1, whose weights it starts from
    make table7-tasks PROFILE=full DATA=folder WEIGHTS=dir DEVICE=cuda

Time: mini 21 minutes on two CPU cores after table 1.
"""

import functools
from collections.abc import Sequence

from benchmarks.core.records import Cell, MetricKey, Record
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import queries
from benchmarks.papers.tdam.numbers import TABLE1, TITLES, read_paper
from benchmarks.report.evidence import Evidence, line_of
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.report.shares import printed_in, share_value
from benchmarks.work.finetuning import FINETUNE
from benchmarks.work.profiles import Profile
from benchmarks.work.rows import decides, training_cells, tuned_ending_cells
from benchmarks.work.session import Session
from benchmarks.work.transfer import TRANSFER
from benchmarks.work.weights import TRAINED

NAME = "table7-tasks"
TITLE = "Table 7, right: fine-grained and multi-label classification"
TIME = "mini: 21 minutes on two CPU cores after table 1; full: not timed yet"

BACKBONE = "resnet50"
# Column, target, metric, heading, and whether the paper prints it.
COLUMNS = (
    ("cub_top1", "cub", MetricKey("top1"), "top-1", True),
    ("dogs_top1", "dogs", MetricKey("top1"), "top-1", True),
    ("coco_map", "coco", MetricKey("map"), "mAP", True),
    ("coco_f1_overall", "coco", MetricKey("f1_overall"), "overall F1", True),
    ("coco_f1_class_mean", "coco", MetricKey("f1_class_mean"), "per-class F1, mean of F1s", False),
    ("coco_f1_class", "coco", MetricKey("f1_class"), "per-class F1, of means", False),
)
PAPERS = {"cub": "CUB-200-2011", "dogs": "Stanford Dogs", "coco": "MS-COCO 2014"}


# In short what tdam/DEVIATIONS.md has in full.
WS_DAN = (
    "WS-DAN here is not its paper's in these points: part features are also rooted, brought to length 1 and scaled by "
    "100; centers are one for each class and move by the mean of a batch's images (paper: one for all classes, by each "
    "image); margins around crops (0.1, in testing 0.05) and the object's threshold (0.1 of the mean map's range), "
    "which it does not tell, and the squashing and cropping of images are its codes'. From its codes it differs in the "
    "map that guides crop and drop (here one for both, evenly drawn, at 0.5 of its range), in centers that are not "
    "brought to length 1, and in the epoch that counts (here the last; one of them keeps the best on the test images)."
)
SGD = "Nesterov momentum and a cosine stand for its momentum and its factor of 0.9 every second epoch."
NOT_TOLD = (
    "The paper says of both methods only that the backbone is replaced. Not told: which of WS-DAN's two published "
    "codes, number of maps, image size, recipe, whether the object's crop is looked at in testing, which epoch counts, "
    "seeds, and which step's map feeds the method."
)


@functools.cache
def printed_rows() -> dict[str, dict[str, str]]:
    """The paper's rows, values as printed, by the suite's model names."""
    return {TABLE1[BACKBONE, row["method"]]: row for row in read_paper("table7_tasks")}


def cells(session: Session) -> list[Cell]:
    """Pretraining, fine-tuning and evaluation of every model for every target."""
    planned: list[Cell] = []
    for model in session.rows(tuple(printed_rows())):
        planned += training_cells(model, session)
        for target in session.profile.transfers:
            planned += [FINETUNE.cell(model, target, seed, session) for seed in session.seeds]
            planned += tuned_ending_cells(model, target, session) if decides(session) else []
            planned += [TRANSFER.cell(model, target, seed, session) for seed in session.seeds]
    return planned


def table(evidence: Evidence) -> Table:
    """All metrics of every model."""
    evidence = evidence.filled_by(NAME)
    columns = [
        Column(key, title, "%", group_title(target, evidence.profile), 2, "higher")
        for key, target, _, title, _ in COLUMNS
    ]
    lines = [line(model, evidence) for model in evidence.rows(printed_rows())]
    title = f"Table 7, right, profile {evidence.profile.name}: other tasks"
    return Table(NAME, title, notes(evidence), columns, lines)


def line(model: str, evidence: Evidence) -> Line:
    """All metrics of one model."""
    printed = printed_rows().get(model, {})
    values: dict[str, Value] = {}
    for key, target, metric, _, against_paper in COLUMNS:
        paper = printed_in({name: row[key] for name, row in printed_rows().items()}, model) if against_paper else None
        values[key] = share_value(evidence, queries.transferred(model, target, evidence), metric, paper)
    return line_of(TITLES[parse(model).backbone], printed.get("method", model), model, values)


def group_title(target: str, profile: Profile) -> str:
    """What a target's columns were measured on."""
    data = profile.transfers[target].test.partition("/")[0]
    return PAPERS[target] if profile.papers_data else f"{profile.name} {data} for {PAPERS[target]}"


def notes(evidence: Evidence) -> list[str]:
    """What a reader must know of methods, thresholds and seeds."""
    models, targets = evidence.rows(printed_rows()), evidence.profile.transfers
    asked = [queries.transferred(model, target, evidence) for model in models for target in targets]
    records = evidence.selected(asked)
    said = [
        "Fine-grained: WS-DAN (arXiv 1901.09891) with 32 attention maps, coarse-to-fine prediction. Multi-label: the "
        "asymmetric loss (arXiv 2009.14119). Both work on the last feature map, with feedback on that of the last "
        "step.",
        f"{WS_DAN} {SGD}" if evidence.profile.papers_data else WS_DAN,
        NOT_TOLD,
        *tuned_note(records, evidence),
        f1_note(records),
        "Intervals: of one seed top-1 Wilson (scenes of one digit count as one image), mAP and F1 bootstrap over "
        f"images; of several seeds Student's. Seeds recorded: {evidence.seeds_of(asked)}{pretraining_note(records)}.",
    ]
    if not evidence.profile.papers_data:
        said.append(
            "The sets are embedded: dots and strokes have 20 classes, ten digits by two small marks; many shows one to "
            "four digits. The numbers are never judged against the paper's."
        )
    return [*said, *evidence.left_out]


def tuned_note(records: Sequence[Record], evidence: Evidence) -> list[str]:
    """How networks were fine-tuned for each target, and on how many images they are judged, by the newest record."""
    newest = {record.cell.options["target"]: record for record in sorted(records, key=lambda one: one.created)}
    told = []
    for target, record in newest.items():
        tuned = next((one for one in evidence.trainings_of(record) if one.cell.kind == FINETUNE.name), None)
        images = max(metric.n or 0 for metric in record.metrics.values())
        if tuned is not None:
            recipe = tuned.notes["recipe"]
            told.append(
                f"for {PAPERS[str(target)]} {recipe['optimizer']}, {recipe['epochs']} epochs at a rate of up to "
                f"{recipe['lr']:g} for {recipe['reference_batch']} images, {recipe['resolution']} pixels, judged on "
                f"{images:,} images of {record.cell.options['data']}"
            )
    return [f"Fine-tuned {'; '.join(told)}."] if told else []


def f1_note(records: Sequence[Record]) -> str:
    """What F1 is of, with the threshold of the newest evaluation that has one."""
    kinds = (
        "overall F1 (the paper's F1-O) is of all decisions together. Per-class F1 has two averages: the mean of the "
        "classes' own F1s, as the asymmetric loss's validation prints it, which the paper's authors name as their code "
        "(a CF1 of theirs would be this one; they print none); and the F1 of the classes' mean precision and recall, "
        "which others call CF1."
    )
    counted = [record for record in records if record.cell.options["threshold"] is not None]
    newest = max(counted, key=lambda record: record.created, default=None)
    if newest is None:
        return kinds[0].upper() + kinds[1:]
    return f"F1 counts a class as present above a probability of {newest.cell.options['threshold']:g}; {kinds}"


def pretraining_note(records: Sequence[Record]) -> str:
    """That seeds begin with the pretraining, where the weights that fine-tunings start from were trained here."""
    trained = any(record.cell.options["weights"] == TRAINED for record in records)
    return ", each with a pretraining of its own" if trained else ""


EXPERIMENT = Experiment(TITLE, TIME, cells, table)
