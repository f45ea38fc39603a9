"""What a plan costs, and what of it decides most claims: arithmetic that a reader can redo."""

import itertools
import random
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks.cli import SAID, given_again, main
from benchmarks.core.records import Cell, MetricKey, Record, new_record
from benchmarks.data.errors import DataError
from benchmarks.data.expected import expected
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.recipes import MINI
from benchmarks.report.budget import Budget, Setting, but_seeds, most
from benchmarks.report.claims import attempt
from benchmarks.report.evidence import Evidence, Query
from benchmarks.report.opening import time_of
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.cluster.jobs import Job
from benchmarks.work.cost import COST
from benchmarks.work.forecast import in_words
from benchmarks.work.hours import How, Price, Prices, makespan
from benchmarks.work.kinds import KINDS
from benchmarks.work.session import Session
from benchmarks.work.training import TRAIN, TrainingChoices
from benchmarks.work.workers import PROCESSES, SECONDS
from tests.recorded import recorded, recorded_all
from tests.sessions import make_session

PLAIN, TD = "resnet50", "resnet50-td-joint-t2-m1"
SEEDS = tuple(range(5))


def timed(cell: Cell, seconds: float, **notes: object) -> Record:
    """A record that tells how long it took."""
    return new_record(cell, {"device": "cpu"}, {}, notes={SECONDS: seconds, **notes})


# ---------------------------------------------------------------- prices


def test_a_cell_costs_what_like_ones_took(tmp_path: Path) -> None:
    """The median of its network's, else of all networks'; of several processes all of them; of other devices none."""
    session = make_session(tmp_path)
    mine, other = TRAIN.cell(PLAIN, 0, session), TRAIN.cell(TD, 0, session)
    records = [timed(mine, 10.0), timed(mine, 30.0), timed(mine, 5.0, **{PROCESSES: 4}), timed(other, 7.0)]
    assert Prices(records, session).of(mine) == Price(20.0, How.LIKE)
    assert Prices(records, session).of(TRAIN.cell("resnet18", 0, session)) == Price(15.0, How.LIKE)
    elsewhere = [replace(one, inputs={"device": "cuda"}) for one in records]
    assert Prices(elsewhere, session).of(mine).how is How.GUESS


def test_without_records_a_cell_costs_a_stated_guess(tmp_path: Path) -> None:
    """384 images of a training at 2000 / 3 a second; 250 images shown at 2000; counting a second."""
    session = make_session(tmp_path)
    prices = Prices([], session)
    assert prices.of(TRAIN.cell(PLAIN, 0, session)).seconds == pytest.approx(3 * 384 / 2000)
    assert prices.of(ACCURACY.cell(PLAIN, "val", 0, session)).seconds == pytest.approx(0.125)
    assert prices.of(COST.cell(PLAIN)) == Price(1.0, How.GUESS)
    (timed, *_) = PAPER.experiment("efficiency").cells(session)
    longer = replace(timed, options={**timed.options, "budget": 600.0})
    assert prices.of(longer).seconds - prices.of(timed).seconds == 2 * (600.0 - float(str(timed.options["budget"])))
    assert prices.rates.guesses() == "2,000 images a second shown to a network, 667 in training"


def test_a_measured_speed_counts_for_more_than_a_guess(tmp_path: Path) -> None:
    """Of 50,000 images at 500 a second; twice the side are four times the pixels."""
    session = make_session(tmp_path, "full", device="cuda")
    session.opened["val"] = expected("imagenet", "val", session.source_of("val"))
    (cell, *_) = (one for one in PAPER.experiment("efficiency").cells(session) if one.options["mode"] == "inference")
    measured = recorded(cell)
    fps = {MetricKey("fps", of=PLAIN): replace(measured.metrics[MetricKey("fps", of=PLAIN)], value=500.0)}
    speed = replace(measured, inputs={"device": "cuda"}, metrics={**measured.metrics, **fps})
    shown = ACCURACY.cell(PLAIN, "val", 0, session)
    prices = Prices([speed], session)
    assert prices.of(shown) == Price(pytest.approx(100.0), How.SPEED)
    larger = replace(shown, options={**shown.options, "resolution": 448})
    assert prices.of(larger).seconds == pytest.approx(400.0)


