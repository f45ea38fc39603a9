"""A pass loses nothing: its parts are on disk, it goes on where it was cut off, one network's trouble is its own."""

import itertools
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.multiprocessing.spawn import spawn

from baselines.backbone import Backbone
from benchmarks.core import distributed
from benchmarks.core.distributed import gather
from benchmarks.core.records import Cell, MetricKey
from benchmarks.data.images import ImageSet, UnreadableImage
from benchmarks.data.mini import Scenes, open_mini
from benchmarks.networks.models import create
from benchmarks.papers.tdam.rules import RULES
from benchmarks.work import passes, shelves
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.collectors.accuracy import AccuracyCollector
from benchmarks.work.collectors.localization import LocalizationCollector, Truths
from benchmarks.work.collectors.selectivity import SelectivityCollector
from benchmarks.work.collectors.transfer import TransferCollector
from benchmarks.work.finishing import Finish
from benchmarks.work.localization import LOCALIZATION
from benchmarks.work.passes import Collected, Collector, Passing, Show, Shown, View, pass_over
from benchmarks.work.runner import Summary, run
from benchmarks.work.session import Session
from benchmarks.work.shelves import (
    PARTS,
    Disk,
    Memory,
    Part,
    Rows,
    Shelf,
    Stretch,
    clear_recorded,
    joined,
    shelf_of,
)
from benchmarks.work.weights import known_inputs, loaded_network
from tests.sessions import make_session
from tests.test_runner import Silent

CPU = torch.device("cpu")
COUNT, TOGETHER, BATCH = 40, 12, 5
VIEW, SMALL = View(48, 1.0), View(32, 1.0)
MODELS = ("resnet50", "resnet50-td-joint-t2-m1")
UNREADABLE = 17
MORE_THAN_THERE_IS = 2**60  # bytes


class Counted(Scenes):
    """Scenes that count how often each is decoded; one cannot be read."""

    reads: list[int]

    def image(self, i: int):  # type: ignore[no-untyped-def]
        self.reads[i] += 1
        if i == UNREADABLE:
            raise UnreadableImage("seventeen.JPEG", "broken")
        return super().image(i)


@pytest.fixture
def images(tmp_path: Path) -> Counted:
    return counted(tmp_path)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Convolutions round otherwise on other numbers of threads: "to the bit" is said of equal ones."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def counted(folder: Path, count: int = COUNT) -> Counted:
    """Scenes with a cache in a folder."""
    scenes = open_mini("val", folder / "cache", count)
    scenes.__class__ = Counted
    scenes.reads = [0] * count  # type: ignore[attr-defined]
    return scenes  # type: ignore[return-value]


@pytest.fixture(scope="module")
def networks() -> list[Backbone]:
    return made_networks()


def made_networks() -> list[Backbone]:
    """A plain network and one with feedback, the same ones every time."""
    made = []
    for seed, name in enumerate(MODELS):
        torch.manual_seed(seed)
        made.append(create(name, 10, "mini"))
    return made


def asked(images: Scenes, networks: Sequence[Backbone]) -> list[Collector]:
    """Every kind of question, to both networks or one, under two views."""
    truths = Truths(images, images, VIEW)
    return [
        *(AccuracyCollector(view, network, RULES) for network in networks for view in (VIEW, SMALL)),
        *(LocalizationCollector(network, truths, RULES) for network in networks),
        SelectivityCollector(VIEW, networks[1], 10),
        TransferCollector(SMALL, nn.Sequential(networks[0], nn.Softmax(1))),
    ]


def passing(collectors: Sequence[Collector], folder: Path | None) -> list[Passing]:
    """Collectors with shelves in a folder, or in memory."""
    shelves: list[Shelf] = [Memory() if folder is None else Disk(folder / str(i)) for i in range(len(collectors))]
    return [Passing(one, shelf) for one, shelf in zip(collectors, shelves, strict=True)]


def ignored(count: int) -> None:
    """Progress that nobody looks at."""


