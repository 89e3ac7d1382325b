"""The study of stacked Wasserstein autoencoders at its smoke scale, and its rivals' densities."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentgeo.datasets import load
from latentgeo.models import load_model

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*ended with a diagnostic"),
    pytest.mark.filterwarnings("ignore:.*did not converge"),
]


@pytest.fixture(scope="module")
def study():
    import swae

    return swae


@pytest.fixture(scope="module")
def rivals():
    from measures import densities

    return densities


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("swae") / "out"
    assert study.main(["--scale", "smoke", "--out", str(folder), "--workers", "1"]) == 0
    return folder


def of(out, name):
    return json.loads((out / "runs" / "seed-0" / name / "quality.json").read_text())


def test_all_models_and_rivals_are_measured(study, out):
    models = json.loads((out / "study" / "study.json").read_text())["models"]
    assert list(models) == [*study.MODELS, *study.ADDED]
    assert {name for name, found in models.items() if "fd_samples" not in found} == {"ae"}
    assert {name for name, found in models.items() if "through_squared_error" in found} == {
        f"swae-{way}" for way in study.GRADIENTS
    }
    assert "reconstruction from the abstract" in (out / "study" / "study.md").read_text()
    for name in ("samples", "reconstructions", "paths"):
        assert (out / "study" / f"{name}.png").stat().st_size > 5_000


def test_a_scale_may_have_a_few_models_alone(study, out, tmp_path, monkeypatch):
    few = ("ae", "swae-raw", "ae-mixture")
    monkeypatch.setitem(study.SCALES, "smoke", replace(study.SCALES["smoke"], models=few))
    shutil.copytree(out, tmp_path / "out")
    command = ["--scale", "smoke", "--workers", "1", "--out", str(tmp_path / "out")]
    assert study.main(command) == 0
    models = json.loads((tmp_path / "out" / "study" / "study.json").read_text())["models"]
    assert list(models) == list(few)
    assert "One seed: no order" in (tmp_path / "out" / "study" / "study.md").read_text()


def test_the_path_through_both_stages_is_the_second_decoder_s(out):
    model, test = load_model(out / "runs" / "seed-0" / "swae-stop"), load("digits")
    pixels = test.batch(slice(None))
    with torch.no_grad():
        rebuilt = model.posterior(pixels).codes["rebuilt"]
        made = model.decode(rebuilt[..., None, None])
    squared = ((made - pixels) ** 2).sum(dim=(1, 2, 3)).numpy()
    found = of(out, "swae-stop")["through_squared_error"]
    assert found["mean"] == pytest.approx(squared.mean(), rel=1e-4)


@pytest.mark.parametrize(("added", "base"), [("ae-mixture", "ae"), ("two-stage-vae", "vae")])
def test_a_density_of_the_latents_changes_samples_alone(out, added, base):
    ours, first = of(out, added), of(out, base)
    for measure in ("squared_error", "psnr_db", "fd_reconstructions"):
        assert ours[measure] == first[measure]
    assert ours["fd_samples"] != first.get("fd_samples")


def test_goes_on_where_it_was(study, out):
    runs = out / "runs" / "seed-0"
    kept, lost = runs / "ae" / "quality.json", runs / "two-stage-vae" / "quality.json"
    before, content = kept.stat().st_mtime_ns, lost.read_text()
    lost.unlink()
    assert study.main(["--scale", "smoke", "--out", str(out), "--workers", "1"]) == 0
    assert kept.stat().st_mtime_ns == before
    assert lost.read_text() == content


def clusters(centres, count, seed):
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(centres), count)
    return np.array(centres, dtype=float)[chosen] + 0.3 * rng.normal(size=(count, 2))


def test_validation_chooses_the_components(rivals):
    centres = [(-3, 0), (3, 0), (0, 4)]
    latents, validation = clusters(centres, 300, 0), clusters(centres, 100, 1)
    assert rivals.fit_mixture(latents, validation, (1, 3), seed=0).n_components == 3
    # To one point each, ten components are too many for others.
    few = rivals.fit_mixture(latents[:12], validation, (3, 10), seed=0)
    assert few.n_components == 3


def test_a_second_stage_weighs_what_it_leaves_in_the_latents_unit(rivals, tmp_path):
    latents = clusters([(-3, 0), (3, 0)], 100, 0)
    second = rivals.finish_second_stage(
        latents, tmp_path / "run", hidden=(8,), epochs=1, progress=False
    )
    assert (second.low, second.high) == (latents.min(), latents.max())
    weight = second.model.config.recipe_options.kl_weight
    # 0.25 of the latents is a share of their range, and the likelihood's deviation is 0.1 of that.
    assert weight == pytest.approx((0.25 / (latents.max() - latents.min()) / 0.1) ** 2)
    assert second.model.latent_shape == (2, 1, 1)


def test_draws_of_a_second_stage_have_its_range_and_what_it_leaves(rivals, monkeypatch):
    monkeypatch.setattr(rivals, "sample", lambda model, n, seed: torch.full((n, 3, 1, 1), 0.75))
    drawn = rivals.SecondStage(None, -4.0, 4.0).draw(4000, 0)
    assert drawn.shape == (4000, 3)
    torch.testing.assert_close(drawn.mean(0), torch.full((3,), 2.0), atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.full((3,), 0.25), atol=0.02, rtol=0)


def test_paths_of_a_stacked_one_end_at_what_went_through(out):
    from measures.images import maker_of_stacked

    maker = maker_of_stacked(load_model(out / "runs" / "seed-0" / "swae-stop"))
    start, end = load("digits").batch([0, 1]), load("digits").batch([2, 3])
    path = maker.between(start, end, 5)
    assert path.shape == (2, 5, 1, 28, 28)
    torch.testing.assert_close(path[:, 0], maker.through(start), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(path[:, -1], maker.through(end), rtol=1e-4, atol=1e-5)


def test_data_that_cannot_be_had_are_one_line(study, capsys, tmp_path, monkeypatch):
    scale = replace(study.SCALES["smoke"], data="mnits")
    monkeypatch.setitem(study.SCALES, "smoke", scale)
    assert study.main(["--scale", "smoke", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("swae: data 'mnits' is not known")
