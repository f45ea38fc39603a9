"""Speed and memory of networks over a plain one's, in one interleaved run.

    make bench-speed
    make bench-speed ARGS="--networks PLAIN NAME NAME --rounds 40"
    make bench-speed ARGS="--device cuda --dtype bfloat16 --inference-batch 256 --training-batch 256 --compiled"

Networks take turns in every round. Speeds are medians over rounds of the ratio within a round, with the 95 % interval
of the median; the plain network, the first that is named, measured a second time shows what is noise. Memory is the
peak of one step. On Linux the measuring process keeps the memory that it was once given (see ``KEEP_MEMORY``).
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.core.progress import Bar
from benchmarks.measure.cost import count_flops
from benchmarks.measure.device import device_name
from benchmarks.measure.efficiency import MODES, Efficiency, Settings, run_in_own_process, schedule
from benchmarks.metrics.statistics import median_interval
from benchmarks.networks.models import create
from benchmarks.networks.names import TWIN
from benchmarks.report.tables import FORMATS
from benchmarks.suite.arguments import count, plain_errors

# Settings of glibc's allocator, read when a process starts. Without them it returns much of a step's memory and asks
# for it again in the next, by page faults whose time is noise above what is compared.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_MMAP_MAX_": "0"}


@plain_errors()
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both modes, eager and if wanted compiled, and print a table for each form."""
    chosen = parsed(arguments)
    os.environ.update(KEEP_MEMORY)
    batches = {"training": chosen.training_batch, "inference": chosen.inference_batch}
    common = Settings("inference", chosen.device, chosen.dtype, channels_last=True, resolution=chosen.resolution,
                      rounds=chosen.rounds, warmup=1)  # fmt: skip
    print(f"{device_name(chosen.device)}, {chosen.dtype}, channels_last, {chosen.resolution} x {chosen.resolution}, "
          f"batch {chosen.inference_batch} in inference and {chosen.training_batch} in training, "
          f"{chosen.rounds} rounds")  # fmt: skip
    names = tuple(dict.fromkeys((*chosen.networks, f"{chosen.networks[0]}{TWIN}")))
    flops = {name: count_flops(create(name.removesuffix(TWIN)), resolution=chosen.resolution).total for name in names}
    for compiled in (False, True) if chosen.compiled else (False,):
        settings = replace(common, compile=compiled)
        measured = {mode: measured_in(names, replace(settings, mode=mode, batch=batches[mode])) for mode in MODES}
        print(f"\n{'compiled' if compiled else 'eager'}, over the plain network:\n{table(measured, flops)}", flush=True)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", required=True, metavar="NAME", help="the plain one first")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--resolution", type=count, default=224)
    parser.add_argument("--inference-batch", type=count, default=8)
    parser.add_argument("--training-batch", type=count, default=32)
    parser.add_argument("--rounds", type=count, default=15)
    parser.add_argument("--compiled", action="store_true", help="after the eager networks, compiled ones too")
    return parser.parse_args(arguments)


def measured_in(names: Sequence[str], settings: Settings) -> Mapping[str, Efficiency]:
    """Networks in one mode."""
    with Bar(sys.stderr) as bar:
        bar.start(settings.mode, len(schedule(names, settings)), "turns")
        return run_in_own_process(names, settings, lambda done, total: bar.advance(int(done > 0)))


def table(measured: Mapping[str, Mapping[str, Efficiency]], flops: Mapping[str, float]) -> str:
    """A row for each network, the plain one first: FLOPs, speeds with their intervals, memory."""
    plain, rows = next(iter(flops)), []
    for name in flops:
        row: dict[str, object] = {"network": name, "FLOPs [G]": f"{flops[name] / 1e9:.3f}"}
        for mode, results in measured.items():
            row[f"{mode} speed"] = speed(results[name], results[plain])
            row[f"{mode} memory"] = memory(results[name], results[plain])
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
