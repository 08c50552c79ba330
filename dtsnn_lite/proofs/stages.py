"""Hardware-aware training: awareness of the chip grows stage by stage, or comes all at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from dtsnn_lite.checkpoints import load_net, load_shipped, save_net
from dtsnn_lite.chip import HPADC, Chip, Flaws, Ideal, SenseAmp, adc_less_65nm, at_zero, hp_adc_65nm
from dtsnn_lite.crossbar import first_step
from dtsnn_lite.crossbar_layers import crossbars, fit_scales
from dtsnn_lite.data import Splits, as_input, digits
from dtsnn_lite.designs import READOUTS, SIZES, Designs, exit_tables
from dtsnn_lite.encoding import Coding, direct
from dtsnn_lite.files import ASSETS, whole_file
from dtsnn_lite.guards import check_whole
from dtsnn_lite.inference import record
from dtsnn_lite.models import SpikingNet, build, layer_shapes
from dtsnn_lite.proofs.cards import accuracies, card, device_of, four_places, keep_recordings, rounded, versions
from dtsnn_lite.proofs.recipes import CROP_AND_FLIP, RECIPES, Recipe, make
from dtsnn_lite.recording import Recording
from dtsnn_lite.scenes import FLOW_BINS
from dtsnn_lite.training import Augment, TrainConfig, fit

# One comparison, two chips: the same arrays, 4-bit weights in one-bit cells, the image read by a 5-bit ADC.
# The paper's sense amplifier compares with zero and reads every tile; COMPARATOR has a reference and a gate.
HP_ADC = replace(hp_adc_65nm, first_readout=HPADC(5))
COMPARATOR = replace(adc_less_65nm, first_readout=HPADC(5))
ADC_LESS = replace(COMPARATOR, readout=at_zero, gated=False)
FOUR_BITS = replace(HP_ADC, name="4-bit weights, ideal read-out", readout=Ideal(), first_readout=Ideal())
TIMESTEPS = 4


@dataclass(frozen=True)
class Stage:
    """One step of awareness: the chip from here on, what it starts from, how long it trains, and which flaws it meets there."""

    chip: Chip
    start: str
    training: TrainConfig | None = None        # None: only calibrated ("naive")
    flaws: Flaws = Flaws()


def schedule(lr: float, *phases: tuple[int, int], batch: int = 64) -> TrainConfig:
    return TrainConfig(phases=phases, batch=batch, lr=lr, warmup=0.5, augment=Augment(shift=2, flip=False))


def photographs(lr: float, *phases: tuple[int, int]) -> TrainConfig:
    return replace(schedule(lr, *phases), augment=CROP_AND_FLIP)


ONE_BIT_TRAINING, NOISE_TRAINING = schedule(0.1, (1, 8), (4, 12)), schedule(0.05, (1, 2), (4, 1))
ANY_CHIP = Flaws(noise=0.1, offset=0.1, seed=None)
STAGES = {
    "4-bit": Stage(FOUR_BITS, "full", schedule(0.02, (1, 2), (4, 2))),
    "hp-adc": Stage(HP_ADC, "4-bit", schedule(0.05, (1, 1), (4, 1))),
    "adc-less": Stage(ADC_LESS, "4-bit", ONE_BIT_TRAINING),
    "one-shot": Stage(ADC_LESS, "full", schedule(0.1, (1, 10), (4, 14))),
    "naive": Stage(ADC_LESS, "4-bit"),
    "hp-adc-noise": Stage(HP_ADC, "hp-adc", NOISE_TRAINING, ANY_CHIP),
    "adc-less-noise": Stage(COMPARATOR, "adc-less", NOISE_TRAINING, ANY_CHIP),
    "adc-less-32": Stage(replace(ADC_LESS, rows=32, cols=32), "4-bit", ONE_BIT_TRAINING),
    "adc-less-128": Stage(replace(ADC_LESS, rows=128, cols=128), "4-bit", ONE_BIT_TRAINING),
}
# Events are bits already: no layer needs a converter for grey values, and the first lies on the chip like all others.
EVENT_STAGES = {
    "4-bit": Stage(replace(FOUR_BITS, first_readout=None, timesteps=20), "full", schedule(0.02, (20, 1), batch=32)),
    "hp-adc": Stage(replace(hp_adc_65nm, timesteps=20), "4-bit"),       # sums of so few spikes fit into 5 bits: nothing to train for
    "adc-less": Stage(replace(adc_less_65nm, timesteps=20), "4-bit", schedule(0.1, (4, 6), (20, 1), batch=32)),
    "naive": Stage(replace(adc_less_65nm, timesteps=20), "4-bit"),
}
# Flow is in events too, on the same chips. Adam trains it as it trained the network before.
FLOW_TRAININGS = {"4-bit": TrainConfig(phases=((FLOW_BINS, 1),), batch=16, lr=1e-3, warmup=0.5),
                  "adc-less": TrainConfig(phases=((FLOW_BINS, 1),), batch=4, lr=5e-3, warmup=0.1)}
FLOW_STAGES = {name: replace(stage, chip=replace(stage.chip, timesteps=FLOW_BINS), training=FLOW_TRAININGS.get(name))
               for name, stage in EVENT_STAGES.items()}
# One bit a column, shown as many clips as full precision: 16 times a quarter of its clips, an hour of a core.
FLOW_STAGES["adc-less-long"] = replace(FLOW_STAGES["adc-less"], training=replace(FLOW_TRAININGS["adc-less"], phases=((FLOW_BINS, 16),)))

# Photographs: every tile is read, as on the papers' chip, but against half a cell. An epoch at T = 1 takes a GPU half a minute and a
# core half an hour (one bit) or 40 minutes (converters), so what ships was trained on no more than one timestep, for few epochs.
PHOTO_CHIP = replace(COMPARATOR, gated=False)
PHOTO_STAGES = {
    "4-bit": Stage(FOUR_BITS, "full", photographs(0.02, (4, 2))),
    "hp-adc": Stage(HP_ADC, "4-bit"),
    "hp-adc-trained": Stage(HP_ADC, "4-bit", photographs(0.02, (1, 1))),
    "adc-less": Stage(PHOTO_CHIP, "4-bit", photographs(0.1, (1, 6), (4, 6))),
    "one-shot": Stage(PHOTO_CHIP, "full", photographs(0.1, (1, 4))),      # two hours of a core
    "naive": Stage(PHOTO_CHIP, "4-bit"),
}


@dataclass(frozen=True)
class Ladder:
    """The stages of one shipped network, on the data and with the coding of its recipe.

    network  a name of RECIPES; seed 0 starts from its shipped weights, another seed from its recipe with that seed
    shared   every seed starts from the shipped weights: seeds differ in the stages' trainings alone, whose answers pair with one network's
    whole    the stages of which recordings of seed 0 ship
    weights  whether their weights ship, too
    halved   whether recordings keep f as float16 whatever answer that changes
    times    how many times as many epochs each stage trains as what ships was trained
    """

    network: str
    stages: Mapping[str, Stage]
    whole: tuple[str, ...]
    shared: bool = False
    weights: bool = True
    halved: bool = False
    times: int = 1

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.network]

    @property
    def command(self) -> str:
        return ("python -m dtsnn_lite stages" + ("" if self.network == "digits" else f" {self.network}")
                + ("" if self.times == 1 else f" --times {self.times}"))

    @property
    def made(self) -> tuple[str, ...]:
        """The stages that have files, the network before them among them unless it is shared."""
        return tuple(self.stages) if self.shared else ("full", *self.stages)

    def file(self, stage: str, seed: int) -> str:
        return f"{self.network}-{stage}-seed{seed}"

    def phases(self, stage: str) -> tuple[tuple[int, int], ...]:
        """(timesteps, epochs) of a stage's own training; none where it is only calibrated."""
        training = self.recipe.training if stage == "full" else self.stages[stage].training
        return training.phases if training else ()

    def longer(self, times: int) -> Ladder:
        """The same ladder, each of whose stages trains so many times as many epochs."""
        check_whole("times", times, 1)
        stages = {name: replace(stage, training=stage.training and _longer(stage.training, times)) for name, stage in self.stages.items()}
        return replace(self, times=times * self.times, stages=stages)


