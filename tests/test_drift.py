"""Images that drift: the labels stay, the change is drawn once and is always the same."""

import pytest
import torch

from dtsnn_lite.data import digits
from dtsnn_lite.drift import HARD, Drift, _moved, drifted


def some_images(n=6):
    return digits().test.images[:n]


def test_no_drift_leaves_every_pixel_alone():
    x = some_images()
    torch.testing.assert_close(Drift()(x, torch.Generator()), x, atol=1e-5, rtol=0)


def test_the_same_seed_drifts_alike_and_another_does_not():
    split = digits().test
    a, b, c = (drifted(split, HARD, seed).images for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(drifted(split, HARD).labels, split.labels)


def test_a_dimmed_image_is_a_multiple_of_itself_between_contrast_and_1():
    x = some_images()
    dim = Drift(contrast=0.2)(x, torch.Generator().manual_seed(3))
    factor = dim.sum(dim=(1, 2, 3)) / x.sum(dim=(1, 2, 3))
    torch.testing.assert_close(dim, x * factor[:, None, None, None], atol=1e-5, rtol=0)
    assert factor.min() >= 0.2 and factor.max() <= 1.0


def test_a_turned_image_keeps_its_ink():
    x = some_images()
    turned = Drift(degrees=30)(x, torch.Generator().manual_seed(0))
    torch.testing.assert_close(turned.sum(dim=(1, 2, 3)), x.sum(dim=(1, 2, 3)), rtol=0.03, atol=0)
    assert (turned - x).abs().max() > 0.3


@pytest.mark.parametrize("size", [(41, 41), (41, 81), (81, 41)])
def test_a_bar_stays_as_long_as_it_is_when_it_is_turned_whatever_the_sides(size):
    bar = torch.zeros(1, 1, *size)
    bar[0, 0, size[0] // 2, size[1] // 2 - 10:size[1] // 2 + 11] = 1
    rows, columns = torch.nonzero(_moved(bar, torch.tensor([45.0]), torch.zeros(2, 1))[0, 0] > 0.4, as_tuple=True)
    assert rows.max() - rows.min() == columns.max() - columns.min() == 14                  # 20 / sqrt(2)


def test_drifted_images_stay_in_0_to_1():
    x = Drift(degrees=40, shift=3, contrast=0.1, noise=0.5)(some_images(), torch.Generator().manual_seed(0))
    assert 0 <= x.min() and x.max() <= 1


@pytest.mark.parametrize("wrong, says", [({"contrast": 0.0}, "in \\(0, 1\\]"), ({"noise": -0.1}, "0 or more"),
                                         ({"noise": float("nan")}, "finite"), ({"degrees": float("inf")}, "finite")])
def test_an_impossible_drift_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        Drift(**wrong)
