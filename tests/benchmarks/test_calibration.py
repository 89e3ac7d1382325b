"""Populations that are known: what intervals hold and verdicts say, at a small scale."""

from itertools import product

import pytest
import torch

from latentgeo.geometry import mode_unfoldings, stratification


@pytest.fixture(scope="module")
def calibration(load_benchmark):
    return load_benchmark("calibration")


def test_reported_angles_hold_the_mean_at_this_n(calibration, monkeypatch):
    spectra = {name: s for name, s in calibration.POPULATIONS.items() if "exponent 2" in name}
    monkeypatch.setattr(calibration, "POPULATIONS", spectra)
    monkeypatch.setattr(calibration, "SIZES", (100,))
    held: list[float] = []
    for _, _, _, *cells in calibration.reported_angle(40):
        held += [float(cell.removesuffix(" %")) for cell in cells]
    assert len(held) == len(spectra) * len(calibration.SUBSPACES)
    # 95 less three standard errors of 40 repeats, each; less one on average.
    assert min(held) >= 84
    assert sum(held) / len(held) >= 92


@pytest.mark.parametrize("source", [torch.float32, torch.bfloat16, torch.float16])
def test_no_mixture_is_called_smooth_and_no_stratum_stratified(calibration, source):
    generator = torch.Generator().manual_seed(3)
    for kind, weakest in product(calibration.SHAPES, (1e-1, 1e-3, 1e-5, 1e-7)):
        verdicts = [
            stratification(
                mode_unfoldings(
                    calibration.draw_mixture(kind, 100, weakest, mixed, generator).to(source)
                ),
                source_dtype=source,
            ).verdict
            for mixed in (0.0, 0.2)
        ]
        assert verdicts[0] != "stratified", (kind, weakest)
        assert verdicts[1] != "smooth", (kind, weakest)
        if weakest == 0.1:
            assert verdicts == ["smooth", "stratified"], kind
