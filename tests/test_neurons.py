"""The neuron on paper, as a loop, as one function, compiled, and in snnTorch: one and the same."""

import shutil

import pytest
import snntorch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dtsnn_lite import neurons
from dtsnn_lite.neurons import LIF, lif_loop, lif_sequence, lif_step, rectified

HARD, SOFT = LIF(beta=0.7, v_th=0.9, alpha=3.0), LIF(beta=0.7, v_th=0.9, hard_reset=False, alpha=3.0)
compiler = pytest.mark.skipif(shutil.which("c++") is None and shutil.which("g++") is None,
                              reason="torch.compile needs a C++ compiler")


def currents(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient(function, i: torch.Tensor, **more) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes, and the gradient of a loss in which every spike counts differently."""
    i = i.detach().clone().requires_grad_()
    s, _ = function(i, **more)
    weight = torch.linspace(-1, 2, s.numel(), dtype=s.dtype).view_as(s)
    (s * weight).sum().backward()
    return s.detach(), i.grad


def assert_same_gradient(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Equal to float32 rounding: snnTorch's surrogate hands its gradient on in float32, whatever the input is."""
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def snntorch_spikes(i: torch.Tensor, lif: LIF) -> torch.Tensor:
    """The same neuron in snnTorch, whose reset must not wait for the next step."""
    leaky = snntorch.Leaky(beta=lif.beta, threshold=lif.v_th, reset_delay=False,
                           reset_mechanism="zero" if lif.hard_reset else "subtract",
                           spike_grad=snntorch.surrogate.atan(alpha=lif.alpha))
    u, spikes = torch.zeros_like(i[0]), []
    for i_t in i:
        s, u = leaky(i_t, u)
        spikes.append(s)
    return torch.stack(spikes)


# --- by hand ---------------------------------------------------------------------------

def test_a_hard_reset_trajectory_on_paper():
    lif = LIF(beta=0.5, v_th=1.0)
    i, u = torch.tensor([0.75, 0.75, 0.75, 0.25]), torch.tensor(0.0)
    #   h:  0.75 | 0.375 + 0.75 = 1.125 -> spike, u = 0 | 0.75 | 0.375 + 0.25 = 0.625
    seen = []
    for i_t in i:
        s, u = lif_step(i_t, u, lif)
        seen.append((s.item(), u.item()))
    assert seen == [(0, 0.75), (1, 0), (0, 0.75), (0, 0.625)]


def test_a_soft_reset_trajectory_on_paper():
    lif = LIF(beta=0.5, v_th=1.0, hard_reset=False)
    s, u = lif_loop(torch.tensor([[0.75], [0.75], [2.5], [0.0]]), lif)
    #   h:  0.75 | 1.125 -> u = 0.125 | 0.0625 + 2.5 = 2.5625 -> u = 1.5625 | 0.78125: one spike a step at most
    assert s.flatten().tolist() == [0, 1, 1, 0]
    assert u.item() == 0.78125


def test_a_neuron_at_its_threshold_does_not_fire():
    s, u = lif_step(torch.tensor([1.0, 1.0000001]), torch.zeros(2), LIF())
    assert s.tolist() == [0, 1]
    assert u.tolist() == [1.0, 0.0]


def test_beta_one_integrates_and_beta_zero_forgets():
    i = torch.full((3, 1), 0.4)
    assert lif_sequence(i, LIF(beta=1.0))[0].flatten().tolist() == [0, 0, 1]
    assert lif_sequence(i, LIF(beta=0.0))[0].flatten().tolist() == [0, 0, 0]


def test_the_surrogate_gradient_at_the_threshold_is_half_alpha():
    i = torch.tensor([1.0], requires_grad=True)
    lif_step(i, torch.zeros(1), LIF(alpha=3.0))[0].sum().backward()
    assert i.grad.item() == pytest.approx(3.0 / 2)


def test_where_no_time_passes_a_neuron_passes_on_its_current_from_0_to_3_thresholds():
    i = torch.tensor([-1.0, 0.0, 0.5, 2.0, 5.9, 6.1])
    assert rectified(i, LIF(v_th=2.0)).tolist() == pytest.approx([0.0, 0.0, 0.5, 2.0, 5.9, 3 * 2.0])
    fires = lif_step(i, torch.zeros_like(i), LIF(v_th=2.0))[0]
    assert torch.equal(rectified(i, LIF(v_th=2.0)) > 2.0, fires.bool())


# --- two ways agree ----------------------------------------------------------------------

@pytest.mark.parametrize("lif", [HARD, SOFT, LIF(), LIF(beta=1.0, hard_reset=False), LIF(beta=0.0)])
@pytest.mark.parametrize("shape", [(1, 3), (4, 5), (6, 2, 3, 4, 4)])
def test_the_whole_sequence_is_the_loop_forward_and_backward(lif, shape):
    i = currents(*shape)
    s_loop, g_loop = gradient(lif_loop, i, lif=lif)
    s, g = gradient(lif_sequence, i, lif=lif)
    assert torch.equal(s, s_loop)
    assert_same_gradient(g, g_loop)


@given(st.floats(0, 1), st.floats(0.05, 3), st.booleans(), st.floats(0.5, 5), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_whole_sequence_is_the_loop_for_any_constants(beta, v_th, hard, alpha, seed):
    lif, i = LIF(beta, v_th, hard, alpha), currents(5, 7, seed=seed)
    (s, g), (s_loop, g_loop) = gradient(lif_sequence, i, lif=lif), gradient(lif_loop, i, lif=lif)
    assert torch.equal(s, s_loop)
    assert_same_gradient(g, g_loop)


def test_the_last_potential_is_the_loops():
    i, u = currents(4, 3, 5), currents(3, 5, seed=1)
    for lif in (HARD, SOFT):
        torch.testing.assert_close(lif_sequence(i, lif, u)[1], lif_loop(i, lif, u)[1])


def test_a_sequence_cut_in_two_is_the_whole_sequence():
    i = currents(6, 4)
    whole, u_whole = lif_sequence(i, HARD)
    first, u = lif_sequence(i[:2], HARD)
    second, u = lif_sequence(i[2:], HARD, u)
    assert torch.equal(torch.cat([first, second]), whole)
    assert torch.equal(u, u_whole)


@pytest.mark.parametrize("lif", [HARD, SOFT])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_one_timestep_without_gradients_is_one_timestep_with_them(lif, dtype):
    i, u = currents(1, 2, 3, 4, 4).to(dtype), currents(2, 3, 4, 4, seed=1).to(torch.float32 if dtype == torch.bfloat16 else dtype)
    for start in (None, u):
        s, last = lif_sequence(i, lif, start)
        before = None if start is None else start.clone()
        with torch.no_grad():
            s_free, last_free = lif_sequence(i, lif, start)
        assert torch.equal(s, s_free) and torch.equal(last, last_free)
        assert (s_free.dtype, last_free.dtype) == (s.dtype, last.dtype)
        assert start is None or torch.equal(start, before)


def test_starting_potentials_take_part_in_the_gradient_of_later_currents():
    i, u = currents(3, 8), currents(8, seed=2)
    (s, g), (s_loop, g_loop) = gradient(lif_sequence, i, lif=HARD, u=u), gradient(lif_loop, i, lif=HARD, u=u)
    assert torch.equal(s, s_loop)
    assert_same_gradient(g, g_loop)


def test_neither_current_nor_potential_is_written_to():
    i, u = currents(3, 8), currents(8, seed=2)
    before = i.clone(), u.clone()
    gradient(lif_sequence, i, lif=HARD, u=u)
    lif_sequence(i, HARD, u)
    assert torch.equal(i, before[0]) and torch.equal(u, before[1])


@pytest.mark.parametrize("lif", [HARD, LIF()])
def test_a_hard_reset_neuron_is_snntorchs(lif):
    i = currents(8, 50)
    s, g = gradient(lif_sequence, i, lif=lif)
    s_peer, g_peer = gradient(lambda i: (snntorch_spikes(i, lif), None), i)
    assert s.sum() > 20
    assert torch.equal(s, s_peer)
    assert_same_gradient(g, g_peer)


def test_a_soft_reset_neuron_is_snntorchs_while_one_reset_is_enough():
    i = currents(8, 50).clamp(max=1.1)         # h <= 2 v_th: u never stays above it, where snnTorch would reset it again
    s, g = gradient(lif_sequence, i, lif=SOFT)
    s_peer, g_peer = gradient(lambda i: (snntorch_spikes(i, SOFT), None), i)
    assert s.sum() > 20
    assert torch.equal(s, s_peer)
    assert_same_gradient(g, g_peer)


# --- memory layouts and precisions -----------------------------------------------------------

@pytest.mark.parametrize("lif, compiled", [(HARD, False), (SOFT, False), pytest.param(HARD, True, marks=compiler)])
def test_channels_last_gives_the_same_numbers_and_stays_channels_last(lif, compiled):
    i = currents(3, 2, 4, 5, 6)
    last = i.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (3, 2))
    s, g = gradient(lif_sequence, i, lif=lif)
    s_last, g_last = gradient(lif_sequence, last, lif=lif, compiled=compiled)
    assert torch.equal(s, s_last)
    torch.testing.assert_close(g, g_last)
    spikes, u = lif_sequence(last, lif, compiled=compiled)
    assert spikes.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    assert u.is_contiguous(memory_format=torch.channels_last)


def test_an_expanded_current_is_the_repeated_current():
    one = currents(1, 2, 3, 4, 4)
    s, g = gradient(lif_sequence, one.repeat(5, 1, 1, 1, 1), lif=HARD)
    x = one.clone().requires_grad_()
    spikes, _ = lif_sequence(x.expand(5, -1, -1, -1, -1), HARD)
    (spikes * torch.linspace(-1, 2, s.numel(), dtype=s.dtype).view_as(s)).sum().backward()
    assert torch.equal(spikes, s)
    torch.testing.assert_close(x.grad, g.sum(dim=0, keepdim=True))


def test_a_strided_current_is_its_copy():
    wide = currents(4, 3, 10)
    for view in (wide[:, :, ::2], wide.transpose(1, 2), wide[::2], wide[:, 1:]):
        s, g = gradient(lif_sequence, view.contiguous(), lif=HARD)
        assert torch.equal(lif_sequence(view, HARD)[0], s)
    x = wide.clone().requires_grad_()
    lif_sequence(x[:, :, ::2], HARD)[0].sum().backward()
    assert (x.grad[:, :, 1::2] == 0).all() and (x.grad[:, :, ::2] != 0).any()


def in_channels_last(*shape: int) -> torch.Tensor:
    """Currents (T, B, C, H, W) as a convolution of channels_last images hands them on."""
    i = currents(*shape)
    return i.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, i.shape[:2])


