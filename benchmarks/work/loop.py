"""Training a network by a recipe: one process or several under torchrun, resumable from its last epoch."""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import BatchSampler, DataLoader, Dataset, DistributedSampler, Sampler, get_worker_info
from torchvision.transforms import v2

from baselines.backbone import Backbone
from benchmarks.core import distributed
from benchmarks.core.files import file_hash, write_atomically
from benchmarks.core.processes import Deferred, leave_endings
from benchmarks.data.boxes import resized_side
from benchmarks.data.images import IMAGENET_MEAN, IMAGENET_STD, ImageSet, Target
from benchmarks.measure.device import MPS
from benchmarks.measure.stopwatch import Stopwatch
from benchmarks.work.profiles import Recipe
from benchmarks.work.repeats import Repeats
from benchmarks.work.saving import Keeping, Saver
from benchmarks.work.training_log import EPOCH, EVERY, STEP, TrainingLog

STEP_LOSSES = ("highest", "last")
# Steps after which a loss on CUDA is looked at: those that are logged.
UNWATCHED = EVERY
USUAL = Keeping()


class Diverged(ValueError):
    """The training loss is no longer a number."""


@dataclass(frozen=True)
class Trained:
    """What training left behind.

    Attributes:
        weights: Safetensors file.
        sha256: Of that file.
        history: By epoch: ``loss`` (mean training loss), ``lr`` (at the epoch's end), and ``held_out`` (accuracy on
            held-out images, %) where there are such images.
        before: Seconds that it took before it was cut off for the last time.
    """

    weights: Path
    sha256: str
    history: dict[str, list[float]]
    before: float = 0.0


class Objective(nn.Module):
    """What a training makes small, of the network that it trains.

    Attributes:
        network: What is trained and saved; other state, such as moving averages, is kept until training ends.

    Shape: normalized images (N, 3, H, W) and targets, as :meth:`ImageSet.target` gives them, to the loss ().
    """

    network: nn.Module

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        raise NotImplementedError


class Classification(Objective):
    """Cross-entropy of a network's last step, or of each image's step with the highest softmax probability.

    TDAM (section 4.1) considers only the latter in training too. A network with one step has nothing to choose.

    Args:
        network: With logits (N, K).
        step_loss: ``highest`` or ``last``.
        label_smoothing: As in ``torch.nn.CrossEntropyLoss``.
    """

    def __init__(self, network: Backbone, step_loss: str, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if step_loss not in STEP_LOSSES:
            raise ValueError(f"unknown step loss {step_loss!r}; choose one of {', '.join(STEP_LOSSES)}")
        self.network: Backbone = network
        self.chooses = step_loss == "highest" and network.steps > 1
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = self.loss(self.prediction(images), targets)
        return loss

    def prediction(self, x: Tensor) -> Tensor:
        """The logits (N, K) that enter the loss."""
        if not self.chooses:
            logits: Tensor = self.network(x)
            return logits
        steps = self.network.forward_steps(x)
        highest = steps.detach().float().softmax(dim=2).amax(dim=2)
        return steps[highest.argmax(dim=0), torch.arange(steps.shape[1], device=steps.device)]


class Batches(Sampler[list[int]]):
    """This process's batches of an epoch, in random order; those that a resumed run has done are passed over unread.

    Args:
        shown: What is sampled.
        batch: Images of a batch; a smaller last one is left out where there are others.
        seed: Of the order.

    Attributes:
        epoch: Its order follows from this and the seed.
        done: Batches of it that are done.
    """

    def __init__(self, shown: "TrainingImages", batch: int, seed: int) -> None:
        self.order: DistributedSampler[int] = DistributedSampler(
            shown, distributed.size(), distributed.rank(), seed=seed, drop_last=False
        )
        self.whole = BatchSampler(self.order, batch, drop_last=len(self.order) > batch)
        self.epoch = self.done = 0

    def __len__(self) -> int:
        return len(self.whole)

    def __iter__(self) -> Iterator[list[int]]:
        self.order.set_epoch(self.epoch)
        return itertools.islice(iter(self.whole), self.done, None)

    def places(self, step: int) -> list[int]:
        """The images of a step of this epoch, by their places in what is sampled."""
        self.order.set_epoch(self.epoch)
        return next(itertools.islice(iter(self.whole), step, None))


class TrainingImages(Dataset[tuple[Tensor, Target]]):
    """An image set under random augmentation; an unreadable image ends the training with its path.

    In the training's own process images draw in turn from one stream of random numbers. In loader processes each draws
    from its own, so that neither their number nor an interruption changes what is drawn.

    Args:
        images: The image set.
        transform: The augmentation.
        count: The first so many images, None for all.
        seed: Of what images draw in loader processes, with ``epoch``.
    """

    def __init__(
        self, images: ImageSet, transform: Callable[[Any], Tensor], count: int | None = None, seed: int = 0
    ) -> None:
        self.images = images
        self.transform = transform
        self.count = len(images) if count is None else min(count, len(images))
        self.seed, self.epoch = seed, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        if get_worker_info() is not None:
            torch.manual_seed((self.seed * 1000 + self.epoch) * 10**8 + index)
        return self.transform(self.images.image(index)), self.images.target(index)


def resized_crop(resolution: int, scale: float) -> list[nn.Module]:
    """A random part of the image of at least ``scale`` of its area."""
    return [v2.RandomResizedCrop(resolution, (scale, 1.0), interpolation=v2.InterpolationMode.BILINEAR)]


def squashed_crop(resolution: int, share: float) -> list[nn.Module]:
    """The whole image without regard to its proportions, and of it a square of ``share`` of the side anywhere."""
    side = resized_side(resolution, share)
    return [v2.Resize((side, side), interpolation=v2.InterpolationMode.BILINEAR), v2.RandomCrop(resolution)]


FRAMINGS: dict[str, Callable[[int, float], list[nn.Module]]] = {"resized": resized_crop, "squashed": squashed_crop}


def augmentation(recipe: Recipe) -> v2.Compose:
    """Framing, flip and color jitter of one PIL image, to a uint8 tensor (3, S, S) of the recipe's resolution."""
    steps = FRAMINGS[recipe.framing](recipe.resolution, recipe.crop_scale)
    if recipe.flip:
        steps.append(v2.RandomHorizontalFlip(recipe.flip))
    if recipe.color_jitter:
        steps.append(v2.ColorJitter(recipe.color_jitter, recipe.color_jitter, recipe.color_jitter))
    return v2.Compose([*steps, v2.PILToTensor()])


def finishing(recipe: Recipe) -> Callable[[Tensor], Tensor]:
    """Normalization of a uint8 batch (N, 3, H, W) on its device, then random erasing with noise, image by image."""
    normalize = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)])
    if not recipe.random_erasing:
        return normalize  # type: ignore[no-any-return]
    erase = v2.RandomErasing(recipe.random_erasing, value="random")
    return lambda images: torch.stack([erase(image) for image in normalize(images)])


