"""Training by backpropagation through time, resumable to the bit."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from tqdm.auto import tqdm

from dtsnn_lite.data import Split, as_input, check_set
from dtsnn_lite.encoding import Coding, direct
from dtsnn_lite.files import whole_file
from dtsnn_lite.guards import check_rate, check_whole
from dtsnn_lite.losses import prefix_loss, running_mean
from dtsnn_lite.models import SpikingNet, evaluating

Loss = Callable[[Tensor, Tensor], Tensor]
Augmentation = Callable[[Tensor, torch.Generator], Tensor]      # images and all randomness -> images of the same shape
GREY = 0.5      # of intensities in [0, 1]


@dataclass(frozen=True)
class Augment:
    """Random changes that keep the label: a shift of up to `shift` pixels, a mirror image half the time.

    erase  side of a grey square anywhere on the image, which may hang over its edge (devries2017cutout); 0 is none
    """

    shift: int = 4
    flip: bool = True
    erase: int = 0

    def __post_init__(self) -> None:
        check_whole("shift", self.shift, 0)
        check_whole("erase", self.erase, 0)

    def __call__(self, x: Tensor, dice: torch.Generator) -> Tensor:
        """(B, C, H, W), or (B, T, C, H, W) with one change for all timesteps -> the same shape; all randomness comes from `dice`."""
        if x.dim() == 5:
            if self.erase:
                raise ValueError("a grey square is no event: sequences are shifted and mirrored, not erased")
            return self(x.flatten(1, 2), dice).unflatten(1, x.shape[1:3])
        B, _, H, W = x.shape
        dy, dx = torch.randint(0, 2 * self.shift + 1, (2, B), generator=dice).to(x.device)
        flip = (torch.rand(B, generator=dice) < 0.5 * self.flip).to(x.device)
        rows = dy[:, None] + torch.arange(H, device=x.device)
        cols = dx[:, None] + torch.arange(W, device=x.device)
        cols = torch.where(flip[:, None], cols.flip(1), cols)
        padded = nn.functional.pad(x, (self.shift,) * 4).permute(0, 2, 3, 1)      # (B, H', W', C)
        images = torch.arange(B, device=x.device)[:, None, None]
        y = padded[images, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)
        return y.masked_fill(self._square(B, H, W, dice).to(x.device), GREY) if self.erase else y

    def _square(self, B: int, H: int, W: int, dice: torch.Generator) -> Tensor:
        """(B, 1, H, W) bool: a square of `erase` pixels, its centre anywhere."""
        y, x = torch.randint(0, H, (B, 1), generator=dice), torch.randint(0, W, (B, 1), generator=dice)
        rows = (torch.arange(H) - y + self.erase // 2).div(self.erase, rounding_mode="floor") == 0
        columns = (torch.arange(W) - x + self.erase // 2).div(self.erase, rounding_mode="floor") == 0
        return (rows[:, :, None] & columns[:, None, :])[:, None]


@dataclass(frozen=True)
class TrainConfig:
    """How to train: SGD with momentum, the learning rate falling as a cosine from `lr` to 0.

    phases  (timesteps, epochs) one after the other: starting at T = 1 and lengthening late is cheap;
            T = 0 trains an ANN, whose neurons pass on their clipped current (neurons.rectified)
    legs    (epochs, lr, period) one after the other: a cosine from lr that would reach 0 after `period` epochs is
            followed for `epochs` of them. Without legs there is one, from `lr` to 0; with them `lr` has no use
    warmup  epochs in which the learning rate rises linearly
    half    convolutions in bfloat16, on a device that has it: about twice as fast, weights and loss stay float32
    """

    phases: tuple[tuple[int, int], ...] = ((4, 12),)
    legs: tuple[tuple[int, float, int], ...] = ()
    batch: int = 64
    lr: float = 0.05
    weight_decay: float = 5e-4
    momentum: float = 0.9
    warmup: float = 1.0
    seed: int = 0
    augment: Augmentation | None = None
    loss: Loss = prefix_loss
    half: bool = False

    def __post_init__(self) -> None:
        if not self.phases:
            raise ValueError("phases are (timesteps, epochs) pairs, at least one; got none")
        for timesteps, epochs in self.phases:
            check_whole("timesteps of a phase", timesteps, 0)
            check_whole("epochs of a phase", epochs)
        if self.phases[-1][0] == 0:
            raise ValueError(f"the last phase is a spiking network's, timesteps 1 or more; got {self.phases}")
        for epochs, lr, period in self.legs:
            check_whole("epochs of a leg", epochs)
            check_whole("period of a leg, in epochs,", period, epochs)
            check_rate("lr of a leg", lr)
        if self.legs and sum(epochs for epochs, _, _ in self.legs) != self.epochs:
            raise ValueError(f"legs and phases are as many epochs, {self.epochs}; got {self.legs}")
        check_whole("batch", self.batch)
        check_rate("lr", self.lr)

    @property
    def epochs(self) -> int:
        return sum(n for _, n in self.phases)

    def timesteps_of(self, epoch: int) -> int:
        """T of an epoch, counted from 0."""
        for timesteps, n in self.phases:
            if epoch < n:
                return timesteps
            epoch -= n
        raise IndexError("beyond the last epoch")

    def lr_of(self, progress: float) -> float:
        """The learning rate after `progress` epochs."""
        warm = min(1.0, (progress + 1e-3) / self.warmup) if self.warmup > 0 else 1.0
        legs = list(self.legs or [(self.epochs, self.lr, self.epochs)])
        while len(legs) > 1 and progress >= legs[0][0]:
            progress -= legs.pop(0)[0]
        _, lr, period = legs[0]
        cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * progress / period)).item())
        return lr * warm * cosine


@dataclass
class History:
    """One entry an epoch.

    loss               mean over the training images, as they passed
    training_accuracy  share of them that f_T answered right as they passed, augmented, by weights still moving
    accuracy           on the validation split afterwards, with the epoch's T, NaN without one
    seconds            that the epoch took; their sum is the cost of all whole epochs, however often training was stopped
    """

    loss: list[float] = field(default_factory=list)
    training_accuracy: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def fit(net: SpikingNet, train: Split, config: TrainConfig, validation: Split | None = None, checkpoint: Path | None = None,
        progress: bool = True, max_epochs: int | None = None, coding: Coding = direct) -> History:
    """Train `net` in place.

    checkpoint  a file written after each epoch; if it exists, training goes on from it
                and ends with the same bits as if it had never stopped (on a CPU)
    max_epochs  stop after this many epochs in total, to be continued later
    coding      how an image becomes T inputs; what is random in it is drawn anew in every epoch
    """
    for split in (train, validation):
        if split is not None:
            check_set(split.images, split.labels, net.head.out_features)
    _check_analog(net, config, coding)
    channels_last(net)
    optimizer = torch.optim.SGD(_groups(net, config.weight_decay), lr=config.lr, momentum=config.momentum)

    def answer(epoch: int) -> Callable[..., Tensor]:
        return partial(answers, net, timesteps=config.timesteps_of(epoch), coding=coding)

    def measured(epoch: int) -> float:
        return accuracy(net, validation, config.timesteps_of(epoch), coding=coding) if validation else math.nan

    return run_epochs(net, train, config, optimizer, answer, measured, checkpoint, progress, max_epochs, _name(coding))


def run_epochs(net: nn.Module, train: Split, config: TrainConfig, optimizer: torch.optim.Optimizer,
               answer: Callable[[int], Callable[..., Tensor]], measured: Callable[[int], float], checkpoint: Path | None = None,
               progress: bool = True, max_epochs: int | None = None, coding: str = "direct", remainder: bool = False) -> History:
    """Train any network in place, epoch after epoch; checkpoint and max_epochs as in `fit`.

    answer    how the network answers in an epoch, as `one_epoch` asks
    measured  its accuracy after an epoch, NaN where nobody asks
    coding    the name of what becomes of the images, for the checkpoint
    """
    history, first = History(), 0
    run = {"config": as_text(config), "data": train.to("cpu").sha256(), "coding": coding} if checkpoint else {}
    if checkpoint and Path(checkpoint).exists():
        history, first = _resume(Path(checkpoint), net, optimizer, run)
    last = min(config.epochs, config.epochs if max_epochs is None else max_epochs)
    bar = tqdm(range(first, last), initial=first, total=config.epochs, unit="epoch", disable=not progress)
    for epoch in bar:
        began = time.perf_counter()
        with learning(net), torch.random.fork_rng(devices=[]):
            torch.manual_seed(dice_of(config.seed, epoch).initial_seed())          # of what is random in the network: flaws of its chip
            loss, right = one_epoch(answer(epoch), train, config, epoch, optimizer, remainder)
        history.loss.append(loss)
        history.training_accuracy.append(right)
        history.seconds.append(time.perf_counter() - began)
        history.accuracy.append(measured(epoch))
        bar.set_postfix(T=config.timesteps_of(epoch), loss=f"{loss:.3f}", right=f"{right:.3f}", val=f"{history.accuracy[-1]:.3f}")
        if checkpoint:
            _save(Path(checkpoint), net, optimizer, run, epoch + 1, history)
    return history


def _groups(net: nn.Module, weight_decay: float) -> list[dict]:
    """Weight decay on weights only, not on batch norm, biases or learned scales."""
    weights = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _check_analog(net: SpikingNet, config: TrainConfig, coding: Coding) -> None:
    if all(timesteps > 0 for timesteps, _ in config.phases):
        return
    if net.chip is not None:
        raise ValueError("an ANN has no spikes, and a chip's crossbars below the first see spikes only: train it digitally first")
    _check_direct(coding)


def _check_direct(coding: Coding) -> None:
    if coding is not direct:
        raise ValueError(f"as an ANN (T = 0) a network sees the image itself, encoding.direct; got {_name(coding)}: begin at T = 1")


def _name(thing: Any) -> str:
    """A function or an object as text, equal in every process (the repr of many holds an address)."""
    if isinstance(thing, partial):
        given = [*map(_name, thing.args), *(f"{name}={_name(value)}" for name, value in thing.keywords.items())]
        return f"{_name(thing.func)}({', '.join(given)})"
    if type(thing).__repr__ is object.__repr__:
        fields = getattr(thing, "__dict__", {})
        return f"{type(thing).__name__}({', '.join(f'{name}={_name(value)}' for name, value in fields.items())})"
    return getattr(thing, "__name__", repr(thing))


def channels_last(net: nn.Module) -> None:
    """Weights of convolutions laid out as the images are, channels together: the same numbers, sooner."""
    for tensor in (*net.parameters(), *net.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)


@contextmanager
def learning(*nets: nn.Module) -> Iterator[None]:
    """Training mode for the length of a block; each module's own mode comes back, also after an error."""
    with ExitStack() as modes:
        for net in nets:
            modes.enter_context(evaluating(net))       # brings the modes back
            net.train()
        yield


