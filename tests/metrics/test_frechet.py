import numpy as np
import pytest
import scipy.linalg
import torch

from latentgeo.metrics import FeatureStatistics, frechet_distance, frechet_feature_distance


def statistics_of(values, size=7):
    found = FeatureStatistics()
    for part in torch.as_tensor(values).split(size):
        found.update(part)
    return found


@pytest.mark.parametrize("size", [1, 7, 50])
def test_statistics_are_those_of_all_features(size):
    values = 3 + 100 * torch.randn(50, 4).double()
    found = statistics_of(values, size)
    torch.testing.assert_close(found.mean, values.mean(dim=0))
    torch.testing.assert_close(found.covariance, values.T.cov())
    assert found.count == 50


def test_it_is_the_formula_with_the_root_of_the_product():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 5)), rng.normal(size=(40, 5)) @ rng.normal(size=(5, 5)) + 1
    s, t = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(s @ t).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root)
    assert frechet_distance(statistics_of(a), statistics_of(b)) == pytest.approx(expected)


def test_properties():
    a, b = torch.randn(60, 5).double(), 2 * torch.randn(60, 5).double() + 1
    one, other = statistics_of(a), statistics_of(b)
    value = frechet_distance(one, other)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(other, one) == pytest.approx(value)
    rotation = torch.linalg.qr(torch.randn(5, 5).double())[0]
    turned = frechet_distance(statistics_of(a @ rotation + 3), statistics_of(b @ rotation + 3))
    assert turned == pytest.approx(value)
    shifted = statistics_of(a + torch.tensor([3.0, 4, 0, 0, 0]))
    assert frechet_distance(one, shifted) == pytest.approx(25)


def test_fewer_features_than_dimensions_do_no_harm():
    value = frechet_distance(statistics_of(torch.randn(4, 20)), statistics_of(torch.randn(4, 20)))
    assert np.isfinite(value)


def test_any_network_gives_the_features():
    net = torch.nn.Conv2d(1, 2, 3)
    images, reference = torch.rand(12, 1, 5, 5), torch.rand(10, 1, 5, 5)
    found = frechet_feature_distance(images.split(5), reference.split(4), net)
    with torch.no_grad():
        features = [net(part).flatten(1) for part in (images, reference)]
    assert found == pytest.approx(frechet_distance(*map(statistics_of, features)), rel=1e-6)


def test_it_agrees_with_torchmetrics():
    fid = pytest.importorskip("torchmetrics.image.fid", reason="needs torchmetrics")
    compute = getattr(fid, "_compute_fid", None)
    if compute is None:
        pytest.skip("this torchmetrics hides its formula")
    one, other = statistics_of(torch.randn(40, 6)), statistics_of(torch.randn(40, 6) + 0.5)
    expected = compute(one.mean, one.covariance, other.mean, other.covariance)
    assert frechet_distance(one, other) == pytest.approx(float(expected), rel=1e-6)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"features have shape \(3, 2, 2\), expected \(b, d\)"):
        FeatureStatistics().update(torch.zeros(3, 2, 2))
    found = statistics_of(torch.randn(5, 3))
    with pytest.raises(ValueError, match="same d in every batch"):
        found.update(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="features have 3 and 4 numbers"):
        frechet_distance(found, statistics_of(torch.randn(5, 4)))
    with pytest.raises(ValueError, match="at least 2 features, 1 were seen"):
        _ = statistics_of(torch.randn(1, 3)).covariance
