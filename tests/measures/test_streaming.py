"""What an analysis finds does not depend on how many images are in memory at a time."""

from functools import cache

import numpy as np
import pytest
import torch
import xarray as xr

from latentgeo.errors import InputError
from latentgeo.latents import choose_images
from latentgeo.measures import (
    AnalysisSettings,
    analyze_latents,
    check_size,
    estimated_memory,
    room,
    summarize,
)
from latentgeo.measures import latents as views

SAMPLES = 40
BASELINE = np.full(SAMPLES, 12.0)
SETTINGS = AnalysisSettings(halves=4, tsne_seeds=())
EXACT = ("rank", "rank_with_jitter", "stratification", "dead_channels", "hilbert_dimension")


def posterior(make_latents, mean):
    rng = np.random.default_rng(1)
    sampled = mean + 0.1 * rng.normal(size=(2, *mean.shape))
    return make_latents(mean, sampled=sampled, log_variance=np.full_like(mean, np.log(0.01)))


@pytest.fixture(scope="module")
def tensors(make_latents, tensor_latents):
    return posterior(make_latents, tensor_latents)


@pytest.fixture(scope="module")
def vectors(make_latents, vector_latents):
    return posterior(make_latents, vector_latents)


@pytest.fixture(scope="module")
def analysed(tensors, vectors):
    """Return a function that analyses each once, all images compared with or some of them."""
    latents = {"tensors": tensors, "vectors": vectors}

    @cache
    def analyse(kind, compared=None):
        settings = SETTINGS.model_copy(update={"compared_images": compared} if compared else {})
        return analyze_latents(latents[kind], BASELINE, settings)

    return analyse


def in_shards(monkeypatch, latents, images, settings=SETTINGS):
    """Analyse with so many images in a shard."""
    view = views.reader_of(latents["mean"])
    monkeypatch.setattr(views, "SHARD_BYTES", int(views.SHARD_BYTES / view.step * (images + 0.5)))
    assert view.step == images
    return analyze_latents(latents, BASELINE, settings)


def check_same(found, expected):
    for name in EXACT:
        if name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert found.attrs["verdict"] == expected.attrs["verdict"]
    xr.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "images"), [("tensors", 13), ("tensors", 39), ("vectors", 3), ("vectors", 39)]
)
def test_shards_of_any_size_give_the_same(monkeypatch, request, analysed, kind, images):
    expected = analysed(kind)
    check_same(in_shards(monkeypatch, request.getfixturevalue(kind), images), expected)


@pytest.mark.parametrize("images", [13, None])
def test_latents_on_disk_give_the_same(monkeypatch, tensors, analysed, tmp_path, images):
    tensors.to_zarr(tmp_path / "latents", consolidated=False)
    on_disk = xr.open_zarr(tmp_path / "latents", consolidated=False, chunks=None)
    expected = analysed("tensors")
    found = (
        analyze_latents(on_disk, BASELINE, SETTINGS)
        if images is None
        else in_shards(monkeypatch, on_disk, images)
    )
    check_same(found, expected)


@pytest.mark.parametrize("kind", ["tensors", "vectors"])
def test_levels_side_by_side_give_the_same(monkeypatch, request, two_threads, kind):
    latents = request.getfixturevalue(kind)
    assert views.reader_of(latents["mean"]).levels_at_once > 1
    found = analyze_latents(latents, BASELINE, SETTINGS)
    monkeypatch.setattr(views.LatentReader, "levels_at_once", 1)
    torch.set_num_threads(1)
    check_same(found, analyze_latents(latents, BASELINE, SETTINGS))