# Neither dense nor in the order of their axes: torch lays what is made `like` them in their own order of strides, not in C's.
GAPS = {"half the channels": lambda: in_channels_last(4, 2, 6, 5, 3)[:, :, :3],
        "every second pixel": lambda: in_channels_last(4, 2, 3, 5, 6)[..., ::2],
        "exchanged axes": lambda: currents(4, 3, 6, 8)[..., ::2].transpose(-1, -2),
        "time among the images": lambda: currents(2, 4, 3, 5).permute(1, 0, 3, 2),
        "repeated pixels": lambda: currents(4, 3, 1, 5).expand(4, 3, 2, 5).transpose(1, 3)}


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("gaps, compiled", [*((gaps, False) for gaps in GAPS), pytest.param("half the channels", True, marks=compiler)])
def test_a_current_with_gaps_in_memory_is_its_copy_too(gaps, compiled, begun):
    i = GAPS[gaps]()
    u = currents(*i.shape[1:], seed=1) if begun else None
    copied, weight = i.contiguous().requires_grad_(), torch.linspace(-1, 2, i.numel(), dtype=i.dtype).view(i.shape)
    (lif_sequence(copied, HARD, u)[0] * weight).sum().backward()
    view = i.detach().requires_grad_()
    s, last = lif_sequence(view, HARD, u, compiled)
    (s * weight).sum().backward()
    s_copied, last_copied = lif_sequence(copied.detach(), HARD, u)
    assert torch.equal(s, s_copied)
    torch.testing.assert_close(last, last_copied)
    torch.testing.assert_close(view.grad, copied.grad)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("lif", [HARD, SOFT])
