"""The pipeline explorer: timesteps of images pass the layers of a chip, and every layer waits for the slowest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import traitlets

from dtsnn_lite.guards import checked_steps
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module
from dtsnn_lite.widgets.named_prices import stages_in_python
from dtsnn_lite.widgets.quantities import quantity, ratio

ORDERS = {"stream": "stream: any image that is ready", "timestep": "timestep first: one image at a time",
          "layer": "layer first: all timesteps at once"}


@dataclass(frozen=True)
class Stages:
    """A chip's pipeline: names and times of its layers in one timestep, and how long one look at the score takes."""

    names: tuple[str, ...]
    times_ns: tuple[float, ...]
    check_ns: float

    def __post_init__(self) -> None:
        if not (len(self.names) == len(self.times_ns) > 0 and min(self.times_ns) > 0 and self.check_ns >= 0):
            raise ValueError("a pipeline has a name and a time above 0 for each of its layers, and a check of 0 ns or more; "
                             f"got {self.names}, {self.times_ns} and {self.check_ns}")

    @property
    def interval_ns(self) -> float:
        """The slowest layer: no two timesteps leave the pipeline in less."""
        return max(self.times_ns)

    @property
    def way_ns(self) -> float:
        """All layers, one after the other: what one timestep takes."""
        return sum(self.times_ns)


@dataclass(frozen=True)
class Pass:
    """Timesteps `step`, ..., `step` + `steps` - 1 of an image on their way: when each layer starts and ends with them."""

    image: int
    step: int
    steps: int
    starts: tuple[float, ...]
    ends: tuple[float, ...]


def passes(stages: Stages, exits: Sequence[int], timesteps: int, order: str, stopping: bool) -> list[Pass]:
    """Everything that passes the pipeline, in the order in which it enters; all images wait at time 0.

    start_l = max(end_{l-1}, when layer l is free)

    order     "layer": all T steps of an image at once, so that nothing can stop early; "timestep": step by step, image by image;
              "stream": as soon as the first layer is free, the oldest image whose next step is ready
    stopping  an image leaves after its exits[n] steps, and its next step waits until the score was looked at; else each runs T
    """
    free, done = [0.0] * len(stages.times_ns), []

    def sent(image: int, step: int, steps: int, ready: float) -> float:
        at, starts, ends = ready, [], []
        for layer, time_ns in enumerate(stages.times_ns):
            starts.append(max(at, free[layer]))
            at = free[layer] = starts[-1] + steps * time_ns
            ends.append(at)
        done.append(Pass(image, step, steps, tuple(starts), tuple(ends)))
        return at + stages.check_ns if stopping else ends[0]      # when the image's next step is ready

    if order == "layer":
        for image in range(len(exits)):
            sent(image, 1, timesteps, 0.0)
        return done
    lengths = [t if stopping else timesteps for t in exits]
    if order == "timestep":
        ready = 0.0
        for image, length in enumerate(lengths):
            for step in range(1, length + 1):
                ready = sent(image, step, 1, ready)
        return done
    waiting = {image: (1, 0.0) for image in range(len(exits))}    # an image's next step, and when it is ready
    while waiting:
        now = max(free[0], min(ready for _, ready in waiting.values()))
        image = min(image for image, (_, ready) in waiting.items() if ready <= now)
        step, ready = waiting.pop(image)
        ready = sent(image, step, 1, ready)
        if step < lengths[image]:
            waiting[image] = (step + 1, ready)
    return done


@dataclass(frozen=True)
class Timing:
    """What a reader of the clock sees: of all images, and of each."""

    total_ns: float                 # until the last one has left
    delays_ns: tuple[float, ...]    # of each image: from its first step's start to its leaving
    steps: int                      # timesteps that were computed
    busy: float                     # share of the time that the slowest layer works

    @property
    def per_image_ns(self) -> float:
        """One over the throughput."""
        return self.total_ns / len(self.delays_ns)


