"""The trained models that lie beside the code."""

from pathlib import Path

import pytest
import torch

import latentgeo
from latentgeo.datasets import load

WEIGHTS = Path(__file__).parents[1] / "weights"
MODELS = sorted(path.parent for path in WEIGHTS.glob("*/config.json"))
_MOST = 2**20  # bytes of all files of a model


@pytest.fixture(scope="module")
def pulled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return [latentgeo.from_hub(str(model), to=folder / model.name) for model in MODELS]


def test_each_is_small_and_in_the_table():
    table = (WEIGHTS / "README.md").read_text()
    assert len(MODELS) >= 3
    for model in MODELS:
        assert f"| `{model.name}` |" in table
        assert sum(path.stat().st_size for path in model.rglob("*") if path.is_file()) < _MOST


def test_they_are_analysed_after_they_were_pulled(pulled):
    found = latentgeo.analyze(pulled, data="digits", noise=[0, 0.1], samples=24, tsne_seeds=())
    assert list(found) == [model.name for model in MODELS]
    # Other digits than they were trained on, which these three take too.
    for name in ("mnist-maxpool-cae", "mnist-maxpool-dae", "mnist-maxpool-vae"):
        assert found[name].psnr(noise=0).value > 15


def test_they_reconstruct_images_like_those_they_saw(pulled):
    digits = load("digits", "test").batch(slice(64))
    for folder in pulled:
        model = latentgeo.load(folder)
        with torch.inference_mode():
            # What a model makes is like the images that it saw, which scanned digits are not.
            made, again = digits, model.decode(model.encode(digits))
            for _ in range(2):
                made, again = again, model.decode(model.encode(again))
        error, spread = (again - made).square().mean(), (made - made.mean(dim=0)).square().mean()
        assert error < 0.1 * spread
