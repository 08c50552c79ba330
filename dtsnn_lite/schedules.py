"""Who waits for whom: in which order a chip runs layers and timesteps, and what an exit can then save.

The layers of a chip stand in a row, and behind the last one stands the exit check. With the times d_1, ..., d_L of the layers,
the time c of the check, the way P_l = d_1 + ... + d_l through the first l of them and the slowest M_l = max(d_1, ..., d_l):

order            | step t of a layer begins when                     | the answer of step t_hat is known after
layer first      | the layer before has done all T steps             | T P_(L-1) + d_L + c + (t_hat - 1) max(d_L, c)
timestep first   | for the first layer: step t - 1 was checked       | t_hat (P_L + c)
streaming        | the layer before has done step t                  | P_L + c + (t_hat - 1) max(M_L, c)
interleaved      | as timestep first; others' steps fill the gaps    | P_L + c + (t_hat - 1) K max(M_L, c), of K images in flight

What has begun when the answer is known is paid: a read of a crossbar cannot be called back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import accumulate
from math import ceil, isfinite
from typing import assert_never

import numpy as np

from dtsnn_lite.cost import Bill, ExitCheckCost
from dtsnn_lite.guards import check_whole, checked_steps

FREE = ExitCheckCost(energy_pj=0.0, latency_ns=0.0)
ROUNDING = 1e-12                    # instants closer than this share of the time passed are one: 0.1 + 0.2 is no later than 0.3


@dataclass(frozen=True)
class Stations:
    """What one timestep takes in each layer, and costs there: layer_ns (L,) and layer_pj (L,).

    check     the exit check behind the last layer; `FREE` in a static run, which has none
    fixed_pj  paid once an image, whenever it leaves
    """

    layer_ns: tuple[float, ...]
    layer_pj: tuple[float, ...]
    check: ExitCheckCost = FREE
    fixed_pj: float = 0.0

    def __post_init__(self) -> None:
        if not self.layer_ns or len(self.layer_ns) != len(self.layer_pj):
            raise ValueError(f"each layer has a time and an energy; got {len(self.layer_ns)} times and {len(self.layer_pj)} energies")
        if not all(isfinite(ns) and ns > 0 for ns in self.layer_ns):
            raise ValueError(f"a layer takes a time above 0; got {self.layer_ns}")
        if not all(isfinite(pj) and pj >= 0 for pj in (*self.layer_pj, self.fixed_pj)):
            raise ValueError(f"energies are finite and 0 or more; got {self.layer_pj} and {self.fixed_pj} once")
        if not all(isfinite(cost) and cost >= 0 for cost in (self.check.energy_pj, self.check.latency_ns)):
            raise ValueError(f"a check takes a finite energy and time, 0 or more; got {self.check}")

    @property
    def way_ns(self) -> float:
        """P_L + c: one timestep through all layers, and its check."""
        return sum(self.layer_ns) + self.check.latency_ns

    @property
    def interval_ns(self) -> float:
        """max(M_L, c): how soon one timestep can follow another."""
        return max(*self.layer_ns, self.check.latency_ns)

    @property
    def in_flight(self) -> int:
        """Images that keep the slowest station busy while each waits for its own check: ceil((P_L + c) / max(M_L, c))."""
        return ceil(self.way_ns * (1 - ROUNDING) / self.interval_ns)


@dataclass(frozen=True)
class LayerFirst:
    """A layer runs all T steps before the next one begins: each weight is fetched once, one layer's potentials are kept."""


@dataclass(frozen=True)
class TimestepFirst:
    """A step runs through all layers and is checked before the next one begins."""


@dataclass(frozen=True)
class Streaming:
    """Step t + 1 follows step t as closely as the layers allow, whatever the check will say."""


@dataclass(frozen=True)
class Interleaved:
    """K images take turns: between two steps of one, which waits for its check, come those of the others.

    images  K; `Stations.in_flight` of them waste no time
    """

    images: int

    def __post_init__(self) -> None:
        check_whole("images in flight", self.images)


Order = LayerFirst | TimestepFirst | Streaming | Interleaved


# --- closed forms ------------------------------------------------------------------------

