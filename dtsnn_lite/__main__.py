"""The command line: `python -m dtsnn_lite COMMAND`.

train | stages | comparators | league | flow | record | throughput | curve | cost | sweep | facts | download
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtsnn_lite.exits import THRESHOLD_POLICIES
from dtsnn_lite.guards import check_whole

if TYPE_CHECKING:
    from dtsnn_lite.models import SpikingNet
    from dtsnn_lite.proofs.stages import Ladder
    from dtsnn_lite.recording import Recording

COUNTS = {"timesteps": (1, 1_000_000), "seed": (0, 2 ** 32 - 1), "max_epochs": (1, None), "times": (1, None)}
CHIPS = ("dtsnn_2023", "spikesim_rram_64", "hp_adc_65nm", "adc_less_65nm")


# --- what the commands do: arguments in, plain data out --------------------------------

def train(a: argparse.Namespace) -> dict:
    """Train a recipe and write weights, card and recordings."""
    import torch

    from dtsnn_lite.proofs.recipes import make, recipe_of, ship

    device = _device(a.device)
    if a.name not in (names := trained_names()):
        raise ValueError(f"no recipe {a.name!r}; there are {names}")
    if a.name in (makers := _makers()):
        ignored = {"device": a.device != "cpu", "compile": a.compile, "half": a.half, "max_epochs": a.max_epochs is not None}
        if given := [f"--{option.replace('_', '-')}" for option, was in ignored.items() if was]:
            raise ValueError(f"there is no use for {' and '.join(given)}: {a.name} is made on the CPU, in one piece and as its recipe says")
        return makers[a.name](a.out, a.seed, not a.quiet, a.note)
    recipe = recipe_of(a.name).seeded(a.seed)
    recipe.data()                                   # no folder is made where there is nothing to train on
    a.out.mkdir(parents=True, exist_ok=True)
    checkpoint = a.out / f"{a.name}-seed{a.seed}.training"
    trained = make(recipe, checkpoint, device, a.compile, not a.quiet, a.max_epochs)
    epochs = len(trained.history.loss)
    if epochs < recipe.training.epochs:
        return {"epochs": epochs, "of": recipe.training.epochs, "continue": "the same command with a larger --max-epochs, or none"}
    name = a.name if a.seed == 0 else f"{a.name}-seed{a.seed}"
    return ship(name, trained, a.out, torch.float16 if a.half else None, a.note)


def stages(a: argparse.Namespace) -> dict:
    """Train a shipped network for a chip, stage by stage, and write weights, cards and recordings."""
    from dtsnn_lite.proofs.stages import ladder_of, make_stages, ship

    ladder = ladder_of(a.name).longer(a.times)
    if a.name == "flow":
        return _flow_stages(a, ladder)
    found = make_stages(a.seed, a.out, not a.quiet, _device(a.device), a.only or (), ladder)
    return ship(a.out, a.ship, ladder, a.note) if a.ship else found


def _flow_stages(a: argparse.Namespace, ladder: Ladder) -> dict:
    from dtsnn_lite.proofs.stages_flow import make_flow_stages, ship_flow

    if a.device != "cpu":
        raise ValueError("there is no use for --device: flow is trained on the CPU")
    found = make_flow_stages(ladder, a.seed, a.out, not a.quiet, a.only or ())
    return ship_flow(a.out, a.ship) if a.ship else found


def comparators(a: argparse.Namespace) -> dict:
    """Measure what offset and noise of comparators do to the stages in a folder, and write the recording that the explorer shows."""
    from dtsnn_lite.proofs.comparators import measure

    a.out.parent.mkdir(parents=True, exist_ok=True)             # before an hour of measuring, not after it
    study = measure(a.stages, tuple(a.seeds))
    study.save(a.out)
    return {f"{name}, {kind}, seed {seed}": right.mean(axis=(0, 2)).round(4).tolist() for (name, kind, seed), right in study.right.items()}


def league(a: argparse.Namespace) -> dict:
    """Train one network for each of several read-outs, let it stop when it is sure, and compare accuracy and EDP in a figure."""
    from dataclasses import asdict

    from dtsnn_lite.proofs.league import ENTRANTS, keep, play

    if unknown := sorted(set(a.only or ()) - set(ENTRANTS)):
        raise ValueError(f"no read-out {unknown[0]!r} in the league; there are {list(ENTRANTS)}")
    found = play(a.out, a.only or tuple(ENTRANTS), a.seeds)
    keep(found, a.out)
    return {f"{result.entrant}, seed {result.seed}": {k: v for k, v in asdict(result).items() if k not in ("entrant", "seed")}
            for result in found}


def flow(a: argparse.Namespace) -> dict:
    """Train the flow network and write weights, card and recordings; or measure what it is compared with, or what it says of N-MNIST."""
    from dtsnn_lite.proofs.recipes_flow import FLOW, make_baselines, make_flow
    from dtsnn_lite.proofs.saccade_flow import make_saccades

    if a.baselines or a.saccades:
        _refuse(a, "nothing is trained for the baselines, or to be asked about saccades", "max_epochs")
        return make_saccades(a.out) if a.saccades else make_baselines(FLOW.test, a.out)
    return make_flow(FLOW.seeded(a.seed), a.out, not a.quiet, a.max_epochs)


def record(a: argparse.Namespace) -> dict:
    """Run a trained network on a split and write its recording."""
    from dtsnn_lite.checkpoints import card_path, shipped_path
    from dtsnn_lite.data import as_input
    from dtsnn_lite.inference import record as run
    from dtsnn_lite.proofs.recipes import RECIPES, recipe_of

    net, path = _network(a.name), Path(a.name)
    name = path.stem if path.suffix else a.name
    own = max((one for one in RECIPES if name.startswith(one)), key=len, default=name)       # digits of digits-4-bit
    own = "cifar10-small" if name.startswith(("cifar10-ann", "cifar10-converted")) else own
    recipe = recipe_of(a.recipe or own)
    split = getattr(recipe.data(), a.split)
    card = card_path(path if path.suffix else shipped_path(name.replace("-converted", "-ann")))
    elsewhere = {"recipe": a.recipe} if a.recipe not in (None, own) else {}          # another set than the network's own
    about = {"network": name, "dataset": recipe.dataset, "split": a.split, **elsewhere,
             "seed": json.loads(card.read_text()).get("seed") if card.exists() else None}
    seen = run(net, as_input(split.images), split.labels, recipe.timesteps if a.timesteps is None else a.timesteps,
               about=about, coding=recipe.coding)
    a.out.mkdir(parents=True, exist_ok=True)
    file = a.out / ("-".join([name, *elsewhere.values(), a.split]) + ".npz")
    seen.save(file)
    return {"file": str(file), "images": seen.images, "timesteps": seen.timesteps,
            "accuracy": seen.accuracy.tolist(), "spike_rates": seen.spike_rates.mean(axis=0).tolist(),
            "densities": seen.reads.densities.mean(axis=0).tolist()}


def throughput(a: argparse.Namespace) -> dict:
    """Time a network in the folder of its training, with all timesteps and really stopping, and write what a device takes."""
    from dtsnn_lite.checkpoints import load_net
    from dtsnn_lite.proofs.cards import device_name
    from dtsnn_lite.proofs.recipes import recipe_of
    from dtsnn_lite.proofs.throughput import keep, measure
    from dtsnn_lite.recording import Recording

    net, test = load_net(a.folder / f"{a.name}.safetensors").to(_device(a.device)), recipe_of(a.name).data().test
    calibration = Recording.load(a.folder / f"{a.name}-calibration.npz")
    found = measure(net, test, calibration, dict(zip((1, 64), a.images, strict=True)), a.rounds)
    return keep(found, device_name(net.head.weight.device), a.folder / f"{a.name}-throughput.json")


def curve(a: argparse.Namespace) -> dict:
    """The exact trade-off curve of a recording: accuracy against mean timesteps."""
    from dtsnn_lite.exits import trade_off

    if a.points < 0:
        raise ValueError(f"points is how many breakpoints to print, 0 for all; got {a.points}")
    seen, policy = _recording(a.name), THRESHOLD_POLICIES[a.score]
    found = trade_off(seen, policy)
    breakpoints = len(found.thresholds)
    at = np.arange(breakpoints) if a.points == 0 else np.unique(np.linspace(0, breakpoints - 1, a.points).round().astype(int))
    return {"recording": a.name, "score": a.score, "breakpoints": breakpoints, "static_accuracy": seen.accuracy.tolist(),
            "thresholds": found.thresholds[at].tolist(), "accuracy": found.accuracy[at].tolist(),
            "mean_timesteps": found.mean_timesteps[at].tolist()}


def network_cost(a: argparse.Namespace) -> dict:
    """What one run of a paper's network costs on a chip, all T steps."""
    from dataclasses import replace

    from dtsnn_lite import chip as chips
    from dtsnn_lite.cost import EveryStep, Once, static_cost, timestep_cost
    from dtsnn_lite.floorplan import area_mm2, clock_ns, leakage_uw
    from dtsnn_lite.networks import NETWORKS

    _refuse(a, "a paper's network has no images", "threshold", "score", "net")
    timesteps = a.timesteps or 4
    shapes, chip = NETWORKS[a.name](), replace(getattr(chips, a.chip), timesteps=timesteps)
    rates = np.full((timesteps, len(shapes)), 0.5 if a.density is None else a.density)
    if a.density is None and timesteps > 1:
        rates[0] = 0.0                              # as the authors' program feeds its networks
    step = timestep_cost(shapes, chip, rates, Once() if a.first_layer_once else EveryStep())
    bill = static_cost(timesteps, step)
    found = {"network": a.name, "chip": chip.name, "timesteps": timesteps, "density": float(rates.mean()),
             "energy_pj": float(bill.energy_pj[0]), "latency_ns": float(bill.latency_ns[0]),
             "edp_pj_ns": float(bill.edp_pj_ns[0]), "fixed_pj": step.fixed_pj, "step_pj": step.step_pj,
             "fixed_ns": step.fixed_ns, "step_ns": step.step_ns, "parts_pj": step.parts}
    if isinstance(chip.charges, chips.Parts65nm):
        found |= {"area_mm2": area_mm2(shapes, chip, chip.charges), "clock_ns": clock_ns(chip, chip.charges),
                  "leakage_pj": leakage_uw(shapes, chip, chip.charges) * bill.latency_ns[0] * 1e-3}
    return found