def mixing(recipe: Recipe, num_classes: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Mixup or cutmix of a batch, one of them drawn where the recipe has both; nothing where it has neither."""
    choices: list[nn.Module] = []
    if recipe.mixup:
        choices.append(v2.MixUp(alpha=recipe.mixup, num_classes=num_classes))
    if recipe.cutmix:
        choices.append(v2.CutMix(alpha=recipe.cutmix, num_classes=num_classes))
    if not choices:
        return lambda images, labels: (images, labels)
    mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = v2.RandomChoice(choices)
    return mix


def make_optimizer(model: nn.Module, recipe: Recipe, lr: float) -> Optimizer:
    """SGD with Nesterov momentum 0.9, or AdamW; one kernel for all parameters, where small networks spend much time."""
    weights, decay = model.parameters(), recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(weights, lr, momentum=0.9, nesterov=True, weight_decay=decay, fused=True)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(weights, lr, weight_decay=decay, fused=True)
    raise ValueError(f"unknown optimizer {recipe.optimizer!r}; choose sgd or adamw")


def make_schedule(optimizer: Optimizer, recipe: Recipe, lr: float, steps_per_epoch: int) -> LRScheduler:
    """Linear warm-up and cosine decay, stepped after every batch."""
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    decay = CosineAnnealingLR(optimizer, max(1, recipe.epochs * steps_per_epoch - warmup), eta_min=recipe.min_lr)
    if not warmup:
        return decay
    start = LinearLR(optimizer, start_factor=min(1.0, recipe.warmup_lr / lr), total_iters=warmup)
    return SequentialLR(optimizer, [start, decay], milestones=[warmup])


def make_average(network: nn.Module, recipe: Recipe) -> AveragedModel | None:
    """The moving average of a network's weights and of its running statistics, where the recipe wants one."""
    if not recipe.averaging:
        return None
    mix = get_ema_multi_avg_fn(recipe.averaging)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=mix, use_buffers=True)


@dataclass(frozen=True)
class TrainingData:
    """What a training is shown.

    Attributes:
        images: The image set.
        device: Where to train.
        workers: Loader processes.
        count: Training images used, None for all.
        held_out: Accuracy of the network on held-out images, %, asked after each epoch; None without such images.
        repeats: Folder where what is shown is kept for the run's other networks, None to keep nothing.
    """

    images: ImageSet
    device: torch.device
    workers: int = 0
    count: int | None = None
    held_out: Callable[[nn.Module], float] | None = None
    repeats: Path | None = None