def delay_ns(order: Order, stations: Stations, t_hat: int, timesteps: int) -> float:
    """How long an image waits for the answer of step t_hat, from the begin of its first step.

    >>> three = Stations(layer_ns=(4.0, 6.0, 2.0), layer_pj=(1.0, 1.0, 1.0))
    >>> [delay_ns(order, three, 2, timesteps=4) for order in (LayerFirst(), TimestepFirst(), Streaming(), Interleaved(2))]
    [44.0, 24.0, 18.0, 24.0]
    """
    _check(t_hat, timesteps)
    later = t_hat - 1
    match order:
        case LayerFirst():
            *before, last = stations.layer_ns
            check_ns = stations.check.latency_ns
            return timesteps * sum(before) + last + check_ns + later * max(last, check_ns)
        case TimestepFirst():
            return t_hat * stations.way_ns
        case Streaming():
            return stations.way_ns + later * stations.interval_ns
        case Interleaved(images):
            if images < stations.in_flight:
                raise ValueError(f"{stations.in_flight} images or more in flight: each is checked before its next turn; got {images}")
            return stations.way_ns + later * images * stations.interval_ns
        case _:
            assert_never(order)


def steps_begun(order: Order, stations: Stations, t_hat: int, timesteps: int) -> np.ndarray:
    """How many steps each layer has begun when the answer of step t_hat is known, (L,): what is paid.

    Streaming: the n-th step of layer l begins at P_(l-1) + (n - 1) M_l, and so many begin before the answer.
    A step that would begin at the very instant of the answer does not.

    >>> equal = Stations(layer_ns=(1.0,) * 6, layer_pj=(1.0,) * 6)
    >>> steps_begun(Streaming(), equal, t_hat=1, timesteps=4)       # leaves after its first step, and yet
    array([4, 4, 4, 3, 2, 1])
    """
    until_ns = delay_ns(order, stations, t_hat, timesteps) * (1 - ROUNDING)
    layers = len(stations.layer_ns)
    match order:
        case LayerFirst():
            *before, last = stations.layer_ns
            begun = ceil((until_ns - timesteps * sum(before)) / last)
            return np.array([timesteps] * len(before) + [min(timesteps, max(t_hat, begun))])
        case TimestepFirst() | Interleaved():
            return np.full(layers, t_hat)
        case Streaming():
            slowest = accumulate(stations.layer_ns, max)
            arrives = accumulate(stations.layer_ns[:-1], initial=0.0)
            begun_by = (ceil((until_ns - first) / every) for first, every in zip(arrives, slowest, strict=True))
            return np.array([min(timesteps, max(t_hat, begun)) for begun in begun_by])
        case _:
            assert_never(order)


def run_bill(order: Order, stations: Stations, t_hat: np.ndarray, timesteps: int) -> Bill:
    """The bill of images that leave after t_hat (N,) steps: what has begun is paid, and each check."""
    steps = checked_steps(t_hat, timesteps=timesteps)
    energy_pj, latency_ns = np.zeros(len(steps)), np.zeros(len(steps))
    for t in np.unique(steps):
        paid = steps_begun(order, stations, int(t), timesteps) @ np.array(stations.layer_pj)
        energy_pj[steps == t] = stations.fixed_pj + paid + t * stations.check.energy_pj
        latency_ns[steps == t] = delay_ns(order, stations, int(t), timesteps)
    return Bill(energy_pj, latency_ns)


def static_bill(order: Order, stations: Stations, timesteps: int) -> Bill:
    """The bill of one image that runs all T steps without a check."""
    return run_bill(order, replace(stations, check=FREE), np.array([timesteps]), timesteps)


def share_saved(order: Order, stations: Stations, timesteps: int, t_hat: int = 1) -> float:
    """Share of the layers' energy that leaving after t_hat steps saves, the check left aside."""
    energies_pj = np.array(stations.layer_pj)
    if not energies_pj.any():
        raise ValueError("layers that cost nothing have no energy to save a share of")
    return 1 - float(steps_begun(order, stations, t_hat, timesteps) @ energies_pj / (timesteps * energies_pj.sum()))


