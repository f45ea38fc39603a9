"""The benches of the suite's own code run on something tiny and print their ratios. Never how fast anything is."""

import re
from pathlib import Path

import pytest
import torch

from benchmarks.measure.efficiency import measure
from benchmarks.networks.models import create
from benchmarks.papers.tdam.recipes import PROFILES
from benchmarks.suite import boxes, loading, passes, speed, sweep
from benchmarks.suite.speed import KEEP_MEMORY
from benchmarks.suite.sweep import Stopwatch
from benchmarks.work.collectors import accuracy
from benchmarks.work.passes import View, run_steps

NETWORKS = ("resnet18", "resnet18-td-joint-t2-m1")
NUMBER = r"(\d+\.\d+)"
ROUND = re.compile(rf"whole {NUMBER} s, forward passes {NUMBER} s: {NUMBER}")
SUM = re.compile(rf"2 models x 2 resolutions x 20 images, 2 rounds: whole / forward passes = {NUMBER}")
LOADING = re.compile(
    rf"(training|evaluation, views: [12]): {NUMBER} \({NUMBER} to {NUMBER}\) times as fast as ImageFolder"
)
PASS = re.compile(
    r"(?P<what>  |\w+, \S+, 4 images, 2 rounds: )whole (?P<whole>[\d.]+) s, forward passes (?P<network>[\d.]+) s: "
    r"own cost (?P<own>[\d.]+) of them(?:, boxes and thresholds (?P<boxes>[\d.]+))?"
)
SPEED = rf"{NUMBER} \({NUMBER} to {NUMBER}\)"


@pytest.fixture
def sweep_arguments(tmp_path: Path) -> list[str]:
    """A sweep of two networks with random weights at two resolutions."""
    profile = PROFILES["smoke"]
    (tmp_path / "weights").mkdir()
    for name in NETWORKS:
        network = create(name, profile.num_classes, profile.size)
        torch.save(network.state_dict(), tmp_path / "weights" / f"{name}.pth")
    folders = [f"--{name}={tmp_path / name}" for name in ("weights", "results", "cache")]
    swept = ["--networks", *NETWORKS, "--resolutions", "32", "37"]
    return [*swept, "--profile", "smoke", "--rounds", "2", "--images", "20", *folders]