# --- one epoch, one step ---------------------------------------------------------

def one_epoch(answer: Callable[..., Tensor], train: Split, config: TrainConfig, epoch: int,
              optimizer: torch.optim.Optimizer, remainder: bool = False) -> tuple[float, float]:
    """One pass over the training images by SGD: the mean loss, and the share of right answers.

    answer     images (B, C, H, W) and their places `at` (B,), other ones in every epoch -> logits (T, B, K)
    remainder  whether the last images are a smaller batch of their own; else they wait for the next epoch's other order
    """
    device, dice = optimizer.param_groups[0]["params"][0].device, dice_of(config.seed, epoch)
    batches = shuffled(len(train), config.batch, dice)
    if len(batches[-1]) < config.batch and len(batches) > 1 and not remainder:
        batches = batches[:-1]
    total, right = torch.zeros((), device=device), torch.zeros((), device=device)
    for n, index in enumerate(batches):
        set_lr(optimizer, config.lr_of(epoch + n / len(batches)))
        x, z = training_batch(train, index, config.augment, dice, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.half):
            logits = answer(x, at=index + epoch * len(train))
        total += descend(optimizer, config.loss(logits.float(), z))
        right += (logits.detach().float().mean(dim=0).argmax(1) == z).sum()
    return finite(total.item() / len(batches), epoch), right.item() / sum(map(len, batches))


