"""Optical flow: how far each point of the picture moves, learned from events and their exact truth."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from tqdm.auto import tqdm

from dtsnn_lite.checkpoints import load_net
from dtsnn_lite.encoding import events
from dtsnn_lite.event_sets import CAMERA
from dtsnn_lite.files import FLOWS, whole_file
from dtsnn_lite.flow_recording import FlowRecording, FlowRun, MovementExit
from dtsnn_lite.inference import array_rows, input_shares, keep
from dtsnn_lite.losses import running_mean
from dtsnn_lite.models import FlowNet, evaluating
from dtsnn_lite.scenes import flow_clips
from dtsnn_lite.training import TrainConfig, as_text, channels_last, descend, dice_of, finite, learning, set_lr, shuffled

FIRST_SEEDS = {"train": 0, "calibration": 1_000_000, "test": 2_000_000}      # no texture is in two splits


@dataclass(frozen=True, eq=False)
class Clips:
    """Frames of event bits (N, T, 2, H, W) uint8, and the flow over their whole time (N, 2, H, W) in pixels."""

    frames: Tensor
    flow: Tensor

    def __post_init__(self) -> None:
        if self.frames.dim() != 5 or self.flow.shape != (len(self.frames), 2, *self.frames.shape[3:]):
            raise ValueError("clips are frames (N, T, 2, H, W) and a flow (N, 2, H, W) of the same size; got "
                             f"{tuple(self.frames.shape)} and {tuple(self.flow.shape)}")

    def __len__(self) -> int:
        return len(self.frames)

    def sha256(self) -> str:
        """Fingerprint of frames and flow, in this order."""
        digest = hashlib.sha256(self.frames.contiguous().numpy().tobytes())
        digest.update(self.flow.contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def spoken(self) -> Tensor:
        """Pixels with an event in the clip, (N, H, W) bool: where the field measures flow, since elsewhere nothing was seen."""
        return self.frames.amax(dim=(1, 2)) > 0


@lru_cache(maxsize=4)
def clip_set(name: str, clips: int) -> Clips:
    """Textures in motion, seen by the camera of the gestures; about 0.04 s a clip to make.

    name  "train", "calibration" or "test"; the first clips of a split do not depend on how many there are
    """
    if name not in FIRST_SEEDS:
        raise ValueError(f"a split is one of {', '.join(FIRST_SEEDS)}; got {name!r}")
    frames, flow = flow_clips(range(FIRST_SEEDS[name], FIRST_SEEDS[name] + clips), CAMERA)
    return Clips(torch.from_numpy(frames), torch.from_numpy(flow))


def endpoint_error(f: Tensor, flow: Tensor, where: Tensor | None = None) -> Tensor:
    """Average endpoint error of each clip, AEE = mean over pixels of |f - flow|: (..., B, 2, H, W) -> (..., B).

    where  (B, H, W) bool: the pixels that count, every one if not said

    >>> right = torch.zeros(1, 2, 1, 2)
    >>> said = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    >>> endpoint_error(said, right)
    tensor([5.])
    """
    error = (f - flow).square().sum(dim=-3).add(1e-12).sqrt()
    if where is None:
        return error.mean(dim=(-1, -2))
    return (error * where).sum(dim=(-1, -2)) / where.sum(dim=(-1, -2)).clamp(min=1)


def flow_loss(reads: Tensor, flow: Tensor) -> Tensor:
    """(1/T) sum_t AEE(f_t, flow): every prefix is trained, so that every exit is worth taking; reads (T, B, 2, H, W)."""
    return endpoint_error(running_mean(reads), flow).mean()


def turned_over(x: Tensor, flow: Tensor, dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch under one of the 16 symmetries of flow: mirror images, exchanged axes, and the scene in negative.

    x (B, T, 2, H, W) and flow (B, 2, H, W): a mirror from left to right turns the flow's sign along x, exchanged axes exchange
    its parts, and a negative leaves it as it is. Maps that are not square keep their axes: 8 symmetries are left.
    """
    across, down, axes, negative = throw(dice)
    if across:
        x, flow = x.flip(-1), flow.flip(-1) * flow.new_tensor([-1.0, 1.0]).view(2, 1, 1)
    if down:
        x, flow = x.flip(-2), flow.flip(-2) * flow.new_tensor([1.0, -1.0]).view(2, 1, 1)
    if axes and x.shape[-1] == x.shape[-2]:
        x, flow = x.transpose(-1, -2), flow.transpose(-1, -2).flip(1)
    return (x.flip(2) if negative else x), flow