def test_what_another_device_or_another_number_of_epochs_took_is_no_price(tmp_path: Path) -> None:
    """Measurements name their device among their options, trainings among their inputs."""
    session = make_session(tmp_path)
    (timed, *_) = PAPER.experiment("efficiency").cells(session)
    shown = ACCURACY.cell(PLAIN, "val", 0, session)
    for cell in (timed, shown):
        took = replace(recorded(cell), notes={"seconds": 77.0}, inputs={})
        assert Prices([took], session).of(cell) == Price(77.0, How.LIKE)
        told = {"cell": replace(cell, options={**cell.options, "device": "cuda"})} if cell is timed else {}
        other = replace(took, **(told or {"inputs": {"device": "cuda"}}))
        assert Prices([other], session).of(cell).how is not How.LIKE
    training = TRAIN.cell(PLAIN, 0, session)
    took = replace(recorded(training), notes={"seconds": 77.0})
    longer = replace(session, choices={TrainingChoices: TrainingChoices(epochs=9)})
    assert Prices([took], session).of(training) == Price(77.0, How.LIKE)
    assert Prices([took], longer).of(TRAIN.cell(PLAIN, 0, longer)).how is not How.LIKE


def test_jobs_take_as_long_as_the_longest_way_through_them(tmp_path: Path) -> None:
    """Two trainings of 40 s on 4 GPUs, side by side; then an evaluation of 20 s in two jobs."""
    session = make_session(tmp_path)
    one, other = (TRAIN.cell(PLAIN, seed, session) for seed in (0, 1))
    shown = ACCURACY.cell(PLAIN, "val", 0, session)
    prices = {one: Price(160.0, How.GUESS), other: Price(160.0, How.GUESS), shown: Price(40.0, How.GUESS)}
    trainings = [Job((cell,), gpus=4) for cell in (one, other)]
    shares = [Job((shown,), (share, 2), (trainings[0].name,), 1) for share in range(2)]
    assert makespan([*trainings, *shares], prices, 2) == 40 + 20
    assert makespan([*trainings, *shares], prices, 1) == 40 + 40 + 20 + 20
    assert makespan([], prices, 2) == 0


# ---------------------------------------------------------------- most for a budget


def best_by_trying_all(
    needs: Sequence[frozenset[Cell]], cost: Mapping[Cell, float], budget: float
) -> tuple[int, float]:
    """How many sets can be had at most, and for how little."""
    found = []
    for count in range(len(needs) + 1):
        for chosen in itertools.combinations(needs, count):
            spent = sum(cost[cell] for cell in frozenset[Cell]().union(*chosen))
            if spent <= budget:
                found.append((count, -spent))
    return max(found)


def test_the_choice_is_the_best_there_is() -> None:
    """Of random sets that share cells, against trying all."""
    draw = random.Random(0)
    for _ in range(60):
        cells = [Cell("train", f"network {place}", "any") for place in range(8)]
        cost = {cell: float(draw.randint(0, 9)) for cell in cells}
        needs = [frozenset(draw.sample(cells, draw.randint(1, 4))) for _ in range(7)]
        budget = float(draw.randint(0, 30))
        chosen = most(needs, cost, budget)
        spent = sum(cost[cell] for cell in frozenset[Cell]().union(*(needs[place] for place in chosen)))
        assert spent <= budget
        assert (len(chosen), -spent) == best_by_trying_all(needs, cost, budget)


# ---------------------------------------------------------------- what claims ask


@dataclass(frozen=True)
class Asked(Evidence):
    """Evidence that remembers what it was asked."""

    queries: list[Query] = field(default_factory=list)

    def select(self, query: Query) -> list[Record]:
        self.queries.append(query)
        return super().select(query)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """All of the paper by profile mini, from five seeds."""
    return make_session(tmp_path_factory.mktemp("mini"), "mini", seeds=SEEDS)


def test_every_claim_says_what_it_asks_for(session: Session) -> None:
    """Besides whether trainings had ended, nothing is asked that was not said, and all that was said is asked."""
    records = recorded_all(session)
    for claim in PAPER.claims():
        for part in claim.parts:
            evidence = Asked(session.profile, Path(), records)
            attempt(part, evidence, PAPER.claim_rules[0])
            said = {key_of(ask(evidence)) for ask in part.asks}
            asked = {key_of(one) for one in evidence.queries}
            of_endings = {key_of(one) for one in evidence.queries if tells_of_endings(one)}
            assert said, f"claim {claim.number}: {part.says}"
            assert said <= asked, f"claim {claim.number}: {part.says}"
            assert asked - of_endings <= said, f"claim {claim.number}: {part.says}"


