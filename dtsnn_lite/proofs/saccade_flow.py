"""The flow network on real recordings, in the middle of N-MNIST's three jumps: `python -m dtsnn_lite flow --saccades`.

All recordings of N-MNIST are made by one camera that jumps the same three times (orchard2015nmnist). Where each jump ends is published,
how it gets there is not. So the motion is measured, on other recordings than those that the network is asked about: as the one motion
that, undone, makes all of them sharpest. How far to trust that is asked of simulated recordings, whose motion is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dtsnn_lite.data import data_home, digits
from dtsnn_lite.event_files import nmnist_files, read_nmnist
from dtsnn_lite.event_sets import CAMERA, NMNIST_FOLDER
from dtsnn_lite.events import Events, to_frames
from dtsnn_lite.files import FLOWS, save_arrays, saved_arrays, whole_file
from dtsnn_lite.flow import Clips, flows, record_flow, shipped_flow_net
from dtsnn_lite.flow_recording import FlowRecording, shipped_flow
from dtsnn_lite.models import FlowNet
from dtsnn_lite.motion import sharpest
from dtsnn_lite.proofs.cards import versions
from dtsnn_lite.scenes import FLOW_BINS, SACCADES, Saccades, watch_digit

WINDOWS_S = ((0.030, 0.075), (0.120, 0.165), (0.240, 0.285))     # the middle of each jump
FASTEST = 160.0                 # pixels a second a side; the published jumps peak at 133 if they are smooth
MEASURED_ON, ASKED, SIMULATED = 60, 1000, 30                     # recordings of Test, recordings of Train, simulated ones
EDGE = 1                        # pixels cut off on each side: the network's picture is 32 x 32, the camera's part 34 x 34


@dataclass(frozen=True)
class Window:
    """One window and its motion, right and down in pixels.

    measured   over the window, on real recordings
    published  over the whole jump (orchard2015nmnist)
    simulated  over the window, measured in the same way on simulated recordings
    true       over the window, what their camera did
    """

    begin_s: float
    end_s: float
    measured: tuple[float, float]
    published: tuple[float, float]
    simulated: tuple[float, float]
    true: tuple[float, float]


def shared_motion(streams: Sequence[Events], window: tuple[float, float]) -> tuple[float, float]:
    """Pixels right and down in a window, of the one motion that makes all recordings sharpest."""
    parts = [part for part in _within(streams, window) if len(part)]
    found, seconds = sharpest(*parts, fastest=FASTEST, turning=False), window[1] - window[0]
    return found.right * seconds, found.down * seconds


def _clips(streams: Sequence[Events], window: tuple[float, float], motion: tuple[float, float]) -> Clips:
    """What the network sees of each recording in a window, FLOW_BINS bits a pixel and side, and a flow that is everywhere the same."""
    seen = np.stack([to_frames(part, FLOW_BINS, window[1] - window[0]) for part in _within(streams, window)])
    frames = torch.from_numpy(seen[..., EDGE:-EDGE, EDGE:-EDGE].copy())
    flow = torch.tensor(motion, dtype=torch.float32).view(1, 2, 1, 1).expand(len(frames), 2, *frames.shape[3:])
    return Clips(frames, flow)


def mean_arrows(net: FlowNet, frames: Tensor, spoken: Tensor) -> np.ndarray:
    """The one motion that the network says: f_t averaged over the pixels that spoke (N, H, W), (T, N, 2)."""
    f, where = flows(net, frames, FLOW_BINS), spoken[None, :, None]
    return ((f * where).sum(dim=(-1, -2)) / where.sum(dim=(-1, -2)).clamp(min=1)).numpy()


def alone(streams: Sequence[Events], window: tuple[float, float], motion: tuple[float, float]) -> np.ndarray:
    """Contrast maximisation, which may see one recording only: how far its motion is from the measured one, (N,) pixels."""
    seconds, found = window[1] - window[0], []
    for part in _within(streams, window):
        own = sharpest(part, fastest=FASTEST, turning=False)
        found.append(np.hypot(own.right * seconds - motion[0], own.down * seconds - motion[1]))
    return np.array(found)


def _within(streams: Sequence[Events], window: tuple[float, float]) -> Iterator[Events]:
    return (stream.between(*window) for stream in streams)


def simulated_saccades(recordings: int) -> list[Events]:
    """Test digits of the package under the same three jumps, each seen by the camera of the gestures."""
    pictures = digits().test.images[:recordings, 0].numpy()
    return [watch_digit(picture, CAMERA, place) for place, picture in enumerate(pictures)]


def true_motion(window: tuple[float, float]) -> tuple[float, float]:
    """What the camera of `simulated_saccades` did in a window."""
    scene = Saccades(np.zeros((28, 28)))
    right, down = scene.displacement(window[1]) - scene.displacement(window[0])
    return float(right), float(down)


def ask(net: FlowNet, measured_on: Sequence[Events], asked: Sequence[Events], simulated: Sequence[Events],
        folder: Path) -> list[Window]:
    """A recording of each window, `flow-saccade-1-test.npz` and on, what `mean_arrows` and `alone` found, and a card with the motions."""
    folder.mkdir(parents=True, exist_ok=True)
    windows, said, rival, made_with = [], [], [], versions()
    for n, window in enumerate(WINDOWS_S):
        motion = shared_motion(measured_on, window)
        windows.append(Window(*window, motion, SACCADES[n], shared_motion(simulated, window), true_motion(window)))
        about = {"network": "flow", "dataset": "N-MNIST", "seed": 0, "split": "test", "window_s": window}
        clips = _clips(asked, window, motion)
        record_flow(net, clips, FLOW_BINS, keep_fields=0, about=about).save(folder / f"flow-saccade-{n + 1}-test.npz")
        said.append(mean_arrows(net, clips.frames, clips.spoken))
        rival.append(alone(asked, window, motion))
    save_arrays(folder / "saccades.npz", said=np.stack(said).astype(np.float16), alone=np.stack(rival).astype(np.float16))
    made = {"command": "python -m dtsnn_lite flow --saccades", "dataset": "N-MNIST", "versions": made_with,
            "recordings": {"measured": len(measured_on), "asked": len(asked), "simulated": len(simulated)},
            "windows": [asdict(window) for window in windows]}
    with whole_file(folder / "saccades.json") as part:
        part.write_text(json.dumps(made, indent=1) + "\n")
    return windows


def make_saccades(folder: Path, home: Path | None = None) -> dict:
    """`ask` of the shipped network, on the first recordings of the user's N-MNIST."""
    place = (home or data_home()) / NMNIST_FOLDER
    windows = ask(shipped_flow_net(), first_recordings(place / "Test", MEASURED_ON), first_recordings(place / "Train", ASKED),
                  simulated_saccades(SIMULATED), folder)
    return {"windows": [asdict(window) for window in windows]}


