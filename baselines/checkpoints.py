"""Reading weights: files and mappings in, a network with exactly those weights out, or one clear error."""

import argparse
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
import torchvision
from torch import Tensor, nn

from baselines.backbone import Backbone

Network = TypeVar("Network", bound=Backbone)
Checkpoint = str | Path | Mapping[str, object]

SHOWN_KEYS = 3
NOTHING_FITS = "no network of this package that its keys tell"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, is refused, or belongs to another network."""


def read_checkpoint(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Tensors of a checkpoint by key.

    Args:
        checkpoint: Path of a safetensors file or of a file written by ``torch.save``, or a mapping; with or without
            an entry ``state_dict`` or ``model`` around the tensors, keys with or without the prefixes that
            DataParallel and ``torch.compile`` leave.

    Raises:
        CheckpointError: The file is not a checkpoint, is cut short, holds objects beyond tensors, or has no tensor.
    """
    content = read_file(Path(checkpoint)) if isinstance(checkpoint, str | Path) else checkpoint
    name = str(checkpoint) if isinstance(checkpoint, str | Path) else "the mapping"
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{name} holds a {type(content).__name__}, not a mapping from names to tensors")
    state = {PREFIXES.sub("", str(key)): value for key, value in content.items()}
    if len(state) < len(content):
        raise CheckpointError(f"{name} holds the same key with and without a prefix such as 'module.'")
    strays = [key for key, value in state.items() if not is_plain(value)]
    if strays or not state:
        what = f"{strays[0]!r} is {kind_of_value(state[strays[0]])}" if strays else "it is empty"
        raise CheckpointError(f"{name} is not a state dict ({what}); pass one that maps names to dense real tensors")
    return state


WRAPPERS = ("state_dict", "model")
PREFIXES = re.compile(r"^(module\.|_orig_mod\.)+")


def is_plain(value: object) -> bool:
    """Whether a value is a dense tensor of real numbers with its data at hand."""
    if not isinstance(value, Tensor) or value.is_complex() or value.dtype == torch.bool:
        return False
    return value.layout == torch.strided and not value.is_meta


def kind_of_value(value: object) -> str:
    """What a value is, for an error."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"a {'meta ' if value.is_meta else ''}tensor of {value.dtype} in layout {value.layout}"


def read_file(path: Path) -> object:
    """Content of a checkpoint file, without running any code that it may hold; see :func:`read_checkpoint`."""
    if not path.is_file():
        raise CheckpointError(f"{path} is a folder, not a checkpoint" if path.is_dir() else f"no checkpoint at {path}")
    if path.suffix.lower() == ".safetensors":
        return read_safetensors(path)
    # Training scripts store their options beside the weights; a Namespace holds values and runs nothing.
    torch.serialization.add_safe_globals([argparse.Namespace])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make the reader fail in any way
        found = (
            re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        )
        if found is None:
            raise CheckpointError(f"{path} is not a checkpoint that torch.save wrote, or it is cut short") from error
        raise CheckpointError(
            f"{path} holds {found.group(1)}, which could run code when it is read; refused. "
            "Only tensors and plain values are read: save the model's state_dict() instead"
        ) from error


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; the package is needed for such files only."""
    try:
        import safetensors
        import safetensors.torch
    except ImportError as error:
        raise CheckpointError(f"reading {path} needs the package safetensors: pip install safetensors") from error
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file, or it is cut short ({error})") from error


def write_checkpoint(path: Path, state: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """Write tensors as a safetensors file with facts about them, or, as ``.pth``, in the form of released checkpoints.

    Args:
        path: New file. One ending in ``.safetensors`` holds the keys as they are; any other is written by
            ``torch.save``, with ``module.`` before each key and all in ``state_dict``, as training scripts leave them.
        state: Tensors by key.
        facts: What the file says of itself; of no use to other files than safetensors.

    Raises:
        CheckpointError: safetensors is not installed.
    """
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    if path.suffix.lower() != ".safetensors":
        torch.save({"state_dict": {f"module.{key}": value for key, value in tensors.items()}}, path)
        return
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise CheckpointError(f"writing {path} needs the package safetensors: pip install safetensors") from error
    save_file(tensors, path, metadata=dict(facts))


def same_values(theirs: tuple[int, ...], ours: tuple[int, ...]) -> bool:
    """Whether two shapes differ by axes of length 1 only: a 1x1 convolution's weight is a linear layer's."""
    return [n for n in theirs if n != 1] == [n for n in ours if n != 1]


def load_renamed(
    model: nn.Module,
    state: Mapping[str, Tensor],
    rename: Callable[[str], str],
    describe: Callable[[], str],
) -> None:
    """Load a state dict that another code base wrote, one key for each of the model's.

    Args:
        model: Network whose parameters and buffers are overwritten. It is untouched if an error is raised.
        state: Their tensors by their keys.
        rename: Our key to theirs.
        describe: Tells the configuration that the state dict would fit, for the error.

    Raises:
        CheckpointError: Keys are missing, left over or of another shape.
    """
    ours = model.state_dict()
    names = {rename(key): key for key in ours}
    missing = [name for name in names if name not in state and not name.endswith("num_batches_tracked")]
    left_over = [name for name in state if name not in names]
    shapes = [
        f"{name} is {tuple(state[name].shape)} there, {tuple(ours[key].shape)} here"
        for name, key in names.items()
        if name in state and not same_values(tuple(state[name].shape), tuple(ours[key].shape))
    ]
    if missing or left_over or shapes:
        parts = [
            listing(f"{len(keys)} keys {what}", keys)
            for what, keys in (("missing", missing), ("left over", left_over), ("of another shape", shapes))
            if keys
        ]
        try:
            fits = describe()
        except (KeyError, IndexError, TypeError, ValueError, StopIteration):
            fits = NOTHING_FITS  # keys that only look like a known layout
        raise CheckpointError(f"the checkpoint does not fit this network: {'; '.join(parts)}. It would fit {fits}")
    model.load_state_dict(
        {key: state[name].reshape(ours[key].shape) if name in state else ours[key] for name, key in names.items()}
    )


def listing(title: str, items: list[str]) -> str:
    """``title (first, second, third, ...)``."""
    return f"{title} ({', '.join(items[:SHOWN_KEYS])}{', ...' if len(items) > SHOWN_KEYS else ''})"


def torchvision_weights(network: Network, architecture: str, weights: str | None) -> Network:
    """Load torchvision's own weights into a plain network; None leaves it as it is.

    Args:
        network: Plain network whose state-dict keys are torchvision's.
        architecture: torchvision's name of the network.
        weights: Name of the weights, such as ``IMAGENET1K_V1`` or ``DEFAULT``. Downloaded on first use.

    Raises:
        ValueError: torchvision has no weights of that name for the network.
        CheckpointError: The network is not the plain one.
    """
    if weights is None:
        return network
    known = torchvision.models.get_model_weights(architecture)
    if weights not in known.__members__:
        raise ValueError(f"no weights {weights!r} for {architecture}; torchvision has {', '.join(known.__members__)}")
    state = known[weights].get_state_dict(progress=True, check_hash=True)
    load_renamed(network, state, lambda key: key, lambda: f"torchvision's own {architecture}")
    return network
