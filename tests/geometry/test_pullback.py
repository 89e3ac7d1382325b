import math

import pytest
import torch
from torch import nn

from latentgeo.geometry import pullback_metric, pullback_statistics


class Sphere(nn.Module):
    """Latitude and longitude to points of a sphere, as images of one row."""

    def forward(self, z):
        theta, phi = z[:, 0, 0, 0], z[:, 1, 0, 0]
        xyz = [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()]
        return 2.0 * torch.stack(xyz, 1)[:, None, None]


def convolutional():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.ConvTranspose2d(3, 4, 2, stride=2),
        nn.ReLU(),
        nn.Conv2d(4, 1, 3, padding=1),
        nn.Sigmoid(),
    ).eval()


def test_a_sphere_has_its_metric():
    z = torch.tensor([[0.3, 1.0], [1.2, -2.0], [math.pi / 2, 0.0]], dtype=torch.float64)
    metric = pullback_metric(Sphere(), z.reshape(3, 2, 1, 1))
    expected = torch.diag_embed(torch.stack([torch.full((3,), 4.0), 4 * z[:, 0].sin() ** 2], 1))
    torch.testing.assert_close(metric, expected.double())
    found = pullback_statistics(Sphere(), z.reshape(3, 2, 1, 1))
    torch.testing.assert_close(found.condition, 1 / z[:, 0].sin() ** 2)
    torch.testing.assert_close(found.log_volume, (4 * z[:, 0].sin()).log())
    assert found.condition[2] == pytest.approx(1.0)


def test_a_pole_is_degenerate():
    found = pullback_statistics(Sphere(), torch.zeros(1, 2, 1, 1, dtype=torch.float64))
    assert found.condition.isinf().all()
    assert (found.log_volume == -torch.inf).all()


@pytest.mark.parametrize("shape", [(3, 2, 2), (3, 4, 4)])
@pytest.mark.parametrize("budget", [2.0**30, 2.0**17])
def test_a_decoder_s_jacobian_is_autograd_s(shape, budget):
    decoder = convolutional().double()
    z = torch.randn(2, *shape, dtype=torch.float64)
    metric = pullback_metric(decoder, z, budget=budget)
    for i in range(2):
        j = torch.autograd.functional.jacobian(decoder, z[i : i + 1])
        j = j.reshape(-1, z[0].numel())
        torch.testing.assert_close(metric[i], j.mT @ j)


def test_more_latent_numbers_than_pixels_are_degenerate_and_said_so():
    decoder = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    found = pullback_statistics(decoder, torch.randn(1, 3, 2, 2))
    assert found.singular_values.shape == (1, 12)
    assert (found.singular_values[:, 5:] == 0).all()
    assert found.condition.isinf().all()


@pytest.mark.parametrize("each", [False, True])
def test_directions_restrict_the_metric(each):
    decoder = convolutional().double()
    z = torch.randn(3, 3, 2, 2, dtype=torch.float64)
    basis = torch.linalg.qr(torch.randn(3, 12, 4, dtype=torch.float64))[0]
    directions = basis if each else basis[0]
    whole = pullback_metric(decoder, z)
    expected = basis.mT @ whole @ basis if each else basis[0].T @ whole @ basis[0]
    torch.testing.assert_close(pullback_metric(decoder, z, directions=directions), expected)
    found = pullback_statistics(decoder, z, directions=directions)
    torch.testing.assert_close(
        found.singular_values.square(), torch.linalg.eigvalsh(expected).flip(-1)
    )


def test_a_linear_decoder_has_one_metric_everywhere():
    decoder = nn.Linear(4, 9, bias=True)
    found = pullback_statistics(decoder, torch.randn(5, 4))
    expected = torch.linalg.svdvals(decoder.weight.detach().double())
    torch.testing.assert_close(found.singular_values, expected.expand(5, 4), rtol=1e-5, atol=1e-6)
    assert not found.condition.requires_grad


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: pullback_metric(Sphere(), [1.0]), TypeError, "z is list; expected a tensor"),
        (lambda: pullback_metric(Sphere(), torch.zeros(0, 2, 1, 1)), ValueError, "z is empty"),
        (
            lambda: pullback_metric(Sphere(), torch.full((1, 2, 1, 1), torch.nan)),
            ValueError,
            "2 NaN",
        ),
        (
            lambda: pullback_metric(Sphere(), torch.ones(1, 2, 1, 1), directions=torch.ones(3, 1)),
            ValueError,
            r"shape \(3, 1\); expected \(2, k\) or \(1, 2, k\)",
        ),
        (
            lambda: pullback_metric(nn.Linear(64, 64), torch.ones(1, 64), budget=2.0**12),
            ValueError,
            "a Jacobian of 64 by 64 needs .* give fewer directions=",
        ),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
