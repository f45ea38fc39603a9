"""So that torchrun can start the command line: ``torchrun --nproc-per-node 2 -m benchmarks run ...``."""

from benchmarks.cli import main

if __name__ == "__main__":
    main(prog_name="tdam-bench")