def cost(a: argparse.Namespace) -> dict:
    """What a recording's images cost on a chip when they stop at a threshold; or a paper's network, by its name."""
    from dtsnn_lite.networks import NETWORKS

    if a.name in NETWORKS:
        return network_cost(a)
    from dataclasses import replace

    from dtsnn_lite import chip as chips
    from dtsnn_lite.cost import EveryStep, Once, exit_check_cost, inference_cost, static_cost, three_ratios, timestep_cost
    from dtsnn_lite.exits import NeverExit, replay
    from dtsnn_lite.models import layer_shapes

    _refuse(a, "a recording has its own", "timesteps", "density")
    if a.threshold is None:
        _refuse(a, "without --threshold the network never stops early", "score")
    seen = _recording(a.name)
    chip = replace(getattr(chips, a.chip), timesteps=seen.timesteps)
    policy = NeverExit() if a.threshold is None else THRESHOLD_POLICIES[a.score or "entropy"](a.threshold)
    first_layer = Once() if a.first_layer_once else EveryStep()
    step = timestep_cost(layer_shapes(_recorded_network(seen, a.net)), chip, seen.reads, first_layer)
    run = replay(seen, policy)
    bill = inference_cost(run.t_hat, step, None if a.threshold is None else exit_check_cost(chip, seen.classes))
    still = static_cost(seen.timesteps, step)
    return {"recording": a.name, "chip": chip.name, "policy": str(policy), "accuracy": run.accuracy,
            "mean_timesteps": run.mean_timesteps, "histogram": run.histogram.tolist(),
            "energy_pj": float(bill.energy_pj.mean()), "static_energy_pj": float(still.energy_pj[0]),
            "latency_ns": float(bill.latency_ns.mean()), "static_latency_ns": float(still.latency_ns[0]),
            "edp_ratio": three_ratios(bill, run.t_hat, step, seen.timesteps),
            "fixed_pj": step.fixed_pj, "step_pj": step.step_pj, "parts_pj": step.parts}


