"""The command line: parse, call, print. Whatever needs torch is imported by the command that needs it."""

import contextlib
import importlib.util
import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.core.processes import Terminated, terminable
from benchmarks.work.choices import Choice

if TYPE_CHECKING:
    from benchmarks.core.records import Cell
    from benchmarks.core.store import Store
    from benchmarks.data.preflight import Notice
    from benchmarks.report.asked import Chosen
    from benchmarks.report.evidence import Evidence
    from benchmarks.report.gate.check import Task
    from benchmarks.report.gate.numbers import Comparison
    from benchmarks.report.paper import Paper
    from benchmarks.report.report import Wanted
    from benchmarks.work.cluster.follow import Following
    from benchmarks.work.profiles import Profile
    from benchmarks.work.runner import Planned, Summary
    from benchmarks.work.session import Session

CONVENTIONS = ("fvcore", "ptflops", "torch", "layers")
FORMATS = ("md", "tex", "csv", "json")
SENTENCE = 200  # characters
MOST_SEEDS, LARGEST_SEED = 1000, 2**32 - 1  # the latter is numpy's
INTERRUPTED, TERMINATED = 130, 143  # as shells have it: 128 and the signal's number
WHAT, WHERE, SHOWN, OTHER = "What", "Where", "Which records", "Other"
GIVEN = "benchmarks.cli.given"
ELSEWHERE = "On a cluster, or in processes side by side"
# What the commands that ``plan`` prints say by themselves, of the cells that they run.
SAID = ("profile", "device", "tasks", "models", "seeds", "limit", "train", "gpu_hours")
# The commands by what one wants, as help shows them; those that have no place here come last.
COMMANDS = {
    "Run": ("list", "preflight", "plan", "run", "train", "status", "cancel"),
    "Show": ("show", "report", "render", "verify", "costs", "visualize"),
    "Export": ("convert",),
    "Guard": ("check", "compare", "lock", "gate-networks", "reference", "pack"),
}
RUNS, CACHE, REPORT = Path("results/runs"), Path("results/cache"), Path("report")
REFERENCE = "reference"

Command = Callable[..., Any]


# ---------------------------------------------------------------- options under headings


class HeadedOption(click.Option):
    """An option that help shows under a heading."""

    def __init__(self, *arguments: Any, heading: str = "Options", **facts: Any) -> None:
        super().__init__(*arguments, **facts)
        self.heading = heading


class ProfileOption(HeadedOption):
    """The option of the profile: help names the one that the paper has first, which is the default."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option, and what help says of it."""
        from benchmarks.report.paper import load_paper

        record = super().get_help_record(ctx)
        first = next(iter(load_paper(ctx.find_root().obj).profiles))
        return None if record is None else (record[0], f"{record[1]}  [default: {first}]")


class HeadedCommand(click.Command):
    """A command whose help groups its options by their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those without a heading last."""
        rows: dict[str, list[tuple[str, str]]] = {}
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx)
            # Not every click lists arguments; the line on usage has them.
            if record is not None and not isinstance(one, click.Argument):
                rows.setdefault(getattr(one, "heading", OTHER), []).append(record)
        for heading in sorted(rows, key=lambda one: one == OTHER):
            with formatter.section(heading):
                formatter.write_dl(rows[heading])


class CleanErrors(click.Group):
    """Turns what a user can cause into one line: bad values, files or a missing extra, exit code 1; wrong usage, 2."""

    command_class = HeadedCommand

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings, each with its whole first sentence."""
        placed = {name for names in COMMANDS.values() for name in names}
        rest = [name for name in self.list_commands(ctx) if name not in placed]
        for heading, names in {**COMMANDS, OTHER: rest}.items():
            commands = {name: self.commands[name] for name in names}
            if commands:
                with formatter.section(heading):
                    formatter.write_dl([(name, one.get_short_help_str(SENTENCE)) for name, one in commands.items()])

    def make_context(self, *arguments: Any, **facts: Any) -> click.Context:
        """Read the group's own options."""
        with usage_in_one_line():
            return super().make_context(*arguments, **facts)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            with terminable(), usage_in_one_line():
                return super().invoke(ctx)
        except (ValueError, OSError, ModuleNotFoundError) as error:
            if ctx.params["traceback"]:
                raise
            raise click.ClickException(told_of(error)) from error
        except KeyboardInterrupt as signal:
            how, code = ("terminated", TERMINATED) if isinstance(signal, Terminated) else ("interrupted", INTERRUPTED)
            click.echo(f"\n{how}: what is finished stays; the same command goes on from there", err=True)
            sys.exit(code)


def told_of(error: Exception) -> str:
    """An error in one line; those of the system begin with what they are about."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


class WrongValue(click.ClickException):
    """Wrong usage: one line, and the exit code that shells have for it."""

    exit_code = 2


@contextlib.contextmanager
def usage_in_one_line() -> Iterator[None]:
    """What click has to say of a wrong command line, without the lines on usage that it puts above."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        said = " ".join(error.format_message().split()).rstrip(".")
        command = error.ctx.command_path if error.ctx is not None else "tdam-bench"
        raise WrongValue(f"{said}; see `{command} --help`") from error


def headed(heading: str, *names: str, **facts: Any) -> Callable[[Command], Command]:
    """An option under a heading."""
    return click.option(*names, cls=HeadedOption, heading=heading, **facts)


class Place(click.Path):
    """A file or a folder; one that cannot be what it is for is refused before anything is done."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path.

        Raises:
            WrongValue: It is not there, or a file stands where a folder belongs, or a folder where a file does.
        """
        path = Path(value).expanduser()
        name = param.human_readable_name if isinstance(param, click.Argument) else param.opts[0] if param else "path"
        takes = " or ".join(["a file"] * self.file_okay + ["a folder"] * self.dir_okay)
        if self.exists and not path.exists():
            raise WrongValue(f"there is no {path} ({name}); name {takes} that exists")
        if path.is_dir() and not self.dir_okay:
            raise WrongValue(f"{path} is a folder, and {name} takes {takes}; name one")
        # What is to be written may lie in folders that are made then.
        standing = next((one for one in (path, *path.parents) if one.exists()), path)
        if standing.is_file() and (standing != path or not self.file_okay):
            raise WrongValue(f"{standing} is a file, and {name} takes {takes}; name another")
        return path


class Recorded(Place):
    """A results folder that is only read; the word for it names the project's own records, also of a package."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path.

        Raises:
            WrongValue: As of any place, or the paper has no records of the project's own.
        """
        if value != REFERENCE or ctx is None:
            return super().convert(value, param, ctx)
        from benchmarks.report.paper import ROOT, load_paper
        from benchmarks.report.reference import reference_of

        try:
            return ROOT / reference_of(load_paper(ctx.find_root().params["paper"])).folder
        except ValueError as error:
            raise WrongValue(told_of(error)) from error