def tells_of_endings(query: Query) -> bool:
    """Whether a query is for a training, or for how far one came."""
    ended_on = {MINI.ended_on, MINI.reduced.ended_on, *(one.ended_on for one in MINI.transfers.values())}
    return KINDS[query.kind].trains_on is not None or query.options.get("data") in ended_on


def key_of(query: Query) -> tuple[str, str, str]:
    return query.kind, query.model, str(sorted(query.options.items()))


def budget_of(session: Session, names: Sequence[str] = PAPER.experiments) -> Budget:
    return Budget(PAPER, {name: PAPER.experiment(name).cells(session) for name in names}, session, Setting())


def test_a_claim_needs_its_trainings_and_those_that_tell_whether_they_ended(session: Session) -> None:
    """Claim 16 is about two networks on V1: five trainings, a longer one, and twice five accuracies of each."""
    budget = budget_of(session, ["table1"])
    (claim,) = (one for one in PAPER.claims() if one.number == 16)
    kinds = [cell.kind for cell in budget.needed(claim)]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"train": 10, "train_longer": 2, "accuracy": 20}


def test_every_network_that_is_trained_is_trained_for_longer_once(session: Session) -> None:
    """Without that it decides nothing, however many seeds there are: the controls that causes rest on, too."""
    cells = [cell for name in PAPER.experiments for cell in PAPER.experiment(name).cells(session)]
    trained = {(KINDS[cell.kind].longer, cell.model, str(but_seeds(cell))) for cell in cells if KINDS[cell.kind].longer}
    longer = {(cell.kind, cell.model, str(but_seeds(cell))) for cell in cells}
    assert len(trained) > 50
    assert trained - longer == set()


def test_claims_on_other_tasks_need_the_fine_tunings(session: Session) -> None:
    budget = budget_of(session, ["table7-tasks"])
    (claim,) = (one for one in PAPER.claims() if one.number == 26)
    kinds = {cell.kind for cell in budget.needed(claim)}
    assert kinds == {"train", "train_longer", "accuracy", "finetune", "finetune_longer", "transfer"}


def test_a_plan_says_what_it_cannot_decide_and_why(session: Session) -> None:
    few = budget_of(replace(session, seeds=(0,)), ["table1"])
    needs, reasons = few.needs()
    assert {claim.number for claim in needs} == {1, 2, 3, 4, 5, 6, 10, 11, 12, 13}
    told = {claim.number: reason for claim, reason in reasons.items()}
    assert told[14] == "1 of the 5 seeds that a statement about a method needs; --seeds"
    assert told[22].startswith("no localization of ")


def trained_on_full(folder: Path, **changes: object) -> Session:
    """Trainings of the profile full, on GPUs of another machine."""
    full = make_session(folder, "full", seeds=SEEDS, models=(PLAIN, TD, "resnet101-se", "resnet101-td-joint-t2-m1"))
    profile = replace(full.profile, trains=True, **changes)  # type: ignore[arg-type]
    return replace(full, profile=profile, device="cuda", processes=1, elsewhere=True)


def test_trainings_that_keep_no_images_back_decide_nothing(tmp_path: Path) -> None:
    """From however many seeds; networks that were given by their weights do."""
    trains = trained_on_full(tmp_path, held_out=None)
    _, reasons = budget_of(trains, ["table1"]).needs()
    told = {claim.number: reason for claim, reason in reasons.items()}
    assert told[16] == (
        "trainings of full keep no images back that tell whether they had ended; as --weights networks count"
    )
    for model in trains.models or ():
        (tmp_path / f"{model}.pth").touch()
    needs, _ = budget_of(replace(trains, weights=tmp_path), ["table1"]).needs()
    (claim,) = (one for one in needs if one.number == 16)
    assert [cell.kind for cell in needs[claim]] == ["accuracy", "accuracy"]