def test_levels_side_by_side_take_no_more_than_a_shard(monkeypatch, tensors):
    view = views.reader_of(tensors["mean"])
    monkeypatch.setattr(views, "SHARD_BYTES", int(views.SHARD_BYTES / view.step * SAMPLES * 2.5))
    assert view.levels_at_once == 2
    assert view.take(np.arange(SAMPLES // 2)).levels_at_once == 5
    assert view._replace(device=torch.device("cuda")).levels_at_once == 1


def test_latents_are_read_once_where_they_are_small(monkeypatch, tensors, tmp_path):
    tensors.to_zarr(tmp_path / "latents", consolidated=False)
    on_disk = xr.open_zarr(tmp_path / "latents", consolidated=False, chunks=None)
    held = views.held_if_small(on_disk)
    assert not on_disk["mean"].variable._in_memory
    assert held["mean"].variable._in_memory
    monkeypatch.setattr(views, "SHARD_BYTES", tensors.nbytes - 1)
    assert views.held_if_small(on_disk) is on_disk


def test_comparing_some_images_leaves_what_rests_on_all(analysed):
    whole, found = analysed("tensors"), analysed("tensors", 16)
    assert (whole.attrs["compared_images"], found.attrs["compared_images"]) == (SAMPLES, 16)
    assert found.attrs["angle_images"] == SAMPLES
    followed = ["_by_size", "_settled", "_population", "small_eigen", "trace"]
    own = [
        "intrinsic",
        "rank_me",
        "fixed_angle",
        "held_out",
        *followed,
        "principal_angle_split",
        "principal_angle_null",
    ]
    for name in whole:
        if str(name).endswith("_ci") and "unit" not in str(name) and "psnr" not in str(name):
            continue
        if not any(part in str(name) for part in own):
            xr.testing.assert_allclose(found[name], whole[name])
    assert found["size"].values.tolist() == [4, 8, SAMPLES]
    dimension = whole["hilbert_dimension"].sel(part="product", centring="centred")
    curve = found["hilbert_dimension_by_size"]
    np.testing.assert_array_equal(np.ceil(curve.isel(size=-1)), dimension)
    assert (curve.isel(size=-2) < 8).all()
    assert (found["intrinsic_points"] == 16).all()
    assert "half of 16 images" in found.attrs["verdict"]


def test_compared_images_are_those_of_an_analysis_of_them_alone(tensors, analysed):
    found = analysed("tensors", 16)
    chosen = choose_images(SAMPLES, 16, SETTINGS.seed)
    alone = analyze_latents(tensors.isel(sample=chosen), BASELINE[chosen], SETTINGS)
    for name in ("intrinsic_dimension", "principal_angle_split_mean", "principal_angle_null_mean"):
        xr.testing.assert_allclose(found[name], alone[name], rtol=1e-10)
    curve = found["hilbert_dimension_by_size"].isel(size=slice(2))
    np.testing.assert_array_equal(curve, alone["hilbert_dimension_by_size"].isel(size=slice(2)))


def test_large_subspaces_are_those_of_the_compared_images(tensors, analysed):
    few = SETTINGS.model_copy(update={"compared_images": 16, "angle_order": SAMPLES - 1})
    found = analyze_latents(tensors, BASELINE, few)
    chosen = choose_images(SAMPLES, 16, SETTINGS.seed)
    alone = analyze_latents(tensors.isel(sample=chosen), BASELINE[chosen], SETTINGS)
    assert found.attrs["angle_images"] == 16
    names = ["principal_angle", "principal_angle_ci"]
    xr.testing.assert_allclose(found[names], alone[names], rtol=1e-10)
    dimension = analysed("tensors")["hilbert_dimension"]
    xr.testing.assert_identical(found["hilbert_dimension"].drop_attrs(), dimension.drop_attrs())


def test_a_map_shows_the_compared_images(tensors):
    from latentgeo.figures import TsneDisplay

    settings = SETTINGS.model_copy(update={"compared_images": 16, "tsne_seeds": (0,)})
    found = analyze_latents(tensors, BASELINE, settings)
    mapped = found["tsne"].notnull().all(["tsne_seed", "tsne_noise", "axis"])
    np.testing.assert_array_equal(np.flatnonzero(mapped), choose_images(SAMPLES, 16, 0))
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"perturbation": "gaussian"}), "/vae": found}
    )
    (embedding,) = TsneDisplay.from_analysis(tree).embeddings.values()
    assert embedding.points.shape == (1, 3, 16, 2)
    assert embedding.labels.shape == (16,)


def test_the_summary_says_how_many_images_are_compared(analysed):
    result = analysed("tensors", 16)
    facts = {"data": "x", "samples": SAMPLES, "seed": 0, "perturbation": "p", "provenance": "{}"}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=facts), "/vae": result})
    found = summarize(tree)["models"]["vae"]
    assert (found["compared_images"], found["angle_images"]) == (16, SAMPLES)


def test_more_than_memory_is_refused_beforehand():
    check_size((128, 7, 7), 10**6, torch.device("cpu"), SETTINGS)
    with pytest.raises(InputError, match="the memory of this device is"):
        check_size((10**4, 7, 7), 10**9, torch.device("cpu"), SETTINGS)
    radial = AnalysisSettings(kernel="gaussian")
    with pytest.raises(InputError, match="the memory of this device is"):
        check_size((4, 7, 7), 10**6, torch.device("cpu"), radial)


class TestMemory:
    @pytest.mark.parametrize("line", range(3))
    def test_the_estimate_is_what_was_measured_within_a_fifth(self, pytestconfig, line):
        table = pytestconfig.rootpath / "benchmarks" / "results" / "analysis-memory.md"
        rows = [row for row in table.read_text().splitlines() if row.startswith("| ")][1:]
        size, measured = (cell.strip() for cell in rows[line].split("|")[1:3])
        samples = int(size.replace(",", ""))
        told = estimated_memory((128, 7, 7), samples, 2, SETTINGS, held=samples * 28 * 28)
        assert told / 2**30 == pytest.approx(float(measured), rel=0.2)

    def test_it_grows_with_what_is_held(self):
        def told(shape=(4, 4, 4), samples=100, levels=2, **more):
            return estimated_memory(shape, samples, levels, SETTINGS, **more)

        assert told(levels=64) - told() >= 62 * 2 * 8 * 100**2
        assert told(held=1e9) - told() == pytest.approx(1e9)
        large = {"shape": (64, 32, 32), "samples": 2000}
        latents = 4 * 2000 * 2 * 64 * 32 * 32
        assert told(**large, in_memory=True) - told(**large) == pytest.approx(latents)
        assert told(stochastic=True) > told()

    @pytest.mark.parametrize(("samples", "measured"), [(30, 1.21), (200, 3.61)])
    def test_large_latents_that_are_compared_are_unfolded_at_once(self, samples, measured):
        told = estimated_memory((512, 32, 32), samples, 2, SETTINGS, in_memory=True)
        assert told / 2**30 == pytest.approx(measured, rel=0.2)

    def test_more_than_the_machine_has_is_refused_before(self, monkeypatch):
        monkeypatch.setattr(room, "physical_memory", lambda: 2.0**30)
        cpu = torch.device("cpu")
        check_size((4, 4, 4), 100, cpu, SETTINGS, 0.9 * 2**30)
        message = r"^the analysis of 100 latents of shape \(4, 4, 4\) takes about 1.2 GiB of memory"
        with pytest.raises(InputError, match=message):
            check_size((4, 4, 4), 100, cpu, SETTINGS, 1.2 * 2**30)
