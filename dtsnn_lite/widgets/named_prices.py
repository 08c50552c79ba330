"""Prices as lines of Python, for the reader who copies them: by the names of a chip and a network of the package that charge just these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from dtsnn_lite import chip as chips
from dtsnn_lite.chip import Chip, Parts65nm
from dtsnn_lite.circuits import layer_times_ns
from dtsnn_lite.cost import ExitCheckCost, StepCost, exit_check_cost, timestep_cost
from dtsnn_lite.networks import shipped_policy_shapes, shipped_shapes
from dtsnn_lite.reads import Reads
from dtsnn_lite.recording import Recording

CHIPS = ("dtsnn_2023", "spikesim_rram_64", "hp_adc_65nm", "adc_less_65nm")      # as chapters import them


@dataclass(frozen=True)
class Lines:
    """Lines of Python, and the names that they need, each as "module name".

    They make `step` and `check`; `looked` make `look`, what a policy pays before the first step.
    """

    names: tuple[str, ...]
    lines: tuple[str, ...]
    looked_names: tuple[str, ...] = ()
    looked: tuple[str, ...] = ()


def lines_of(network: str, step: StepCost, check: ExitCheckCost, *, look: StepCost | None = None, reads: Reads | None = None,
             classes: int = 10, hardware: str = "") -> Lines:
    """The lines that make these prices again, to the last bit.

    network   one that comes with the package; of any other the prices are plain numbers
    reads     what its recording has read, `seen.reads` in the lines
    hardware  what the explorer calls the chip, said beside plain numbers
    """
    try:
        shapes = shipped_shapes(network)
        glance = shipped_policy_shapes(network) if look else []
    except FileNotFoundError:
        return _plain(step, check, look, hardware)
    for code, names, chip in _candidates():
        for reading in (None, reads):
            if check == exit_check_cost(chip, classes) and step == timestep_cost(shapes, chip, reading) \
                    and (look is None or look == timestep_cost(glance, chip)):
                return _named(network, code, names, "" if reading is None else ", seen.reads", classes, look is not None)
    return _plain(step, check, look, hardware)


def recorded_lines(seen: Recording, hardware: str, step: StepCost, check: ExitCheckCost, look: StepCost | None = None) -> dict:
    """`lines_of` the network of a recording, which the lines call `seen`, as an explorer's page takes them."""
    network = seen.about.get("network", "")
    return asdict(lines_of(network, step, check, look=look, reads=seen.reads, classes=seen.classes, hardware=hardware))


def stages_in_python(network: str, names: Sequence[str], times_ns: Sequence[float], check_ns: float) -> Lines:
    """The lines that make the pipeline `stages` of these layers again."""
    titles = ", ".join(f'"{name}"' for name in names)
    try:
        shapes = shipped_shapes(network)
    except FileNotFoundError:
        shapes = []
    for code, needed, chip in _candidates() if shapes else ():
        if isinstance(chip.charges, Parts65nm) and exit_check_cost(chip).latency_ns == check_ns \
                and layer_times_ns(shapes, chip, chip.charges) == [*times_ns]:
            return Lines((*needed, "dtsnn_lite.checkpoints load_shipped", "dtsnn_lite.circuits layer_times_ns",
                          "dtsnn_lite.cost exit_check_cost", "dtsnn_lite.models layer_shapes"),
                         (f"chip = {code}", f'shapes = layer_shapes(load_shipped("{network}"))',
                          "times_ns = layer_times_ns(shapes, chip, chip.charges)",
                          f"stages = Stages(({titles},), tuple(times_ns), exit_check_cost(chip).latency_ns)"))
    return Lines((), (f"stages = Stages(({titles},), ({', '.join(map(repr, map(float, times_ns)))},), {float(check_ns)})",))


def _candidates() -> Iterator[tuple[str, tuple[str, ...], Chip]]:
    """The package's chips and the same as they would be built, each with its line and the names in it."""
    for name in CHIPS:
        chip: Chip = getattr(chips, name)
        yield name, (f"dtsnn_lite.chip {name}",), chip
        yield f"replace({name}, as_printed=False)", ("dataclasses replace", f"dtsnn_lite.chip {name}"), replace(chip, as_printed=False)


def _named(network: str, chip: str, names: tuple[str, ...], reads: str, classes: int, looks: bool) -> Lines:
    more = "" if classes == 10 else f", classes={classes}"
    looked = f'look = timestep_cost(layer_shapes(shipped_policy("{network}")), chip)'
    return Lines(
        (*names, "dtsnn_lite.checkpoints load_shipped", "dtsnn_lite.cost exit_check_cost", "dtsnn_lite.cost timestep_cost",
         "dtsnn_lite.models layer_shapes"),
        (f"chip = {chip}", f'shapes = layer_shapes(load_shipped("{network}"))', f"step = timestep_cost(shapes, chip{reads})",
         f"check = exit_check_cost(chip{more})"),
        *((("dtsnn_lite.checkpoints shipped_policy",), (looked,)) if looks else ()))


def _plain(step: StepCost, check: ExitCheckCost, look: StepCost | None, hardware: str) -> Lines:
    def priced(name: str, cost: StepCost) -> str:
        return (f"{name} = StepCost(fixed_pj={float(cost.fixed_pj)}, step_pj={float(cost.step_pj)}, fixed_ns={float(cost.fixed_ns)}, "
                f"step_ns={float(cost.step_ns)})")

    checked = f"ExitCheckCost(energy_pj={float(check.energy_pj)}, latency_ns={float(check.latency_ns)})"
    said = f"   # {hardware}" if hardware else ""
    return Lines(("dtsnn_lite.cost ExitCheckCost", "dtsnn_lite.cost StepCost"),
                 (priced("step", step), f"check = {checked}{said}"), (), (priced("look", look),) if look else ())
