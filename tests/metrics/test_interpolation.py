import math

import numpy as np
import pytest
import torch
from scipy.ndimage import laplace
from sklearn.neighbors import NearestNeighbors

from latentgeo.metrics import (
    cycle_consistency,
    interpolate,
    nearest_real_distance,
    path_sharpness,
    sharpness,
)

PATHS = ("linear", "spherical")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", [torch.Tensor, np.ndarray])
def test_ends_shape_and_kind(path, kind):
    start, end = torch.randn(2, 4, 3, 2, 2)
    if kind is np.ndarray:
        start, end = start.numpy(), end.numpy()
    found = interpolate(start, end, 7, path)
    assert isinstance(found, kind)
    assert found.shape == (4, 7, 3, 2, 2)
    assert found.dtype == start.dtype
    np.testing.assert_allclose(found[:, 0], start, atol=1e-6)
    np.testing.assert_allclose(found[:, -1], end, atol=1e-6)


def test_linear_steps_are_even():
    start, end = torch.randn(2, 5, 6, dtype=torch.float64)
    found = interpolate(start, end, 5)
    torch.testing.assert_close(found[:, 1], 0.75 * start + 0.25 * end)
    torch.testing.assert_close(found.diff(dim=1), ((end - start) / 4)[:, None].expand(-1, 4, -1))


def test_a_spherical_path_keeps_the_norm_and_turns_evenly():
    start, end = torch.nn.functional.normalize(torch.randn(2, 5, 6, dtype=torch.float64), dim=-1)
    found = interpolate(start, end, 9, "spherical")
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(5, 9, dtype=torch.float64))
    turned = (found[:, 1:] * found[:, :-1]).sum(-1).acos()
    whole = (start * end).sum(-1).acos()
    torch.testing.assert_close(turned, (whole / 8)[:, None].expand(-1, 8))


def test_a_quarter_turn():
    found = interpolate(np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]]), 3, "spherical")
    np.testing.assert_allclose(found[0, 1], [math.sqrt(2), math.sqrt(2)])


def test_parallel_latents_have_a_straight_arc():
    start = torch.randn(3, 4, dtype=torch.float64)
    found = interpolate(start, 3 * start, 4, "spherical")
    torch.testing.assert_close(found, interpolate(start, 3 * start, 4))


def test_sharpness_is_the_variance_of_scipys_laplacian():
    images = np.random.default_rng(0).random((2, 3, 1, 8, 9))
    expected = [[laplace(image[0])[1:-1, 1:-1].var() for image in row] for row in images]
    np.testing.assert_allclose(sharpness(images), expected)
    assert sharpness(torch.from_numpy(images)).shape == (2, 3)
    np.testing.assert_allclose(sharpness(2 * images + 5), 4 * sharpness(images))


def test_blur_is_less_sharp():
    images = torch.rand(5, 3, 12, 12)
    blurred = torch.nn.functional.avg_pool2d(images, 3, 1, 1)
    assert (sharpness(blurred) < 0.2 * sharpness(images)).all()


def test_the_middle_of_a_fade_is_less_sharp_than_its_ends():
    images = torch.rand(2, 40, 1, 10, 10)
    path = interpolate(*images, 5)
    found = path_sharpness(lambda z: z, path, batch=7)
    np.testing.assert_allclose(found.values, sharpness(path))
    # Independent noise: the mean of two has half of the variance.
    assert found.by_step.mean[2] == pytest.approx(found.by_step.mean[0] / 2, rel=0.1)
    assert found.by_step.high[2] < found.by_step.low[0]
    assert found.inside.mean == pytest.approx(found.values[:, 1:-1].mean())


