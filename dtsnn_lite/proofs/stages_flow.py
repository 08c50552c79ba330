"""The flow network on a chip, stage by stage: `python -m dtsnn_lite stages flow`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from dtsnn_lite.checkpoints import load_net, save_net
from dtsnn_lite.crossbar_layers import fit_scales
from dtsnn_lite.encoding import events
from dtsnn_lite.files import whole_file
from dtsnn_lite.flow import clip_set, fit_flow, record_flow, shipped_flow_net
from dtsnn_lite.models import FlowNet, SpikingNet
from dtsnn_lite.proofs.cards import card, device_of, versions
from dtsnn_lite.proofs.recipes_flow import DATASET, FLOW, FlowRecipe, errors_of
from dtsnn_lite.proofs.stages import Ladder, Stage, check_stages, finished, on, start_from
from dtsnn_lite.scenes import FLOW_BINS
from dtsnn_lite.training import learning

FITTED_ON = 20      # clips, more reads of most layers than the fit looks at
FLOW_ON_CHIP = replace(FLOW, train=500)     # a quarter of the clips of full precision: an epoch of one bit a column is long

SHORTENED = 0.25    # arrows before training: wrong ones cost less if they are short


def run_flow_stage(stage: Stage, net: SpikingNet, recipe: FlowRecipe, seed: int, checkpoint: Path | None = None,
                   progress: bool = False) -> tuple[FlowNet, float]:
    """A stage trained from the network before it, and the seconds of its batches; as `fit_flow` it goes on from a checkpoint."""
    moved = _flow_net(start_from(net, stage.chip, clip_set("train", recipe.train).frames[:FITTED_ON].float(), FLOW_BINS, events))
    if not stage.training:
        return _flow_net(on(moved, stage.chip)), 0.0
    if stage.chip.readout.a_scale_a_column:
        wake(moved, events(clip_set("train", recipe.train).frames[:FITTED_ON].float(), FLOW_BINS))
    training = replace(stage.training, seed=seed)
    history = fit_flow(moved, clip_set("train", recipe.train), training, checkpoint, progress)
    return _flow_net(on(moved, stage.chip)), sum(history.seconds)


def make_flow_stages(ladder: Ladder, seed: int, folder: Path, progress: bool = True,
                     only: Collection[str] = ()) -> dict[str, list[float]]:
    """Train every stage from the shipped network, or `only` some, and write weights, cards and recordings; AEE a timestep, in pixels.

    A stage whose file stands in `folder` is not trained again, and one that was interrupted goes on where it was.
    """
    check_stages(ladder, only)
    folder.mkdir(parents=True, exist_ok=True)
    made_with, recipe = versions(), FLOW_ON_CHIP
    nets: dict[str, SpikingNet] = {"full": shipped_flow_net()}
    found: dict[str, list[float]] = {}
    for name in ladder.made:
        path, stage = folder / f"{ladder.file(name, seed)}.safetensors", ladder.stages[name]
        if said := finished(path, ladder.phases(name)):
            nets[name], found[name] = load_net(path), said["aee_px"]["test"]["spoken"]
            continue
        if only and name not in only:
            continue
        net, seconds = run_flow_stage(stage, nets[stage.start], recipe, seed, path.with_suffix(".training"), progress)
        about = {"network": f"flow-{name}", "dataset": DATASET, "seed": seed, "chip": stage.chip.name}
        seen = record_flow(net, clip_set("test", recipe.test), FLOW_BINS, keep_fields=0, about={**about, "split": "test"})
        seen.save(path.with_name(f"{path.stem}-test.npz"))
        how = {"command": f"{ladder.command} --seed {seed}", "phases": ladder.phases(name),
               "clips": {"train": recipe.train if stage.training else 0, "test": recipe.test}}
        made = card({**about, **how}, seconds, device_of(net), made_with, {"aee_px": errors_of({"test": seen})})
        nets[name], found[name] = net, save_net(net, path, made)["aee_px"]["test"]["spoken"]
    return found


@torch.no_grad()
def wake(net: FlowNet, x: torch.Tensor, times: int = 2) -> None:
    """Batch norms that know what one bit a column carries, and scales of what then arrives; x (T, B, C, H, W).

    With the statistics of full precision some layers nearly fall silent, and the read-out hears nothing. Its scales, fitted on
    silence, are next to nothing, and a comparator's gradient passes within two of them: hardly anything would reach the layers below.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for _ in range(times):
        before = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0                         # the statistics of this one pass
        with learning(net):
            net(x)
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
        fit_scales(net, x)
    net.get_parameter("head.scale").mul_(SHORTENED)


def _flow_net(net: SpikingNet) -> FlowNet:
    if not isinstance(net, FlowNet):
        raise TypeError(f"a flow network answers at every pixel; got a {type(net).__name__}")
    return net


def ship_flow(folder: Path, out: Path) -> dict[str, list[float]]:
    """From a folder of `stages flow`, of `flow --seed 1` too: recording and card of every stage and seed; AEE a timestep by name."""
    found = {}
    for path in sorted(folder.glob("flow-*seed*.json")):
        said = json.loads(path.read_text())
        shutil.copyfile(folder / f"{path.stem}-test.npz", out / f"{path.stem}-test.npz")
        with whole_file(out / path.name) as part:
            part.write_text(json.dumps({k: v for k, v in said.items() if k not in ("sha256", "weights")}, indent=1, sort_keys=True) + "\n")
        found[path.stem] = said["aee_px"]["test"]["spoken"]
    return found
