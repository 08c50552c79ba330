"""One network on many chips at many thresholds, one job a chip: here, on several cores, or on a Dask cluster; the rows are the same.

A worker of a cluster needs this package in the same edition (it is compared), and `pip install "dtsnn-lite[cluster]"`.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from dtsnn_lite.checkpoints import shipped_path, spiking_net
from dtsnn_lite.chip import Chip, Flaws, adc_less_65nm, hp_adc_65nm
from dtsnn_lite.cost import exit_check_cost, inference_cost, static_cost, timestep_cost
from dtsnn_lite.data import as_input
from dtsnn_lite.designs import READOUTS
from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.files import whole_file
from dtsnn_lite.guards import check_whole
from dtsnn_lite.inference import record
from dtsnn_lite.models import layer_shapes
from dtsnn_lite.proofs.recipes import RECIPES, recipe_of
from dtsnn_lite.proofs.stages import start_from

PACKAGE = Path(__file__).parents[1]
Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One network on one drawn chip: all that a worker needs to know; its thresholds are replayed from one recording.

    network    a shipped one
    converter  a key of `designs.READOUTS`
    variation  sigma / mu of the cells; `seed` draws the chip
    thetas     of the entropy of f_t t^gamma
    edition    of the package that asks
    """

    network: str
    rows: int
    converter: str
    seed: int = 0
    variation: float = 0.0
    gamma: float = 1.0
    thetas: tuple[float, ...] = (0.1,)
    images: int = 200
    timesteps: int = 4
    edition: str = ""

    def __post_init__(self) -> None:
        if self.converter not in READOUTS:
            raise ValueError(f"no converter {self.converter!r}; there are {list(READOUTS)}")
        for what in ("rows", "images", "timesteps"):
            check_whole(what, getattr(self, what))
        if not self.thetas:
            raise ValueError("a job has one theta or more: none would leave no row")
        for theta in self.thetas:
            EntropyExit(theta, self.gamma)              # before the recording is made, not after it

    @property
    def chip(self) -> Chip:
        like = adc_less_65nm if self.converter == "sa" else hp_adc_65nm
        readout = READOUTS[self.converter]
        return replace(like, name=f"{readout.name}, {self.rows} rows", rows=self.rows, cols=self.rows, readout=readout,
                       first_readout=READOUTS["flash5"], timesteps=self.timesteps, mux=min(like.mux, self.rows),
                       flaws=Flaws(variation=self.variation, seed=self.seed))

    @property
    def key(self) -> str:
        """What makes two jobs the same, as text."""
        return json.dumps(asdict(self), sort_keys=True)


