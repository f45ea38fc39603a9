"""Run the commands of README and docs, those of each page one after the other, in a copy of the repository.

    make docs-test                                 # with profile smoke in mini's place
    make docs-test ARGS="--as-written --long"      # as they stand, and those that take an hour too
    make docs-test ARGS="--only table1"

``tests/test_docs.py`` parses every command; here they are run. Prints one line for each: how long it took, or why it is
not run here (data, a GPU or a cluster that the reader has). Exit code 1 if one fails.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.pages import PAGES, ROOT, Command, blocks, commands

LIMIT = 4 * 3600  # seconds
# What takes longer than all others together, or measures for days.
LONG = ("make test", "make check", "make fault-test", "make gate-networks", "make reference")
ELSEWHERE = {"cuda": "it needs a GPU", "slurm": "it needs a cluster", "pip": "it installs", "fish": "it is for fish",
             "zsh": "it is for zsh", "status": "it needs jobs", "cancel": "it needs jobs",
             "for": "it is about the reader's files"}  # fmt: skip
PROFILES = "--profile", "--results", "--paper"


def copy_to(folder: Path) -> None:
    """The repository as git carries it, with the same environment and the README's file."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # A marker of its own, newer than all, so that nothing is installed anew for the copy.
    (folder / ".venv").mkdir()
    for path in (ROOT / ".venv").iterdir():
        if path.name != ".ready":
            (folder / ".venv" / path.name).symlink_to(path)
    (folder / ".venv" / ".ready").touch()
    (own,) = blocks(ROOT / "README.md", "python")
    (folder / "gate.py").write_text(own)


def why_not(command: Command, long: bool) -> str:
    """Why a command is not run here; empty if it is."""
    if command.readers:
        return f"the reader has {', '.join(command.readers)}"
    words = {part for word in command.words for part in word.replace("=", " ").replace("_source", " ").split()}
    reasons = [reason for word, reason in ELSEWHERE.items() if word in words]
    takes_long = " ".join(command.words[:2]) in LONG and "ARGS=--plan" not in command.words
    if takes_long and not long:
        reasons.append("it takes long: --long")
    return reasons[0] if reasons else ""


def shell_line(command: Command, as_written: bool) -> str:
    """What the shell is given: of a run that would train on ``mini`` the same on ``smoke``."""
    words = command.words
    trains = words[:2] in (["tdam-bench", "run"], ["tdam-bench", "plan"]) and not set(PROFILES) & set(words)
    return command.text if as_written or not trains else f"{command.text} --profile smoke"


def run(command: Command, folder: Path, as_written: bool) -> tuple[int, float, str]:
    """Run a command in the copy; returns its exit code, its seconds and the end of what it printed."""
    begun = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(folder), "PATH": f"{folder}/.venv/bin:{os.environ['PATH']}"}
    if not as_written:
        environment["PROFILE"] = "smoke"
    line = ["bash", "-c", shell_line(command, as_written)]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT)
    return done.returncode, time.monotonic() - begun, (done.stdout + done.stderr)[-2000:]


def main() -> None:
    """Run them all, each once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="commands that hold this text")
    parser.add_argument("--as-written", action="store_true", help="on the profiles that the pages name")
    parser.add_argument("--long", action="store_true", help="also what takes an hour or more")
    chosen = parser.parse_args()
    failed, ran = 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_to(folder)
        every = {one.text: one for page in PAGES for one in commands(page) if chosen.only in one.text}
        for command in every.values():
            reason = why_not(command, chosen.long)
            if reason:
                print(f"not run   {command}  ({reason})", flush=True)
                continue
            code, seconds, said = run(command, folder, chosen.as_written)
            ran += 1
            failed += code != 0
            print(f"{'failed' if code else 'ran':<9} {command}  ({seconds:.0f} s)", flush=True)
            if code:
                print(said, file=sys.stderr, flush=True)
    print(f"{ran} commands run, {failed} failed")
    sys.exit(1 if failed or not ran else 0)


if __name__ == "__main__":
    main()
