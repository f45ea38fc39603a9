"""What an epoch shows, kept while a run trains: networks of one recipe and seed are shown the same, so it is made once.

What augmentation makes follows from the images and from the state of the random numbers. That state is kept beside
each batch, and a batch is shown again only where it is the same to the bit: a network that draws numbers of its own
makes its batches itself from where they part from the others', and an epoch that is resumed is made anew.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from benchmarks.core.files import short_hash, write_atomically
from benchmarks.work.session import ROOM

Batch = tuple[Tensor, Tensor]
# What a file that is gone, damaged or cannot be written raises; of a full disk safetensors tells in its own way.
TROUBLES = (OSError, RuntimeError, SafetensorError)


class Repeats:
    """A folder of epochs, a file each.

    Args:
        folder: Made on first write; whoever names it removes it.
        shown: What tells one training's images from another's, but for the epoch: data, recipe, seed.
        room: Bytes that all epochs of the folder may take; the oldest go first.
    """

    def __init__(self, folder: Path, shown: Mapping[str, object], room: float = ROOM) -> None:
        self.folder, self.shown, self.room = folder, shown, room

    def epoch(self, number: int, live: Callable[[], Iterator[Batch]], steps: int) -> Iterator[Batch]:
        """The batches of an epoch from its first, shown again as far as they are kept, else made, and then kept.

        Args:
            number: From 0.
            live: Makes the batches that are not done yet; called anew where kept ones end.
            steps: Batches of the epoch.
        """
        path = self.folder / f"{short_hash({**self.shown, 'epoch': number})}.safetensors"
        made = live()  # draws a number, as it would where nothing is kept
        done = 0
        for batch in kept(path):
            yield batch
            done += 1
        if done == 0:
            yield from self.keeping(path, made)
        elif done < steps:
            state = torch.get_rng_state()
            made = live()
            torch.set_rng_state(state)
            yield from made

    def keeping(self, path: Path, made: Iterator[Batch]) -> Iterator[Batch]:
        """Batches as they are made; when all were, they are written. A disk without room for them is no trouble."""
        befores, afters, shown = [], [], []
        while True:
            before = torch.get_rng_state()
            batch = next(made, None)
            if batch is None:
                break
            befores.append(before)
            afters.append(torch.get_rng_state())
            shown.append(batch)
            yield batch
        if path.is_file():
            return
        with contextlib.suppress(*TROUBLES):
            write_atomically(path, lambda temporary: write(temporary, befores, afters, shown))
        self.make_room()

    def make_room(self) -> None:
        """Remove the oldest epochs where all together take too much; other trainings may do so at the same time."""
        sized = []
        for file in self.folder.glob("[!.]*.safetensors"):
            with contextlib.suppress(OSError):
                sized.append((file.stat().st_mtime_ns, file.stat().st_size, file))
        taken = 0
        for _, size, file in sorted(sized, reverse=True):
            taken += size
            if taken > self.room:
                with contextlib.suppress(OSError):
                    file.unlink()


def write(path: Path, befores: list[Tensor], afters: list[Tensor], shown: list[Batch]) -> None:
    """Write the batches of an epoch as one, and the states of the random numbers before and after each."""
    tensors = {
        "before": torch.stack(befores),
        "after": torch.stack(afters),
        "ends": torch.tensor([len(images) for images, _ in shown]).cumsum(0),
        "images": torch.cat([images for images, _ in shown]),
        "targets": torch.cat([targets for _, targets in shown]),
    }
    safetensors.torch.save_file(tensors, path)


def kept(path: Path) -> Iterator[Batch]:
    """The batches of a file, as long as random numbers stand as they stood then; none where it cannot be read."""
    try:
        epoch = safetensors.torch.load_file(path)
    except TROUBLES:
        return
    begin = 0
    for before, after, end in zip(epoch["before"], epoch["after"], epoch["ends"].tolist(), strict=True):
        if not torch.equal(torch.get_rng_state(), before):
            return
        torch.set_rng_state(after.clone())  # torch reads a row of a larger tensor from its beginning
        yield epoch["images"][begin:end], epoch["targets"][begin:end]
        begin = end