def sweep(a: argparse.Namespace) -> dict:
    """Measure a shipped network on many chips and thresholds, one job a chip, into a CSV file that a second call completes."""
    from dtsnn_lite.proofs.sweeps import grid, on_cluster, on_this_machine
    from dtsnn_lite.proofs.sweeps import sweep as measure

    if a.scheduler and a.jobs != 1:
        raise ValueError("--jobs are processes on this machine; a cluster has its own workers: give --jobs or --scheduler")
    jobs = grid(a.name, a.rows, a.converters, a.seeds, variation=a.variation, gamma=a.gamma, thetas=tuple(a.thetas), images=a.images,
                timesteps=a.timesteps)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    rows = measure(jobs, a.out, on_cluster(a.scheduler) if a.scheduler else on_this_machine(a.jobs), not a.quiet)
    best = min(rows, key=lambda row: row["edp_pj_ns"])
    return {"file": str(a.out), "chips": len(jobs), "rows": len(rows), "least_edp": best}


def facts(a: argparse.Namespace) -> list[dict]:
    """Every number that the book claims, measured now."""
    from dtsnn_lite.proofs.facts import facts as all_facts

    found = [{**vars(one), "value": float(one.value), "text": one.text} for one in all_facts() if a.name in one.name]
    if not found:
        raise ValueError(f"no fact has {a.name!r} in its name; `python -m dtsnn_lite facts` lists them all")
    return found