def dice_of(seed: int, epoch: int) -> torch.Generator:
    """All randomness of an epoch: it needs no earlier one."""
    return torch.Generator().manual_seed(1_000_003 * seed + epoch)


def shuffled(images: int, batch: int, dice: torch.Generator) -> tuple[Tensor, ...]:
    """The images in a new order, batch by batch: places (batch,) in the set, the last ones fewer."""
    return torch.randperm(images, generator=dice).split(batch)


def training_batch(train: Split, index: Tensor, augment: Augmentation | None, dice: torch.Generator,
                   device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Some of the images as the network's input, changed by `augment`, and their labels."""
    at = index.to(train.images.device)
    x, z = as_input(train.images[at].to(device)), train.labels[at].to(device)
    if augment:
        x = augment(x, dice)
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x, z


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    """One step, w <- w - lr dloss/dw as the optimizer has it: the loss before it."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach()


def finite(mean: float, epoch: int) -> float:
    """An epoch's mean loss or reward itself, if the weights are still finite."""
    if not math.isfinite(mean):
        raise FloatingPointError(f"the loss is {mean} in epoch {epoch}: lower lr (or give it a longer warmup)")
    return mean


# --- what it answers ---------------------------------------------------------------

def answers(net: SpikingNet, x: Tensor, timesteps: int, coding: Coding = direct, at: Tensor | None = None) -> Tensor:
    """Logits (T, B, K) of images run for T timesteps; T = 0 is one answer of the network as an ANN, (1, B, K)."""
    check_whole("timesteps", timesteps, 0)
    if timesteps:
        return net(coding(x, timesteps, at))
    _check_direct(coding)
    return net.as_ann(x)


@torch.no_grad()
def accuracy(net: SpikingNet, split: Split, timesteps: int, batch: int = 250, coding: Coding = direct) -> float:
    """Share of right answers from f_T (T = 0: of the network as an ANN)."""
    if len(split) == 0:
        raise ValueError("the split is empty: there is no accuracy")
    device, right = net.head.weight.device, 0
    with evaluating(net):
        for at in torch.arange(len(split)).split(batch):
            f = running_mean(answers(net, as_input(split.images[at].to(device)), timesteps, coding, at))[-1]
            right += int((f.argmax(1) == split.labels[at].to(device)).sum())
    return right / len(split)


# --- training that survives being killed -------------------------------------

def _save(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer, run: dict[str, str],
          epochs: int, history: History) -> None:
    tensors = {f"net.{k}": v.contiguous() for k, v in net.state_dict().items()}
    for k, p in net.named_parameters():
        if p in optimizer.state and optimizer.state[p].get("momentum_buffer") is not None:
            tensors[f"momentum.{k}"] = optimizer.state[p]["momentum_buffer"].contiguous()
    notes = {**run, "epochs": str(epochs), "history": json.dumps(vars(history))}
    with whole_file(path) as part:
        part.write_bytes(save(tensors, metadata=notes))


def _resume(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer, run: dict[str, str]) -> tuple[History, int]:
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()}
        older = {"data": run["data"], "coding": _name(direct)}                          # what older files do not name
        other = [what for what in run if notes.get(what, older.get(what)) != run[what]]
        if not other:
            return _restore(notes, tensors, net, optimizer)
    except Exception as error:
        raise ValueError(f"{path} is no whole training checkpoint ({error}); delete it to start again") from error
    what = {"config": "by another configuration", "data": "on other images", "coding": "with another coding"}[other[0]]
    raise ValueError(f"{path} was written {what}; delete it or choose another file")


def _restore(notes: dict[str, str], tensors: dict[str, Tensor], net: nn.Module,
             optimizer: torch.optim.Optimizer) -> tuple[History, int]:
    net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")})
    for k, p in net.named_parameters():
        if f"momentum.{k}" in tensors:
            layout = torch.channels_last if p.dim() == 4 else torch.contiguous_format
            optimizer.state[p]["momentum_buffer"] = tensors[f"momentum.{k}"].to(p.device).contiguous(memory_format=layout)
    history, epochs = History(**json.loads(notes["history"])), int(notes["epochs"])
    if {len(entries) for entries in vars(history).values()} != {epochs}:
        raise ValueError(f"its history does not hold {epochs} epochs of everything: another version of this package wrote it")
    return history, epochs


def as_text(config: TrainConfig) -> str:
    """The configuration as text, equal in every process."""
    return json.dumps({k: _name(v) for k, v in vars(config).items()}, sort_keys=True)
