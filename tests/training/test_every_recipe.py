"""Every recipe learns by default: it beats the mean image, on its default backbone."""

import json

import pytest

from latentgeo.models import RECIPES
from latentgeo.training import train

# What `analyses/latent_characterization.py` trains its models with.
BUDGET = {"epochs": 12, "batch_size": 16, "learning_rate": 2e-3, "schedule": "cosine"}
SIZE = {"widths": (8, 16, 16)}


def margin_over_the_mean_image(recipe, out, **settings):
    run = train(recipe, data="digits", out=out, options=SIZE, progress=False, **settings)
    found = json.loads((run / "provenance.json").read_text())
    assert found["backbone"] == "sctc"
    return found["validation_psnr_db"] - found["baseline_psnr_db"]


@pytest.mark.filterwarnings("ignore:.*diagnostic")
@pytest.mark.parametrize("recipe", RECIPES)
def test_beats_the_mean_image_on_digits_with_less_than_the_budget(recipe, tmp_path):
    # While a codebook finds its place, nothing else is learned.
    less = {**BUDGET, "epochs": BUDGET["epochs"] // (2 if recipe == "vq-vae" else 6)}
    assert margin_over_the_mean_image(recipe, tmp_path / "run", **less) > 1


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*diagnostic")
@pytest.mark.parametrize("recipe", RECIPES)
def test_beats_the_mean_image_on_digits(recipe, tmp_path):
    assert margin_over_the_mean_image(recipe, tmp_path / "run", **BUDGET) > 3
