"""What feedback costs, literal and reduced: speed and memory over the plain ResNet50's, in one interleaved run.

    make bench-speed
    make bench-speed ARGS="--networks resnet50-td-joint-t2-m1 resnet50-td-joint-t2-m1-reduced --rounds 40"
    make bench-speed ARGS="--device cuda --dtype bfloat16 --inference-batch 256 --training-batch 256 --compiled"

Networks take turns in every round. Speeds are medians over rounds of the ratio within a round, with the 95 % interval
of the median; the plain network measured a second time shows what is noise. Memory is the peak of one step. On Linux
the measuring process keeps the memory that it was once given (see ``KEEP_MEMORY``).
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.core.progress import Bar
from benchmarks.measure.cost import count_flops
from benchmarks.measure.efficiency import MODES, Efficiency, Settings, device_name, run_in_own_process, schedule
from benchmarks.metrics.statistics import median_interval
from benchmarks.networks.models import create
from benchmarks.networks.names import REDUCED, TWIN
from benchmarks.report.tables import FORMATS

PLAIN = "resnet50"
FEEDFORWARD = tuple(f"{PLAIN}-{name}" for name in ("se", "cbam", "eca", "fca"))
FEEDBACK = tuple(f"{PLAIN}-td-{name}" for name in ("joint-t2-m1", "top-t2-m1", "top-t2-m3"))
NAMES = (PLAIN, *FEEDFORWARD, *(name for td in FEEDBACK for name in (td, f"{td}{REDUCED}")), f"{PLAIN}{TWIN}")

# Settings of glibc's allocator, read when a process starts. Without them it returns much of a step's memory and asks
# for it again in the next, by page faults whose time is noise above what is compared.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_MMAP_MAX_": "0"}


def main() -> None:
    """Measure both modes, eager and if wanted compiled, and print a table for each form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NAMES[1:-1], default=NAMES[1:-1], metavar="NAME",
                        help=f"beside {PLAIN}; any of %(choices)s; all if not given")  # fmt: skip
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--inference-batch", type=int, default=8)
    parser.add_argument("--training-batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--compiled", action="store_true", help="after the eager networks, compiled ones too")
    chosen = parser.parse_args()
    os.environ.update(KEEP_MEMORY)
    batches = {"training": chosen.training_batch, "inference": chosen.inference_batch}
    common = Settings("inference", chosen.device, chosen.dtype, channels_last=True, resolution=224,
                      rounds=chosen.rounds, warmup=1)  # fmt: skip
    print(f"{device_name(chosen.device)}, {chosen.dtype}, channels_last, 224 x 224, batch {batches['inference']} in "
          f"inference and {batches['training']} in training, {chosen.rounds} rounds")  # fmt: skip
    names = tuple(dict.fromkeys((PLAIN, *chosen.networks, f"{PLAIN}{TWIN}")))
    flops = {name: count_flops(create(name.removesuffix(TWIN))).total for name in names}
    for compiled in (False, True) if chosen.compiled else (False,):
        settings = replace(common, compile=compiled)
        measured = {mode: measured_in(names, replace(settings, mode=mode, batch=batches[mode])) for mode in MODES}
        print(f"\n{'compiled' if compiled else 'eager'}, over the plain network:\n{table(measured, flops)}", flush=True)


def measured_in(names: Sequence[str], settings: Settings) -> Mapping[str, Efficiency]:
    """Networks in one mode."""
    with Bar(sys.stderr) as bar:
        bar.start(settings.mode, len(schedule(names, settings)), "turns")
        return run_in_own_process(names, settings, lambda done, total: bar.advance(int(done > 0)))


def table(measured: Mapping[str, Mapping[str, Efficiency]], flops: Mapping[str, float]) -> str:
    """A row for each network: FLOPs, speeds with their intervals, memory."""
    rows = []
    for name in flops:
        row: dict[str, object] = {"network": name, "FLOPs [G]": f"{flops[name] / 1e9:.3f}"}
        for mode, found in measured.items():
            row[f"{mode} speed"] = speed(found[name], found[PLAIN])
            row[f"{mode} memory"] = memory(found[name], found[PLAIN])
        rows.append(row)
    return FORMATS["md"](rows)


def speed(one: Efficiency, plain: Efficiency) -> str:
    """Speed over the plain network's, with its interval; or why there is none."""
    if not one.seconds or not plain.seconds:
        return one.status if not one.seconds else plain.status
    ratio, low, high = median_interval(ratios(one.seconds, plain.seconds))
    return f"{ratio:.3f} ({low:.3f} to {high:.3f})"


def ratios(seconds: Sequence[float], plain: Sequence[float]) -> list[float]:
    """Of each round."""
    return [theirs / mine for mine, theirs in zip(seconds, plain, strict=True)]


def memory(one: Efficiency, plain: Efficiency) -> str:
    """Peak memory over the plain network's; or why it is not known."""
    if one.peak_bytes is None or plain.peak_bytes is None:
        return one.status if one.peak_bytes is None else plain.status
    return f"{one.peak_bytes / plain.peak_bytes:.3f}"


if __name__ == "__main__":
    main()
