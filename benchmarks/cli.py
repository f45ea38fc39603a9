"""The command line: parse, call, print. Whatever needs torch is imported by the command that needs it."""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.papers.tdam import EXPERIMENTS
from benchmarks.work.profiles import PROFILES

if TYPE_CHECKING:
    from benchmarks.data.preflight import Finding
    from benchmarks.report.gate.compare import Outcome
    from benchmarks.work.session import Session

CONVENTIONS = ("fvcore", "ptflops", "torch")
FORMATS = ("md", "tex", "csv", "json")
ON_DISK = ("imagenet", "cub", "dogs", "coco")
INTERRUPTED = 130  # as shells have it: 128 and the signal's number
DTYPES = ("float32", "bfloat16", "float16")


class CleanErrors(click.Group):
    """Turns what a user can cause (bad values, files, a missing extra) into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, ModuleNotFoundError) as error:
            if ctx.params["traceback"]:
                raise
            raise click.ClickException(" ".join(str(error).split())) from error
        except KeyboardInterrupt:
            click.echo("\ninterrupted: what is finished stays; the same command goes on from there", err=True)
            sys.exit(INTERRUPTED)


@click.group(cls=CleanErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--traceback", is_flag=True, help="Show where an error came from.")
@click.version_option(package_name="tdam-bench")
def main(traceback: bool) -> None:
    """Does TDAM (ECCV 2022) reproduce, here? Cell by cell and claim by claim."""


def folder(**options: Any) -> click.Path:
    """A path option."""
    return click.Path(path_type=Path, **options)


SESSION_OPTIONS = (
    click.option("--profile", type=click.Choice(tuple(PROFILES)), default="mini", show_default=True,
                 help="How much to run."),
    click.option("--models", help="Names, separated by commas; default: the experiment's."),
    click.option("--seeds", default="0", show_default=True, help="Seeds of training, separated by commas."),
    click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N."),
    click.option("--data-root", type=folder(), help="Folder of the paper's data sets, for full."),
    click.option("--weights", type=folder(), help="Folder of <model>.pth files, or a file for a single model."),
    click.option("--results", type=folder(), default=Path("results/runs"), show_default=True, help="Results folder."),
    click.option("--cache", type=folder(), default=Path("results/cache"), show_default=True, help="Embedded data."),
    click.option("--num-classes", type=click.IntRange(1), help="Classes of the data; default: the profile's."),
    click.option("--class-list", type=folder(), help="File with the classes of the reduced data set (figure 8)."),
    click.option("--threshold", type=click.FloatRange(0, 1), default=0.8, show_default=True,
                 help="Probability above which a class counts as present, for F1."),
    click.option("--epochs", type=click.IntRange(1), help="Epochs of training; default: the recipe's."),
    click.option("--step-loss", type=click.Choice(("confident", "last")), default="confident", show_default=True,
                 help="Which step's prediction enters the loss of TD models."),
    click.option("--zero-init", type=click.Choice(("first", "last", "none")), default="first", show_default=True,
                 help="Which norm of TD blocks starts at zero; see tdam/DEVIATIONS.md."),
    click.option("--plugin", "plugins", multiple=True, type=folder(),
                 help="Python file with attentions of your own (ATTENTIONS); may be given several times."),
    click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="the CPU's cores",
                 help="Models trained at a time on the CPU, one thread each."),
    click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Loader processes."),
    click.option("--batch", type=click.IntRange(1), help="Images a step of speed and memory measurements."),
    click.option("--dtype", type=click.Choice(DTYPES), default="float32", show_default=True, help="Of the same."),
    click.option("--channels-last/--contiguous", default=True, show_default=True, help="Memory format of the same."),
    click.option("--compile", is_flag=True, help="Compile the networks for the same."),
)  # fmt: skip


def with_session(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a session and pass it the session."""

    @functools.wraps(command)
    def wrapped(**options: Any) -> None:
        own = {name: options.pop(name) for name in OWN_NAMES if name in options}
        command(session=make_session(**options), **own)

    for option in reversed(SESSION_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


# What commands with a session take besides it.
OWN_NAMES = ("experiments", "model", "out", "reduced", "tasks")


def make_session(
    profile: str, results: Path, models: str | None, seeds: str, plugins: tuple[Path, ...], **options: Any
) -> "Session":
    """The session that the options tell.

    Raises:
        click.BadParameter: A list that is none.
    """
    from benchmarks.core.records import Store
    from benchmarks.networks.plugins import add_files
    from benchmarks.work.session import Session

    added = add_files(plugins)
    names = None if models is None else tuple(name.strip() for name in models.split(",") if name.strip())
    try:
        numbers = tuple(int(seed) for seed in seeds.split(","))
    except ValueError as error:
        raise click.BadParameter(f"--seeds takes whole numbers separated by commas, got {seeds!r}") from error
    store = Store(results)
    return Session(profile=PROFILES[profile], store=store, models=names, seeds=numbers, plugins=added, **options)


TASK_NAMES = (
    "cost", "train", "accuracy", "localization", "attention", "selectivity", "finetune", "transfer", "efficiency"
)  # fmt: skip
tasks_option = click.option("--tasks", default=",".join(TASK_NAMES), show_default=True, help="Kinds of work to do.")


def cells_of(experiments: Sequence[str], tasks: str, session: "Session") -> list[Any]:
    """The cells of experiments, of the chosen kinds of work."""
    from benchmarks.papers.tdam import find

    names = [name.strip() for name in tasks.split(",")]
    for name in names:
        if name not in TASK_NAMES:
            raise click.BadParameter(f"unknown task {name!r}; choose of {', '.join(TASK_NAMES)}")
    return [cell for name in chosen(experiments) for cell in find(name).cells(session) if cell.task in names]


experiment_arguments = click.argument("experiments", nargs=-1, metavar="[EXPERIMENT]...")


def chosen(experiments: Sequence[str]) -> Sequence[str]:
    """The experiments named, or all."""
    return experiments or EXPERIMENTS


@main.command("list")
def list_experiments() -> None:
    """The experiments, what they show and how long they take."""
    from benchmarks.papers.tdam import describe

    for name in EXPERIMENTS:
        title, time = describe(name)
        click.echo(f"{name:<12} {title}\n{'':<12} {time}")


@main.command()
@experiment_arguments
@with_session
@tasks_option
def plan(session: "Session", experiments: Sequence[str], tasks: str) -> None:
    """What a run would do: every cell, done or to run, and why it cannot."""
    from benchmarks.work.runner import in_order
    from benchmarks.work.runner import plan as make_plan

    check_session(session)
    planned = make_plan(in_order(cells_of(experiments, tasks, session)), session)
    for one in planned:
        why = f"  ({one.reason}; {one.command})" if one.state == "blocked" else ""
        click.echo(f"{one.state:<8} {one.cell}{why}")
    counts = {state: sum(one.state == state for one in planned) for state in ("done", "run", "wait", "blocked")}
    click.echo(", ".join(f"{count} {state}" for state, count in counts.items()))


@main.command()
@experiment_arguments
@with_session
@tasks_option
@click.option("--out", type=folder(), default=Path("report"), show_default=True, help="Where to render to.")
def run(session: "Session", experiments: Sequence[str], tasks: str, out: Path) -> None:
    """Run what has no valid record, then render. Also under torchrun.

    Exits with 1 if a cell failed or could not be run.
    """
    from benchmarks.core.distributed import processes, rank
    from benchmarks.core.progress import Bar
    from benchmarks.work.preparation import prepare
    from benchmarks.work.runner import run as run_cells

    check_session(session)
    with processes(session.device), held(session):
        cells = cells_of(experiments, tasks, session)
        with Bar(sys.stderr if rank() == 0 else None) as bar:
            if rank() == 0:
                tell(prepare(cells, session, bar))
            summary = run_cells(cells, session, bar)
        if rank() == 0:
            click.echo(f"{summary.ran} cells run, {summary.done_before} done before, {len(summary.failed)} failed, "
                       f"{len(summary.blocked)} could not run")  # fmt: skip
            for cell, reason in summary.failed.items():
                click.echo(f"failed: {cell}: {reason}", err=True)
            for reason, command in dict.fromkeys((one.reason, one.command) for one in summary.blocked):
                click.echo(f"could not run: {reason} ({command})", err=True)
            render_all(session, experiments, out)
    if summary.failed or summary.blocked:
        sys.exit(1)


@main.command()
@experiment_arguments
@with_session
@click.option("--out", type=folder(), default=Path("report"), show_default=True, help="Where to render to.")
def render(session: "Session", experiments: Sequence[str], out: Path) -> None:
    """Tables and figures from records; nothing is run."""
    render_all(session, experiments, out)


def render_all(session: "Session", experiments: Sequence[str], out: Path) -> None:
    """Render experiments and name the files."""
    from benchmarks.papers.tdam import find

    records = session.store.records()
    for name in chosen(experiments):
        for file in find(name).render(session, records, out):
            click.echo(str(file))


@main.command()
@experiment_arguments
@with_session
@click.option("--out", type=folder(), default=Path("report"), show_default=True, help="Where to write to.")
def report(session: "Session", experiments: Sequence[str], out: Path) -> None:
    """The whole report from records: index.html, report.md, report.tex, and report.pdf where LaTeX is installed."""
    from benchmarks.report.report import write_report

    for file in write_report(session, out, chosen(experiments)):
        click.echo(str(file))


@main.command("verify")
@click.argument("folder_of_report", metavar="REPORT", type=folder())
@click.option("--results", type=folder(), default=Path("results/runs"), show_default=True, help="Results folder.")
@click.option("--cache", type=folder(), default=Path("results/cache"), show_default=True, help="Embedded data.")
def verify_report(folder_of_report: Path, results: Path, cache: Path) -> None:
    """Whether a report still says what the records say; names each number that does not, and exits with 1."""
    from benchmarks.core.records import Store
    from benchmarks.report.verification import verify
    from benchmarks.work.session import Session

    problems = verify(folder_of_report, Session(PROFILES["mini"], Store(results), cache))
    for line in problems:
        click.echo(line, err=True)
    if problems:
        sys.exit(1)
    click.echo(f"{folder_of_report}: every number is that of its record")


@main.command("check")
@click.option(
    "--against",
    type=folder(),
    default=Path("results/reference/smoke"),
    show_default=True,
    help="Records to compare with.",
)
@click.option("--keep", type=folder(), help="New folder for this run's records; default: they are not kept.")
@click.option("--junit", type=folder(), help="File to write the outcome to, as JUnit XML.")
@click.option("--renew", is_flag=True, help="Make this run the reference, in the place of what --against holds.")
def check_regressions(against: Path, keep: Path | None, junit: Path | None, renew: bool) -> None:
    """The gate: run a few minutes of smoke cells and probes and compare with a reference.

    Exits with 0 if nothing regressed, 1 if something did, 2 if the run is broken or measured nothing, 3 if there is no
    verdict (too noisy).
    """
    from benchmarks.core.progress import Bar
    from benchmarks.report.gate import check as gate

    with broken_run(), Bar(sys.stderr) as bar, gate.fresh_session(keep) as session:
        if renew:
            gate.renew(against, session, bar)
            return
        outcomes = gate.check(gate.read_reference(against), session, bar)
    conclude(outcomes, junit)


@main.command("compare")
@click.argument("run_a", type=folder())
@click.argument("run_b", type=folder())
@click.option("--junit", type=folder(), help="File to write the outcome to, as JUnit XML.")
def compare_results(run_a: Path, run_b: Path, junit: Path | None) -> None:
    """Compare two results folders cell by cell; exit codes as of check.

    Refuses to compare what was measured on another device, in another dtype or batch, or with other libraries.
    """
    from benchmarks.report.gate.check import read_reference
    from benchmarks.report.gate.compare import compare_runs

    with broken_run():
        outcomes = compare_runs(read_reference(run_a), read_reference(run_b))
    conclude(outcomes, junit)


@contextlib.contextmanager
def broken_run() -> Iterator[None]:
    """What goes wrong is a broken run, exit code 2, which is not to be taken for a regression."""
    try:
        yield
    except Exception as error:
        if click.get_current_context().find_root().params["traceback"]:
            raise
        click.echo(f"broken: {' '.join(str(error).split()) or type(error).__name__}", err=True)
        sys.exit(2)


def conclude(outcomes: "Sequence[Outcome]", junit: Path | None) -> None:
    """Tell the outcomes, and exit with their code."""
    from benchmarks.report.gate.announce import annotation, lines, summary, write_junit
    from benchmarks.report.gate.compare import exit_code

    if junit is not None:
        write_junit(outcomes, junit)
    code = exit_code(outcomes)
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    for state, line in lines(outcomes):
        click.echo(line)
        if on_github:
            click.echo(annotation(state, line))
    click.echo(summary(outcomes, code))
    sys.exit(code)


@main.command()
@experiment_arguments
@with_session
def show(session: "Session", experiments: Sequence[str]) -> None:
    """Print an experiment's table from its records."""
    from benchmarks.papers.tdam import find

    for name in chosen(experiments):
        click.echo(find(name).table_text(session, session.store.records()))


@main.command()
@click.argument("model")
@with_session
@click.option("--reduced", is_flag=True, help="Train on the reduced data set of figure 8 (center).")
def train(session: "Session", model: str, reduced: bool) -> None:
    """Train MODEL by the profile's recipe; goes on from the last epoch of a run that was cut off.

    Several processes: torchrun --nproc-per-node 4 -m benchmarks train MODEL --profile full --device cuda ...
    """
    from benchmarks.core.distributed import processes, rank
    from benchmarks.core.progress import Bar
    from benchmarks.networks.models import parse
    from benchmarks.work import Trainings
    from benchmarks.work.preparation import prepare
    from benchmarks.work.runner import plan_cell
    from benchmarks.work.runner import run as run_cells

    parse(model)
    check_session(session)
    with processes(session.device), held(session):
        data = session.profile.reduced.train if reduced else "train"
        cells = [Trainings.cell(model, seed, session, data) for seed in session.seeds]
        with Bar(sys.stderr if rank() == 0 else None) as bar:
            if rank() == 0:
                tell(prepare(cells, session, bar))
            summary = run_cells(cells, session, bar)
        for reason in [*summary.failed.values(), *(one.reason for one in summary.blocked)]:
            raise click.ClickException(reason)
        for cell in cells if rank() == 0 else ():
            record = plan_cell(cell, session).record
            assert record is not None
            weights = session.store.folder / "weights" / record.notes["weights"]
            click.echo(f"{weights} sha256 {record.notes['sha256']} loss {record.metrics['loss'].value:.4f}")


def held(session: "Session") -> contextlib.AbstractContextManager[None]:
    """Hold the results folder for this run; a second run waits. The first of several processes holds it for all."""
    from benchmarks.core.distributed import rank

    where = session.store.folder
    said = f"another run holds {where}; waiting for it to end (Ctrl-C to stop waiting)"
    return session.store.lock(lambda: click.echo(said, err=True)) if rank() == 0 else contextlib.nullcontext()


def check_session(session: "Session") -> None:
    """Refuse unknown models and devices before anything is run."""
    from benchmarks.measure.efficiency import find_device
    from benchmarks.networks.models import parse

    find_device(session.device)
    for name in session.models or ():
        parse(name)


@main.command()
@click.argument("images", nargs=-1, required=True, type=folder(), metavar="IMAGE...")
@click.option("--model", required=True, help="The network's name, such as resnet50-td-joint-t2-m1.")
@click.option("--weights", required=True, type=folder(), help="Its weights, in any layout that the suite reads.")
@click.option("--out", type=folder(), default=Path("report/visualize"), show_default=True, help="Where to draw to.")
@click.option(
    "--profile",
    type=click.Choice(tuple(PROFILES)),
    default="full",
    show_default=True,
    help="Decides the network's size and resolution.",
)
@click.option("--num-classes", type=click.IntRange(1), help="Classes of the network; default: the profile's.")
@click.option("--class-names", type=folder(), help="File with a name on each line; default: ImageNet's for 1000.")
@click.option("--method", type=click.Choice(("gradcam",)), default="gradcam", show_default=True, help="Kind of maps.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")  # fmt: skip
def visualize(images: Sequence[Path], model: str, weights: Path, out: Path, profile: str, num_classes: int | None,
              class_names: Path | None, method: str, device: str) -> None:  # fmt: skip
    """Maps, boxes and predictions of a network on IMAGEs, step by step.

    Exits with 1 if an image could not be read; the others are drawn.
    """
    from benchmarks.measure.efficiency import find_device
    from benchmarks.work.visualize import class_names as names_of
    from benchmarks.work.visualize import visualize as draw

    find_device(device)
    names = names_of(num_classes or PROFILES[profile].num_classes, class_names)
    drawn = draw(images, model, weights, PROFILES[profile], names, device, out)
    for file in drawn.files:
        click.echo(str(file))
    for line in drawn.unreadable:
        click.echo(f"Error: {line}", err=True)
    if drawn.unreadable:
        sys.exit(1)


def tell(findings: "Sequence[Finding]") -> None:
    """Print what preflight found."""
    for finding in findings:
        click.echo(f"{finding.level}: {finding.what}")


@main.command()
@click.argument("root", type=folder())
@click.option("--num-classes", type=click.IntRange(1), default=1000, show_default=True)
@click.option(
    "--decode",
    type=click.Choice(("headers", "full", "none")),
    default="headers",
    show_default=True,
    help="How far images are read.",
)
@click.option("--data", "names", multiple=True, type=click.Choice(ON_DISK), default=("imagenet",), show_default=True,
              help="Data set to look at; may be given several times.")  # fmt: skip
def preflight(root: Path, num_classes: int, decode: str, names: Sequence[str]) -> None:
    """Look for the usual mistakes in the folders of data sets before an hour is spent on them."""
    from benchmarks.data.registry import Source, find

    findings: list[Finding] = []
    for name in names:
        data = find(name)
        assert data.look is not None
        findings += data.look(data.splits, Source(root, root, num_classes, None, num_classes, None), decode, None)  # type: ignore[arg-type]
    tell(findings)
    if any(finding.level == "error" for finding in findings):
        sys.exit(1)
    click.echo("no error found")


@main.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--convention", type=click.Choice(CONVENTIONS), default="fvcore", show_default=True, help="FLOP counter.")
@click.option("--by-operator", is_flag=True, help="List the parts of each count, and what the convention leaves out.")
@click.option("--format", "style", type=click.Choice(FORMATS), default="md", show_default=True)
def costs(models: Sequence[str], convention: str, by_operator: bool, style: str) -> None:
    """Parameters and FLOPs beside the paper's, of all 14 rows of table 1 or of MODELs.

    FLOPs are multiply-accumulates of one 224x224 image. Counters leave different work out, so the verdict compares
    what a row adds to its plain network, and a plain network's total.
    """
    from benchmarks.networks.models import parse
    from benchmarks.papers.tdam import costs as experiment
    from benchmarks.papers.tdam.numbers import TABLE1, paper_rows
    from benchmarks.report.tables import FORMATS as RENDERERS

    names = models or tuple(TABLE1.values())
    counted = {name for model in names for name in (model, parse(model)["backbone"])}
    with click.progressbar(length=len(counted), label="counting", file=sys.stderr) as bar:
        measured = experiment.measure_costs(names, convention, progress=lambda name: bar.update(1))
    if by_operator:
        rows = [row for cost in measured for row in experiment.operator_rows(cost)]
    else:
        rows = [experiment.cost_row(cost, paper_rows()) for cost in measured]
    click.echo(RENDERERS[style](rows))