def _longer(training: TrainConfig, times: int) -> TrainConfig:
    return replace(training, phases=tuple((timesteps, times * epochs) for timesteps, epochs in training.phases))


SHIPPED = ("4-bit", "hp-adc", "adc-less")
LADDERS = {"digits": Ladder("digits", STAGES, SHIPPED),
           "gestures": Ladder("gestures", EVENT_STAGES, ("adc-less",), shared=True, halved=True),
           "cifar10-small": Ladder("cifar10-small", PHOTO_STAGES, ("hp-adc", "one-shot"), shared=True, weights=False,
                                   halved=True),
           "flow": Ladder("flow", FLOW_STAGES, (), shared=True)}


def ladder_of(network: str) -> Ladder:
    """The stages of a network, for example `digits`."""
    if network not in LADDERS:
        raise ValueError(f"there are no stages of {network!r}; there are those of {sorted(LADDERS)}")
    return LADDERS[network]


def start_from(net: SpikingNet, chip: Chip, images: torch.Tensor, timesteps: int = TIMESTEPS, coding: Coding = direct) -> SpikingNet:
    """The network on another chip: weights kept, quantisation steps kept or begun, read-outs calibrated.

    Where the new chip's arrays are as long and its read-outs of the same kind and bits, their scales stay as they were trained.
    """
    device = net.head.weight.device
    moved = _rebuilt(net, chip).to(device)
    kept = net.state_dict()
    own = moved.state_dict()
    moved.load_state_dict({k: v for k, v in kept.items() if k in own and own[k].shape == v.shape}, strict=False)
    if net.chip is None:
        for layer in crossbars(moved):
            layer.step.data = first_step(layer.weight, chip.weight_bits)
    if net.chip is not None and _reads(net.chip) == _reads(chip):
        return moved
    fit_scales(moved, coding(images.to(device), timesteps))
    return moved