def _check(t_hat: int, timesteps: int) -> None:
    check_whole("timesteps", timesteps)
    check_whole("t_hat", t_hat, 1, timesteps)


# --- the same, event by event ----------------------------------------------------------------

@dataclass(frozen=True, order=True)
class Work:
    """One timestep of one image in one station, layers counted from 0; station L is the exit check."""

    begin_ns: float
    end_ns: float
    station: int
    step: int
    image: int = 0


@dataclass
class _Shop:
    """Stations that each do one thing at a time, and what has been begun and ended there."""

    times_ns: tuple[float, ...]
    begun: list[Work] = field(default_factory=list)
    running: list[tuple[float, int, Work]] = field(default_factory=list)
    ended: set[tuple[int, int]] = field(default_factory=set)

    def begin(self, now: float, station: int, step: int) -> None:
        work = Work(now, now + self.times_ns[station], station, step)
        self.begun.append(work)
        heappush(self.running, (work.end_ns, -station, work))

    def next_of(self, station: int) -> int:
        return 1 + sum(work.station == station for work in self.begun)

    def is_free(self, station: int) -> bool:
        return all(work.station != station for _, _, work in self.running)


def simulate(order: LayerFirst | TimestepFirst | Streaming, stations: Stations, t_hat: int, timesteps: int) -> list[Work]:
    """Everything that one image makes begin until the answer of step t_hat is known, event by event."""
    _check(t_hat, timesteps)
    layers, shop, now = len(stations.layer_ns), _Shop((*stations.layer_ns, stations.check.latency_ns)), 0.0
    while (layers, t_hat) not in shop.ended:
        for station in reversed(range(layers + 1)):                 # the check first: what takes no time is over at once
            step = shop.next_of(station)
            if step <= timesteps and shop.is_free(station) and _inputs(order, station, step, layers, timesteps) <= shop.ended:
                shop.begin(now, station, step)
                if shop.times_ns[station] == 0:
                    break
        now, _, work = heappop(shop.running)
        shop.ended.add((work.station, work.step))
        while shop.running and shop.running[0][0] * (1 - ROUNDING) <= now and (layers, t_hat) not in shop.ended:
            now, _, work = heappop(shop.running)
            shop.ended.add((work.station, work.step))
    return sorted(shop.begun)


def _inputs(order: LayerFirst | TimestepFirst | Streaming, station: int, step: int, layers: int, timesteps: int) -> set[tuple[int, int]]:
    """What must have ended before a station begins a step: (station, step)."""
    match order:
        case LayerFirst() if 0 < station < layers:
            return {(station - 1, timesteps)}
        case TimestepFirst() if station == 0 and step > 1:
            return {(layers, step - 1)}
    return {(station - 1, step)} if station else set()


def simulate_turns(order: Interleaved, stations: Stations, t_hat: np.ndarray) -> Iterator[Work]:
    """Everything that a stream of images makes begin: a step enters every interval, of the image whose turn it is.

    An image that has its answer gives its place to the next in line.
    """
    steps = [int(t) for t in checked_steps(t_hat)]
    line = iter(enumerate(steps))
    places: list[tuple[int, int, int]] = [(-1, 0, 0)] * order.images                # image, its t_hat, steps begun
    answered_ns = [0.0] * order.images
    free_ns = [0.0] * (len(stations.layer_ns) + 1)
    tick, left = 0, len(steps)
    while left:
        place, now = tick % order.images, tick * stations.interval_ns
        image, until, done = places[place]
        if done == until:
            image, until, done = *next(line, (-1, 0)), 0
        if until:
            if answered_ns[place] * (1 - ROUNDING) > now:
                raise ValueError(f"an image's turn comes before its check is over: {stations.in_flight} images or more; got {order.images}")
            for station, takes in enumerate((*stations.layer_ns, stations.check.latency_ns)):
                begin = max(now, free_ns[station])
                now = free_ns[station] = begin + takes
                yield Work(begin, now, station, done + 1, image)
            answered_ns[place] = now
            left -= done + 1 == until
        places[place] = (image, until, min(done + 1, until))
        tick += 1