def test_sweep_prints_a_ratio(sweep_arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    sweep.main(sweep_arguments)
    *rounds, last = capsys.readouterr().out.splitlines()
    seen = [ROUND.fullmatch(line) for line in rounds]
    assert len(seen) == 2
    for match in seen:
        assert match is not None
        whole, forward, ratio = map(float, match.groups())
        assert 0 < forward < whole
        assert ratio > 1
    total = SUM.fullmatch(last)
    assert total is not None
    assert float(total[1]) > 1
    assert vars(accuracy)["run_steps"] is run_steps


def test_sweep_shows_every_network_every_resolution(
    sweep_arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """25 images warm up, then 20 in each round; each network runs once on each view of them."""
    seen: list[tuple[int, int, int]] = []

    def watched(network: object, inputs: torch.Tensor) -> object:
        seen.append((network.steps, *inputs.shape[::3]))  # type: ignore[attr-defined]
        return run_steps(network, inputs)

    monkeypatch.setattr(sweep, "run_steps", watched)
    sweep.main(sweep_arguments)
    at_once = [(steps, side) for side in (32, 37) for steps in (1, 2)]
    assert seen == [(steps, images, side) for images in (25, 20, 20) for steps, side in at_once]


def test_passes_print_what_is_above_the_networks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accuracy and localization of each network; boxes and thresholds are a part of the latter's own cost."""
    monkeypatch.setattr("benchmarks.suite.passes.cv2.setNumThreads", lambda count: None)
    tiny = ["--images", "4", "--width", "60", "--height", "45", "--batch", "2", "--rounds", "2"]
    passes.main(["--networks", *NETWORKS, *tiny])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    for place, (name, kind) in enumerate((name, kind) for name in NETWORKS for kind in ("accuracy", "localization")):
        *rounds, total = [PASS.fullmatch(line) for line in lines[3 * place : 3 * place + 3]]
        assert total is not None
        assert total["what"] == f"{kind}, {name}, 4 images, 2 rounds: "
        for match in (*rounds, total):
            assert match is not None
            whole, network, own = (float(match[name]) for name in ("whole", "network", "own"))
            assert 0 < network < whole
            assert own == pytest.approx(whole / network - 1, abs=0.02)
            assert (match["boxes"] is not None) is (kind == "localization")
            assert match["boxes"] is None or 0 < float(match["boxes"]) < own


def test_passes_refuse_a_profile_without_files() -> None:
    with pytest.raises(SystemExit) as ended:
        passes.main(["--networks", "resnet18", "--profile", "mini"])
    assert ended.value.code == "Error: no profile 'mini' with images on disk; choose of full"


def test_stopwatch_sums_what_it_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a call that fails; arguments and what is returned go through."""
    clock = iter([1.0, 3.0, 10.0, 10.5])
    monkeypatch.setattr("benchmarks.suite.sweep.time.perf_counter", lambda: next(clock))
    watch = Stopwatch()
    divided = watch.wrap(lambda a, b: a / b)
    assert divided(6, b=3) == 2
    with pytest.raises(ZeroDivisionError):
        divided(1, 0)
    assert watch.seconds == 2.5


def test_speed_prints_ratios_to_the_first_network(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured in this process, which saves seconds; the process of its own has tests in ``test_efficiency``."""
    monkeypatch.setattr(speed, "run_in_own_process", measure)
    for name in KEEP_MEMORY:
        monkeypatch.setenv(name, "")  # put back afterwards, for the bench sets it
    speed.main(
        ["--networks", *NETWORKS, "--resolution", "32", "--inference-batch", "1", "--training-batch", "2", "--rounds=1"]
    )
    first, _, said, header, _, *rows = capsys.readouterr().out.splitlines()
    assert first.endswith("float32, channels_last, 32 x 32, batch 1 in inference and 2 in training, 1 rounds")
    assert said == "eager, over the plain network:"
    columns = ["FLOPs [G]", "training speed", "training memory", "inference speed", "inference memory"]
    assert cells_of(header) == ["network", *columns]
    table = {name: values for name, *values in map(cells_of, rows)}
    assert list(table) == [*NETWORKS, "resnet18~twin"]
    assert table["resnet18"][1:] == ["1.000 (1.000 to 1.000)", "1.000"] * 2
    for flops, *ratios in table.values():
        assert float(flops) > 0
        for ratio, memory in zip(ratios[::2], ratios[1::2], strict=True):
            assert re.fullmatch(SPEED, ratio)
            assert float(memory) > 0
    assert table["resnet18~twin"][0] == table["resnet18"][0] < table[NETWORKS[1]][0]


def cells_of(line: str) -> list[str]:
    """Cells of a row of a Markdown table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_maps_prints_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pytorch_grad_cam", reason="the package that is compared with is not installed")
    from benchmarks.suite import maps

    maps.main(["--model", "resnet18", "--rounds", "2", "--batch", "1", "--resolution", "32"])
    lines = capsys.readouterr().out.splitlines()
    expected = [
        pattern
        for best in (1, 5)
        for pattern in (
            rf"top-{best} grad-cam {NUMBER} {NUMBER} s",
            rf"top-{best} ours     {NUMBER} {NUMBER} s",
            rf"top-{best} grad-cam / ours: {NUMBER} \({NUMBER} to {NUMBER}\)",
        )
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "tiny"], "unknown profile 'tiny'; choose one of mini"),
        (["--paper", "vit"], "unknown paper 'vit'"),
        (["--networks", "resnet18-sse"], "unknown model 'resnet18-sse' .did you mean resnet18-se"),
        (["--networks", "resnet18-se"], "no weights of resnet18-se; run `tdam-bench train resnet18-se --profile smoke"),
    ],
)
def test_errors_are_one_line(sweep_arguments: list[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message) as exit_:
        sweep.main([*sweep_arguments, *arguments])
    assert "\n" not in str(exit_.value)


def test_counts_are_at_least_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        speed.main(["--networks", "resnet18", "--rounds", "0"])
    assert "argument --rounds: got '0'; give a whole number of at least 1" in capsys.readouterr().err


def test_boxes_prints_times_and_ratios(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways come to the same hits, or it says so in a line."""
    monkeypatch.setattr(boxes, "SHAPES", ((4, 32),))
    boxes.main(["--maps", "2", "--rounds", "2"])
    literal, one_sweep, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"4 x 4 maps at 32 by threshold {NUMBER} {NUMBER} ms a map", literal)
    assert re.fullmatch(rf"4 x 4 maps at 32 one sweep    {NUMBER} {NUMBER} ms a map", one_sweep)
    assert re.fullmatch(rf"4 x 4 maps at 32: {NUMBER} \({NUMBER} to {NUMBER}\) times faster", last)
    monkeypatch.setattr(boxes, "OVERLAP", 2.0)
    with pytest.raises(SystemExit, match="the sweep and the literal evaluation disagree"):
        boxes.main(["--maps", "4", "--rounds", "1"])


def test_loading_is_compared_with_imagefolder(capsys: pytest.CaptureFixture[str]) -> None:
    """Training, one view and both views; scaled decoding where a view is small enough for it, and only there."""
    loading.main(["--images", "4", "--rounds", "2", "--width", "60", "--height", "45", "--batch", "2",
                  "--resolutions", "32", "16"])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("4 JPEGs of 60 x 45, ")
    matches = [match for line in lines if (match := LOADING.fullmatch(line))]
    assert [match[1] for match in matches] == ["training", "evaluation, views: 1", "evaluation, views: 2"]
    assert sum(line.endswith("images/s on one core") for line in lines) == 6
    whole, halved = lines[-2:]
    assert whole.startswith("scaled decoding, side 36: (60, 45) becomes (60, 45), ")
    assert whole.endswith("; 0.0% of the values differ, by 0 levels at most")
    assert halved.startswith("scaled decoding, side 18: (60, 45) becomes (30, 23), ")
    assert not halved.endswith("by 0 levels at most")


def test_both_ways_of_loading_show_the_same_images(tmp_path: Path) -> None:
    """In one order, at one size; resizes differ by two levels at most, augmentation not at all."""
    images = loading.draw_tree(tmp_path, 6, (60, 45))
    recipe = PROFILES["full"].recipe
    assert recipe is not None
    own, folder = loading.evaluation_loaders(images, [View(32, 0.875)], 6).values()
    (batch,), ((pixels, _),) = list(own()), list(folder())
    # ImageFolder goes by class.
    order = sorted(range(6), key=lambda at: images.ids[at])
    assert (batch.views[0][order].int() - pixels.int()).abs().max() <= 2
    shown = []
    for load in loading.training_loaders(images, recipe, 1).values():
        torch.manual_seed(0)
        shown.append(next(iter(load()))[0])
    assert torch.equal(*shown)
