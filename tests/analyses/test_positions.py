"""Positions with one and the same code."""

import numpy as np
import pytest
import torch

import latentgeo


@pytest.mark.parametrize("blank", [0, 1, 2, 5, 9])
def test_blank_positions_leave_the_rank_that_is_measured(blank):
    from measures.positions import distinct_positions

    latents = torch.randn(20, 16, 3, 3, generator=torch.Generator().manual_seed(blank))
    codes = latents.flatten(2)
    codes[..., :blank] = codes[..., :1].clone()
    found = distinct_positions(latents)
    assert set(found.tolist()) == {9 - max(blank - 1, 0)}
    centred = codes - codes.mean(-1, keepdim=True)
    assert np.array_equal(found - 1, torch.linalg.matrix_rank(centred.double(), atol=1e-4))


def test_ranks_of_a_run_are_set_beside_its_positions(tmp_path):
    from measures.positions import positions_of

    options = {"widths": (4, 8, 16), "likelihood": "gaussian"}
    settings = {"epochs": 1, "train_samples": 64, "progress": False, "options": options}
    latentgeo.train("cae", data="digits", backbone="maxpool", out=tmp_path / "cae", **settings)
    latentgeo.analyze(tmp_path / "cae", data="digits", noise=[0], samples=12, out=tmp_path / "a")
    found = positions_of(tmp_path / "a", {"cae": tmp_path / "cae"}, "digits")["cae"]
    # Of 16 channels and 49 positions, of which few are equal.
    assert 0 <= found["with_equal_positions"] < 1
    assert found["rank_is_of_positions"] == 1