def test_cycle_of_a_linear_pair_has_a_closed_form():
    torch.manual_seed(0)
    lift = torch.linalg.qr(torch.randn(12, 4, dtype=torch.float64))[0]
    start, end = torch.randn(2, 6, 4, dtype=torch.float64)
    path = interpolate(start, end, 5)
    exact = cycle_consistency(lambda x: x @ lift, lambda z: z @ lift.T, path, batch=4)
    assert exact.values.max() < 1e-12
    half = cycle_consistency(lambda x: 0.5 * x @ lift, lambda z: z @ lift.T, path)
    expected = 0.5 * path.norm(dim=-1) / (end - start).norm(dim=-1)[:, None]
    np.testing.assert_allclose(half.values, expected)
    scaled = cycle_consistency(lambda x: 0.5 * x @ lift, lambda z: z @ lift.T, 7 * path)
    np.testing.assert_allclose(scaled.values, half.values)


def test_cycle_of_a_pair_of_equal_ends_is_not_hidden():
    path = torch.ones(2, 3, 4)
    path[1, -1] = 2
    found = cycle_consistency(lambda x: x + 1, lambda z: z, path)
    assert np.isinf(found.values[0]).all()
    assert np.isfinite(found.values[1]).all()


@pytest.mark.parametrize("batch", [3, 256])
def test_nearest_real_image_agrees_with_scikit_learn(batch):
    real, path = torch.randn(50, 1, 4, 4), torch.randn(6, 5, 1, 4, 4)

    def features(x):
        return torch.tanh(x.flatten(1)[:, :9])

    found = nearest_real_distance(lambda z: z / 2, path, real, features, batch=batch)
    search = NearestNeighbors(n_neighbors=1).fit(features(real).double().numpy())
    distance, index = search.kneighbors(features(path.flatten(0, 1) / 2).double().numpy())
    np.testing.assert_allclose(found.distance.values.ravel(), distance[:, 0])
    np.testing.assert_array_equal(found.place.ravel(), index[:, 0])


def test_ends_that_are_real_are_at_no_distance_in_pixels():
    real = torch.rand(10, 1, 5, 5)
    found = nearest_real_distance(lambda z: z, interpolate(real[:4], real[4:8], 5), real)
    assert found.distance.values[:, [0, -1]].max() < 1e-6
    assert found.place[:, 0].tolist() == [0, 1, 2, 3]
    assert found.distance.inside.low > 0.1


def test_bad_input_is_named():
    z = torch.ones(2, 3)
    with pytest.raises(ValueError, match="path is 'curved'; expected 'linear' or 'spherical'"):
        interpolate(z, z, 4, "curved")
    with pytest.raises(ValueError, match="steps is 1; expected a whole number from 2"):
        interpolate(z, z, 1)
    with pytest.raises(ValueError, match=r"start has shape \(2, 3\) and end \(1, 3\)"):
        interpolate(z, z[:1], 4)
    with pytest.raises(ValueError, match="end holds NaN"):
        interpolate(z, z * torch.nan, 4)
    with pytest.raises(ValueError, match=r"start has dtype torch.int64; expected floating"):
        interpolate(z.long(), z, 4)
    with pytest.raises(ValueError, match=r"1 pairs have a latent that is zero.*of pair 1"):
        interpolate(z, torch.stack([z[0], 0 * z[0]]), 4, "spherical")
    with pytest.raises(ValueError, match="2 pairs have ends that point opposite ways"):
        interpolate(z, -z, 4, "spherical")
    with pytest.raises(ValueError, match=r"\(1, 2, 2\); expected \(..., C, H, W\) of at least 3x3"):
        sharpness(torch.zeros(1, 2, 2))
    path = torch.ones(2, 3, 1, 4, 4)
    with pytest.raises(ValueError, match=r"\(2, 1, 1, 4, 4\); .* at least 1 pair and 2 steps"):
        path_sharpness(lambda z: z, path[:, :1])
    with pytest.raises(ValueError, match="batch is 0"):
        path_sharpness(lambda z: z, path, batch=0)
    with pytest.raises(ValueError, match=r"6 interpolants are not finite.*pair 0, step 0"):
        path_sharpness(lambda z: z * torch.nan, path)
    with pytest.raises(ValueError, match="6 interpolants are not finite"):
        nearest_real_distance(lambda z: z * torch.nan, path, path[0])
    with pytest.raises(ValueError, match=r"real has shape .* at least one image"):
        nearest_real_distance(lambda z: z, path, path[0, :0])