def test_spikes_are_of_their_currents_precision_in_a_step_in_the_loop_and_in_a_sequence(lif, dtype):
    i = currents(6, 40).to(dtype)
    wide = torch.float32 if dtype in neurons.HALF else dtype
    for u in (torch.zeros(40, dtype=dtype), torch.zeros(40, dtype=wide)):
        assert [x.dtype for x in lif_step(i[0], u, lif)] == [dtype, u.dtype]
    (s, u), (s_loop, u_loop) = lif_sequence(i, lif), lif_loop(i, lif)
    assert torch.equal(s, s_loop) and u.dtype == u_loop.dtype == wide
    torch.testing.assert_close(u, u_loop)


def test_float64_spikes_go_into_a_float64_layer_and_its_gradient_comes_back():
    layer, i = torch.nn.Linear(8, 3).double(), currents(2, 8, scale=2.0).requires_grad_()
    layer(lif_step(i, torch.zeros_like(i), HARD)[0]).sum().backward()
    assert i.grad.dtype == torch.float64 and (i.grad != 0).any()


@pytest.mark.parametrize("dtype, compiled", [(torch.float16, False), (torch.bfloat16, False),
                                             pytest.param(torch.bfloat16, True, marks=compiler)])
def test_half_precision_currents_leave_the_potential_in_float32(dtype, compiled):
    i = currents(6, 40).to(dtype)
    s, u = lif_sequence(i, HARD, compiled=compiled)
    exact, u_exact = lif_sequence(i.float(), HARD)
    assert (s.dtype, u.dtype) == (dtype, torch.float32)
    assert torch.equal(s.float(), exact)
    torch.testing.assert_close(u, u_exact)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_start_in_half_precision_goes_on_in_float32_step_by_step_too(dtype):
    lif, i, start = LIF(beta=0.9, v_th=0.5, hard_reset=False), currents(40, 50).to(dtype), torch.full((50,), 0.5, dtype=dtype)
    s, last = lif_sequence(i, lif, start)
    s_loop, last_loop = lif_loop(i, lif, start)
    assert torch.equal(s, s_loop) and last_loop.dtype == torch.float32
    torch.testing.assert_close(last, last_loop)
    u, steps = start, []
    with torch.no_grad():
        for i_t in i:
            s_t, u = lif_sequence(i_t[None], lif, u)
            steps.append(s_t[0])
    assert torch.equal(s, torch.stack(steps))
    torch.testing.assert_close(last, u)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gradients_are_the_rounded_float32_gradients(dtype):
    i = currents(6, 40).to(dtype)
    _, g = gradient(lif_sequence, i, lif=HARD)
    _, exact = gradient(lif_sequence, i.float(), lif=HARD)
    torch.testing.assert_close(g.float(), exact, rtol=2e-2, atol=2e-2)