def download(a: argparse.Namespace) -> dict:
    """Fetch CIFAR-10 from its publisher."""
    from dtsnn_lite.data import download_cifar10

    return {"folder": str(download_cifar10())}


def _recording(name: str) -> Recording:
    from dtsnn_lite.recording import Recording, shipped

    return Recording.load(name) if name.endswith(".npz") else shipped(name)


def _network(name: str) -> SpikingNet:
    """A shipped network or that of a file; an ANN as the spiking network that it becomes."""
    from dtsnn_lite.checkpoints import shipped_path, spiking_net

    return spiking_net(name if Path(name).suffix else shipped_path(name.replace("-converted", "-ann")))


def _recorded_network(seen: Recording, name: str | None) -> SpikingNet:
    """The network whose layers a recording is billed on."""
    name = name or str(seen.about.get("network", "")).split("-seed")[0]
    if not name:
        raise ValueError("the recording does not say which network made it: give --net")
    net = _network(name)
    if (net.layers, net.head.out_features) != (seen.spike_rates.shape[1], seen.classes):
        raise ValueError(f"the recording has {seen.spike_rates.shape[1]} spiking layers and {seen.classes} classes, {name} has "
                         f"{net.layers} and {net.head.out_features}: give the --net that made it")
    return net


def _device(name: str) -> str:
    """The device of that name, if this machine has it."""
    import torch

    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"no device {name!r} here ({str(error).splitlines()[0]}); cpu is always there") from error
    torch.backends.cudnn.allow_tf32 = False         # a recording is in float32, as on a CPU; a training in half precision is not slower
    return name


def _refuse(a: argparse.Namespace, why: str, *options: str) -> None:
    """Options that would be ignored are refused."""
    given = [f"--{one.replace('_', '-')}" for one in options if getattr(a, one) is not None]
    if given:
        raise ValueError(f"there is no use for {' and '.join(given)}: {why}")


# --- how they print -----------------------------------------------------------------------

def lines(result: dict | list) -> Iterator[str]:
    """Plain data as text: one line a key, or one line a fact."""
    if isinstance(result, list):
        width = max((len(one["name"]) for one in result), default=0)
        yield from (f"{one['name']:{width}}  {one['text']:>16}  {one['how']}" for one in result)
        return
    for key, value in result.items():
        yield f"{key:20} {_short(value)}"