def throw(dice: torch.Generator) -> list[bool]:
    """Heads or tails, for each of the four ways to turn a batch over."""
    return (torch.rand(4, generator=dice) < 0.5).tolist()


@dataclass
class FlowHistory:
    """One entry a batch: the mean loss in pixels of its clips as they passed, and the seconds that it took."""

    loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def epochs(self, batches: int) -> list[float]:
        """The mean loss of each whole epoch of so many batches."""
        return [sum(self.loss[n - batches:n]) / batches for n in range(batches, len(self.loss) + 1, batches)]


KEPT_EVERY = 25      # batches


def fit_flow(net: FlowNet, train: Clips, config: TrainConfig, checkpoint: Path | None = None, progress: bool = True,
             max_epochs: int | None = None) -> FlowHistory:
    """Train `net` in place, by Adam: the learning rate is the configuration's, its momentum, weight decay and loss have no use here.

    checkpoint  a file written every few batches, from which training goes on to the bit if it exists
    max_epochs  stop after this many epochs in total, to be continued later
    """
    channels_last(net)
    optimizer, history = torch.optim.Adam(net.parameters(), lr=config.lr), FlowHistory()
    run = {"config": as_text(config), "data": train.sha256()} if checkpoint else {}
    if checkpoint and checkpoint.exists():
        history = _resume(checkpoint, net, optimizer, run)
    batches = -(-len(train) // config.batch)
    last = batches * (config.epochs if max_epochs is None else min(max_epochs, config.epochs))
    with learning(net), torch.random.fork_rng(devices=[]):
        for step, clips, dice in _batches(len(train), config, range(len(history.loss), last), progress):
            began, progressed = time.perf_counter(), step / batches
            torch.manual_seed(dice_of(config.seed, step).initial_seed())           # of what is random in the network: flaws of its chip
            set_lr(optimizer, config.lr_of(progressed))
            x, flow = turned_over(train.frames[clips].float(), train.flow[clips], dice)
            loss = descend(optimizer, flow_loss(net(events(x, config.timesteps_of(int(progressed)))), flow)).item()
            history.loss.append(finite(loss, int(progressed)))
            history.seconds.append(time.perf_counter() - began)
            if checkpoint and (step + 1 == last or (step + 1) % KEPT_EVERY == 0):
                _save(checkpoint, net, optimizer, run, history)
    return history


def _batches(clips: int, config: TrainConfig, steps: range, progress: bool) -> Iterator[tuple[int, Tensor, torch.Generator]]:
    """Number, clips and dice of each batch; those of an epoch are the same wherever in it one begins."""
    each: tuple[Tensor, ...] = ()
    for step in tqdm(steps, unit="batch", disable=not progress):
        epoch, n = divmod(step, -(-clips // config.batch))
        if n == 0 or not each:
            dice = dice_of(config.seed, epoch)
            each = shuffled(clips, config.batch, dice)
            for _ in range(n):
                throw(dice)
        yield step, each[n], dice


MOMENTS = ("exp_avg", "exp_avg_sq", "step")      # what Adam remembers of each weight


def _save(path: Path, net: FlowNet, optimizer: torch.optim.Adam, run: dict[str, str], history: FlowHistory) -> None:
    tensors = {f"net.{name}": v.contiguous() for name, v in net.state_dict().items()}
    for name, p in net.named_parameters():
        tensors |= {f"{what}.{name}": optimizer.state[p][what].contiguous() for what in MOMENTS if p in optimizer.state}
    with whole_file(path) as part:
        part.write_bytes(save(tensors, metadata={**run, "history": json.dumps(vars(history))}))


def _resume(path: Path, net: FlowNet, optimizer: torch.optim.Adam, run: dict[str, str]) -> FlowHistory:
    try:
        with safe_open(path, "pt") as file:
            notes, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
        other = [what for what in run if notes.get(what, {"data": run["data"]}.get(what)) != run[what]]    # older files name no data
        if not other:
            return _restore(notes, tensors, net, optimizer)
    except Exception as error:
        raise ValueError(f"{path} is no whole training checkpoint ({error}); delete it to start again") from error
    what = {"config": "by another configuration", "data": "on other clips"}[other[0]]
    raise ValueError(f"{path} was written {what}; delete it or choose another file")


def _restore(notes: dict[str, str], tensors: dict[str, Tensor], net: FlowNet, optimizer: torch.optim.Adam) -> FlowHistory:
    net.load_state_dict({name.removeprefix("net."): v for name, v in tensors.items() if name.startswith("net.")})
    for name, p in net.named_parameters():
        if f"step.{name}" in tensors:
            layout = torch.channels_last if p.dim() == 4 else torch.contiguous_format
            found = {what: tensors[f"{what}.{name}"] for what in MOMENTS}
            optimizer.state[p] = {what: v.contiguous(memory_format=layout) if v.dim() == 4 else v for what, v in found.items()}
    return FlowHistory(**json.loads(notes["history"]))


@torch.no_grad()
def flows(net: FlowNet, frames: Tensor, timesteps: int, batch: int = 50) -> Tensor:
    """What the network says after 1, ..., T bins, f_t (T, N, 2, H, W)."""
    with evaluating(net):
        return torch.cat([running_mean(net(events(part.float(), timesteps))) for part in frames.split(batch)], dim=1)


# --- what it answers -----------------------------------------------------------------

def shipped_flow_net() -> FlowNet:
    """The flow network that comes with the package."""
    net = load_net(FLOWS / "flow.safetensors")
    if not isinstance(net, FlowNet):
        raise ValueError(f"{FLOWS / 'flow.safetensors'} holds a {type(net).__name__}, no flow network")
    return net


@torch.no_grad()
def record_flow(net: FlowNet, clips: Clips, timesteps: int, batch: int = 50, keep_fields: int = 8,
                about: dict | None = None) -> FlowRecording:
    """Everything that a rule of stopping can ask of a flow network; the first clips' fields are kept whole.

    What the arrays read, densities and awake shares, is measured on the first `batch` clips.
    """
    f = flows(net, clips.frames, timesteps, batch)
    spoken, still = clips.spoken, torch.zeros_like(f[:1])
    moved = (f - torch.cat([still, f[:-1]])).square().sum(dim=2).mean(dim=(-1, -2)).sqrt()
    densities, awake = input_shares(net, events(clips.frames[:batch].float(), timesteps))
    return FlowRecording(endpoint_error(f, clips.flow, spoken).numpy(), endpoint_error(f, clips.flow).numpy(), moved.numpy(),
                         endpoint_error(still[0], clips.flow, spoken).numpy(), f[:, :keep_fields].numpy(), densities, awake, about or {},
                         array_rows(net))


@torch.no_grad()
def dynamic_flow(net: FlowNet, clips: Clips, rule: MovementExit, timesteps: int) -> FlowRun:
    """Really stop: after each timestep the clips whose answer has come to rest leave, and the others go on.

    Equal to `replay_flow(record_flow(net, ...), rule)`.
    """
    x, running, state = events(clips.frames.float(), timesteps), torch.arange(len(clips)), net.empty_state()
    done = FlowRun(np.zeros(len(clips), dtype=np.int64), np.zeros(len(clips), dtype=np.float32))
    f = torch.zeros(len(clips), 2, *net.in_shape[1:])
    with evaluating(net):
        for t in range(1, timesteps + 1):
            read, state = net.step(x[t - 1, running], state)
            before, f = f, f + (read - f) / t
            moved = (f - before).square().sum(dim=1).mean(dim=(-1, -2)).sqrt()
            leaves = torch.from_numpy(rule.stops(moved.numpy(), t)) | (t == timesteps)
            out, stay = running[leaves], torch.nonzero(~leaves)[:, 0]
            done.t_hat[out.numpy()] = t
            done.error[out.numpy()] = endpoint_error(f[leaves], clips.flow[out], clips.spoken[out]).numpy()
            if not len(stay):
                break
            running, f, state = running[stay], f[stay], keep(state, stay)
    return done