def test_small_leaks_add_up_in_float32_where_bfloat16_would_lose_them():
    i = torch.full((300, 1), 0.004, dtype=torch.bfloat16)       # 0.004 is below half a step of bfloat16 at 1
    assert lif_sequence(i, LIF(beta=1.0))[0].sum() == 1


@compiler
def test_the_compiled_sequence_is_the_sequence_from_any_start():
    i, u = currents(4, 3, 5), currents(3, 5, seed=1)
    (s, g), (s_c, g_c) = gradient(lif_sequence, i, lif=SOFT, u=u), gradient(lif_sequence, i, lif=SOFT, u=u, compiled=True)
    assert torch.equal(s, s_c)
    torch.testing.assert_close(g, g_c)


def test_the_chunks_of_a_long_row_meet_without_a_seam(monkeypatch):
    i = currents(3, 100)
    whole = gradient(lif_sequence, i, lif=HARD)
    monkeypatch.setattr(neurons, "CHUNK", 7)
    for a, b in zip(whole, gradient(lif_sequence, i, lif=HARD), strict=True):
        assert torch.equal(a, b)


# --- laws ---------------------------------------------------------------------------------------

@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_spikes_are_bits_and_a_reset_potential_stays_at_or_below_the_threshold(seed):
    s, u = lif_sequence(currents(6, 20, seed=seed, scale=2.0), HARD)
    assert set(s.unique().tolist()) <= {0.0, 1.0}
    assert (u <= HARD.v_th).all()


