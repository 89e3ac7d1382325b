import math

import numpy as np
import pytest
import torch
from torch import nn

from latentgeo.geometry import geodesic, mode_ranks, mode_singular_values, path_length, path_ranks


class Sphere(nn.Module):
    """Colatitude and longitude to points of a sphere of radius 2."""

    def forward(self, z):
        theta, phi = z[:, 0, 0, 0], z[:, 1, 0, 0]
        xyz = [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()]
        return 2.0 * torch.stack(xyz, 1)[:, None, None]


class Cylinder(nn.Module):
    """An angle and a height to points of a cylinder of radius 3: curved, but not stretched."""

    def forward(self, z):
        phi, height = z[:, 0, 0, 0], z[:, 1, 0, 0]
        return torch.stack([3 * phi.cos(), 3 * phi.sin(), height], 1)[:, None, None]


def vectors(*rows):
    return torch.tensor(rows, dtype=torch.float64)[:, :, None, None]


def great_circle(a, b):
    """Return the distance on the sphere by the spherical law of cosines."""
    (s, p), (t, q) = a, b
    cosine = math.cos(s) * math.cos(t) + math.sin(s) * math.sin(t) * math.cos(p - q)
    return 2 * math.acos(cosine)


def test_a_line_on_the_sphere_is_as_long_as_its_arc():
    path = torch.stack([vectors([1.0, 0.0])[0], vectors([1.0, 2.0])[0]])[None]
    coarse, fine = (path_length(Sphere(), path, substeps=n) for n in (4, 400))
    assert fine.item() == pytest.approx(2 * math.sin(1.0) * 2.0, rel=1e-5)
    assert coarse < fine


def test_a_length_does_not_depend_on_batches(monkeypatch):
    path = torch.randn(3, 7, 2, 1, 1, dtype=torch.float64)
    whole = path_length(Sphere(), path)
    monkeypatch.setattr("latentgeo.geometry.paths._BATCH", 3)
    torch.testing.assert_close(path_length(Sphere(), path), whole)


def test_geodesics_of_a_sphere_are_great_circles():
    pairs = [((1.0, 0.0), (1.0, 2.0)), ((0.6, 0.3), (1.4, 1.8)), ((0.9, 0.0), (2.0, -1.0))]
    start, end = vectors(*(a for a, _ in pairs)), vectors(*(b for _, b in pairs))
    found = geodesic(Sphere(), start, end, points=24, tolerance=1e-5)
    expected = torch.tensor([great_circle(*pair) for pair in pairs], dtype=torch.float64)
    assert bool(found.converged.all())
    torch.testing.assert_close(found.length, expected, rtol=1e-3, atol=0)
    line = path_length(Sphere(), torch.stack([start, end], 1), substeps=400)
    torch.testing.assert_close(found.excess, 1 - expected / line, rtol=0.02, atol=1e-4)
    # All points lie in the plane of the great circle, and are evenly spaced on it.
    points = Sphere()(found.points[0]).flatten(1)
    normal = torch.linalg.cross(points[0], points[-1])
    assert (points @ (normal / normal.norm())).abs().max() < 1e-3
    steps = (points[1:] - points[:-1]).norm(dim=1)
    assert steps.std() < 1e-3 * steps.mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_decoder_has_straight_geodesics(dtype):
    torch.manual_seed(0)
    decoder = nn.Sequential(nn.Flatten(), nn.Linear(6, 20)).to(dtype)
    start, end = torch.randn(2, 4, 6, 1, 1, dtype=dtype)
    found = geodesic(decoder, start, end, points=8)
    expected = (decoder(end) - decoder(start)).norm(dim=1).double()
    torch.testing.assert_close(found.length, expected, rtol=1e-5, atol=0)
    assert found.excess.abs().max() < 1e-5
    assert bool(found.converged.all())
    assert found.points.dtype == dtype


def test_a_cylinder_is_flat():
    start, end = vectors([0.0, 0.0], [1.0, 1.0]), vectors([2.0, 1.5], [-1.0, 2.0])
    found = geodesic(Cylinder(), start, end, points=32)
    expected = torch.tensor([math.hypot(6, 1.5), math.hypot(6, 1)], dtype=torch.float64)
    torch.testing.assert_close(found.length, expected, rtol=1e-3, atol=0)
    assert found.excess.abs().max() < 1e-3


def test_a_path_that_has_no_length_saves_none():
    start = vectors([1.0, 0.0])
    found = geodesic(Sphere(), start, start.clone())
    assert found.length == found.line_length == 0
    assert found.excess.isnan().all()
    assert bool(found.converged.all())


def test_too_few_iterations_are_reported():
    start, end = vectors([0.3, 0.0]), vectors([0.3, 3.0])
    short = geodesic(Sphere(), start, end, iterations=1, tolerance=1e-4)
    assert not bool(short.converged.any())
    assert short.gradient.item() > 1e-4
    long = geodesic(Sphere(), start, end, iterations=500, tolerance=1e-4)
    assert bool(long.converged.all())
    assert long.length < short.length


def test_the_decoder_is_left_alone():
    decoder = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.Tanh()).double()
    start, end = vectors([0.0, 1.0]), vectors([2.0, 1.0])
    with torch.no_grad():
        geodesic(decoder, start, end)
    assert all(weight.grad is None for weight in decoder.parameters())


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_a_path_through_a_lower_stratum_crosses_twice(kind):
    rng = np.random.default_rng(0)
    full = rng.normal(size=(4, 3, 3))
    low = rng.normal(size=4)[:, None, None] * np.outer(rng.normal(size=3), rng.normal(size=3))
    path = np.stack([np.stack([full, full, low, full]), np.stack([full] * 4)])
    given = torch.from_numpy(path) if kind == "torch" else path
    found = path_ranks(given)
    assert found.ranks.shape == (2, 4, 3)
    assert found.crossings.tolist() == [2, 0]
    assert isinstance(found.ranks, type(given))
    np.testing.assert_array_equal(found.ranks[0, 2], mode_ranks(path[0, 2]))
    for values, expected in zip(found.singular_values, mode_singular_values(path[1]), strict=True):
        np.testing.assert_allclose(values[1], expected)


def test_bad_input_is_named():
    z = torch.zeros(2, 3, 1, 1)
    with pytest.raises(ValueError, match=r"path has shape \(2, 3\); expected \(paths, points"):
        path_length(nn.Identity(), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"\(2, 1, 4\); .*at least 2 points"):
        path_length(nn.Identity(), torch.zeros(2, 1, 4))
    with pytest.raises(ValueError, match=r"start has shape \(2, 3, 1, 1\) and end \(1, 3, 1, 1\)"):
        geodesic(nn.Identity(), z, z[:1])
    with pytest.raises(ValueError, match="points is 2; expected a whole number from 3"):
        geodesic(nn.Identity(), z, z, points=2)
    with pytest.raises(ValueError, match="iterations is 0"):
        geodesic(nn.Identity(), z, z, iterations=0)
    with pytest.raises(ValueError, match="substeps is 0"):
        path_length(nn.Identity(), z[None], substeps=0)
    with pytest.raises(ValueError, match=r"end of shape .* holds 6 NaN"):
        geodesic(nn.Identity(), z, z + torch.nan)
    with pytest.raises(TypeError, match="start is ndarray; expected a tensor of floats"):
        geodesic(nn.Identity(), z.numpy(), z)
    with pytest.raises(ValueError, match="A vector latent has no modes"):
        path_ranks(torch.zeros(2, 5, 4))