class Training:
    """One training run: its state, its epochs, its checkpoint.

    Args:
        objective: What is trained, and to what end; weights must already be drawn from the seed.
        recipe: The recipe.
        seed: Seeds the order of images and the augmentation, anew for each epoch and process.
        data: What it is shown, and where.
    """

    def __init__(self, objective: Objective, recipe: Recipe, seed: int, data: TrainingData) -> None:
        images, device = data.images, data.device
        self.recipe, self.seed, self.device = recipe, seed, device
        self.objective: Objective = objective.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model: nn.Module = DistributedDataParallel(self.objective) if distributed.size() > 1 else self.objective
        shown = TrainingImages(images, augmentation(recipe), data.count, seed)
        self.shown, self.batches = shown, Batches(shown, recipe.batch, seed)
        self.loader = DataLoader(
            shown,
            batch_sampler=self.batches,
            num_workers=data.workers,
            pin_memory=device.type == "cuda",
            worker_init_fn=leave_endings,
        )
        lr = recipe.lr * recipe.batch * distributed.size() / recipe.reference_batch
        self.optimizer = make_optimizer(self.model, recipe, lr)
        self.schedule = make_schedule(self.optimizer, recipe, lr, len(self.loader))
        self.average = make_average(self.objective.network, recipe)
        self.amp = recipe.amp and device.type == "cuda"
        self.scaler = torch.amp.GradScaler(enabled=self.amp)
        self.finish = finishing(recipe)
        self.mix = mixing(recipe, len(images.classes))
        self.held_out = data.held_out
        facts = {"data": images.manifest_hash, "count": shown.count, "recipe": asdict(recipe), "seed": seed}
        self.repeats = None if data.repeats is None else Repeats(data.repeats, facts)
        names = ("loss", "lr", "held_out") if data.held_out else ("loss", "lr")
        self.history: dict[str, list[float]] = {name: [] for name in names}
        # MPS has no double precision, so its sum is kept on the CPU.
        self.losses = torch.zeros((), device="cpu" if device.type == MPS else device, dtype=torch.float64)
        self.random: Tensor | None = None
        self.seconds_before, self.since = 0.0, Stopwatch()
        self.log: TrainingLog | None = None
        # On CUDA the process would wait for each step that it looks at.
        self.unwatched = UNWATCHED if device.type == "cuda" else 1

    @property
    def epoch(self) -> int:
        """Epochs finished."""
        return len(self.history["loss"])

    @property
    def steps(self) -> int:
        """Steps done, of all epochs."""
        return self.epoch * len(self.loader) + self.batches.done

    @property
    def result(self) -> nn.Module:
        """The network that the training is for: with the averaged weights, if the recipe averages."""
        network: nn.Module = self.objective.network if self.average is None else self.average.module
        return network

    def run_epoch(self, progress: Callable[[int], None], after_step: Callable[[], None] = lambda: None) -> None:
        """One pass over the training images, or what is left of it, and a look at the held-out ones.

        Args:
            progress: Called with the number of images of each step, of all processes.
            after_step: Called where the training may be saved.

        Raises:
            Diverged: The loss is not a number.
        """
        self.batches.epoch = self.shown.epoch = self.epoch
        # All randomness of an epoch follows from seed, epoch and process, so a resumed run repeats it.
        torch.manual_seed((self.seed * 1000 + self.epoch) * 1000 + distributed.rank())
        self.model.train()
        recent: list[Tensor] = []
        for images, targets in self.shown_now():
            recent.append(self.step(images, targets))
            self.losses += recent[-1].to(self.losses.device)
            self.batches.done += 1
            self.count(len(images))
            if self.batches.done % self.unwatched == 0 or self.batches.done == len(self.loader):
                self.tell(self.require_finite(recent))
                recent.clear()
            progress(len(images) * distributed.size())
            after_step()
        self.end_epoch()

    def shown_now(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of this epoch that are not done yet, kept ones where there are any."""
        if self.repeats is not None and not self.batches.done:
            return self.repeats.epoch(self.epoch, lambda: iter(self.loader), len(self.loader))
        batches = iter(self.loader)  # draws a number
        if self.batches.done and self.random is not None:
            torch.set_rng_state(self.random)
        return batches

    def count(self, images: int) -> None:
        """So many images more were shown, by this process as by each other one."""
        if self.log is not None:
            self.log.count(images * distributed.size())

    def tell(self, loss: float) -> None:
        """Log the loss of a step, every so many of an epoch."""
        if self.log is not None and self.batches.done % EVERY == 0:
            lr = float(self.schedule.get_last_lr()[0])
            self.log.add(STEP, {"epoch": self.epoch + 1, "step": self.steps, "loss": loss, "lr": lr})

    def require_finite(self, recent: Sequence[Tensor]) -> float:
        """Look at the losses of the last steps; returns the very last one.

        Raises:
            Diverged: One is no number; the message names the step and its images.
        """
        losses = torch.stack(list(recent)).cpu()
        bad = ~torch.isfinite(losses)
        if bad.any():
            first = int(bad.int().argmax())
            step = self.batches.done - len(recent) + first
            ids = ", ".join(self.shown.images.ids[place] for place in self.batches.places(step))
            raise Diverged(
                f"the training loss is {float(losses[first])} at step {step + 1} of epoch {self.epoch + 1}; a smaller "
                f"learning rate may help; its images: {ids}"
            )
        return float(losses[-1])

    def end_epoch(self) -> None:
        """Add an epoch to the history."""
        mean = float(distributed.total(self.losses)) / (len(self.loader) * distributed.size())
        self.losses = torch.zeros_like(self.losses)
        self.batches.done = 0
        self.history["loss"].append(mean)
        self.history["lr"].append(float(self.schedule.get_last_lr()[0]))
        if self.held_out is not None:
            self.history["held_out"].append(self.held_out(self.result))
        if self.log is not None:
            last = {name: values[-1] for name, values in self.history.items()}
            self.log.add(EPOCH, {"epoch": self.epoch, "step": self.steps, **last})

    def step(self, images: Tensor, targets: Tensor) -> Tensor:
        """One optimizer step on a uint8 batch (N, 3, H, W) and its targets; returns the batch's loss."""
        images = self.finish(images.to(self.device, non_blocking=True))
        images, targets = self.mix(images, targets.to(self.device, non_blocking=True))
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.float16) if self.amp else contextlib.nullcontext():
            loss = self.model(images, targets)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.objective.network)
        return loss.detach()  # type: ignore[no-any-return]

    @property
    def seconds(self) -> float:
        """How long it has taken so far, with what came before it was cut off."""
        return self.seconds_before + self.since.seconds()

    def save(self, path: Path) -> None:
        """Keep all that a resumed run needs; every process must ask, and the first one writes."""
        random = distributed.gather(torch.get_rng_state())
        losses = distributed.gather(self.losses.cpu())
        if distributed.rank() > 0:
            return
        state = {
            "done": self.batches.done,
            "losses": losses,
            "random": random,
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": self.history,
            "seconds": self.seconds,
        }
        if self.average is not None:
            state["average"] = self.average.state_dict()
        write_atomically(path, lambda temporary: torch.save(state, temporary))

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of this run."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        rank = distributed.rank()
        self.batches.done, self.random = state["done"], state["random"][rank]
        self.losses = state["losses"][rank].to(self.losses.device)
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.history = state["history"]
        self.seconds_before = state.get("seconds", 0.0)