def how(images: Scenes) -> Show:
    return Show(images, CPU, BATCH, together=TOGETHER)


def whole(collectors: Sequence[Collector], images: Scenes) -> list[Collected]:
    """What an undisturbed pass in memory has."""
    passed = passing(collectors, None)
    pass_over(passed, how(images), ignored)
    assert [one.trouble for one in passed] == [None] * len(passed)
    return [one.collected() for one in passed]


def same(one: Collected, other: Collected) -> bool:
    """Whether two collected parts are equal to the bit."""
    if one.unreadable != other.unreadable or one.part.keys() != other.part.keys():
        return False
    arrays = [(array, other.part[name]) for name, array in one.part.items()]
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in arrays)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int64),
        np.arange(12, dtype=np.int16).reshape(6, 2),
        np.arange(24, dtype=np.uint64).reshape(6, 2, 2) * 2**58,
        np.array([[0.1, np.nan], [np.inf, -0.0]] * 3, np.float32),
        np.arange(6, dtype=np.float64)[:, None, None] / 3,
        np.array([True, False] * 3),
        np.zeros((0, 3, 2), np.float32),
    ],
)
def test_what_is_shelved_comes_back_to_the_bit(tmp_path: Path, array: np.ndarray) -> None:
    """Values, types and shapes; positions and reasons too."""
    shelf = Disk(tmp_path / "shelf")
    shelf.put(Stretch(3, 9, {"one": array, "position": np.arange(len(array))}, ["why not"]))
    (back,) = shelf.stretches()
    assert (back.begin, back.end, back.reasons) == (3, 9, ["why not"])
    assert back.part["one"].dtype == array.dtype
    assert back.part["one"].shape == array.shape
    assert back.part["one"].tobytes() == array.tobytes()
    assert shelf.covered() == [range(3, 9)]


def batch_of(rows: int, first: int, steps: int = 2) -> Part:
    """Rows of a batch, each of which holds its place."""
    place = np.arange(first, first + rows)
    return {"position": place, "scores": np.broadcast_to(place[:, None, None], (rows, steps, 5)).astype(np.float32)}


def test_rows_of_many_batches_lie_in_few_arrays() -> None:
    """A small array for each batch would lie between the large ones of networks, and keep what these leave apart."""
    room, size = Rows(), 50
    parts = [room.hold(batch_of(size, first)) for first in range(0, shelves.TOGETHER, size)]
    for name in ("position", "scores"):
        assert len({id(part[name].base) for part in parts}) == 1
    whole, expected = joined(parts), batch_of(shelves.TOGETHER, 0)
    assert all(np.array_equal(whole[name], expected[name]) for name in expected)
    beyond = room.hold(batch_of(3, shelves.TOGETHER))
    assert beyond["scores"].base is not parts[0]["scores"].base
    assert np.array_equal(joined(parts)["scores"], expected["scores"])


@pytest.mark.parametrize(
    "other", [batch_of(shelves.TOGETHER + 1, 7), batch_of(4, 7, steps=3), {"position": np.arange(4)}]
)
def test_rows_of_another_kind_have_their_own_room(other: Part) -> None:
    room = Rows()
    first = room.hold(batch_of(4, 0))
    second = room.hold(other)
    assert all(np.array_equal(second[name], other[name]) for name in other)
    assert second["position"].base is not first["position"].base
    assert np.array_equal(first["scores"], batch_of(4, 0)["scores"])