def first_recordings(folder: Path, most: int) -> list[Events]:
    """The recordings of a split with the smallest numbers, whatever their digits."""
    files = sorted((path for path, _ in nmnist_files(folder)), key=lambda path: int(path.stem))
    return [read_nmnist(path) for path in files[:most]]


@dataclass(frozen=True, eq=False)
class Asked:
    """What ships of one window: its motion, the network's AEE, and two errors of one motion for the whole picture, in pixels.

    seen   the network's recording
    arrow  (T, N) of the network's arrows averaged over the pixels that spoke
    alone  (N,) of contrast maximisation on that recording
    """

    window: Window
    seen: FlowRecording
    arrow: np.ndarray
    alone: np.ndarray


def saccades() -> list[Asked]:
    """What the shipped network has said of real recordings, a window after the other."""
    made = json.loads((FLOWS / "saccades.json").read_text())
    with saved_arrays(FLOWS / "saccades.npz", "set of errors", made_by=made["command"]) as z:
        said, rivals = z["said"].astype(np.float32), z["alone"].astype(np.float32)
    windows = [Window(each["begin_s"], each["end_s"], *(tuple(each[name]) for name in ("measured", "published", "simulated", "true")))
               for each in made["windows"]]
    return [Asked(window, shipped_flow(f"flow-saccade-{n + 1}-test"), np.hypot(*np.moveaxis(said[n] - window.measured, -1, 0)), rivals[n])
            for n, window in enumerate(windows)]