def train(training: Training, weights: Path, progress: Callable[[int], None], keeping: Keeping = USUAL) -> Trained:
    """Run a training to its end, from where it was saved last if it was cut off.

    It is saved after each epoch, every so many minutes, and where a signal asks for its end.

    Args:
        training: The run.
        weights: Where the final weights go; the checkpoint of an unfinished run lies beside it.
        progress: Called with the number of images of each step.
        keeping: Its checkpoints and its log.

    Raises:
        Diverged: The loss is not a number.
        KeyboardInterrupt: A signal asked for the end, and the training is saved.
    """
    checkpoint = weights.with_suffix(".unfinished")
    if checkpoint.exists():
        training.resume(checkpoint)
        progress(training.steps * training.recipe.batch * distributed.size())
    with Deferred() as signals, logged(training, keeping):
        saver = Saver(lambda: training.save(checkpoint), signals, keeping.minutes)
        while training.epoch < training.recipe.epochs:
            training.run_epoch(progress, saver.after_step)
            if training.epoch < training.recipe.epochs:
                saver.save()
    if distributed.rank() == 0:
        state = {key: value.detach().cpu().contiguous() for key, value in training.result.state_dict().items()}
        # One entry only: safetensors writes several in random order, and the file's hash is the weights' identity.
        facts = {"training": json.dumps({"recipe": asdict(training.recipe), "seed": training.seed}, sort_keys=True)}
        write_atomically(weights, lambda temporary: safetensors.torch.save_file(state, temporary, facts))
        checkpoint.unlink(missing_ok=True)
    distributed.wait()
    return Trained(weights, file_hash(weights), training.history, training.seconds_before)


@contextlib.contextmanager
def logged(training: Training, keeping: Keeping) -> Iterator[None]:
    """Log a training meanwhile, in the first process, where that is wanted."""
    if keeping.log is None or distributed.rank() > 0:
        yield
        return
    training.log = TrainingLog(keeping.log, training.steps)
    try:
        yield
    finally:
        training.log.close()