def _short(value: object) -> str:
    match value:
        case float():
            return f"{value:.6g}"
        case list() | tuple():
            return " ".join(map(_short, value))
        case dict():
            return ", ".join(f"{key} {_short(one)}" for key, one in value.items())
    return str(value)


# --- how they are called --------------------------------------------------------------------

class Command(argparse.ArgumentParser):
    """A command whose help ends with names, one a line: looked up when help is asked for, since they may need torch."""

    names: Callable[[], Iterable[str]] | None = None

    def format_help(self) -> str:
        ends = ["", "names:", *self.names()] if self.names else []
        return super().format_help() + "".join(f"  {line}".rstrip() + "\n" for line in ends)


def trained_names() -> list[str]:
    """What `train` can make."""
    from dtsnn_lite.proofs.recipes import RECIPES

    return sorted({*RECIPES, *_makers()})


def _makers() -> dict[str, Callable[..., dict]]:
    """Recipes that are no single spiking network."""
    from dtsnn_lite.proofs import recipes_seenn, recipes_twin

    return recipes_seenn.MAKERS | recipes_twin.MAKERS


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser("python -m dtsnn_lite", description=__doc__)
    commands = p.add_subparsers(dest="command", required=True, parser_class=Command)

    def command(run: Callable) -> Command:
        c = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
        c.add_argument("--json", action="store_true", help="print JSON")
        c.set_defaults(run=run)
        return c

    _train_arguments(command(train))
    h = command(stages)
    h.add_argument("name", nargs="?", default="digits", help="digits (the default); gestures or flow, whose events need no image converter")
    h.add_argument("--seed", type=int, default=0)
    h.add_argument("--out", type=Path, default=Path("build/stages"))
    h.add_argument("--device", default="cpu")
    h.add_argument("--times", type=int, default=1, help="so many times as many epochs as what ships was trained")
    h.add_argument("--only", nargs="+", help="these stages, from those that --out holds already; by default all")
    h.add_argument("--ship", type=Path, help="afterwards put the assets made of all seeds in --out into this folder")
    h.add_argument("--note", default="", help="what shipped cards say of the data set, e.g. ' (JPEG re-encoding)'")
    h.add_argument("--quiet", action="store_true")
    m = command(comparators)
    m.add_argument("--stages", type=Path, default=Path("build/stages"), help="a folder of `stages`")
    m.add_argument("--seeds", type=int, nargs="+", default=[0])
    m.add_argument("--out", type=Path, default=Path("build/stages/digits-comparators.npz"))
    g = command(league)
    g.add_argument("--only", nargs="+", help="these read-outs; by default all")
    g.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    g.add_argument("--out", type=Path, default=Path("build/league"), help="what stands there is not made again")
    f = command(flow)
    f.add_argument("--seed", type=int, default=0)
    f.add_argument("--out", type=Path, default=Path("build/assets/flow"))
    f.add_argument("--max-epochs", type=int)
    other = f.add_mutually_exclusive_group()
    other.add_argument("--baselines", action="store_true", help="zero flow, contrast maximisation and, where OpenCV is there, Farneback")
    other.add_argument("--saccades", action="store_true", help="ask the shipped network about real recordings, of your own copy of N-MNIST")
    f.add_argument("--quiet", action="store_true")
    r = command(record)
    r.add_argument("name", help="a shipped network, or a .safetensors file")
    r.add_argument("--split", choices=["train", "calibration", "test"], default="test")
    r.add_argument("--timesteps", type=int, help="by default those that the data's recipe was trained with")
    r.add_argument("--recipe", help="whose data to use, e.g. nmnist for digits-events; by default the network's own")
    r.add_argument("--out", type=Path, default=Path("build/assets"))
    u = command(throughput)
    u.add_argument("name", help="a network of `train`")
    u.add_argument("--folder", type=Path, default=Path("build/assets"), help="where `train` left weights and recordings")
    u.add_argument("--device", default="cpu")
    u.add_argument("--images", type=int, nargs=2, default=[100, 2048], help="so many one by one, and so many in batches of 64")
    u.add_argument("--rounds", type=int, default=3)
    c = command(curve)
    c.add_argument("name", help="a shipped recording, or a .npz file")
    c.add_argument("--score", choices=THRESHOLD_POLICIES, default="entropy")
    c.add_argument("--points", type=int, default=20, help="how many breakpoints to print; 0 is all")
    c = command(cost)
    c.add_argument("name", help="a shipped recording, a .npz file, or a paper's network (vgg9, dvsnet, ...)")
    c.add_argument("--timesteps", type=int, help="T of a paper's network, by default 4")
    c.add_argument("--density", type=float, help="share of inputs that spike, by which only the 65 nm chips "
                   "charge; by default half, after a silent first step")
    c.add_argument("--threshold", type=float, help="where to stop; without it the network is static")
    c.add_argument("--score", choices=THRESHOLD_POLICIES, help="of the threshold, by default entropy")
    c.add_argument("--chip", choices=CHIPS, default=CHIPS[0])
    c.add_argument("--net", help="a shipped network, or a .safetensors file; by default the recording's own")
    c.add_argument("--first-layer-once", action="store_true", help="bill the first layer at the first timestep only, not at every one")
    _sweep_arguments(command(sweep))
    command(facts).add_argument("name", nargs="?", default="", help="only facts with this in their name")
    command(download).add_argument("name", choices=["cifar10"])
    return p


