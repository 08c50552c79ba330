"""Direct coding, rate coding, and events as they are."""

import numpy as np
import pytest
import torch

from dtsnn_lite.encoding import Coding, Rate, direct, events, is_constant

IMAGES = torch.rand(5, 1, 3, 4, generator=torch.Generator().manual_seed(0))
SEQUENCES = torch.rand(5, 6, 1, 3, 4, generator=torch.Generator().manual_seed(1))
CODINGS: dict[str, tuple[Coding, torch.Tensor]] = {"direct": (direct, IMAGES), "rate": (Rate(3), IMAGES), "events": (events, SEQUENCES)}
EVERY = pytest.mark.parametrize("coding, items", CODINGS.values(), ids=list(CODINGS))
OF_IMAGES = pytest.mark.parametrize("coding", [direct, Rate()], ids=["direct", "rate"])


def test_direct_coding_repeats_the_image_without_copying_it():
    x = direct(IMAGES, 5)
    assert x.shape == (5, 5, 1, 3, 4)
    assert all(torch.equal(x_t, IMAGES) for x_t in x)
    assert x.data_ptr() == IMAGES.data_ptr()


def test_events_are_each_items_own_first_inputs_without_copying_them():
    x = events(SEQUENCES, 4)
    assert x.shape == (4, 5, 1, 3, 4)
    assert all(torch.equal(x[t, n], SEQUENCES[n, t]) for t in range(4) for n in range(5))
    assert x.data_ptr() == SEQUENCES.data_ptr()


def test_a_model_can_see_that_direct_coding_is_constant_and_the_others_are_not():
    assert is_constant(direct(IMAGES, 3))
    assert is_constant(direct(IMAGES, 1))
    assert not is_constant(Rate()(IMAGES, 3))
    assert not is_constant(events(SEQUENCES, 3))
    assert not is_constant(direct(IMAGES, 3).contiguous())


def test_rate_coding_fires_as_often_as_the_pixel_is_bright():
    s = Rate()(torch.full((1, 1, 50, 50), 0.3), 40)
    assert set(s.unique().tolist()) == {0.0, 1.0}
    assert s.mean().item() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / s.numel()) ** 0.5)    # four standard errors


def test_black_never_fires_and_white_always_does():
    assert Rate()(torch.zeros(1, 1, 2, 2), 10).sum() == 0
    assert Rate()(torch.ones(1, 1, 2, 2), 10).mean() == 1


def test_the_seed_decides_the_spikes_and_no_other_random_number_moves():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert torch.equal(Rate(1)(IMAGES, 6), Rate(1)(IMAGES, 6))
    assert not torch.equal(Rate(1)(IMAGES, 6), Rate(2)(IMAGES, 6))
    assert torch.equal(torch.get_rng_state(), before)


def test_rate_coding_throws_other_dice_for_every_image_timestep_and_pixel():
    s = Rate()(torch.full((20, 1, 5, 5), 0.5), 8)
    for view in (s.flatten(2), s.transpose(0, 1).flatten(2), s.flatten(0, 1).transpose(0, -1).flatten(1)):
        assert len(torch.unique(view.flatten(1), dim=0)) == len(view)


@EVERY
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_an_items_inputs_do_not_depend_on_its_batch(coding, items, batch):
    at = torch.arange(len(items))
    parts = [coding(x, 4, places) for x, places in zip(items.split(batch), at.split(batch), strict=True)]
    assert torch.equal(torch.cat(parts, dim=1), coding(items, 4))
    order = torch.tensor([3, 0, 4])
    assert torch.equal(coding(items[order], 4, order), coding(items, 4)[:, order])


@EVERY
def test_a_shorter_run_is_the_beginning_of_a_longer_one(coding, items):
    assert torch.equal(coding(items, 2), coding(items, 5)[:2])


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_inputs_are_of_their_items_precision(coding, items, dtype):
    assert coding(items.to(dtype), 2).dtype == dtype


@EVERY
@pytest.mark.parametrize("timesteps", [0, -1, 1.5, "4"])
def test_a_number_of_timesteps_below_one_or_not_whole_is_refused(coding, items, timesteps):
    with pytest.raises(ValueError, match=f"timesteps is a whole number, 1 or more; got {timesteps!r}"):
        coding(items, timesteps)


def test_numpys_whole_numbers_are_whole_numbers():
    assert len(direct(IMAGES, np.int64(3))) == 3


@OF_IMAGES
@pytest.mark.parametrize("shape", [(3, 4), (1, 3, 4), (0, 1, 3, 4), (2, 0, 3, 4), (2, 6, 1, 3, 4)])
def test_images_that_are_no_batch_are_refused(coding, shape):
    with pytest.raises(ValueError, match=r"images are \(B, C, H, W\), none of them 0; got shape"):
        coding(torch.zeros(shape), 2)


@pytest.mark.parametrize("shape", [(5, 1, 3, 4), (0, 6, 1, 3, 4), (2, 0, 1, 3, 4)])
def test_sequences_that_are_no_batch_are_refused(shape):
    with pytest.raises(ValueError, match=r"sequences are \(B, T, C, H, W\), none of them 0; got shape"):
        events(torch.zeros(shape), 2)


def test_more_timesteps_than_a_sequence_has_are_refused():
    with pytest.raises(ValueError, match="these sequences are 6 timesteps long; got timesteps = 7"):
        events(SEQUENCES, 7)


@EVERY
def test_bytes_are_refused_since_they_are_not_scaled(coding, items):
    with pytest.raises(TypeError, match=r"floating point, in \[0, 1\] .*got torch.uint8"):
        coding(items.byte(), 2)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_rate_coding_refuses_what_is_no_probability(value):
    with pytest.raises(ValueError, match=r"intensities as probabilities, in \[0, 1\]"):
        Rate()(torch.full((1, 1, 2, 2), value), 2)


def test_a_seed_is_a_whole_number():
    with pytest.raises(ValueError, match="seed is a whole number, 0 or more; got -1"):
        Rate(seed=-1)