def test_trainings_on_imagenet_are_followed_and_fine_tunings_at_their_full_size_are_not(tmp_path: Path) -> None:
    """Before any data are there: claim 16 needs its curves alone; claim 26 no run can decide."""
    trains = trained_on_full(tmp_path)
    needs, _ = budget_of(trains, ["table1"]).needs()
    (claim,) = (one for one in needs if one.number == 16)
    kinds = [cell.kind for cell in needs[claim]]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"train": 10, "train_longer": 2, "accuracy": 10}
    _, reasons = budget_of(replace(trains, models=None), ["table7-tasks"]).needs()
    (told,) = (reason for claim, reason in reasons.items() if claim.number == 26)
    assert told == "fine-tunings of full for cub keep no images back that tell whether they had ended"


def test_more_hours_decide_more_and_nothing_beyond_them_is_chosen(session: Session) -> None:
    budget = budget_of(session)
    decided = []
    for hours in (0.0, 1.0, 1e6):
        said = budget.within(hours)[0]
        decided.append(int(said.partition(": ")[2].split(" of ")[0]))
        assert float(said.rpartition(", ")[2].split()[0].replace(",", "")) <= hours
    assert decided[0] < decided[1] < decided[2] == len(PAPER.claims())


def test_the_commands_run_what_was_chosen(session: Session) -> None:
    """Each names an experiment, kinds of work and networks; together their cells hold all chosen ones."""
    budget = budget_of(session)
    needs, _ = budget.needs()
    claims = [claim for claim in needs if claim.number in (6, 13, 16, 22, 26)]
    cells = frozenset[Cell]().union(*(needs[claim] for claim in claims))
    run = set[Cell]()
    for line in budget.commands(claims, cells):
        program, verb, name, *options = line.split()
        told = dict(zip(options[::2], options[1::2], strict=True))
        assert (program, verb, told["--profile"], told["--seeds"]) == ("tdam-bench", "run", "mini", "5")
        models = tuple(told["--models"].split(",")) if "--models" in told else None
        own = PAPER.experiment(name).cells(replace(session, models=models))
        run |= {cell for cell in own if cell.kind in told["--tasks"].split(",")}
    assert cells <= run
    limited = budget_of(replace(session, limit=500), ["table1"])
    assert limited.options(["accuracy"], [PLAIN]).endswith(f"--models {PLAIN} --seeds 5 --limit 500")


# ---------------------------------------------------------------- on the command line


def test_what_a_full_reproduction_takes_before_any_data_is_there(tmp_path: Path) -> None:
    """150 epochs of 1,271,167 images at a third of 1,000 a second, and an evaluation of each of 60,000."""
    what = "table1 --profile full --train --device cuda --tasks train,accuracy"
    how = "--executor slurm --jobs 8 --gpus-per-job 4 --gpu-hours 100"
    told = ["plan", *what.split(), "--models", f"{PLAIN},{PLAIN}-se", *how.split()]
    done = CliRunner().invoke(main, [*told, "--results", str(tmp_path / "runs")])
    assert done.exit_code == 0, done.output
    hours = 2 * (150 * 1_271_167 * 3 + 60_000) / 1000 / 3600
    assert f"{hours:,.2f} GPU-hours, disk about" in done.output
    assert "6 cells guessed (1,000 images of 224 pixels a second shown to a network, 333 in training)" in done.output
    assert "not by this plan: 1, " in done.output
    assert not (tmp_path / "runs").exists()


def test_table_1_of_mini_takes_as_long_as_it_says_of_itself(session: Session) -> None:
    """Two networks at a time, as on two cores: its trainings and evaluations, in minutes and not in hours."""
    table1 = replace(session, seeds=(0,), jobs=2)
    cells = [cell for cell in PAPER.experiment("table1").cells(table1) if cell.kind in ("train", "accuracy")]
    minutes = Budget(PAPER, {"table1": cells}, table1, Setting()).seconds(cells) / 60
    assert "mini: 19 minutes on two CPU cores" in PAPER.experiment("table1").time
    assert 10 < minutes < 20
    said = time_of(cells, [], [], table1)
    assert said.startswith(in_words(60 * minutes))


