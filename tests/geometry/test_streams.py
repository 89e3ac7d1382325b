import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from latentgeo.geometry import (
    PointStream,
    axes_angles,
    gram_spectrum,
    require_spectrum,
    rkhs_principal_angles,
    stream_gram,
    stream_spectrum,
)
from latentgeo.geometry._linalg import eigh_in_place, eigvalsh_in_place

WIDE, TALL = (30, 50), (90, 20)  # fewer points than coordinates, and more


def cloud(shape, seed=0):
    """Points whose energies fall off, away from the origin."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=shape) * 0.8 ** np.arange(shape[1]) + 0.5
    return torch.from_numpy(points)


def in_blocks(points, step):
    return PointStream(*points.shape, step, lambda some: points[some])


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_energies_are_those_of_the_gram_matrix(shape, step):
    points = cloud(shape)
    found = stream_spectrum(in_blocks(points, step))
    for energies, centred in ((found.centred, True), (found.uncentred, False)):
        expected = gram_spectrum(points @ points.mT, centred=centred)[: min(shape)]
        torch.testing.assert_close(energies, expected, rtol=0, atol=1e-12 * float(expected[0]))
    assert found.axes is None


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_axes_are_the_leading_right_singular_vectors(shape, step):
    points = cloud(shape)
    found = stream_spectrum(in_blocks(points, step), share=0.9)
    _, values, vectors = np.linalg.svd((points - points.mean(0)).numpy(), full_matrices=False)
    count = 1 + np.searchsorted(np.cumsum(values**2) / np.sum(values**2), 0.9)
    assert found.axes.shape == (shape[1], count)
    np.testing.assert_allclose(found.axes.mT @ found.axes, np.eye(count), atol=1e-12)
    assert subspace_angles(found.axes.numpy(), vectors[:count].T).max() < 1e-7


@pytest.mark.parametrize("shape", [WIDE, TALL])
def test_angles_are_those_of_the_gram_matrices(shape):
    clean = cloud(shape)
    noisy = clean + 0.3 * cloud(shape, seed=1)
    axes = [stream_spectrum(in_blocks(x, 7), share=0.95).axes for x in (clean, noisy)]
    expected = rkhs_principal_angles(clean @ clean.mT, clean @ noisy.mT, noisy @ noisy.mT)
    torch.testing.assert_close(axes_angles(*axes), expected, rtol=0, atol=1e-10)


def test_angles_of_unequal_subspaces_and_of_none():
    axes = torch.eye(4, dtype=torch.float64)
    turned = torch.tensor([[1.0], [1.0], [0.0], [0.0]], dtype=torch.float64) / 2**0.5
    assert float(axes_angles(axes[:, :1], turned)) == pytest.approx(np.pi / 4)
    assert float(axes_angles(turned, axes[:, 1:])) == pytest.approx(np.pi / 4)
    assert axes_angles(axes, axes[:, :0]).shape == (0,)


def test_points_that_coincide_have_no_axes():
    found = stream_spectrum(in_blocks(torch.zeros(5, 3).double(), 2), share=0.9)
    assert found.axes.shape == (3, 0)
    assert (found.centred == 0).all()


@pytest.mark.parametrize("step", [1, 4, 100])
def test_gram_matrices_are_products(step):
    first, second = cloud((9, 5)), cloud((6, 5), seed=1)
    torch.testing.assert_close(stream_gram(in_blocks(first, step)), first @ first.mT)
    found = stream_gram(in_blocks(first, step), in_blocks(second, step))
    torch.testing.assert_close(found, first @ second.mT)


@pytest.mark.parametrize("size", [1, 5, 1500])
def test_a_matrix_solved_in_place_is_still_there(size):
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(size, 3)))
    matrix = points @ points.mT
    matrix.diagonal().add_(torch.arange(size) / size)
    kept = matrix.clone()
    values = eigvalsh_in_place(matrix)
    torch.testing.assert_close(values[-1], torch.linalg.matrix_norm(kept, 2))
    torch.testing.assert_close(matrix, kept, rtol=0, atol=1e-12)
    largest, vectors = eigh_in_place(matrix, 1)
    torch.testing.assert_close(matrix @ vectors, vectors * largest)
    torch.testing.assert_close(matrix, kept, rtol=0, atol=1e-12)


def test_what_cannot_be_done_is_refused():
    points = cloud(TALL)
    with pytest.raises(ValueError, match="share of the energy"):
        stream_spectrum(in_blocks(points, 7), share=1.5)
    points[80, 3] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        stream_spectrum(in_blocks(points, 7))
    with pytest.raises(ValueError, match="the spectrum of 10000000 points in 9000000 dimensions"):
        require_spectrum(10**7, 9 * 10**6, points.device)