@pytest.mark.parametrize("after", [0, 1, 2, 3, 5, 7])
@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_a_pass_goes_on_where_it_was_cut_off(
    images: Counted, networks: list[Backbone], tmp_path: Path, after: int, ending: type[BaseException]
) -> None:
    """To the bit; no more than one part is shown again, and whoever has all is shown nothing."""
    expected = whole(asked(images, networks), images)
    images.reads[:] = [0] * COUNT
    steps = iter(range(100))

    def cut(count: int) -> None:
        if count and next(steps) == after:
            raise ending

    with pytest.raises(ending):
        pass_over(passing(asked(images, networks), tmp_path), how(images), cut)
    passed = passing(asked(images, networks), tmp_path)
    pass_over(passed, how(images), ignored)
    for one, other in zip(passed, expected, strict=True):
        assert same(one.collected(), other)
    again = sum(images.reads) - COUNT
    # What adds up to the bit only in whole parts is shown its part again, alone.
    assert 0 <= again <= TOGETHER
    third = passing(asked(images, networks), tmp_path)
    pass_over(third, how(images), ignored)
    assert sum(images.reads) == COUNT + again


def test_an_interrupted_pass_keeps_each_image_that_it_saw(
    images: Counted, networks: list[Backbone], tmp_path: Path
) -> None:
    """Where rows are images: nothing is shown again."""
    collectors = [one for one in asked(images, networks) if one.rows_are_images]
    steps = iter(range(100))

    def cut(count: int) -> None:
        if count and next(steps) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pass_over(passing(collectors, tmp_path), how(images), cut)
    pass_over(passing(collectors, tmp_path), how(images), ignored)
    assert images.reads == [1] * COUNT


# ---------------------------------------------------------------- a signal at any moment

MOMENTS = 60
TRACED = {str(Path(module.__file__ or "")) for module in (passes, shelves)}


class Few(ImageSet):
    """Twelve pictures of one color each; the fifth cannot be read."""

    def __init__(self) -> None:
        super().__init__("few", ["one", "two"], [f"{i:02d}" for i in range(12)], [i % 2 for i in range(12)])
        self.reads = [0] * 12

    def image(self, i: int) -> Image.Image:
        self.reads[i] += 1
        if i == 4:
            raise UnreadableImage("five.JPEG", "broken")
        return Image.new("RGB", (8, 8), (20 * i, 0, 0))

    def size(self, i: int) -> int:
        return 1


class Means(Collector):
    """Means of images, of which it cannot use some; the rest of the work is left to be finished."""

    def __init__(self, side: int, finish: Finish | None = None) -> None:
        super().__init__(View(side, 1.0), nn.Identity())
        self.finish = finish

    def unusable(self, position: int, size: tuple[int, int]) -> str | None:
        return f"{position} is the eighth" if position == 7 else None

    def collect(self, shown: Shown) -> Part:
        return {"position": shown.positions, "mean": shown.inputs.mean((1, 2, 3)).numpy()}


class Sums(Means):
    """The same, added up."""

    rows_are_images = False

    def collect(self, shown: Shown) -> Part:
        return {"sum": super().collect(shown)["mean"].sum(keepdims=True)}

    def merge(self, parts: Sequence[Part]) -> Part:
        return {"sum": sum((part["sum"] for part in parts), np.zeros(1, np.float32))}


def twice(part: Part) -> Part:
    """What is left to do with a batch."""
    return {**part, "mean": 2 * part["mean"]}


def asked_of_few() -> list[Collector]:
    return [Means(8), Means(4, twice), Sums(8), Means(4)]


def interrupt_at(moment: int, work: Callable[[], object]) -> int:
    """Do some work, but for a signal at the line of passes and shelves that comes so late; returns how many came."""
    lines = itertools.count()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line" and next(lines) == moment:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return next(lines)