def _reads(chip: Chip) -> tuple:
    """What the scales of a chip's read-outs were fitted to; a comparator's reference and the flaws are not."""
    return chip.rows, *(replace(readout, reference=0.0) if isinstance(readout, SenseAmp) else readout
                        for readout in (chip.of_layer(0).readout, chip.readout))


def _rebuilt(net: SpikingNet, chip: Chip) -> SpikingNet:
    """A network of the same shape on a chip, its weights fresh."""
    if net.config is None:
        raise ValueError(f"a {type(net).__name__} has no configuration of which another one could be built")
    return build(net.config, chip)


def _chip_of(net: SpikingNet) -> Chip:
    if net.chip is None:
        raise ValueError("this network is digital: put it on a chip first (start_from)")
    return net.chip


def run_stage(stage: Stage, net: SpikingNet, splits: Splits, seed: int, progress: bool = False,
              timesteps: int = TIMESTEPS, checkpoint: Path | None = None, coding: Coding = direct) -> tuple[SpikingNet, float]:
    """A stage trained from the network before it, and the seconds of its epochs; as `fit` it goes on from a checkpoint."""
    met = replace(stage.chip, flaws=stage.flaws)
    net = start_from(net, met, as_input(splits.train.images[:100]), timesteps, coding)
    seconds = 0.0
    if stage.training:
        train, training = splits.train.to(str(device_of(net))), replace(stage.training, seed=seed)
        history = fit(net, train, training, checkpoint=checkpoint, progress=progress, coding=coding)
        seconds = sum(history.seconds)
    return on(net, stage.chip), seconds


def run_stages(full: SpikingNet, seed: int = 0, splits: Splits | None = None, stages: dict[str, Stage] = STAGES,
               note: Callable[[str, SpikingNet], None] = lambda name, net: None,
               timesteps: int = TIMESTEPS) -> dict[str, SpikingNet]:
    """Every stage by name, each from the one it names; `full` is the network before any awareness."""
    splits = splits or digits()
    nets = {"full": full}
    for name, stage in stages.items():
        nets[name], _ = run_stage(stage, nets[stage.start], splits, seed, timesteps=timesteps)
        note(name, nets[name])
    return nets


def with_flaws(net: SpikingNet, flaws: Flaws) -> SpikingNet:
    """The same network on a chip that was programmed less than perfectly; its scales stay as trained."""
    return on(net, replace(_chip_of(net), flaws=flaws))


def on(net: SpikingNet, chip: Chip) -> SpikingNet:
    """A copy of the network on a chip with as many scales, other references or flaws; nothing is calibrated again."""
    moved = _rebuilt(net, chip).to(net.head.weight.device)
    moved.load_state_dict(net.state_dict())
    return moved.eval()


