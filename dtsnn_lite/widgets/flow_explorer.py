"""The flow viewer: events of a clip, where the network says that they go, and where they really go."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import traitlets

from dtsnn_lite.flow_recording import FlowRecording
from dtsnn_lite.widgets.explorer import Explorer, module

SCALE = 8.0         # steps of a byte a pixel: flows of +-15.9 pixels to an eighth
BLOCK = 2           # pixels a side that share one arrow: their mean


def blocks(flow: np.ndarray) -> np.ndarray:
    """A flow (..., 2, H, W) as bytes (..., 2, H / 2, W / 2) int8: means of 2 x 2 pixels, in eighths of a pixel."""
    *lead, H, W = flow.shape
    mean = flow.astype(np.float64).reshape(*lead, H // BLOCK, BLOCK, W // BLOCK, BLOCK).mean(axis=(-3, -1))
    return np.clip(np.rint(SCALE * mean), -127, 127).astype(np.int8)


def flow_rows(data: dict, sent: bytes, clip: int, t: int, x: int, y: int) -> list[list[str]]:
    """The viewer's two tables in one: [name, error of the clip in pixels], then [whose, to the right, down] under the cursor."""
    errors = [["the network so far", f"{data['errors'][clip][t - 1]:.2f}"],
              *([name, f"{values[clip]:.2f}"] for name, values in data["baselines"].items())]
    said, true = (_under(data, sent, place, x, y) for place in (clip * data["timesteps"] + t - 1, data["clips"] * data["timesteps"] + clip))
    return [*errors, ["the network says", *map(_signed, said)], ["the truth", *map(_signed, true)]]


def _under(data: dict, sent: bytes, field: int, x: int, y: int) -> np.ndarray:
    """(2,) pixels of one field at a block."""
    fields = np.frombuffer(sent, np.int8)[: (data["timesteps"] + 1) * data["clips"] * 2 * data["side"] ** 2]
    return fields.reshape(-1, 2, data["side"], data["side"])[field, :, y, x] / SCALE


def _signed(pixels: float) -> str:
    return f"{pixels:+.2f}".replace("-", "\u2212") if abs(pixels) >= 0.005 else "0.00"


class FlowViewer(Explorer):
    """Clips of events with the arrows of a network and of the truth, bin after bin.

    FlowViewer(seen, frames, flow, baselines)
    seen       a recording that keeps the fields of its first M clips
    frames     (M, T, 2, H, W) bits, the events of these clips; flow (M, 2, H, W), their truth
    baselines  (M,) errors a name, on the pixels that spoke
    clip       from 1; t how many bins the network has seen; x, y the block of 2 x 2 pixels under the cursor
    """

    _esm = module("flow_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    clip = traitlets.Float(1.0).tag(sync=True)
    t = traitlets.Float(5.0).tag(sync=True)
    x = traitlets.Float(8.0).tag(sync=True)
    y = traitlets.Float(8.0).tag(sync=True)

    def __init__(self, seen: FlowRecording, frames: np.ndarray, flow: np.ndarray, baselines: Mapping[str, np.ndarray], *,
                 clip: int = 1, t: int | None = None, heading: str = "Flow, bin by bin", hash_key: str = "flow") -> None:
        T, M, _, H, W = seen.fields.shape
        if H != W or H % BLOCK or M == 0:
            raise ValueError(f"the viewer shows square pictures of an even side, one clip or more; got {M} of {H} x {W}")
        if frames.shape != (M, T, 2, H, W) or flow.shape != (M, 2, H, W) or any(len(values) != M for values in baselines.values()):
            raise ValueError(f"the recording keeps {M} clips, so frames are {(M, T, 2, H, W)} and flow {(M, 2, H, W)}, and a baseline has "
                             f"an error for each; got {frames.shape}, {flow.shape}")
        t = T if t is None else t
        if not (1 <= clip <= M and 1 <= t <= T):
            raise ValueError(f"clip lies in 1 to {M} and t in 1 to {T}; got {clip} and {t}")
        data = {"timesteps": T, "clips": M, "side": H // BLOCK, "pixels": H,
                "errors": [[round(float(e), 2) for e in seen.error[:, n]] for n in range(M)],
                "baselines": {name: [round(float(e), 2) for e in values] for name, values in baselines.items()}}
        said = np.moveaxis(blocks(seen.fields), 1, 0)                                         # (M, T, 2, side, side)
        sent = said.tobytes() + blocks(flow).tobytes() + np.packbits(frames > 0).tobytes()
        super().__init__(data=data, bytes=sent, clip=float(clip), t=float(t), x=float(H // BLOCK // 2),
                         y=float(H // BLOCK // 2), heading=heading, hash_key=hash_key)