def test_a_signal_at_any_line_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Whatever a pass is doing: what it left and what comes after make what an undisturbed pass has, to the bit."""

    def pass_of(folder: Path | None, few: Few) -> list[Passing]:
        passed = passing(asked_of_few(), folder)
        pass_over(passed, Show(few, CPU, 2, together=6), ignored)
        return passed

    expected = [one.collected() for one in pass_of(None, Few())]
    assert [len(one.part.get("position", ())) for one in expected] == [10, 10, 0, 10]
    lines = interrupt_at(-1, lambda: pass_of(tmp_path / "whole", Few()))
    assert lines > 10 * MOMENTS
    for number in range(MOMENTS):
        # Not at equal distances, which could be those of a loop.
        moment = (number * lines + 37 * number % 61) // MOMENTS
        few, folder = Few(), tmp_path / str(moment)
        with pytest.raises(KeyboardInterrupt):
            interrupt_at(moment, partial(pass_of, folder, few))
        for one, other in zip(pass_of(folder, few), expected, strict=True):
            assert same(one.collected(), other), f"interrupted at line {moment} of {lines}"
        assert sum(few.reads) <= 12 + 6


def test_boxes_in_processes_are_those_made_at_once(images: Counted, networks: list[Backbone], tmp_path: Path) -> None:
    """To the bit, with loader processes too; cut off they are on the shelf as well, and a fault is the network's."""
    truths = Truths(images, images, VIEW)

    def localizing() -> list[LocalizationCollector]:
        return [LocalizationCollector(network, truths, RULES) for network in networks]

    expected = whole(localizing(), images)
    steps = iter(range(100))

    def cut(count: int) -> None:
        if count and next(steps) == 4:
            raise KeyboardInterrupt

    helped = replace(how(images), workers=1)
    with pytest.raises(KeyboardInterrupt):
        pass_over(passing(localizing(), tmp_path), helped, cut)
    faulty = Means(48, broken)
    passed = [*passing(localizing(), tmp_path), Passing(faulty, Memory())]
    assert [int(one.lacks(COUNT).sum()) for one in passed] == [COUNT - 22, COUNT - 22, COUNT]
    pass_over(passed, helped, ignored)
    assert [one.trouble for one in passed] == [None, None, "ValueError: it cannot be finished"]
    for one, other in zip(passed[:-1], expected, strict=True):
        assert same(one.collected(), other)


def broken(part: Part) -> Part:
    raise ValueError("it cannot be finished")


class Cramped(Collector):
    """A collector that has memory for so many images only: for more it asks for what no allocator has."""

    def __init__(self, own: Collector, fits: int) -> None:
        super().__init__(own.view, own.network)
        self.own, self.fits = own, fits

    def collect(self, shown: Shown) -> Part:
        if len(shown.positions) > self.fits:
            torch.empty(MORE_THAN_THERE_IS, dtype=torch.uint8)
        return self.own.collect(shown)


def test_a_networks_trouble_is_its_own(images: Counted, networks: list[Backbone]) -> None:
    """Not finite, or out of memory with one image: these end with a reason, all others have what they have alone."""
    expected = whole(asked(images, networks), images)
    torch.manual_seed(0)
    broken = create("resnet50", 10, "mini")
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    ill: list[Collector] = [
        AccuracyCollector(VIEW, broken, RULES),
        LocalizationCollector(broken, Truths(images, images, VIEW), RULES),
        SelectivityCollector(VIEW, broken, 10),
        TransferCollector(SMALL, broken),
        Cramped(AccuracyCollector(VIEW, networks[0], RULES), 0),
    ]
    passed = passing([*ill, *asked(images, networks)], None)
    pass_over(passed, how(images), ignored)
    troubles = [one.trouble for one in passed]
    finite = "NetworkTrouble: the network gives numbers that are not finite, first for image 1 of the set"
    memory = "NetworkTrouble: out of memory with a single image of 48 x 48 pixels"
    assert troubles == [*[finite] * 4, memory, *[None] * len(expected)]
    for one, other in zip(passed[len(ill) :], expected, strict=True):
        assert same(one.collected(), other)