def timing(stages: Stages, exits: Sequence[int], timesteps: int, order: str, stopping: bool) -> Timing:
    """The pipeline's clock; an image leaves when its last score was looked at, or without a look where nothing stops."""
    looked = stages.check_ns if stopping and order != "layer" else 0.0
    done = passes(stages, exits, timesteps, order, stopping)
    left = [max(each.ends[-1] for each in done if each.image == image) + looked for image in range(len(exits))]
    entered = [min(each.starts[0] for each in done if each.image == image) for image in range(len(exits))]
    delays = tuple(end - start for start, end in zip(entered, left, strict=True))
    steps, total = sum(each.steps for each in done), max(left)
    return Timing(total, delays, steps, steps * stages.interval_ns / total)


def pipeline_rows(stages: Stages, exits: Sequence[int], timesteps: int, order: str) -> list[list[str]]:
    """The explorer's table: [name, stops when sure, always T, ratio]."""
    now, then = (timing(stages, exits, timesteps, order, stopping) for stopping in (True, False))
    costs = [("all images", now.total_ns, then.total_ns), ("an image (1 / throughput)", now.per_image_ns, then.per_image_ns),
             ("mean delay of an image", float(np.mean(now.delays_ns)), float(np.mean(then.delays_ns)))]
    return [*([name, quantity(a, "ns", b), quantity(b, "ns"), ratio(a / b)] for name, a, b in costs),
            ["slowest layer works", f"{100 * now.busy:.0f} %", f"{100 * then.busy:.0f} %", ""],
            ["timesteps computed", str(now.steps), str(then.steps), ratio(now.steps / then.steps)]]


# --- the widget ---------------------------------------------------------------------------

class PipelineExplorer(Explorer):
    """Images on their way through the layers of a chip, in an order that the reader chooses.

    PipelineExplorer({"chip": Stages(...)}, exits, timesteps)
    network   the shipped network whose layers these are: copied lines then call chips by their names
    exits     the step after which each image leaves when sure, 1 to T
    chip      a key of the chips
    order     a key of ORDERS
    stopping  whether images leave when sure
    clock     how far the picture has run, of 60
    """

    _esm = module("pipeline_explorer")
    data = traitlets.Dict().tag(sync=True)
    chip = traitlets.Unicode("").tag(sync=True)
    order = traitlets.Unicode("stream").tag(sync=True)
    stopping = traitlets.Bool(True).tag(sync=True)
    clock = traitlets.Int(24).tag(sync=True)

    def __init__(self, chips: Mapping[str, Stages], exits: Sequence[int], timesteps: int = 4, *, network: str = "",
                 heading: str = "Pipeline explorer", hash_key: str = "pipeline", **state: object) -> None:
        if not chips:
            raise ValueError("chips is empty: name at least one pipeline with its Stages")
        steps = checked_steps(np.asarray(exits), timesteps=timesteps)
        if not 1 <= len(steps) <= 6:
            raise ValueError(f"one to six images fit into the picture; got {len(steps)}")
        if len({stages.names for stages in chips.values()}) > 1:
            raise ValueError("the chips run one network: their layers have the same names")
        lines = [{"name": name, "names": list(stages.names), "times_ns": list(stages.times_ns), "check_ns": stages.check_ns,
                  "python": asdict(stages_in_python(network, stages.names, stages.times_ns, stages.check_ns))}
                 for name, stages in chips.items()]
        data = {"chips": lines, "exits": steps.tolist(), "timesteps": timesteps, "orders": list(ORDERS.items())}
        super().__init__(data=data, heading=heading, hash_key=hash_key, **{"chip": next(iter(chips)), **state})
        checked_choice("chip", self.chip, tuple(chips))
        checked_choice("order", self.order, tuple(ORDERS))
        if not 0 <= self.clock <= 60:
            raise ValueError(f"clock lies in [0, 60]; got {self.clock}")
