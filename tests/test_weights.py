"""The trained models that lie beside the code."""

from pathlib import Path

import pytest

import latentgeo

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
    found = latentgeo.analyze(pulled, data="digits", noise=[0], samples=24, tsne_seeds=())
    assert list(found) == [model.name for model in MODELS]
    for name in found:
        # Better than the mean image even of other digits than they were trained on.
        mean_image = found.summary["models"][name]["psnr_mean_image_db"]
        assert found[name].psnr(noise=0).value > mean_image