def test_a_network_that_does_not_fit_on_the_device_is_left_out(images: Counted, networks: list[Backbone]) -> None:
    """The others are shown all images; where none is left, none is decoded any more."""

    class Large(nn.Identity):
        def to(self, *arguments: Any, **facts: Any) -> "Large":
            raise torch.OutOfMemoryError("CUDA out of memory")

    own = AccuracyCollector(VIEW, networks[0], RULES)
    (expected,) = whole([own], images)
    large = TransferCollector(SMALL, Large())
    passed = passing([large, own], None)
    pass_over(passed, how(images), ignored)
    assert [one.trouble for one in passed] == ["OutOfMemoryError: CUDA out of memory", None]
    assert same(passed[1].collected(), expected)
    images.reads[:] = [0] * COUNT
    pass_over(passing([large], None), how(images), ignored)
    assert sum(images.reads) == 0
    pass_over(passing([Cramped(own, 0)], None), how(images), ignored)
    assert 0 < sum(images.reads) <= 2 * BATCH


def test_short_memory_makes_smaller_batches(images: Counted, networks: list[Backbone]) -> None:
    """Numbers are those of the whole batch, up to rounding."""
    own = AccuracyCollector(VIEW, networks[1], RULES)
    (expected,) = whole([own], images)
    (seen,) = whole([Cramped(own, 2)], images)
    for name, array in expected.part.items():
        np.testing.assert_allclose(seen.part[name], array, rtol=1e-4, atol=1e-5)


def test_a_fault_that_is_no_shortness_is_not_tried_again(images: Counted, networks: list[Backbone]) -> None:
    """It is the network's trouble at once."""

    class Faulty(Cramped):
        calls = 0

        def collect(self, shown: Shown) -> Part:
            self.calls += 1
            raise RuntimeError("shapes do not match")

    one = Faulty(AccuracyCollector(VIEW, networks[0], RULES), 0)
    (passed,) = passing([one], None)
    pass_over([passed], how(images), ignored)
    assert (passed.trouble, one.calls) == ("RuntimeError: shapes do not match", 1)


GATHERED = 2_000  # bytes that processes may tell each other at most


def little_gathered(value: object) -> list[object]:
    """As :func:`benchmarks.core.distributed.gather`, of what is small."""
    assert len(pickle.dumps(value)) < GATHERED, "a process gathers what others should not hold"
    return gather(value)


def share(rank: int, size: int, folder: Path) -> None:
    """One of several processes that share a pass; none tells another what it has."""
    torch.set_num_threads(1)
    distributed.gather = little_gathered
    meeting = f"file://{folder / 'meeting'}"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
    try:
        images = counted(folder)
        pass_over(passing(asked(images, made_networks()), folder / "shelves"), how(images), ignored)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("size", [2, 3])
def test_any_number_of_processes_leaves_the_same(
    images: Counted, networks: list[Backbone], tmp_path: Path, size: int
) -> None:
    """To the bit: whole stretches are shared, whoever shows them shows the same batches."""
    expected = whole(asked(images, networks), images)
    spawn(share, (size, tmp_path), nprocs=size)
    for one, other in zip(passing(asked(images, networks), tmp_path / "shelves"), expected, strict=True):
        assert same(one.collected(), other)


def test_jobs_that_share_a_pass_show_each_image_once(images: Counted, networks: list[Backbone], tmp_path: Path) -> None:
    """In any order; only the last one sees all parts, and what it joins is the undisturbed pass to the bit."""
    expected = whole(asked(images, networks), images)
    images.reads[:] = [0] * COUNT
    for own in (2, 0, 1):
        passed = passing(asked(images, networks), tmp_path)
        pass_over(passed, replace(how(images), share=(own, 3)), ignored)
        assert [one.complete(COUNT) for one in passed] == [own == 1] * len(passed)
    assert images.reads == [1] * COUNT
    for one, other in zip(passed, expected, strict=True):
        assert same(one.collected(), other)


def test_parts_that_go_while_they_are_read_are_no_pass(
    images: Counted, networks: list[Backbone], tmp_path: Path
) -> None:
    """Two jobs end at once and both see all parts; one has made the record, and is clearing them away."""
    collectors = asked(images, networks)[:1]
    (one,) = passing(collectors, tmp_path)
    pass_over([one], how(images), ignored)
    assert one.complete(COUNT)
    next(iter((tmp_path / "0").glob("*.parquet"))).unlink()
    with pytest.raises(FileNotFoundError, match="parts of 40 images were here, and some have gone"):
        one.collected()