def make_stages(seed: int, folder: Path, progress: bool = True, device: str = "cpu", only: Collection[str] = (),
                ladder: Ladder = LADDERS["digits"]) -> dict[str, list[float]]:
    """Train every stage of a ladder from one seed, or `only` some, and write weights, cards and recordings; accuracy a timestep.

    A stage whose file stands in `folder` is not trained again, and one that was interrupted goes on after its last whole epoch.
    """
    check_stages(ladder, only)
    folder.mkdir(parents=True, exist_ok=True)
    made_with, recipe = versions(), ladder.recipe
    splits = recipe.data()
    full, seconds = _full(ladder, seed, folder, progress)
    nets: dict[str, SpikingNet] = {"full": full.to(device)}
    found: dict[str, list[float]] = {}
    for name in ladder.made:
        path, stage = folder / f"{ladder.file(name, seed)}.safetensors", ladder.stages.get(name)
        if said := finished(path, ladder.phases(name)):
            nets[name], found[name] = load_net(path).to(device), said["accuracy"]["test"]
            continue
        if only and name not in only:
            continue
        if stage:
            nets[name], seconds = run_stage(stage, nets[stage.start], splits, seed, progress, recipe.timesteps,
                                            path.with_suffix(".training"), recipe.coding)
        about = about_stage(name, nets[name], seed, ladder)
        seen = keep_recordings(nets[name], splits, recipe.timesteps, about, path.with_suffix(""), ladder.halved, recipe.coding)
        how = {"command": f"{ladder.command} --seed {seed}", "phases": ladder.phases(name)}
        made = card({**about, **how}, seconds, device_of(nets[name]), made_with, {"accuracy": accuracies(seen)})
        kept = save_net(nets[name], path, made)
        found[name] = kept["accuracy"]["test"]
    return found


def check_stages(ladder: Ladder, only: Collection[str]) -> None:
    """Refuses the name of a stage that the ladder does not make."""
    if unknown := sorted({*only} - {*ladder.made}):
        raise ValueError(f"{ladder.network} has no stage {unknown[0]!r} to make; there are {list(ladder.made)}")


def finished(path: Path, phases: tuple[tuple[int, int], ...]) -> dict | None:
    """The card of a stage whose weights stand there already, None where they do not; one of another training is refused."""
    if not path.exists():
        return None
    said = json.loads(path.with_suffix(".json").read_text())
    if said["phases"] != [list(phase) for phase in phases]:
        raise ValueError(f"{path} was trained for phases {said['phases']}, not {[list(phase) for phase in phases]}: choose another --out, "
                         "or delete it")
    return said


def about_stage(name: str, net: SpikingNet, seed: int, ladder: Ladder = LADDERS["digits"]) -> dict:
    return {"network": f"{ladder.network}-{name}", "dataset": ladder.recipe.dataset, "seed": seed,
            "chip": net.chip.name if net.chip else "none"}


def _full(ladder: Ladder, seed: int, folder: Path, progress: bool) -> tuple[SpikingNet, float]:
    """The network before any awareness, and the seconds of its epochs, if it is trained now."""
    path = folder / f"{ladder.file('full', seed)}.safetensors"
    if path.exists():
        return load_net(path), 0.0
    if seed == 0 or ladder.shared:
        return load_shipped(ladder.network), 0.0
    trained = make(ladder.recipe.seeded(seed), checkpoint=path.with_suffix(".training"), progress=progress)
    return trained.net, sum(trained.history.seconds)


def ship(folder: Path, out: Path, ladder: Ladder, note: str = "") -> dict:
    """From a folder of `make_stages`: what comes with the package; `note` is said of the data set, for example " (JPEG re-encoding)"."""
    return ship_stages(folder, out) if ladder.network == "digits" else ship_answers(folder, out, ladder, note)


def ship_answers(folder: Path, out: Path, ladder: Ladder, note: str = "") -> dict[str, list[float]]:
    """Answers and cards of all, and seed 0's recordings of the ladder's `whole`, with weights where they ship; accuracy by name."""
    found = {}
    for path in sorted(folder.glob(f"{ladder.network}-*-seed*.json")):
        said = json.loads(path.read_text())
        _noted(Recording.load(folder / f"{path.stem}-test.npz"), note).answers().save(out / f"{path.stem}-answers.npz")
        _write_card(out / path.name, {k: v for k, v in said.items() if k not in ("sha256", "weights")}, note)
        found[path.stem] = said["accuracy"]["test"]
    for stage in ladder.whole:
        made, name = folder / ladder.file(stage, 0), out / f"{ladder.network}-{stage}"
        for split in ("calibration", "test"):
            _noted(Recording.load(f"{made}-{split}.npz"), note).save(f"{name}-{split}.npz")
        if ladder.weights:
            shutil.copyfile(f"{made}.safetensors", f"{name}.safetensors")
            _write_card(Path(f"{name}.json"), json.loads(Path(f"{made}.json").read_text()), note)
    return found