def test_scaling_current_and_threshold_together_changes_no_spike():
    i = currents(6, 200)
    for hard in (True, False):
        assert torch.equal(lif_sequence(i, LIF(0.5, 1.0, hard))[0], lif_sequence(4 * i, LIF(0.5, 4.0, hard))[0])


def test_the_future_does_not_change_the_past():
    i = currents(6, 30)
    assert torch.equal(lif_sequence(i[:3], HARD)[0], lif_sequence(i, HARD)[0][:3])


# --- bad input ------------------------------------------------------------------------------------

@pytest.mark.parametrize("constants, message", [
    (dict(beta=2.0), r"beta is the fraction of u kept each step, in \[0, 1\]; got 2.0; a time constant tau = 2 is beta = 0.5"),
    (dict(beta=-0.1), "got -0.1$"),
    (dict(beta=float("nan")), "got nan"),
    (dict(v_th=0.0), "v_th is a finite threshold above 0; got 0.0"),
    (dict(v_th=float("nan")), "v_th is a finite threshold above 0; got nan"),
    (dict(v_th=float("inf")), "v_th is a finite threshold above 0; got inf"),
    (dict(alpha=0.0), "alpha is a finite steepness above 0; got 0.0"),
    (dict(alpha=float("inf")), "alpha is a finite steepness above 0; got inf"),
])
def test_constants_outside_their_range_are_refused(constants, message):
    with pytest.raises(ValueError, match=message):
        LIF(**constants)


@pytest.mark.parametrize("what", ["beta", "v_th", "alpha"])
@pytest.mark.parametrize("value", [torch.nn.Parameter(torch.tensor(0.5)), torch.tensor(0.5), "0.5", None])
def test_a_constant_that_is_no_plain_number_is_refused_by_its_name(what, value):
    with pytest.raises(TypeError, match=rf"{what} is a plain number, which training does not move; got a {type(value).__name__} \(float"):
        LIF(**{what: value})


def test_a_current_and_a_potential_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"one shape; got \(2, 3\) and \(3,\)"):
        lif_step(torch.zeros(2, 3), torch.zeros(3), LIF())
    with pytest.raises(ValueError, match=r"u is \(3,\), as one timestep of i; got \(4,\)"):
        lif_sequence(torch.zeros(2, 3), LIF(), torch.zeros(4))


@pytest.mark.parametrize("shape", [(3,), (0, 3)])
def test_a_sequence_without_a_timestep_is_refused(shape):
    with pytest.raises(ValueError, match=r"i is \(T, ...\) with T at least 1"):
        lif_sequence(torch.zeros(shape), LIF())


def test_a_current_of_whole_numbers_is_refused():
    with pytest.raises(TypeError, match="i is an input current, floating point; got torch.int64"):
        lif_sequence(torch.zeros(2, 3, dtype=torch.int64), LIF())