def test_whoever_comes_last_records_a_shared_pass(tmp_path: Path) -> None:
    """The same numbers as of one job, and its time in proportion; the other records nothing, and has not failed."""
    alone = make_session(tmp_path / "alone", weights=given(tmp_path / "good", ill=False), models=MODELS)
    session = make_session(tmp_path, weights=tmp_path / "good", models=MODELS)
    cell = ACCURACY.cell("resnet50", "val", 0, session)
    run([cell], alone, Silent())
    shares = [run([cell], replace(session, share=(own, 2)), Silent()) for own in (1, 0)]
    assert [(one.ran, one.failed) for one in shares] == [(0, {}), (1, {})]
    (record,), (expected,) = session.store.records(), alone.store.records()
    assert (record.id, record.metrics, record.outcomes) == (expected.id, expected.metrics, expected.outcomes)
    # Three of the five stretches of 50 images were its own.
    assert record.notes["shown_here"] == pytest.approx(3 / 5)
    assert "shown_here" not in expected.notes
    assert not list((session.store.folder / PARTS).iterdir())


def test_parts_of_other_inputs_are_void(tmp_path: Path) -> None:
    """A cell's shelf is empty when any input changed, and what lay there is gone; another cell's stays."""
    session = make_session(tmp_path)
    cell = ACCURACY.cell("resnet50", "val", 0, session)
    other = ACCURACY.cell("resnet50", "val", 1, session)
    for one in (cell, other):
        shelf_of(one, {"weights": "old"}, session).put(Stretch(0, 2, {"position": np.arange(2)}, []))
    assert shelf_of(cell, {"weights": "new"}, session).covered() == []
    assert shelf_of(other, {"weights": "old"}, session).covered() == [range(2)]
    assert len(list((session.store.folder / PARTS).iterdir())) == 1


def test_parts_that_became_a_record_go(tmp_path: Path) -> None:
    """A run that was killed between record and clearing leaves parts; the next pass removes them, and no others."""
    session = make_session(tmp_path, weights=given(tmp_path / "good", ill=False), models=MODELS)
    cells = [ACCURACY.cell(model, "val", 0, session) for model in MODELS]
    run(cells[:1], session, Silent())
    shelves = [shelf_of(cell, known_inputs(ACCURACY, cell, session), session) for cell in cells]
    for shelf in shelves:
        shelf.put(Stretch(0, 2, {"position": np.arange(2)}, []))
    clear_recorded(session.store)
    assert [len(shelf.covered()) for shelf in shelves] == [0, 1]


def given(folder: Path, ill: bool) -> Path:
    """A folder of weights; ill: one file with NaN and one that is no file of weights beside the two good ones."""
    folder.mkdir()
    for name, network in zip(MODELS, made_networks(), strict=True):
        torch.save(network.state_dict(), folder / f"{name}.pth")
    if ill:
        torch.manual_seed(0)
        state = create("resnet50-se", 10, "mini").state_dict()
        torch.save({name: value * torch.nan for name, value in state.items()}, folder / "resnet50-se.pth")
        (folder / "resnet50-eca.pth").write_bytes(b"no weights")
    return folder


Numbers = dict[str, dict[MetricKey, float | None]]


def evaluated(folder: Path, weights: Path, models: Sequence[str]) -> tuple[Summary, Numbers]:
    """What a run of accuracies and localizations says of itself, and its numbers by cell."""
    session = make_session(folder, weights=weights, models=tuple(models))
    cells = [kind.cell(model, "val", 0, session) for kind in (ACCURACY, LOCALIZATION) for model in models]
    summary = run(cells, session, Silent())
    assert not (session.store.folder / PARTS).exists() or not list((session.store.folder / PARTS).glob("*-resnet50-*"))
    records = session.store.records()
    numbers = {str(one.cell): {key: metric.value for key, metric in one.metrics.items()} for one in records}
    return summary, numbers


