"""How the flow network and what it is compared with are made: `python -m dtsnn_lite flow`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from dtsnn_lite.checkpoints import save_net
from dtsnn_lite.event_sets import CAMERA
from dtsnn_lite.events import Events
from dtsnn_lite.files import FLOWS, save_arrays, saved_arrays, whole_file
from dtsnn_lite.flow import FIRST_SEEDS, clip_set, endpoint_error, fit_flow, record_flow
from dtsnn_lite.flow_recording import FlowRecording
from dtsnn_lite.models import FlowConfig, FlowNet
from dtsnn_lite.motion import sharpest
from dtsnn_lite.proofs.cards import card, device_of, four_places, rounded, versions
from dtsnn_lite.scenes import FLOW_BINS, FLOW_S, Waves, flow_clip, flow_scene
from dtsnn_lite.training import TrainConfig

DATASET = "textures under translation, spin and zoom, seen by a simulated event camera"
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class FlowRecipe:
    """A network, its training, and how many clips there are to train on, to calibrate on and to test on."""

    net: FlowConfig
    training: TrainConfig
    train: int
    calibration: int
    test: int
    kept: int = 8               # clips whose fields the test recording of seed 0 keeps whole

    def seeded(self, seed: int) -> FlowRecipe:
        return replace(self, training=replace(self.training, seed=seed))


FLOW = FlowRecipe(FlowConfig(), TrainConfig(phases=((FLOW_BINS, 4),), legs=((2, 3e-3, 10), (2, 2.7e-3, 4)), batch=16, warmup=0.5),
                  train=2000, calibration=60, test=60)


def make_flow(recipe: FlowRecipe, folder: Path, progress: bool = True, max_epochs: int | None = None) -> dict:
    """Train the network and write weights, card and recordings to `folder`; the card is returned.

    A training that was stopped goes on from its file in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seed, made_with = recipe.training.seed, versions()
    name = "flow" if seed == 0 else f"flow-seed{seed}"
    torch.manual_seed(seed)
    net = FlowNet(recipe.net)
    history = fit_flow(net, clip_set("train", recipe.train), recipe.training, folder / f"{name}.training", progress, max_epochs)
    epochs = history.epochs(-(-recipe.train // recipe.training.batch))
    if len(epochs) < recipe.training.epochs:
        return {"epochs": len(epochs), "of": recipe.training.epochs,
                "continue": "the same command with a larger --max-epochs, or none"}
    rounded(net, torch.float16)
    about = {"network": name, "dataset": DATASET, "seed": seed}
    seen = {split: record_flow(net, clip_set(split, getattr(recipe, split)), FLOW_BINS, about={**about, "split": split},
                               keep_fields=recipe.kept if (split, seed) == ("test", 0) else 0) for split in ("calibration", "test")}
    for split, recording in seen.items():
        recording.save(folder / f"{name}-{split}.npz")
    how = {"command": f"python -m dtsnn_lite flow --seed {seed}", "phases": recipe.training.phases,
           "clips": {split: getattr(recipe, split) for split in ("train", "calibration", "test")}, "camera": asdict(CAMERA)}
    found = {"aee_px": errors_of(seen), "loss": four_places(epochs)}
    return save_net(net, folder / f"{name}.safetensors", card({**about, **how}, sum(history.seconds), device_of(net), made_with, found),
                    torch.float16)


def errors_of(seen: dict[str, FlowRecording]) -> dict[str, dict[str, list[float]]]:
    """AEE a timestep of each split, on the pixels that spoke and on all."""
    return {split: {"spoken": four_places(recording.error.mean(axis=1)), "everywhere": four_places(recording.everywhere.mean(axis=1))}
            for split, recording in seen.items()}


# --- what it is compared with ------------------------------------------------------------

Estimator = Callable[[Events, Waves], np.ndarray]       # a clip's events and its scene -> flow (H, W, 2)


def still(events: Events, scene: Waves) -> np.ndarray:
    """Nothing moves."""
    return np.zeros((*events.size, 2))


def translation(events: Events, scene: Waves) -> np.ndarray:
    """Contrast maximisation over speeds alone."""
    return sharpest(events, turning=False).flow(events.size, FLOW_S)


def affine(events: Events, scene: Waves) -> np.ndarray:
    """Contrast maximisation over speed, spin and zoom: as many numbers as the scenes have."""
    return sharpest(events).flow(events.size, FLOW_S)


def farneback(events: Events, scene: Waves) -> np.ndarray:
    """OpenCV's dense flow between two perfect pictures of the scene, its first and its last: what no event camera sees (farneback2003)."""
    import cv2          # optional: pip install opencv-python-headless

    first, last = (np.exp(scene.log_intensity(t)) for t in (0.0, FLOW_S))
    low, high = min(first.min(), last.min()), max(first.max(), last.max())
    grey = [np.uint8(np.round(255 * (picture - low) / (high - low))) for picture in (first, last)]
    return cv2.calcOpticalFlowFarneback(*grey, None, 0.5, 3, 9, 5, 5, 1.1, 0)


ESTIMATORS: dict[str, Estimator] = {"zero flow": still, "contrast maximisation, translation": translation,
                                    "contrast maximisation, affine": affine, "Farneback on perfect frames": farneback}


def make_baselines(clips: int, folder: Path) -> dict:
    """Errors of every estimator on the first test clips, (N,) a name, and a card of their means; Farneback where OpenCV is there."""
    folder.mkdir(parents=True, exist_ok=True)
    test, made_with = clip_set("test", clips), versions()
    names = [name for name in ESTIMATORS if name != "Farneback on perfect frames" or find_spec("cv2")]
    if find_spec("cv2"):
        import cv2

        made_with = made_with | {"opencv": cv2.__version__}
    errors = {name: np.zeros((2, clips), np.float16) for name in names}
    for n in range(clips):
        seed = FIRST_SEEDS["test"] + n
        events, scene = flow_clip(seed, CAMERA), flow_scene(seed)
        for name in names:
            f = torch.from_numpy(np.moveaxis(ESTIMATORS[name](events, scene), -1, 0).astype(np.float32))
            errors[name][:, n] = [float(endpoint_error(f, test.flow[n], where)) for where in (test.spoken[n], None)]
    save_arrays(folder / "baselines.npz", **errors)
    made = {"command": "python -m dtsnn_lite flow --baselines", "clips": clips, "versions": made_with,
            "aee_px": {name: dict(zip(("spoken", "everywhere"), four_places(both.astype(float).mean(axis=1)), strict=True))
                       for name, both in errors.items()}}
    with whole_file(folder / "baselines.json") as part:
        part.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
    return made


def baselines() -> dict[str, np.ndarray]:
    """What ships: by name, AEE of each test clip on the pixels that spoke and everywhere, (2, N)."""
    with saved_arrays(FLOWS / "baselines.npz", "set of baselines", made_by="python -m dtsnn_lite flow --baselines") as z:
        return {name: z[name].astype(np.float32) for name in z.files}
