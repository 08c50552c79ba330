"""Direct and rate coding."""

import numpy as np
import pytest
import torch

from dtsnn_lite.encoding import direct, is_constant, rate

IMAGES = torch.rand(2, 1, 3, 4, generator=torch.Generator().manual_seed(0))


def test_direct_coding_repeats_the_image_without_copying_it():
    x = direct(IMAGES, 5)
    assert x.shape == (5, 2, 1, 3, 4)
    assert all(torch.equal(x_t, IMAGES) for x_t in x)
    assert x.data_ptr() == IMAGES.data_ptr()


def test_a_model_can_see_that_direct_coding_is_constant_and_rate_coding_is_not():
    assert is_constant(direct(IMAGES, 3))
    assert is_constant(direct(IMAGES, 1))
    assert not is_constant(rate(IMAGES, 3))
    assert not is_constant(direct(IMAGES, 3).contiguous())


def test_rate_coding_fires_as_often_as_the_pixel_is_bright():
    s = rate(torch.full((1, 1, 50, 50), 0.3), 40)
    assert set(s.unique().tolist()) == {0.0, 1.0}
    assert s.mean().item() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / s.numel()) ** 0.5)    # four standard errors


def test_black_never_fires_and_white_always_does():
    assert rate(torch.zeros(1, 1, 2, 2), 10).sum() == 0
    assert rate(torch.ones(1, 1, 2, 2), 10).mean() == 1


def test_the_seed_decides_the_spikes_and_no_other_random_number_moves():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert torch.equal(rate(IMAGES, 6, seed=1), rate(IMAGES, 6, seed=1))
    assert not torch.equal(rate(IMAGES, 6, seed=1), rate(IMAGES, 6, seed=2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("code", [direct, rate])
@pytest.mark.parametrize("timesteps", [0, -1, 1.5, "4"])
def test_a_number_of_timesteps_below_one_or_not_whole_is_refused(code, timesteps):
    with pytest.raises(ValueError, match=f"timesteps is a whole number, 1 or more; got {timesteps!r}"):
        code(IMAGES, timesteps)


def test_numpys_whole_numbers_are_whole_numbers():
    assert len(direct(IMAGES, np.int64(3))) == 3


@pytest.mark.parametrize("code", [direct, rate])
@pytest.mark.parametrize("shape", [(3, 4), (1, 3, 4), (0, 1, 3, 4), (2, 0, 3, 4)])
def test_images_that_are_no_batch_are_refused(code, shape):
    with pytest.raises(ValueError, match=r"images are \(B, C, H, W\), none of them 0; got shape"):
        code(torch.zeros(shape), 2)


@pytest.mark.parametrize("code", [direct, rate])
def test_bytes_are_refused_since_they_are_not_scaled(code):
    with pytest.raises(TypeError, match=r"floating point, in \[0, 1\] .*got torch.uint8"):
        code(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), 2)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_rate_coding_refuses_what_is_no_probability(value):
    with pytest.raises(ValueError, match=r"intensities as probabilities, in \[0, 1\]"):
        rate(torch.full((1, 1, 2, 2), value), 2)
