from itertools import product

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from latentgeo.geometry import (
    PointStream,
    _linalg,
    axes_angles,
    gram_spectrum,
    require_spectrum,
    rkhs_principal_angles,
    stream_gram,
    stream_spectra,
)
from latentgeo.geometry._linalg import eigh_in_place, spectra_in_place

WIDE, TALL = (30, 50), (90, 20)  # fewer points than coordinates, and more


def cloud(shape, seed=0):
    """Points whose energies fall off, away from the origin."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=shape) * 0.8 ** np.arange(shape[1]) + 0.5
    return torch.from_numpy(points)


def in_blocks(points, step):
    return PointStream(*points.shape, step, lambda some: points[some])


def whole_spectrum(points, share=None):
    return stream_spectra({"all": points}, share=share).whole


def energies_of(points):
    """Eigenvalues by singular values: of the points as they lie, and about their mean."""
    both = (points, points - points.mean(0))
    return [torch.from_numpy(np.linalg.svd(x.numpy(), compute_uv=False) ** 2) for x in both]


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_energies_are_those_of_the_gram_matrix(shape, step):
    points = cloud(shape)
    found = whole_spectrum(in_blocks(points, step))
    for energies, centred in ((found.centred, True), (found.uncentred, False)):
        expected = gram_spectrum(points @ points.mT, centred=centred)[: min(shape)]
        torch.testing.assert_close(energies, expected, rtol=0, atol=1e-12 * float(expected[0]))
    assert found.axes is None


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_axes_are_the_leading_right_singular_vectors(shape, step):
    points = cloud(shape)
    found = whole_spectrum(in_blocks(points, step), share=0.9)
    _, values, vectors = np.linalg.svd((points - points.mean(0)).numpy(), full_matrices=False)
    count = 1 + np.searchsorted(np.cumsum(values**2) / np.sum(values**2), 0.9)
    assert found.axes.shape == (shape[1], count)
    np.testing.assert_allclose(found.axes.mT @ found.axes, np.eye(count), atol=1e-12)
    assert subspace_angles(found.axes.numpy(), vectors[:count].T).max() < 1e-7


@pytest.mark.parametrize("shape", [WIDE, TALL])
def test_angles_are_those_of_the_gram_matrices(shape):
    clean = cloud(shape)
    noisy = clean + 0.3 * cloud(shape, seed=1)
    axes = [whole_spectrum(in_blocks(x, 7), share=0.95).axes for x in (clean, noisy)]
    expected = rkhs_principal_angles(clean @ clean.mT, clean @ noisy.mT, noisy @ noisy.mT)
    torch.testing.assert_close(axes_angles(*axes), expected, rtol=0, atol=1e-10)


def test_angles_of_unequal_subspaces_and_of_none():
    axes = torch.eye(4, dtype=torch.float64)
    turned = torch.tensor([[1.0], [1.0], [0.0], [0.0]], dtype=torch.float64) / 2**0.5
    assert float(axes_angles(axes[:, :1], turned)) == pytest.approx(np.pi / 4)
    assert float(axes_angles(turned, axes[:, 1:])) == pytest.approx(np.pi / 4)
    assert axes_angles(axes, axes[:, :0]).shape == (0,)


def test_points_that_coincide_have_no_axes():
    found = whole_spectrum(in_blocks(torch.zeros(5, 3).double(), 2), share=0.9)
    assert found.axes.shape == (3, 0)
    assert (found.centred == 0).all()


@pytest.mark.parametrize("step", [1, 4, 100])
def test_gram_matrices_are_products(step):
    first, second = cloud((9, 5)), cloud((6, 5), seed=1)
    torch.testing.assert_close(stream_gram(in_blocks(first, step)), first @ first.mT)
    found = stream_gram(in_blocks(first, step), in_blocks(second, step))
    torch.testing.assert_close(found, first @ second.mT)


# Points: more than all coordinates, than the largest part, than the smaller parts, and fewest.
@pytest.mark.parametrize("samples", [90, 24, 10, 3])
@pytest.mark.parametrize("widths", [(5, 20, 3), (20, 5), (11, 12, 5), (28,)])
@pytest.mark.parametrize("ready", [False, True])
def test_parts_and_the_whole_are_solved_from_one_matrix(samples, widths, ready):
    points = cloud((samples, sum(widths)))
    columns = dict(zip("abc", points.split(widths, dim=1), strict=False))
    streams = {name: in_blocks(part, 7) for name, part in columns.items()}
    grams = {name: part @ part.mT for name, part in columns.items()} if ready else None
    kept = {} if grams is None else {name: gram.clone() for name, gram in grams.items()}
    found = stream_spectra(streams, share=0.9, grams=grams)
    assert list(found.parts) == list(columns)
    spectra, sets = [*found.parts.values(), found.whole], [*columns.values(), points]
    for spectrum, part in zip(spectra, sets, strict=True):
        as_it_lies, about_the_mean = energies_of(part)
        atol = 1e-12 * float(as_it_lies[0])
        for energies, expected in (
            (spectrum.uncentred, as_it_lies),
            (spectrum.centred, about_the_mean),
        ):
            torch.testing.assert_close(energies, expected, rtol=0, atol=atol)
    expected = whole_spectrum(in_blocks(points, 5), share=0.9)
    assert found.whole.axes.shape == expected.axes.shape
    assert float(axes_angles(found.whole.axes, expected.axes).max()) < 1e-7
    for name, gram in kept.items():
        torch.testing.assert_close(grams[name], gram, rtol=0, atol=0)


@pytest.mark.parametrize(("size", "rank"), [*product([1, 2, 5, 90], [0, 1, 3, 100]), (1100, 3)])
@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
@pytest.mark.parametrize("with_torch", [False, True])
def test_one_reduction_gives_the_spectrum_as_it_lies_and_centred(
    size, rank, scale, with_torch, monkeypatch
):
    if with_torch:  # the way of other devices than the CPU, without one
        monkeypatch.setattr(_linalg, "_stays_with_torch", lambda x: True)
    rng = np.random.default_rng(0)
    points = scale * torch.from_numpy(rng.normal(size=(size, min(rank, 2 * size))) + 0.5)
    matrix = points @ points.mT
    kept = matrix.clone()
    room = 1e-13 * size * float(kept.norm()) + 1e-300
    direction = torch.from_numpy(rng.normal(size=size))
    unit = direction / direction.norm()
    across = torch.eye(size, dtype=torch.float64) - torch.outer(unit, unit)
    energy = 0.3 * scale**2
    for given, centred in (
        (None, across @ kept @ across),
        (energy, kept - energy * torch.outer(unit, unit)),
    ):
        found = spectra_in_place(matrix, direction, given)
        for values, expected in zip(found, (kept, centred), strict=True):
            torch.testing.assert_close(
                values, torch.linalg.eigvalsh(expected), rtol=0, atol=room + 1e-15 * energy
            )
        torch.testing.assert_close(matrix, kept, rtol=0, atol=room)
        assert (matrix == matrix.mT).all()


def test_nothing_is_taken_away_along_no_direction():
    matrix = torch.diag(torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64))
    values, centred = spectra_in_place(matrix, torch.zeros(3, dtype=torch.float64), 0.0)
    torch.testing.assert_close(values, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    torch.testing.assert_close(centred, values)


def test_largest_vectors_of_a_matrix_that_is_kept():
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(1500, 3)))
    matrix = points @ points.mT
    kept = matrix.clone()
    largest, vectors = eigh_in_place(matrix, 1)
    torch.testing.assert_close(kept @ vectors, vectors * largest)
    torch.testing.assert_close(matrix, kept, rtol=0, atol=0)


def test_parts_have_the_same_points():
    parts = {"a": in_blocks(cloud(TALL), 7), "b": in_blocks(cloud(WIDE), 7)}
    with pytest.raises(ValueError, match=r"parts have \[30, 90\] points"):
        stream_spectra(parts)
    with pytest.raises(ValueError, match=r"parts have \[\] points"):
        stream_spectra({})


def test_what_cannot_be_done_is_refused():
    points = cloud(TALL)
    with pytest.raises(ValueError, match="share of the energy"):
        whole_spectrum(in_blocks(points, 7), share=1.5)
    points[80, 3] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        whole_spectrum(in_blocks(points, 7))
    with pytest.raises(ValueError, match="the spectrum of 10000000 points in 9000000 dimensions"):
        require_spectrum(10**7, 9 * 10**6, points.device)
