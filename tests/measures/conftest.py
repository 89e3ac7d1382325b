"""Latents of known geometry, as `encode` would give them."""

import json

import numpy as np
import pytest
import xarray as xr

NOISE = (0.0, 0.1, 0.5)
DIMENSIONS = ("noise", "sample", "channel", "row", "column")


@pytest.fixture(scope="session")
def make_latents():
    def make(mean, *, sampled=None, log_variance=None, noise=NOISE, labels=True, decodes=True):
        samples = mean.shape[1]
        psnr = 25 - 20 * np.asarray(noise)[:, None] + np.linspace(-1, 1, samples)
        latents = xr.Dataset(
            {
                "mean": (DIMENSIONS, mean.astype(np.float32)),
                "psnr": (("noise", "sample"), psnr.astype(np.float32)),
            },
            coords={"noise": list(noise), "sample": np.arange(samples)},
            attrs={
                "recipe": "cae" if sampled is None else "vae",
                "backbone": "sctc",
                "stochastic": int(sampled is not None),
                "source_dtype": "float32",
                "provenance": json.dumps({"weights_sha256": "00"}),
            },
        )
        if sampled is not None:
            latents["sampled"] = (("draw", *DIMENSIONS), sampled.astype(np.float32))
        if log_variance is not None:
            latents["log_variance"] = (DIMENSIONS, log_variance.astype(np.float32))
        if not decodes:
            latents = latents.drop_vars("psnr")
        if labels:
            latents["label"] = ("sample", np.arange(samples) % 10)
        return latents

    return make


@pytest.fixture(scope="session")
def tensor_latents():
    """Channel unfoldings of rank 9 by construction: (noise, n, C, H, W)."""
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(40, 12, 9)) @ rng.normal(size=(40, 9, 25))
    noisy = [clean + level * rng.normal(size=clean.shape) for level in NOISE]
    return np.stack(noisy).reshape(len(NOISE), 40, 12, 5, 5)


@pytest.fixture(scope="session")
def vector_latents():
    """Vectors that span 3 dimensions, with a little noise: (noise, n, d, 1, 1)."""
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 10))
    noisy = [clean + level * rng.normal(size=clean.shape) for level in NOISE]
    return np.stack(noisy)[..., None, None]