class OwnResults(Place):
    """A results folder that is written to, which is never the project's own by its word."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path.

        Raises:
            WrongValue: As of any place, or it is the word for the project's own records.
        """
        if value == REFERENCE:
            raise WrongValue(
                f"--results {REFERENCE} is the word for the project's own records, for commands that only read: show, "
                f"report, render, verify, plan, compare; name a folder of your own (./{REFERENCE} for one of that name)"
            )
        return super().convert(value, param, ctx)


PLACE, FOLDER = Place(exists=True), Place(exists=True, file_okay=False)
FILE = Place(exists=True, dir_okay=False)
NEW_FOLDER, NEW_FILE = Place(file_okay=False), Place(dir_okay=False)
OWN_RESULTS, RECORDED = OwnResults(file_okay=False), Recorded(file_okay=False)
RECORDED_FOLDER = Recorded(exists=True, file_okay=False)


def listed(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names separated by commas; None where the option is left out.

    Raises:
        WrongValue: There is no name.
    """
    names = None if value is None else tuple(name.strip() for name in value.split(",") if name.strip())
    if names == ():
        raise WrongValue(f"--{parameter.name} takes names separated by commas, got {value!r}; leave it out for all")
    return names


def seeds_of(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """A number of seeds, counted from 0; or, where there is a comma, these seeds.

    Raises:
        WrongValue: It is neither, or names a seed twice.
    """
    parts = [part.strip() for part in value.split(",")]
    listed = len(parts) > 1
    named = parts[:-1] if listed and not parts[-1] else parts
    numbers = [int(part) for part in named if part.isascii() and part.isdecimal()]
    allowed = range(LARGEST_SEED + 1) if listed else range(1, MOST_SEEDS + 1)
    if not numbers or len(set(numbers)) < len(named) or any(number not in allowed for number in numbers):
        raise WrongValue(
            f"--{parameter.name} takes how many seeds ('8' for seeds 0 to 7, {MOST_SEEDS} at most), or which, by "
            f"commas and each once ('0,3'; '3,' for seed 3 alone), got {value!r}"
        )
    return tuple(numbers) if listed else tuple(range(numbers[0]))


def whole(end: float | None) -> int | None:
    """An end of a range of whole numbers."""
    return None if end is None else int(end)


KINDS_OF_VALUES: Mapping[str, Callable[[Choice], Any]] = {
    "int": lambda one: click.IntRange(whole(one.least), whole(one.most)),
    "float": lambda one: click.FloatRange(one.least, one.most),
    "path": lambda one: PLACE,
    "flag": lambda one: None,
    "str": lambda one: click.Choice(tuple(one.allowed)) if one.allowed else str,
}


def option_of(heading: str, one: "Field[Any]") -> Callable[[Command], Command]:
    """The option that a kind of work declares as a field of its choices."""
    choice: Choice = one.metadata["choice"]
    name = choice.flag or f"--{one.name.replace('_', '-')}"
    assert one.default is not MISSING
    facts: dict[str, Any] = {"default": one.default, "help": choice.help, "show_default": choice.shown or True}
    if choice.kind == "flag":
        facts["is_flag"] = True
    else:
        facts["type"] = KINDS_OF_VALUES[choice.kind](choice)
    return headed(heading, name, one.name, **facts)


def choices_of(*names: str) -> list[Callable[[Command], Command]]:
    """The options that kinds of work declare; of all kinds where none is named."""
    from benchmarks.work.kinds import KINDS

    return [
        option_of(f"For the kind of work {kind.name!r}", one)
        for kind in KINDS.values()
        if kind.choices is not None and (not names or kind.name in names)
        for one in fields(kind.choices)
    ]


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Give a command options, in their order."""

    def decorate(command: Command) -> Command:
        for one in reversed(options):
            command = one(command)
        return command

    return decorate


class RunCommand(HeadedCommand):
    """A command that runs cells: the options of its kinds of work are read when they are needed, not at every start.

    It remembers its arguments as they were given, for jobs that run a part of the same.

    Attributes:
        kinds: Names of the kinds of work whose options it takes; all where there is none.
    """

    kinds: tuple[str, ...] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments."""
        ctx.meta[GIVEN] = tuple(args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own options and those of the kinds of work."""
        own = super().get_params(ctx)
        holder = with_options(*choices_of(*self.kinds))(lambda: None)
        return [*own, *reversed(holder.__click_params__)]  # type: ignore[attr-defined]


class TrainCommand(RunCommand):
    """A command that trains."""

    kinds = ("train",)


results_option = headed(WHERE, "--results", type=OWN_RESULTS, default=RUNS, show_default=True, help="Results folder.")
shown_option = headed(
    WHERE, "--results", type=RECORDED, default=RUNS, show_default=True,
    help=f"Results folder; the word {REFERENCE} names the project's own records.",
)  # fmt: skip
out_option = headed(WHERE, "--out", type=NEW_FOLDER, default=REPORT, show_default=True, help="Where to write to.")
device_option = headed(WHERE, "--device", default="cpu", show_default=True, help="cpu, cuda, cuda:N or mps.")


def begins(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Experiments or profiles that begin so, for the shell's completion."""
    from benchmarks.report.paper import load_paper

    paper = load_paper(ctx.find_root().params["paper"])
    names = paper.names if parameter.name == "experiments" else paper.profiles
    return [name for name in names if name.startswith(incomplete)]


experiment_arguments = click.argument("experiments", nargs=-1, metavar="[EXPERIMENT]...", shell_complete=begins)
# Which records are shown; their settings are the records' own.
show_options = (
    shown_option,
    headed(SHOWN, "--profile", shell_complete=begins, help="Profile; default: that of the newest record."),
    headed(SHOWN, "--models", callback=listed, help="Names, separated by commas; default: all."),
)
cache_option = headed(WHERE, "--cache", type=NEW_FOLDER, default=CACHE, show_default=True, help="Embedded data.")
jobs_option = headed(
    WHERE, "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="the CPU's cores",
    help="Models trained at a time on the CPU, one thread each; with --executor, jobs that run at a time (of Slurm, of "
    "each array).",
)  # fmt: skip
classes_option = headed(
    WHAT, "--num-classes", type=click.IntRange(1), help="Classes of the data; default: the profile's."
)
data_root_option = headed(WHERE, "--data-root", type=FOLDER, help="Folder of the paper's data sets.")
weights_option = headed(
    WHERE, "--weights", type=PLACE, help="Folder of <model>.pth or .safetensors files, or a file for a single model."
)
limit_option = headed(
    WHAT,
    "--limit",
    type=click.IntRange(1),
    help="Evaluate so many images of each set on disk: a random part, "
    "balanced over classes, the same wherever it is drawn; default: all.",
)
settings_options = (
    click.option("--profile", cls=ProfileOption, heading=WHAT, shell_complete=begins, help="How much to run."),
    headed(WHAT, "--seeds", default="1", show_default=True, callback=seeds_of,
           help="How many seeds of training (8: seeds 0 to 7), or which, by commas (0,3; 3, is seed 3 alone)."),
    classes_option,
    headed(WHAT, "--class-list", type=FILE, help="File with the classes of the reduced data set."),
    headed(WHAT, "--plugin", "plugins", multiple=True, type=FILE,
           help="Python file with attentions of your own (ATTENTIONS); may be given several times."),
    device_option,
    data_root_option,
    cache_option,
    jobs_option,
    headed(WHERE, "--workers", type=click.IntRange(0), help="Loader processes, and as many for boxes; default: the "
           "CPU's cores where images are decoded from disk for a GPU, else none."),
    headed(WHERE, "--decode", type=click.Choice(("cpu", "device")), default="cpu", show_default=True,
           help="Where evaluated JPEGs are decoded; on a CUDA device their pixels differ, and records say so."),
)  # fmt: skip
session_options = (*settings_options, results_option)
experiment_options = (
    limit_option,
    headed(WHAT, "--models", callback=listed, help="Names, separated by commas; default: the experiment's."),
    headed(WHAT, "--tasks", callback=listed, help="Kinds of work to do, by commas; default: all."),
    headed(
        WHAT,
        "--splits",
        callback=listed,
        help="Which of the paper's image sets to evaluate on, such as v1; default: all.",
    ),
    headed(WHAT, "--targets", callback=listed, help="Which of the paper's tasks to fine-tune for; default: all."),
    weights_option,
    headed(WHAT, "--train", is_flag=True, help="Train networks that have no weights, also by a profile that does not "
           "by itself, such as full."),
)  # fmt: skip


def pairs(ctx: click.Context, parameter: click.Parameter, value: Sequence[str]) -> dict[str, str]:
    """Options of another program, as ``key=value`` or ``key`` alone.

    Raises:
        WrongValue: One has no key.
    """
    split = [one.partition("=") for one in value]
    if not all(key.strip("-") for key, _, _ in split):
        raise WrongValue(f"--{parameter.name} takes key=value, or key for a switch, got {' '.join(value)!r}")
    return {key.strip("-"): text for key, _, text in split}


jobs_options = (
    headed(ELSEWHERE, "--executor", type=click.Choice(("slurm", "local")),
           help="Run the plan as jobs: of Slurm, or in --jobs processes here, one GPU each. Ctrl-C leaves them "
           "running; the same command follows them again. Needs the package submitit."),
    headed(ELSEWHERE, "--gpus-per-job", type=click.IntRange(1), default=1, show_default=True,
           help="GPUs of a job on CUDA; trainings and passes share them by torchrun."),
    headed(ELSEWHERE, "--shares", type=click.IntRange(1), default=1, show_default=True,
           help="Jobs that share a pass over images."),
)  # fmt: skip
price_options = (
    *jobs_options,
    headed(WHAT, "--gpu-hours", type=click.FloatRange(0), help="Say what experiments take, and what of them decides "
           "most claims within so many GPU-hours."),
)  # fmt: skip
cluster_options = (
    *jobs_options,
    headed(ELSEWHERE, "--partition", help="Slurm's; default: its default."),
    headed(ELSEWHERE, "--slurm", multiple=True, callback=pairs, metavar="KEY=VALUE",
           help="More of sbatch's options, such as time=8:00:00; may be given several times."),
    headed(ELSEWHERE, "--job", type=FILE, hidden=True),
)  # fmt: skip


@click.group(cls=CleanErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--paper", default="tdam", show_default=True, help="A folder in benchmarks/papers, or its path elsewhere."
)
@click.option("--traceback", is_flag=True, help="Show where an error came from.")
@click.version_option(package_name="tdam-bench")
@click.pass_context
def main(ctx: click.Context, paper: str, traceback: bool) -> None:
    """Does a paper reproduce, here? Cell by cell and claim by claim."""
    write_utf8()
    ctx.obj = paper


def write_utf8() -> None:
    """Print in UTF-8 to files and pipes, whatever the place has: Windows' own encoding has no sign for a verdict."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8")


def the_paper() -> "Paper":
    """The paper that the command line names."""
    from benchmarks.report.paper import load_paper

    return load_paper(click.get_current_context().find_root().obj)


# ---------------------------------------------------------------- what a run is told


@dataclass(frozen=True)
class Where:
    """Which processes run the cells.

    Attributes:
        jobs: Whether jobs do, maybe on other hosts.
        plans: Whether this one submits them; else it is one of them.
        processes: That share each training, where jobs run it.
    """

    jobs: bool = False
    plans: bool = False
    processes: int = 1


HERE = Where()


def make_session(paper: "Paper", options: dict[str, Any], where: Where = HERE) -> "Session":
    """The session that the options tell; what is wrong with them is said before torch is imported.

    Args:
        paper: The paper.
        options: As the command line has them.
        where: Which processes run the cells.

    Raises:
        ValueError: A profile, model, device, file or folder that is none.
    """
    from benchmarks.core.hosts import StoreOfHosts
    from benchmarks.core.store import Store
    from benchmarks.measure.device import check_device
    from benchmarks.networks.plugins import add_files, require_known
    from benchmarks.work.kinds import KINDS
    from benchmarks.work.session import Session

    profile = profile_of(paper, options.pop("profile") or next(iter(paper.profiles)))
    if options.get("limit") is not None and not profile.papers_data:
        raise ValueError(f"--limit is for data on disk, and those of {profile.name} are embedded; leave it out, or "
                         "choose a smaller profile")  # fmt: skip
    check_device(options["device"], here=not where.jobs)
    check_decode(options.get("decode", "cpu"), options["device"])
    check_tensorboard(options.get("tensorboard", False))
    chosen = {}
    for kind in KINDS.values():
        names = [one.name for one in fields(kind.choices)] if kind.choices is not None else []
        if kind.choices is not None and all(name in options for name in names):
            chosen[kind.choices] = kind.choices(**{name: options.pop(name) for name in names})
    plugins = add_files(options.pop("plugins"))
    require_known(options.get("models") or ())
    store = (StoreOfHosts if where.jobs else Store)(options.pop("results"))
    trains = options.pop("train", False) or profile.trains
    own = {**options, "plugins": plugins, "choices": chosen, "probes": paper.probes, "program": paper.program}
    if where.jobs:
        own |= {"processes": where.processes, "elsewhere": where.plans}
    return Session(replace(profile, trains=trains), store, own.pop("cache"), paper.rules(), **own)


def profile_of(paper: "Paper", name: str) -> "Profile":
    """A profile by its name.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in paper.profiles:
        raise ValueError(f"unknown profile {name!r}; choose one of {', '.join(paper.profiles)}")
    return paper.profiles[name]


def check_decode(decode: str, device: str) -> None:
    """Refuse to decode on a device that cannot.

    Raises:
        ValueError: It is no CUDA device.
    """
    if decode == "device" and not device.startswith("cuda"):
        raise ValueError(f"--decode device needs a CUDA device, got --device {device}; name one, or leave --decode out")


def check_tensorboard(wanted: bool) -> None:
    """Refuse to log for TensorBoard without it, before anything is trained.

    Raises:
        ModuleNotFoundError: The package is missing; the message has the command.
    """
    from benchmarks.work.training_log import NO_TENSORBOARD

    if wanted and importlib.util.find_spec("tensorboard") is None:
        raise ModuleNotFoundError(NO_TENSORBOARD)


def is_here(device: str) -> bool:
    """Whether this machine has a device; torch is asked only where there is a driver."""
    from benchmarks.measure.device import check_device, find_device

    try:
        check_device(device)
        if device != "cpu":
            find_device(device)
    except ValueError:
        return False
    return True


def require_executor(given: Mapping[str, object]) -> None:
    """Refuse options that are for jobs where there are none.

    Args:
        given: What was given, by option; nothing of those that were left out.

    Raises:
        ValueError: One was given.
    """
    names = ", ".join(name for name, value in given.items() if value)
    if names:
        raise ValueError(f"{names}: for jobs only; name what runs them with --executor, or leave them out")


def given_again(but: Sequence[str]) -> tuple[str, ...]:
    """The options of the present command as they were given, each once, for another command to have them too.

    Args:
        but: Names of parameters that are left out.
    """
    context = click.get_current_context()
    values, _, order = context.command.make_parser(context).parse_args(list(context.meta[GIVEN]))
    words: list[str] = []
    for one in dict.fromkeys(order):
        if not isinstance(one, click.Option) or one.name in but:
            continue
        value = values[str(one.name)]
        if (one.name, value) == ("results", REFERENCE):
            continue  # which only commands that read take
        if one.is_flag:
            words.append((one.opts if value else one.secondary_opts)[0])
        else:
            words += [word for text in (value if one.multiple else [value]) for word in (one.opts[0], text)]
    return tuple(words)


# ---------------------------------------------------------------- running


@main.command("list")
def list_experiments() -> None:
    """The experiments, what they show and how long they take."""
    paper = the_paper()
    for name in paper.experiments:
        experiment = paper.experiment(name)
        click.echo(f"{name:<12} {experiment.title}\n{'':<12} {experiment.time}")


@main.command(cls=RunCommand)
@experiment_arguments
@with_options(*settings_options, shown_option, *experiment_options, *price_options)
def plan(experiments: Sequence[str], gpu_hours: float | None, **options: Any) -> None:
    """What a run would do: every cell, done or to run, and why it cannot; and what it would take.

    With --gpu-hours: what each experiment takes in time, GPU-hours and disk, and what decides most claims within so
    many. Without --data-root the paper's data count as large as they were published.
    """
    from benchmarks.report.asked import cells_of, chosen_names
    from benchmarks.work.runner import in_order
    from benchmarks.work.runner import plan as make_plan

    paper = the_paper()
    names = chosen_names(paper, experiments)
    chosen = chosen_of(options)
    executor, gpus, shares = (options.pop(name) for name in ("executor", "gpus_per_job", "shares"))
    if executor is None:
        require_executor({"--gpus-per-job": gpus > 1, "--shares": shares > 1})
    processes = gpus if options["device"] != "cpu" else 1
    # Trainings count wherever they were made where jobs run, on hosts of any processors; and where hours are asked for
    # of a device that is not here, of whose processor nothing is known. On this machine its own count, as in a run.
    away = executor is not None or (gpu_hours is not None and not is_here(options["device"]))
    session = make_session(paper, options, Where(away, True, processes))
    if executor == "local":
        from benchmarks.work.cluster.engines import require_for_local

        require_for_local(session)
    if gpu_hours is not None:
        price(paper, names, chosen, session, (session.jobs if executor else None, processes, shares), gpu_hours)
        return
    planned = make_plan(in_order(cells_of(paper, names, chosen, session)), session)
    for one in planned:
        why = f"  ({one.reason}; {one.command})" if one.state == "blocked" else ""
        click.echo(f"{one.state:<8} {one.cell}{why}")
    counts = {state: sum(one.state == state for one in planned) for state in ("done", "run", "wait", "blocked")}
    click.echo(", ".join(f"{count} {state}" for state, count in counts.items()))
    tell_needs(paper, experiments, planned, session)
    if shares > 1:
        click.echo("--shares changes no cell; how long jobs take that share a pass is told with --gpu-hours", err=True)


def tell_needs(paper: "Paper", names: Sequence[str], planned: "Sequence[Planned]", session: "Session") -> None:
    """Print what a run says before it starts of its time, disk and memory."""
    from benchmarks.data.errors import DataError
    from benchmarks.report.opening import needs

    try:
        lines = needs(paper, names, planned, session)
    except DataError as error:
        lines = [f"time, disk and memory are not known: {told_of(error)}"]
    click.echo("".join(f"{line}\n" for line in lines), nl=False)


def chosen_of(options: dict[str, Any]) -> "Chosen":
    """Which cells are meant, of a command's options, which it takes out."""
    from benchmarks.report.asked import Chosen

    return Chosen(**{one.name: options.pop(one.name) for one in fields(Chosen)})


def price(
    paper: "Paper",
    names: Sequence[str],
    chosen: "Chosen",
    session: "Session",
    setting: tuple[int | None, int, int],
    hours: float,
) -> None:
    """Print what experiments take, and what of them decides most claims within so many GPU-hours."""
    from benchmarks.report.asked import cells_of
    from benchmarks.report.budget import Budget, Setting
    from benchmarks.report.paper import CLAIMS

    cells = {name: cells_of(paper, [name], chosen, session) for name in names if name != CLAIMS}
    budget = Budget(paper, cells, session, Setting(*setting, told=given_again(SAID)))
    click.echo("\n".join([*budget.lines(), *budget.within(hours)]))


@main.command(cls=RunCommand)
@experiment_arguments
@with_options(*session_options, *experiment_options, out_option, *cluster_options)
def run(experiments: Sequence[str], out: Path, job: Path | None, **options: Any) -> None:
    """Say what there is to do, run what has no valid record, write the page, say the answer. Also under torchrun.

    `tdam-bench list` names the experiments; `claims` are the paper's claims; without a name, all are run.

    Exits with 1 if a cell failed or could not be run; at once where none of those that look at images can be. Speed
    alone is measured by `run efficiency` or `--tasks efficiency`.
    """
    from benchmarks.report.asked import cells_of, chosen_names

    paper = the_paper()
    names = chosen_names(paper, experiments)
    chosen = chosen_of(options)
    elsewhere = {name: options.pop(name) for name in ("executor", "partition", "gpus_per_job", "shares", "slurm")}
    processes = elsewhere["gpus_per_job"] if options["device"] != "cpu" else 1
    session = make_session(paper, options, Where(elsewhere["executor"] is not None, job is None, processes))
    if job is not None:
        run_job(job, session)
        return
    require_measured(paper, names, session)
    following = following_of(session, **elsewhere)
    cells = cells_of(paper, names, chosen, session)
    say_first(paper, experiments, cells, session)
    if following is not None:
        missing = follow(following, cells, session)
        say_last(paper, names, session, out)
        sys.exit(1 if missing else 0)
    with processes_of(session) as first:
        summary = run_cells(cells, session)
        if first:
            tell_summary(summary)
            say_last(paper, names, session, out)
    if summary.failed or summary.blocked:
        sys.exit(1)


def require_measured(paper: "Paper", names: tuple[str, ...], session: "Session") -> None:
    """Refuse claims by themselves, for which nothing is run, where nothing was measured that decides them.

    Raises:
        ValueError: Nothing was; the message has the command.
    """
    from benchmarks.report.paper import CLAIMS

    if names != (CLAIMS,):
        return
    from benchmarks.report.report import Wanted

    try:
        Wanted(paper, names, session.profile.name, session.models).measured(session.store)
    except ValueError as error:
        raise ValueError(f"claims are judged by what experiments have measured: {error}") from error


def run_job(file: Path, session: "Session") -> None:
    """Run what a job's file lists; exits with 1 where a cell failed or could not be run."""
    from benchmarks.core.distributed import processes, rank
    from benchmarks.measure.device import find_device
    from benchmarks.work.cluster.board import read_posted

    job = read_posted(file).job
    # A job that uses no GPU may be where there is none.
    own = replace(session, share=job.share, device=session.device if job.gpus else "cpu")
    find_device(own.device)
    with processes(own.device):
        # Nobody holds the folder: other jobs write to it as well.
        summary = run_cells(list(job.cells), own)
        if rank() == 0:
            tell_summary(summary)
    if summary.failed or summary.blocked:
        sys.exit(1)


def following_of(
    session: "Session", executor: str | None, gpus_per_job: int, shares: int, **of_engine: Any
) -> "Following | None":
    """Who submits and follows the run's jobs; None where it runs here.

    Raises:
        ValueError: Jobs cannot be submitted, or none are to be and an option is for them.
    """
    from benchmarks.work.cluster.board import Board
    from benchmarks.work.cluster.engines import engine_of
    from benchmarks.work.cluster.follow import Following, Submission, command_of

    if executor is None:
        told = {"--gpus-per-job": gpus_per_job > 1, "--shares": shares > 1}
        require_executor({**told, **{f"--{name}": value for name, value in of_engine.items()}})
        return None
    board = Board(session.store.folder)
    engine = engine_of(executor, session, **of_engine)
    engine.check()
    board.require_writable()
    gpus = gpus_per_job if session.device_kind == "cuda" else 0
    root = click.get_current_context().find_root()
    command = partial(command_of, root.obj, click.get_current_context().meta[GIVEN])
    return Following(board, engine, Submission(command, gpus, shares), click.echo)


def follow(following: "Following", cells: "list[Cell]", session: "Session") -> int:
    """Submit the jobs of cells and follow them to their end; returns how many cells have no record then."""
    from benchmarks.core.progress import Bar
    from benchmarks.work.preparation import prepare
    from benchmarks.work.runner import plan as make_plan

    with held(session.store):
        with Bar(sys.stderr) as bar:
            # What is wrong with the data is said before anything is submitted, and looked for once.
            tell(prepare(cells, session, bar))
        blocked = following.take_up(cells, session)
        try:
            following.to_the_end(session)
        except KeyboardInterrupt:
            click.echo("the jobs go on: the same command follows them again, `tdam-bench status` tells of them, "
                       "`tdam-bench cancel` stops them", err=True)  # fmt: skip
            raise
        following.note_failures(session)
        for one in blocked:
            session.store.note_absence(one.cell, one.reason, one.command)
    states = Counter(one.state for one in make_plan(cells, session))
    click.echo(f"{states['done']} of {states.total()} cells done")
    return states.total() - states["done"]


@main.command("status")
@results_option
def tell_status(results: Path) -> None:
    """What the jobs of a results folder do: which wait, run, are done or failed, with reason and log."""
    from benchmarks.work.cluster.board import board_of
    from benchmarks.work.cluster.engines import engines_of
    from benchmarks.work.cluster.status import counted
    from benchmarks.work.cluster.status import status as status_of

    board = board_of(results)
    told = status_of(board, engines_of(board))
    for one in told:
        click.echo(str(one))
    click.echo(counted(told))


@main.command("cancel")
@results_option
def cancel_jobs(results: Path) -> None:
    """Stop all jobs of a results folder; each writes what it has first, and a later run goes on from there."""
    from benchmarks.work.cluster.board import board_of
    from benchmarks.work.cluster.engines import engines_of
    from benchmarks.work.cluster.status import cancel

    board = board_of(results)
    click.echo(f"{cancel(board, engines_of(board))} jobs stopped")


def say_first(paper: "Paper", names: Sequence[str], cells: "list[Cell]", session: "Session") -> None:
    """Print the plan of a run; exit with 1 where nothing of what was asked for can be run."""
    from benchmarks.core.processes import is_first
    from benchmarks.report.opening import opening

    said = opening(paper, names, cells, session)
    if is_first():
        click.echo("\n".join(said.lines), err=said.refused)
    if said.refused:
        sys.exit(1)


def say_last(paper: "Paper", names: tuple[str, ...], session: "Session", out: Path) -> None:
    """Write the page of all that was measured, and print the answer of what was run."""
    from benchmarks.report.closing import closing
    from benchmarks.report.report import Wanted, write_page

    wanted = Wanted(paper, names, session.profile.name, session.models)
    evidence = wanted.evidence(session.store)
    write_page(wanted.with_all_measured(evidence), evidence, session.store, out)
    click.echo("\n".join(closing(wanted, evidence, out)))


@contextlib.contextmanager
def processes_of(session: "Session") -> Iterator[bool]:
    """The processes of a run; the first, for which it is True, holds the results folder for all of them."""
    from benchmarks.core.distributed import processes, rank
    from benchmarks.measure.device import find_device

    find_device(session.device)
    with processes(session.device), contextlib.ExitStack() as stack:
        if rank() == 0:
            stack.enter_context(held(session.store))
        yield rank() == 0


def held(store: "Store") -> contextlib.AbstractContextManager[None]:
    """The results folder for one run alone; if another has it, that is said and waited for."""
    said = (
        f"another run holds {store.folder}; waiting for it to end (Ctrl-C to stop waiting; if it was killed on another "
        f"host, remove {store.folder / '.running'})"
    )
    return store.lock(lambda: click.echo(said, err=True))


def run_cells(cells: "list[Cell]", session: "Session") -> "Summary":
    """Look at the data that cells need, then run them, under a progress bar."""
    from benchmarks.core.distributed import rank
    from benchmarks.core.progress import Bar
    from benchmarks.work.preparation import prepare
    from benchmarks.work.runner import run as run_planned

    with Bar(sys.stderr if rank() == 0 else None) as bar:
        if rank() == 0:
            tell(prepare(cells, session, bar))
        return run_planned(cells, session, bar)


@main.command("reference")
@click.option("--plan", "only_plan", is_flag=True, help="Say what is left and how long it will take, and run nothing.")
@headed(WHERE, "--results", type=OWN_RESULTS, help="Results folder; default: the reference of the paper.")
@with_options(cache_option, jobs_option)
def measure_reference(only_plan: bool, results: Path | None, **options: Any) -> None:
    """Measure what is left of the paper's reference, part by part, and pack it.

    A record counts wherever it was made. May be killed at any moment: the same command goes on where it stopped. Exits
    with 1 if a cell failed or could not be run.
    """
    from benchmarks.core.hosts import StoreOfHosts
    from benchmarks.report.reference import overview, reference_of, stretches

    paper = the_paper()
    wanted = reference_of(paper)
    told = {**options, "results": results or Path(wanted.folder), "profile": wanted.profile}
    session = make_session(paper, {**told, "device": "cpu", "plugins": ()})
    session = replace(session, store=StoreOfHosts(session.store.folder))
    with contextlib.nullcontext(True) if only_plan else processes_of(session):
        click.echo("\n".join(overview(paper, session)))
        missing = 0
        for one in () if only_plan else stretches(paper, session, session.store.records):
            click.echo(str(one))
            if not one.left and not one.blocked:
                continue
            summary = run_cells(list(one.cells), one.session)
            tell_summary(summary)
            missing += len(summary.failed) + len(summary.blocked)
        if not only_plan:
            tell_packing(session.store)
    if missing:
        sys.exit(1)


def tell_summary(summary: "Summary") -> None:
    """Print what a run did, and what it could not."""
    click.echo(f"{summary.ran} cells run, {summary.done_before} done before, {len(summary.failed)} failed, "
               f"{len(summary.blocked)} could not run")  # fmt: skip
    for cell, reason in summary.failed.items():
        click.echo(f"failed: {cell}: {reason}", err=True)
    for reason, command in dict.fromkeys((one.reason, one.command) for one in summary.blocked):
        click.echo(f"could not run: {reason} ({command})", err=True)


@main.command("pack")
@results_option
def pack_records(results: Path) -> None:
    """Move loose records into one packed file; both are read alike.

    May be killed at any moment, and run again.
    """
    from benchmarks.core.store import Store

    store = Store(results)
    if not store.records():
        raise ValueError(f"no records in {results}; name a results folder with --results")
    with held(store):
        tell_packing(store)


def tell_packing(store: "Store") -> None:
    """Pack a results folder and print how many records went where."""
    packing = store.pack()
    click.echo(f"{packing.moved} records packed, {packing.held} in {store.pack_path}")


@main.command(cls=TrainCommand)
@click.argument("model")
@with_options(*session_options)
@headed(WHAT, "--reduced", is_flag=True, help="Train on the profile's reduced data set.")
def train(model: str, reduced: bool, **options: Any) -> None:
    """Train MODEL by the profile's recipe; goes on from the last epoch of a run that was cut off.

    Several processes: torchrun --nproc-per-node 4 -m benchmarks train MODEL --profile full --device cuda ...
    """
    from benchmarks.networks.plugins import require_known
    from benchmarks.work.runner import plan_cell
    from benchmarks.work.training import LOSS, TRAIN

    session = make_session(the_paper(), options)
    require_known([model])
    data = session.profile.reduced.train if reduced else "train"
    if not data:
        raise ValueError(f"the profile {session.profile.name} has no reduced data; leave --reduced out")
    cells = [TRAIN.cell(model, seed, session, data) for seed in session.seeds]
    with processes_of(session) as first:
        summary = run_cells(cells, session)
        for reason in [*summary.failed.values(), *(one.reason for one in summary.blocked)]:
            raise click.ClickException(reason)
        for cell in cells if first else ():
            record = plan_cell(cell, session).record
            assert record is not None
            if "diverged" in record.notes:
                raise ValueError(f"{model} has no weights: {record.notes['diverged']}")
            weights = session.store.folder / "weights" / record.notes["weights"]
            click.echo(f"{weights} sha256 {record.notes['sha256']} loss {record.metrics[LOSS].value:.4f}")


# ---------------------------------------------------------------- showing


def wanted_of(
    experiments: Sequence[str], results: Path, profile: str | None, models: tuple[str, ...] | None
) -> "tuple[Wanted, Store]":
    """What is to be shown of which results folder.

    Raises:
        ValueError: An experiment or model that is none.
    """
    from benchmarks.core.store import Store
    from benchmarks.networks.names import parse
    from benchmarks.report.asked import chosen_names
    from benchmarks.report.report import Wanted

    paper = the_paper()
    for name in models or ():
        parse(name)
    return Wanted(paper, chosen_names(paper, experiments), profile, models), Store(results)


@main.command()
@experiment_arguments
@with_options(*show_options)
def show(experiments: Sequence[str], **filters: Any) -> None:
    """Print tables and claims from records; their settings are the records' own.

    `tdam-bench list` names the experiments; `claims` are the paper's claims; without a name, all are printed.
    """
    from benchmarks.report.report import text_of

    wanted, store = wanted_of(experiments, **filters)
    evidence: Evidence = wanted.measured(store)
    for name in wanted.names:
        click.echo(text_of(wanted, name, evidence))


@main.command("render")
@experiment_arguments
@with_options(*show_options, out_option)
def render_command(experiments: Sequence[str], out: Path, **filters: Any) -> None:
    """Tables and figures from records; nothing is run."""
    from benchmarks.report.report import render

    wanted, store = wanted_of(experiments, **filters)
    for file in render(wanted, wanted.measured(store), out):
        click.echo(str(file))


@main.command()
@experiment_arguments
@with_options(*show_options, out_option)
def report(experiments: Sequence[str], out: Path, **filters: Any) -> None:
    """The whole report from records, and the answer: index.html, report.md, report.tex, with LaTeX report.pdf too."""
    from benchmarks.report.closing import closing
    from benchmarks.report.report import write_report

    wanted, store = wanted_of(experiments, **filters)
    click.echo("\n".join(closing(wanted, write_report(wanted, store, out), out)))


@main.command("verify")
@click.argument("folder_of_report", metavar="REPORT", type=FOLDER)
@shown_option
def verify_report(folder_of_report: Path, results: Path) -> None:
    """Whether a report still says what the records say; names each number that does not, and exits with 1."""
    from benchmarks.core.store import Store
    from benchmarks.report.verification import verify

    problems = verify(folder_of_report, Store(results), the_paper())
    for line in problems:
        click.echo(line, err=True)
    if problems:
        sys.exit(1)
    click.echo(f"{folder_of_report}: every number is that of its record")


@main.command()
@click.argument("images", nargs=-1, required=True, type=FILE, metavar="IMAGE...")
@headed(WHAT, "--model", required=True, help="The network's name, as in tables.")
@headed(WHAT, "--weights", required=True, type=FILE, help="Its weights, in any layout that the suite reads.")
@headed(WHAT, "--profile", default="full", show_default=True, help="Decides the network's size and resolution.")
@headed(WHAT, "--num-classes", type=click.IntRange(1), help="Classes of the network; default: the profile's.")
@headed(WHAT, "--class-names", type=FILE, help="File with a name on each line; default: of published weights.")
@device_option
@headed(WHERE, "--out", type=NEW_FOLDER, default=Path("report/visualize"), show_default=True, help="Where to draw to.")
def visualize(images: Sequence[Path], model: str, weights: Path, device: str, out: Path, **options: Any) -> None:
    """Maps, boxes and predictions of a network on IMAGEs, step by step.

    Exits with 1 if an image could not be read; the others are drawn.
    """
    from benchmarks.measure.device import check_device
    from benchmarks.networks.plugins import require_known

    check_device(device)
    require_known([model])
    profile = profile_of(the_paper(), options["profile"])
    from benchmarks.report.attention import pictures_of
    from benchmarks.report.plots import write_figure
    from benchmarks.work.visualize import class_names, loaded, visualize

    names = class_names(options["num_classes"] or profile.num_classes, options["class_names"])
    network, view, where = loaded(model, weights, len(names), profile, device)
    seen = visualize(images, network, view, where)
    for file in write_figure(pictures_of(seen, names), out, f"visualize-{model}") if seen.paths else ():
        click.echo(str(file))
    for line in seen.unreadable:
        click.echo(f"Error: {line}", err=True)
    if seen.unreadable:
        sys.exit(1)


@main.command("convert")
@click.argument("source", metavar="IN", type=FILE)
@click.argument("target", metavar="OUT", type=NEW_FILE)
@headed(WHAT, "--model", help="The network's name, as in tables; default: what IN says of itself, or its file's name.")
def convert_weights(source: Path, target: Path, model: str | None) -> None:
    """Write the weights IN to the new file OUT, with a model card beside it.

    IN may be in this suite's layout, the authors', the attention repositories' or, of CBAM, timm's. OUT is in this
    suite's layout if it ends in .safetensors, in the authors' if it ends in .pth.
    """
    from benchmarks.networks.plugins import require_known
    from benchmarks.networks.weight_files import card_of, check_target, model_of

    check_target(target)
    name = model_of(source) if model is None else model
    require_known([name])
    paper = the_paper()
    from benchmarks.core.files import write_text
    from benchmarks.measure.cost import count_flops, count_parameters
    from benchmarks.networks.conversion import convert
    from benchmarks.report.card import model_card

    done = convert(source, target, name)
    flops = count_flops(done.network, paper.convention).total / paper.units[1]
    told = f"{flops:.2f} G multiply-accumulates of one 224x224 image (convention {paper.convention})"
    printed = paper.costs().get(name)
    write_text(card_of(target), model_card(
        target, done.facts, count_parameters(done.network), told, printed, paper.cited
    ))  # fmt: skip
    click.echo(f"{target}: {name}, from {source} in the layout {done.facts['source_layout']}")
    click.echo(str(card_of(target)))


# ---------------------------------------------------------------- the gate and the lock

junit_option = headed(WHERE, "--junit", type=NEW_FILE, help="File to write the outcome to, as JUnit XML.")


@main.command("check")
@headed(WHERE, "--against", type=NEW_FOLDER, help="Records to compare with; default: the paper's reference.")
@headed(WHERE, "--keep", type=NEW_FOLDER, help="New folder for this run's records; default: they are not kept.")
@junit_option
@headed(WHAT, "--only", default="", help="Run the cells whose words hold this text, such as 'probe'; default: all.")
@headed(WHAT, "--renew", is_flag=True, help="Make this run the reference, in the place of what --against holds.")
@headed(WHAT, "--profile", help="Look at given weights on this profile's data on disk, such as full; default: the "
        "gate's own networks on embedded data.")  # fmt: skip
@headed(WHAT, "--models", callback=listed, help="Of data on disk: networks; default: those that are kept, or, with "
        "--renew, all that have weights.")  # fmt: skip
@with_options(limit_option, classes_option, data_root_option, weights_option, device_option)
def check_regressions(
    against: Path | None, keep: Path | None, junit: Path | None, only: str, renew: bool, **options: Any
) -> None:
    """The gate: run a minute and a half of cells and probes and compare with a reference.

    With --profile full --data-root DIR --weights DIR --limit 500 --against KEPT it looks at given weights on a part of
    the paper's images, and compares every prediction, the steps that stand under each rule and every box with those in
    KEPT, which --renew writes: to the last bit on the same kind of device with the same libraries, elsewhere but for
    what rounding explains. Steps and boxes are compared where the images have true boxes.

    Exits with 0 if nothing regressed, 1 if something did, 2 if the run is broken, measured nothing or is of other
    weights or images, 3 if there is no verdict (too noisy).
    """
    from benchmarks.core.progress import Bar
    from benchmarks.report.gate import check as gate
    from benchmarks.report.paper import require_checkout

    with broken_run(), Bar(sys.stderr) as bar:
        if renew and only:
            raise ValueError("--renew makes the whole reference anew; leave --only out")
        paper = the_paper()
        with gate.fresh_session(paper, keep) as session:
            on_disk = told_of_disk(options)
            task = (
                task_on_disk(paper, session, against, renew, options)
                if on_disk
                else gate.task_of(paper, session, against, renew)
            )
            if renew:
                require_checkout(task.folder)
                gate.renew(task, bar)
                click.echo("".join(f"{line}\n" for line in task.said), nl=False)
                return
            comparisons = gate.check(task, bar, only)
            if on_disk:
                from benchmarks.report.gate.given import how_compared

                click.echo(how_compared(task))
    conclude(comparisons, junit)


def told_of_disk(options: Mapping[str, Any]) -> bool:
    """Whether the gate is to look at data on disk.

    Raises:
        ValueError: Something is said of them, but not which profile they are of.
    """
    said = [f"--{name.replace('_', '-')}" for name, value in options.items() if value not in (None, "cpu")]
    if said and options["profile"] is None:
        raise ValueError(f"{', '.join(said)}: for data on disk only; name their profile too, such as --profile full")
    return options["profile"] is not None


def task_on_disk(
    paper: "Paper", session: "Session", against: Path | None, renew: bool, options: dict[str, Any]
) -> "Task":
    """What the gate compares of given weights on data on disk.

    Args:
        paper: The paper.
        session: Of the gate, whose folders are taken over.
        against: What was kept.
        renew: Whether it is to be made anew.
        options: What the user says of weights and data.

    Raises:
        ValueError: It is not told what to compare with, or what there is cannot be compared.
    """
    from benchmarks.report.gate import given
    from benchmarks.report.gate.check import gate_of

    if against is None:
        raise ValueError("--profile needs --against, the folder in which --renew keeps what is compared; name one")
    places = {"results": session.store.folder, "cache": session.cache, "plugins": ()}
    on_disk = make_session(paper, {**options, **places})
    return (given.to_renew if renew else given.to_check)(gate_of(paper), on_disk, against)


@main.command("gate-networks")
@with_options(results_option, cache_option, jobs_option)
def make_gate_networks(results: Path, **options: Any) -> None:
    """Train the networks that the gate looks at and put them where it does; its reference is to be renewed then."""
    from benchmarks.report.gate import networks
    from benchmarks.report.gate.check import gate_of
    from benchmarks.report.paper import require_checkout

    paper = the_paper()
    own = gate_of(paper)
    require_checkout(own.reference)
    told = {"profile": own.trained_by, "results": results, "device": "cpu", "plugins": ()}
    session = make_session(paper, {**options, **told})
    with processes_of(session):
        tell_summary(run_cells(networks.trainings(own, session), session))
    for file in networks.export(own, session):
        click.echo(f"{file}: {file.stat().st_size:,} bytes")


@main.command("compare")
@click.argument("run_a", type=RECORDED_FOLDER)
@click.argument("run_b", type=RECORDED_FOLDER)
@junit_option
def compare_results(run_a: Path, run_b: Path, junit: Path | None) -> None:
    """Compare two results folders cell by cell; the word reference names the project's own. Exit codes as of check.

    Refuses to compare what was measured on another device, in another dtype or batch, or with other libraries.
    """
    from benchmarks.report.gate.check import read_reference
    from benchmarks.report.gate.compare import compare_runs

    with broken_run():
        comparisons = compare_runs(read_reference(run_a), read_reference(run_b))
    conclude(comparisons, junit)


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


def conclude(comparisons: "Sequence[Comparison]", junit: Path | None) -> None:
    """Tell the outcomes, and exit with their code."""
    from benchmarks.report.gate.announce import annotation, lines, summary, write_junit
    from benchmarks.report.gate.compare import exit_code

    if junit is not None:
        write_junit(comparisons, junit)
    code = exit_code(comparisons)
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    for state, line in lines(comparisons):
        click.echo(line)
        if on_github:
            click.echo(annotation(state, line))
    click.echo(summary(comparisons, code))
    sys.exit(code)


@main.command()
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; exit with 1 where the lock is not up to date."
)
def lock(only_check: bool) -> None:
    """Lock the declared versions of the kinds of work beside the code that they reach."""
    from benchmarks.core.lock import differences, read_lock, write_lock
    from benchmarks.report.locking import current_lock
    from benchmarks.report.paper import require_checkout

    paper = the_paper()
    if paper.lock is None:
        raise ValueError(f"the paper {paper.name} keeps no lock; name one in its PAPER")
    if not only_check:
        require_checkout(paper.lock)
    current, where = current_lock(paper)
    problems = differences(read_lock(paper.lock), current, where)
    for line in problems:
        click.echo(line, err=only_check)
    if only_check and problems:
        sys.exit(1)
    if not only_check:
        write_lock(paper.lock, current)
    click.echo(f"{paper.lock.name}: {len(current)} versions locked")


# ---------------------------------------------------------------- data and counts


def tell(notices: "Sequence[Notice]") -> None:
    """Print what preflight noticed."""
    for notice in notices:
        click.echo(f"{notice.level}: {notice.what}")


@main.command()
@click.argument("root", type=FOLDER)
@headed(WHAT, "--data", "names", multiple=True, help="Data set to look at; may be given several times.")
@headed(
    WHAT,
    "--for",
    "uses",
    multiple=True,
    help="Look at all that an experiment, or a kind of work such as accuracy, "
    "needs, and at nothing else; may be given several times.",
)
@headed(
    WHAT, "--splits", callback=listed, help="With --for: which of the paper's image sets, such as v1; default: all."
)
@headed(WHAT, "--num-classes", type=click.IntRange(1), default=1000, show_default=True, help="Declared classes.")
@headed(WHAT, "--decode", type=click.Choice(("headers", "full", "none")), default="headers", show_default=True,
        help="How far images are read.")  # fmt: skip
def preflight(root: Path, names: Sequence[str], uses: Sequence[str], splits: Any, **how: Any) -> None:
    """Look for the usual mistakes in the folders of data sets before an hour is spent on them.

    Exits with 1 if there is an error.
    """
    if names and uses:
        raise ValueError("--data names sets and --for what needs them; give one of the two")
    if splits and not uses:
        raise ValueError("--splits goes with --for, which knows the paper's image sets; name what they are for")
    from benchmarks.data.registry import look_at

    notices = notices_for(root, uses, splits, **how) if uses else look_at(root, names, **how)
    tell(notices)
    if any(notice.level == "error" for notice in notices):
        sys.exit(1)
    click.echo("no error found")


def notices_for(root: Path, uses: Sequence[str], splits: Any, num_classes: int, decode: Any) -> "list[Notice]":
    """What preflight notices on all that experiments or kinds of work need of the paper's data.

    Raises:
        ValueError: There is none of a name, or the paper has no data of its own.
    """
    from benchmarks.core.progress import Bar
    from benchmarks.report.asked import Chosen, cells_for, profile_on_disk
    from benchmarks.work.preparation import inspect

    paper = the_paper()
    told = {"profile": profile_on_disk(paper, uses), "data_root": root, "num_classes": num_classes}
    places = {"results": RUNS, "cache": CACHE, "device": "cpu", "plugins": ()}
    session = make_session(paper, {**told, **places})
    cells = cells_for(paper, uses, Chosen(splits=splits), session)
    with Bar(sys.stderr) as bar:
        return inspect(cells, session, decode, bar)


@main.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@headed(WHAT, "--convention", type=click.Choice(CONVENTIONS), help="FLOP counter; default: the paper's.")
@headed(WHAT, "--by-operator", is_flag=True, help="List the parts of each count, and what the convention leaves out.")
@headed(WHERE, "--format", "style", type=click.Choice(FORMATS), default="md", show_default=True, help="Of the output.")
def costs(models: Sequence[str], convention: str | None, by_operator: bool, style: str) -> None:
    """Parameters and FLOPs beside the paper's, of all rows that it prints or of MODELs.

    FLOPs are multiply-accumulates of one 224x224 image. Counters leave different work out, so that FLOPs are judged, to
    the printed digit, under the paper's own counter only.
    """
    from benchmarks.networks.names import parse
    from benchmarks.networks.plugins import require_known
    from benchmarks.report.costs import rows_of
    from benchmarks.report.tables import FORMATS as RENDERERS

    paper = the_paper()
    names = models or tuple(paper.costs())
    require_known(names)
    counted = {name for model in names for name in (model, parse(model).backbone)}
    from benchmarks.measure.cost import measure_costs

    with click.progressbar(length=len(counted), label="counting", file=sys.stderr) as bar:
        measured = measure_costs(names, convention or paper.convention, progress=lambda name: bar.update(1))
    click.echo(RENDERERS[style](rows_of(measured, paper, convention or paper.convention, by_operator)))