def test_hours_are_of_what_a_run_would_do_on_this_processor(tmp_path: Path) -> None:
    """Another processor's training counts for jobs, which run on any host, and not for a run of this machine."""
    session = make_session(tmp_path, models=(PLAIN,))
    cell = TRAIN.cell(PLAIN, 0, session)
    inputs = TRAIN.inputs(cell, session)
    assert isinstance(inputs, Mapping)
    session.store.write(new_record(cell, {**inputs, "computes_with": "another processor"}, {}))
    what = ["plan", "table1", "--profile", "smoke", "--models", PLAIN, "--tasks", "train", "--gpu-hours", "1"]
    places = ["--results", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache")]
    here, jobs = (CliRunner().invoke(main, [*what, *places, *more]) for more in ([], ["--executor", "local"]))
    assert (here.exit_code, jobs.exit_code) == (0, 0), here.output + jobs.output
    assert re.search(r"^table1 .*: 1 train$", here.stdout, re.MULTILINE)
    assert re.search(r"^table1 +nothing to run$", jobs.stdout, re.MULTILINE)


def test_the_commands_have_all_that_was_asked_for(tmp_path: Path) -> None:
    """A count decides a claim: its command parses to what was asked, with a folder whose name has a space."""
    asked = ["--splits", "v1", "--num-classes", "10", "--epochs", "3", "--results", str(tmp_path / "my runs")]
    done = CliRunner().invoke(main, ["plan", "table1", "--tasks", "cost", "--gpu-hours", "1", *asked])
    assert done.exit_code == 0, done.output
    lines = [line for line in done.stdout.splitlines() if line.startswith("  tdam-bench run table1 ")]
    assert lines
    for line in lines:
        words = shlex.split(line)
        assert words[-len(asked) :] == asked
        context = main.commands["run"].make_context("run", words[2:], parent=click.Context(main, obj="tdam"))
        told = (context.params["splits"], context.params["num_classes"], context.params["results"])
        assert told == (("v1",), 10, tmp_path / "my runs")


def test_options_are_told_again_as_they_were_given(tmp_path: Path) -> None:
    """Each once, flags and those of several values too; not those that commands say by themselves.

    The word for the project's own records is one that the commands, which write, refuse.
    """
    file = tmp_path / "a file"
    file.touch()
    kept = [
        *("--num-classes", "7", "--class-list", str(file), "--plugin", str(file), "--plugin", str(file)),
        *(
            "--splits",
            "v1,v2",
            "--targets",
            "cub",
            "--weights",
            str(tmp_path),
            "--data-root",
            str(tmp_path),
            "--contiguous",
            "--compile",
        ),
    ]
    said = ["--profile", "mini", "--models", PLAIN, "--tasks", "cost", "--seeds", "5", "--limit", "9", "--train"]
    words = ["table1", *said, *kept, "--device", "cuda", "--gpu-hours", "5", "--results", "reference"]
    parent = click.Context(main, obj="tdam")
    parent.params["paper"] = "tdam"
    context = main.commands["plan"].make_context("plan", words, parent=parent)
    with context.scope():
        assert given_again(SAID) == tuple(kept)


def test_commands_name_what_they_lack_and_the_networks_that_were_asked_for(tmp_path: Path) -> None:
    """The folder of the data where images are looked at; of speed, whose networks are one cell, all of them."""
    full = trained_on_full(tmp_path)
    budget = budget_of(full, ["table1"])
    assert budget.options(["train"], [PLAIN]).endswith(f"--models {PLAIN} --seeds 5 --train --data-root DIR")
    assert budget.options(["efficiency"], [""]).endswith(f"--models {','.join(full.models or ())} --seeds 5")


def test_data_that_are_not_here_have_a_size_and_no_image(tmp_path: Path) -> None:
    source = make_session(tmp_path, "full").source_of("val")
    sizes = {
        "imagenet/train": 1_281_167 - 10_000,
        "imagenet/tune": 10_000,
        "imagenet-reduced/tune": 2_000,
        "imagenet-reduced/val": 10_000,
        "coco/val": 40_137,
    }
    assert {name: len(expected(*name.split("/"), source)) for name in sizes} == sizes
    with pytest.raises(DataError, match="is not here, only its size is known"):
        expected("cub", "test", source).image(0)
    with pytest.raises(DataError, match="how many images mini/val has is not known"):
        expected("mini", "val", source)
