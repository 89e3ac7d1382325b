"""The benchmark of several seeds, at sizes that take no time: both sides have to do the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latentgeo.datasets import ImageDataset

SMALL = {
    "acai": {"depth": 1, "scales": 2, "latent_channels": 2, "critic_depth": 1},
    "aae": {"hidden": (8,), "latent_dim": 3, "discriminator": (8,)},
}
BATCH, STEPS = 8, 4


@pytest.fixture(scope="module")
def benchmark(load_benchmark):
    return load_benchmark("batched_seeds")


def test_every_case_is_checked(benchmark):
    assert set(SMALL) == set(benchmark.CASES)


@pytest.mark.parametrize("name", SMALL)
def test_each_seed_at_once_comes_to_the_weights_that_it_has_alone(benchmark, name):
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH * STEPS, 8, 8), dtype=np.uint8)
    images = ImageDataset.from_array(pixels)
    case = replace(benchmark.CASES[name], batch=BATCH, options=SMALL[name])
    found = benchmark.at_once(case, images, "cpu", (0, 5)).weights
    for seed in (0, 5):
        alone = benchmark.alone(case, images, "cpu", seed).weights[seed]
        start = benchmark.given(case, images, "cpu", seed, Path())[1].state_dict()
        for weight in alone:
            torch.testing.assert_close(found[seed][weight], alone[weight], rtol=1e-4, atol=1e-5)
            assert not torch.equal(found[seed][weight], start[weight]), f"{weight} stood still"


def test_the_table_has_a_row_for_each_net(benchmark):
    found = {"acai": {"alone": [0.01, 0.02], "at_once": [0.05, 0.04]}}
    table = benchmark.to_table(found, 2, "cpu", (0.0, 0.0, 0.0))
    assert "| ACAI of the lines, depth 6 | 64 | 10.0 | 40.0 | 4.00 | 2.00 |" in table