def _noted(seen: Recording, note: str) -> Recording:
    return replace(seen, about={**seen.about, "dataset": seen.about["dataset"] + note}) if note else seen


def _write_card(path: Path, said: dict, note: str) -> None:
    with whole_file(path) as part:
        part.write_text(json.dumps({**said, "dataset": said["dataset"] + note}, indent=1, sort_keys=True) + "\n")


def ship_stages(folder: Path, out: Path) -> dict:
    """From a folder of `make_stages`: half-precision weights and recordings of seed 0, and all seeds' accuracies."""
    splits = digits()
    found: dict[str, dict[str, list[float]]] = {}
    for path in sorted(folder.glob("digits-*-seed*.json")):
        stage, _, seed = path.stem.removeprefix("digits-").rpartition("-seed")
        found.setdefault(stage, {})[seed] = json.loads(path.read_text())["accuracy"]["test"]
    for name in SHIPPED:
        net, said = load_net(folder / f"digits-{name}-seed0.safetensors"), json.loads((folder / f"digits-{name}-seed0.json").read_text())
        rounded(net, torch.float16)
        seen = keep_recordings(net, splits, TIMESTEPS, about_stage(name, net, 0), out / f"digits-{name}", halved=False)
        made = {k: v for k, v in said.items() if k not in ("config", "sha256", "weights")}
        save_net(net, out / f"digits-{name}.safetensors", {**made, "accuracy": accuracies(seen)}, torch.float16)
        found[name]["0"] = four_places(seen["test"].accuracy)       # half precision moves a digit or two
    with whole_file(out / "digits-stages.json") as part:
        part.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    other = {rows: path for rows in SIZES if (path := folder / f"digits-adc-less-{rows}-seed0.safetensors").exists()}
    hp_adc, adc_less = (load_net(out / f"digits-{name}.safetensors") for name in SHIPPED[1:3])
    make_designs(hp_adc, {"64": adc_less, **{rows: load_net(path) for rows, path in other.items()}}).save(out / "digits-designs.npz")
    return found


def make_designs(hp_adc: SpikingNet, adc_less: Mapping[str, SpikingNet], images: int = 500) -> Designs:
    """Exit tables on 15 chips.

    adc_less  networks trained for one bit on arrays of so many rows, "64" at least; elsewhere that of 64 is calibrated, and marked
              as untrained. That of HP-ADC is calibrated to each converter, which costs it little.
    """
    splits = digits()
    sample, x, z = as_input(splits.train.images[:100]), as_input(splits.test.images[:images]), splits.test.labels[:images]
    tables: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    densities = {}
    for converter, readout in READOUTS.items():
        for rows in SIZES:
            net = adc_less.get(rows, adc_less["64"]) if converter == "sa" else hp_adc
            chip = replace(_chip_of(net), rows=int(rows), cols=int(rows), readout=at_zero if converter == "sa" else readout)
            moved = start_from(net, chip, sample)
            twin = f"flash5-{rows}"
            if converter == "sar5" and twin in tables:
                tables[f"sar5-{rows}"] = tables[twin]                 # another circuit, the same codes
                continue
            seen = record(moved, x, z, TIMESTEPS)
            tables[f"{converter}-{rows}"] = exit_tables(seen)
            densities[f"{converter}-{rows}"] = seen.reads.densities
    untrained = frozenset(f"sa-{rows}" for rows in SIZES if rows not in adc_less)
    return Designs(tables, layer_shapes(hp_adc), densities["flash5-64"], images, untrained)


def stage_accuracies() -> dict[str, dict[str, list[float]]]:
    """Test accuracy a timestep of each stage and seed, as shipped: {"adc-less": {"0": [...], ...}, ...}."""
    return json.loads((ASSETS / "digits-stages.json").read_text())
