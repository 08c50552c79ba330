"""What the pictures show is what the data says, and every axis carries its unit."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from dtsnn_lite import figures
from dtsnn_lite.cost import StepCost
from dtsnn_lite.exits import ConfidenceExit, EntropyExit, Run, entropy, replay, trade_off
from dtsnn_lite.recording import Recording
from dtsnn_lite.schedules import Stations, Streaming, simulate

RNG = np.random.default_rng(7)
SEEN = Recording(RNG.normal(size=(4, 60, 5)).cumsum(axis=0), RNG.integers(0, 5, 60), np.zeros((4, 2)))
SHOP = Stations((2.0, 3.0), (1.0, 1.0))
STEP = StepCost(fixed_pj=4e3, step_pj=5e3, fixed_ns=0.0, step_ns=250.0, parts={"ADC": 2e3, "crossbar": 3e3})


@pytest.fixture
def ax():
    fig, ax = figures.panels()
    yield ax
    plt.close(fig)


DRAWN = {
    "trade_off": lambda ax: figures.draw_trade_off(ax, trade_off(SEEN, EntropyExit), SEEN),
    "accuracy": lambda ax: figures.draw_accuracy(ax, {"a": SEEN, "b": SEEN}),
    "exit_histogram": lambda ax: figures.draw_exit_histogram(ax, replay(SEEN, EntropyExit(0.5))),
    "scores": lambda ax: figures.draw_scores(ax, entropy(SEEN.f), 0.5),
    "reliability": lambda ax: figures.draw_reliability(ax, RNG.random(50), RNG.random(50) < 0.5),
    "membrane": lambda ax: figures.draw_membrane(ax, np.array([0.5, 0.9, 0.2]), np.array([0, 0, 1])),
    "raster": lambda ax: figures.draw_raster(ax, np.eye(4, 3, dtype=np.float32)),
    "lines": lambda ax: figures.draw_lines(ax, np.arange(3), {"a": np.arange(3)}, ("x (1)", "y (1)"), "Lines"),
    "energy": lambda ax: figures.draw_energy(ax, {"chip": STEP}, 4),
    "latency": lambda ax: figures.draw_latency(ax, {"chip": STEP}, 4),
    "schedule": lambda ax: figures.draw_schedule(ax, simulate(Streaming(), SHOP, 2, 4), 2, "Streaming", 8.0),
    "map": lambda ax: figures.draw_map(ax, np.eye(3, 4), ("column (1)", "row (1)"), "Map", "share kept (1)"),
    "stacks": lambda ax: figures.draw_stacks(ax, {"chip": STEP.parts, "other": {"ADC": 9e3}}),
}
DIMENSIONLESS = {"timesteps", "timestep", "timestep of exit", "mean timesteps an image", "neuron", "normalised entropy", ""}


@pytest.mark.parametrize("name", DRAWN)
def test_every_axis_says_what_it_measures_and_in_which_unit(ax, name):
    DRAWN[name](ax)
    ax.figure.canvas.draw()
    assert ax.get_title(loc="left")
    for label in (ax.get_xlabel(), ax.get_ylabel()):
        assert label in DIMENSIONLESS or label.endswith(")"), label
    assert ax.get_xlabel()


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_is_dark_ink_on_white_paper(ax, name):
    DRAWN[name](ax)
    assert to_rgb(ax.figure.get_facecolor()) == to_rgb(ax.get_facecolor()) == (1, 1, 1)
    assert max(to_rgb(ax.xaxis.label.get_color())) < 0.3


@pytest.mark.parametrize("name", DRAWN)
def test_drawing_returns_nothing_that_a_notebook_would_print(ax, name):
    assert DRAWN[name](ax) is None


def test_a_trade_off_is_drawn_in_percent_of_the_images(ax):
    curve = trade_off(SEEN, EntropyExit)
    figures.draw_trade_off(ax, {"entropy": curve, "confidence": trade_off(SEEN, ConfidenceExit)}, SEEN)
    drawn, _, static = ax.get_lines()
    assert np.array_equal(drawn.get_xdata(), curve.mean_timesteps)
    assert np.array_equal(drawn.get_ydata(), 100 * curve.accuracy)
    assert np.array_equal(static.get_ydata(), 100 * SEEN.accuracy)


def test_a_run_stands_on_its_own_curve(ax):
    run = replay(SEEN, EntropyExit(0.6))
    figures.draw_run(ax, run, "here")
    (point,) = ax.get_lines()
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (run.mean_timesteps, 100 * run.accuracy)


def test_the_bars_of_the_exit_histogram_are_shares_that_sum_to_100(ax):
    run = Run(np.array([1, 1, 1, 4]), np.zeros(4, int), np.ones(4, bool), timesteps=4)
    figures.draw_exit_histogram(ax, run)
    assert [bar.get_height() for bar in ax.patches] == [75, 0, 0, 25]
    assert [text.get_text() for text in ax.texts] == ["3", "0", "0", "1"]


def test_the_score_curves_end_at_100_percent(ax):
    figures.draw_scores(ax, entropy(SEEN.f))
    assert [line.get_ydata()[-1] for line in ax.get_lines()] == [100] * SEEN.timesteps


def test_raster_dots_stand_at_the_timesteps_and_neurons_that_fired(ax):
    spikes = np.zeros((5, 3), np.float32)
    spikes[0, 2] = spikes[4, 1] = 1
    figures.draw_raster(ax, spikes)
    dots = {tuple(map(float, point)) for point in ax.collections[0].get_offsets()}
    assert dots == {(1, 2), (5, 1)}         # timesteps count from 1


@pytest.mark.parametrize("value, unit, factor, name", [
    (999, "pJ", 1, "pJ"), (12345, "pJ", 1e-3, "nJ"), (3e6, "ns", 1e-6, "ms"),
    (2.5e6, "um2", 1e-6, "mm\u00b2"), (5e4, "um2", 1, "\u00b5m\u00b2"), (1e30, "ns", 1e-9, "s")])
def test_a_unit_gets_the_prefix_that_keeps_its_number_readable(value, unit, factor, name):
    assert figures.scale(value, unit) == (pytest.approx(factor), name)


def test_energy_and_delay_are_affine_in_the_prefixed_unit(ax):
    figures.draw_energy(ax, {"chip": STEP}, 3)
    assert ax.get_lines()[0].get_ydata() == pytest.approx([4 + 5, 4 + 2 * 5, 4 + 3 * 5])
    assert ax.get_ylabel() == "energy an image (nJ)"


def test_stacked_parts_add_up_to_their_bill(ax):
    figures.draw_stacks(ax, {"chip": STEP.parts})
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(sum(STEP.parts.values()) / 1e3)


def test_parts_that_share_a_colour_differ_in_their_hatch(ax):
    figures.draw_stacks(ax, {"chip": {f"part {k}": 1.0 for k in range(16)}})
    looks = {(bar.get_facecolor(), bar.get_hatch()) for bar in ax.patches}
    assert len(looks) == 16


def test_a_timetable_shows_each_piece_of_work_where_and_when_it_is_done(ax):
    work = simulate(Streaming(), SHOP, 2, 20)
    figures.draw_schedule(ax, work, 2, "Streaming", answer_ns=8.0)
    shown = [(bar.get_x(), bar.get_x() + bar.get_width(), round(bar.get_y() + bar.get_height() / 2)) for bar in ax.patches]
    assert shown == [(one.begin_ns, one.end_ns, one.station) for one in work]
    assert [text.get_text() for text in ax.texts] == [str(one.step) for one in work]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["layer 1", "layer 2", "check"]
    assert ax.lines[0].get_xdata()[0] == 8.0


def test_every_image_needs_its_caption(ax):
    with pytest.raises(ValueError, match="3 images but 2 captions"):
        figures.draw_images(ax, np.zeros((3, 4, 4)), ["a", "b"])


@pytest.mark.parametrize("shape", [(5, 6, 6), (5, 6, 6, 3)])
def test_grey_and_colour_images_are_laid_in_rows(ax, shape):
    figures.draw_images(ax, np.zeros(shape), list("abcde"), columns=3, title="Digits")
    assert len(ax.images) == 5
    assert ax.images[4].get_extent()[0] == 1                      # the fifth stands second in its row
    assert [text.get_text() for text in ax.texts] == list("abcde")


def test_a_map_has_its_first_row_at_the_bottom_and_a_bar_of_its_shades(ax):
    figures.draw_map(ax, np.array([[1.0, 0.9], [0.8, 0.5]]), ("column (1)", "row (1)"), "Map", "share kept (1)", least=0.4)
    [shades] = ax.images
    assert shades.origin == "lower" and shades.get_array().tolist() == [[1.0, 0.9], [0.8, 0.5]] and shades.get_clim() == (0.4, 1.0)
    assert ax.figure.axes[1].get_ylabel() == "share kept (1)"


def test_a_picture_of_events_tells_the_sides_apart():
    frames = np.zeros((1, 2, 1, 4))
    frames[0, 0, 0, [1, 3]], frames[0, 1, 0, [2, 3]] = 2, 1
    assert figures.event_picture(frames)[0, 0].tolist() == [[255, 255, 255], [0, 0x72, 0xB2], [0xD5, 0x5E, 0], [0x22, 0x22, 0x22]]


def test_figures_need_no_torch_until_a_raster_is_drawn():
    code = "import sys, dtsnn_lite.figures; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