def test_a_run_records_all_but_the_ill(tmp_path: Path) -> None:
    """Cells of weights that are not finite, or are none, end with a note; the others' records equal a clean run's."""
    _, clean = evaluated(tmp_path / "clean", given(tmp_path / "good", ill=False), MODELS)
    models = ("resnet50-se", "resnet50-eca", *MODELS)
    summary, numbers = evaluated(tmp_path / "ill", given(tmp_path / "bad", ill=True), models)
    assert numbers == clean
    assert summary.ran == len(clean) == 4
    assert len(summary.failed) == 4
    reasons = {name.split()[1]: reason for name, reason in summary.failed.items()}
    assert reasons["resnet50-se"].startswith("NetworkTrouble: the network gives numbers that are not finite")
    assert "resnet50-eca.pth" in reasons["resnet50-eca"]


# ---------------------------------------------------------------- one network's trouble


HUNDRED = 100
SOUND = ("resnet50", "resnet50-eca", "resnet50-cbam", "resnet50-td-joint-t2-m1", "resnet50-td-top-t2-m1")
NOT_FINITE, GREEDY = "resnet50-se", "resnet50-fca"


def weights_of_seven(folder: Path) -> Path:
    """Random weights, of one network NaN."""
    folder.mkdir()
    for name in (*SOUND, NOT_FINITE, GREEDY):
        torch.manual_seed(0)
        state = create(name, 10, "mini").state_dict()
        spoiled = {key: value * torch.nan for key, value in state.items()} if name == NOT_FINITE else state
        torch.save(spoiled, folder / f"{name}.pth")
    return folder


def greedy(network: Backbone) -> None:
    """Let a network ask for more memory than there is, once it is shown an image."""
    first = next(one for one in network.modules() if isinstance(one, nn.Conv2d))
    first.register_forward_pre_hook(lambda *_: torch.empty(MORE_THAN_THERE_IS, dtype=torch.uint8) and None)


def numbers_of(folder: Path, images: Counted, weights: Path, models: Sequence[str]) -> tuple[Summary, Numbers]:
    """What a run of accuracies and localizations on given images says of itself, and its numbers by cell."""
    session = make_session(folder, weights=weights, models=tuple(models))
    session = replace(session, opened={"val": images})
    cells = [kind.cell(model, "val", 0, session) for kind in (ACCURACY, LOCALIZATION) for model in models]
    summary = run(cells, session, Silent())
    records = session.store.records()
    return summary, {str(one.cell): {key: metric.value for key, metric in one.metrics.items()} for one in records}


def test_two_of_seven_are_ill_and_an_image_in_a_hundred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN weights, and memory that the allocator does not have: the other five have a clean run's records."""
    weights, images = weights_of_seven(tmp_path / "weights"), counted(tmp_path, HUNDRED)
    _, clean = numbers_of(tmp_path / "clean", images, weights, SOUND)

    def loaded(cell: Cell, session: Session) -> nn.Module:
        network = loaded_network(cell, session)
        if cell.model == GREEDY:
            greedy(network)
        return network

    monkeypatch.setattr("benchmarks.work.evaluation.loaded_network", loaded)
    seven = [SOUND[0], NOT_FINITE, *SOUND[1:3], GREEDY, *SOUND[3:]]
    summary, numbers = numbers_of(tmp_path / "ill", images, weights, seven)
    assert numbers == clean
    assert summary.ran == len(clean) == 2 * len(SOUND)
    reasons = {(name.split()[0], name.split()[1]): reason for name, reason in summary.failed.items()}
    assert set(reasons) == {(kind, model) for kind in ("accuracy", "localization") for model in (NOT_FINITE, GREEDY)}
    for (_, model), reason in reasons.items():
        assert ("not finite" if model == NOT_FINITE else "out of memory with a single image") in reason
