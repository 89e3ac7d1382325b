"""The benchmark of several seeds, at sizes that take no time: both sides have to do the same."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latentgeo.datasets import ImageDataset

ROOT = Path(__file__).parents[2]
SMALL = {
    "acai": {"depth": 1, "scales": 2, "latent_channels": 2, "critic_depth": 1},
    "aae": {"hidden": (8,), "latent_dim": 3, "discriminator": (8,)},
}
BATCH, STEPS = 8, 4


@pytest.fixture(scope="module")
def benchmark():
    """Load the benchmark, which is a script."""
    spec = importlib.util.spec_from_file_location(
        "batched_seeds_benchmark", ROOT / "benchmarks" / "batched_seeds.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


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