def _train_arguments(t: Command) -> None:
    t.names = trained_names
    t.add_argument("name", help="a name from the list below")
    t.add_argument("--seed", type=int, default=0)
    t.add_argument("--out", type=Path, default=Path("build/assets"))
    t.add_argument("--device", default="cpu")
    t.add_argument("--compile", action="store_true", help="fuse the neurons with torch.compile")
    t.add_argument("--half", action="store_true", help="write weights and recordings in half precision")
    t.add_argument("--max-epochs", type=int)
    t.add_argument("--note", default="", help="what the card says of the data set, e.g. ' (JPEG re-encoding)'")
    t.add_argument("--quiet", action="store_true")


def _sweep_arguments(s: Command) -> None:
    s.add_argument("name", help="a shipped network")
    s.add_argument("--rows", type=int, nargs="+", default=[32, 64, 128])
    s.add_argument("--converters", nargs="+", default=["sa", "flash4", "flash5"], help="of sa, flash4, flash5, flash6, sar5")
    s.add_argument("--seeds", type=int, nargs="+", default=[0], help="each draws a chip")
    s.add_argument("--variation", type=float, default=0.0, help="sigma / mu of the cells of a drawn chip")
    s.add_argument("--thetas", type=float, nargs="+", default=[0.02, 0.05, 0.1, 0.2, 0.4])
    s.add_argument("--gamma", type=float, default=1.0, help="0: entropy of the mean of the logits, 1: of their sum")
    s.add_argument("--images", type=int, default=200, help="so many of the test images")
    s.add_argument("--timesteps", type=int, default=4)
    s.add_argument("--jobs", type=int, default=1, help="processes at once on this machine; -1 is one a core")
    s.add_argument("--scheduler", default="", help="a Dask cluster: tcp://address:port")
    s.add_argument("--out", type=Path, default=Path("build/sweep.csv"))
    s.add_argument("--quiet", action="store_true")


def main(argv: list[str] | None = None) -> int:
    a = parser().parse_args(argv)
    try:
        for what, (least, most) in COUNTS.items():
            if getattr(a, what, None) is not None:
                check_whole(what, getattr(a, what), least, most)
        result = a.run(a)
    except (ValueError, OSError, TypeError, FloatingPointError) as error:
        print("error:", *str(error).split(), file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        print("error: this does not fit into memory; ask for fewer timesteps or images at a time", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the training of a spiking network goes on from its last whole epoch with the same command, "
              "that of an ANN or a policy starts anew", file=sys.stderr)
        return 130
    print(json.dumps(result) if a.json else "\n".join(lines(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