@cache
def edition() -> str:
    """A name for this package as it is: another one after any change of a Python file or an asset."""
    content = hashlib.sha256()
    for path in sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".npz", ".safetensors")):
        content.update(f"{path.relative_to(PACKAGE)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()[:12]


def grid(network: str, rows: Sequence[int], converters: Sequence[str], seeds: Sequence[int] = (0,), **same: Any) -> list[Job]:
    """Every combination, a job each; what is named twice is measured once."""
    jobs = (Job(network, size, converter, seed, edition=edition(), **same) for size, converter, seed in product(rows, converters, seeds))
    return list(dict.fromkeys(jobs))


def measured(job: Job) -> list[Row]:
    """A row a threshold: accuracy, timesteps, energy, delay and EDP on the first test images.

    The network is only calibrated on its chip, not trained for it.
    """
    if job.edition and job.edition != edition():
        raise RuntimeError(f"this worker has another edition of the package ({edition()}, not {job.edition})")
    net, data = spiking_net(shipped_path(job.network)), recipe_of(_recipe(job.network)).data()
    moved = start_from(net, job.chip, as_input(data.train.images[:100]), job.timesteps).eval()
    test = data.test
    seen = record(moved, as_input(test.images[:job.images]), test.labels[:job.images], job.timesteps)
    step, check = timestep_cost(layer_shapes(moved), job.chip, seen.reads), exit_check_cost(job.chip, seen.classes)
    still_edp = float(static_cost(job.timesteps, step).edp_pj_ns[0])
    found = []
    for theta in job.thetas:
        run = replay(seen, EntropyExit(theta, gamma=job.gamma))
        bill = inference_cost(run.t_hat, step, check)
        edp = float(bill.edp_pj_ns.mean())
        found.append({"network": job.network, "rows": job.rows, "converter": job.converter, "seed": job.seed,
                      "variation": job.variation, "gamma": job.gamma, "theta": theta, "images": job.images,
                      "static_accuracy": float(seen.accuracy[-1]), "accuracy": run.accuracy, "mean_timesteps": run.mean_timesteps,
                      "energy_pj": float(bill.energy_pj.mean()), "latency_ns": float(bill.latency_ns.mean()),
                      "edp_pj_ns": edp, "edp_ratio": edp / still_edp})
    return found


def _recipe(network: str) -> str:
    """Whose data a network answers: `digits` of digits-4-bit."""
    known = [name for name in RECIPES if network.startswith(name)]
    if not known:
        raise ValueError(f"nobody knows the data of {network!r}; there are networks of {sorted(RECIPES)}")
    return max(known, key=len)


# --- who measures ------------------------------------------------------------------------

Way = Callable[[Sequence[Job]], Iterator[tuple[Job, list[Row]]]]        # in the order in which jobs end


def _with_itself(job: Job) -> tuple[Job, list[Row]]:
    torch.set_num_threads(1)            # jobs, not threads, fill the cores
    return job, measured(job)


def on_this_machine(at_once: int = 1) -> Way:
    """So many processes at once (joblib); 1 is this one."""
    def way(jobs: Sequence[Job]) -> Iterator[tuple[Job, list[Row]]]:
        from joblib import Parallel, delayed

        yield from Parallel(n_jobs=at_once, return_as="generator_unordered")(delayed(_with_itself)(job) for job in jobs)
    return way


def on_cluster(scheduler: str) -> Way:
    """The workers of a Dask cluster, at an address as `tcp://10.0.0.1:8786`."""
    def way(jobs: Sequence[Job]) -> Iterator[tuple[Job, list[Row]]]:
        from distributed import Client, as_completed        # the extra [cluster]

        with Client(scheduler) as client:
            for future in as_completed(client.map(_with_itself, jobs, pure=False)):
                yield future.result()
    return way


# --- the file ------------------------------------------------------------------------------

def sweep(jobs: Sequence[Job], path: Path, way: Way, progress: bool = True) -> list[Row]:
    """The rows of all jobs, in their order, also in a CSV file that grows with each; what it holds already is not measured again.

    A job of another edition, or with other images or thresholds, is another job: its rows leave the file.
    """
    known = _known(path)
    done = {job.key: known[job.key] for job in jobs if job.key in known}
    left = [job for job in jobs if job.key not in done]
    with tqdm(total=len(jobs), initial=len(done), unit="chip", disable=not progress) as bar:
        for job, rows in way(left):
            done[job.key] = rows
            _write(path, [(one, done[one.key]) for one in jobs if one.key in done])
            bar.update()
    return [row for job in jobs for row in done[job.key]]


def _write(path: Path, found: Sequence[tuple[Job, list[Row]]]) -> None:
    rows = [{**row, "job": job.key} for job, its in found for row in its]
    with whole_file(path) as part, open(part, "w", newline="", encoding="utf8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def _known(path: Path) -> dict[str, list[Row]]:
    """The rows of a file by their job's key; numbers are numbers again."""
    found: dict[str, list[Row]] = {}
    if path.exists():
        with open(path, newline="", encoding="utf8") as file:
            for row in csv.DictReader(file):
                if None in row or None in row.values() or "job" not in row:
                    raise ValueError(f"{path} is not a whole table of a sweep: delete it, or give another --out")
                found.setdefault(row.pop("job"), []).append({name: _number(text) for name, text in row.items()})
    return found


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
