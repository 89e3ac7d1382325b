import json

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.decomposition import PCA, KernelPCA

from latentgeo.errors import InputError
from latentgeo.geometry import kernel, mode_unfoldings, trace_normalised
from latentgeo.measures import AnalysisSettings, analyze_latents, ranks, summarize
from latentgeo.results import ModelResult

SETTINGS = AnalysisSettings(halves=6, tsne_seeds=(0,))
BASELINE = np.full(40, 12.0)


@pytest.fixture(scope="module")
def result(make_latents, tensor_latents):
    return analyze_latents(make_latents(tensor_latents), BASELINE, SETTINGS)


def _centred_unfolding(latent):
    unfolding = latent.reshape(len(latent), -1).astype(np.float64)
    return unfolding - unfolding.mean(axis=1, keepdims=True)


def test_ranks_are_those_of_numpy(result, make_latents, tensor_latents):
    latents = make_latents(tensor_latents)["mean"].values
    for level in range(3):
        expected = [
            np.linalg.matrix_rank(_centred_unfolding(z), rtol=25 * np.finfo(np.float32).eps)
            for z in latents[level]
        ]
        found = result["rank"].sel(rule="spectrum", view="mean", mode="S3")[level]
        np.testing.assert_array_equal(found, expected)
    assert result["rank"].sel(rule="spectrum", view="mean", mode="S3")[0].values.max() <= 9


def test_other_rank_rule_is_that_of_the_float32_covariance(result, tensor_latents):
    expected = []
    for z in tensor_latents[1].astype(np.float32):
        unfolding = z.reshape(12, 25)
        unfolding = unfolding - unfolding.mean(axis=1, keepdims=True)
        expected.append(np.linalg.matrix_rank(unfolding @ unfolding.T / np.float32(24)))
    found = result["rank"].sel(rule="float32-covariance", view="mean", mode="S3")[1]
    # The last bit of a float32 product may differ, and with it a rank at the very edge.
    assert np.mean(found.values == expected) > 0.9


def test_jitter_makes_every_latent_full_rank(result):
    np.testing.assert_array_equal(result["rank_with_jitter"].sel(mode="S3"), 12)


def test_spectra_are_the_singular_values(result, make_latents, tensor_latents):
    z = make_latents(tensor_latents)["mean"].values[1, 3]
    expected = np.linalg.svd(_centred_unfolding(z), compute_uv=False)
    found = result["singular_value"].sel(view="mean", mode="S3")[1, 3]
    np.testing.assert_allclose(found, expected, atol=1e-6 * expected[0])


def test_rank_against_tolerance_falls_and_lies_in_its_band(result):
    curve = result["rank_at_tolerance"]
    assert (curve.diff("tolerance") <= 0).all()
    assert (curve.isel(tolerance=-1) == 0).all()
    band = result["rank_at_tolerance_ci"]
    assert (band.sel(bound="low") <= band.sel(bound="high")).all()


def test_dimension_is_that_of_kernel_pca(result, make_latents, tensor_latents):
    z = torch.from_numpy(make_latents(tensor_latents)["mean"].values[1])
    unit = tuple(trace_normalised(mode.double(), "unfolding")[0] for mode in mode_unfoldings(z))
    gram = kernel(unit, kernel="euclidean", form="unfolding", source_dtype="float32").numpy()
    energies = KernelPCA(kernel="precomputed").fit(gram).eigenvalues_
    expected = 1 + np.searchsorted(np.cumsum(energies) / energies.sum(), 0.95)
    found = result["hilbert_dimension"].sel(
        view="mean", part="product", share=0.95, centring="centred"
    )
    assert found[1] == expected


def test_dimension_grows_with_the_sample_and_ends_at_the_whole(result):
    curve = result["hilbert_dimension_by_size"].sel(view="mean", share=0.95)
    assert curve["size"].values.tolist() == [10, 20, 40]
    assert (curve.diff("size") > 0).all()
    whole = result["hilbert_dimension"].sel(
        view="mean", part="product", share=0.95, centring="centred"
    )
    np.testing.assert_array_equal(np.ceil(curve.isel(size=-1)), whole)
    words = result["hilbert_dimension_settled"].sel(view="mean", share=0.95)
    assert set(words.values) <= {"still rising", "bounded by n"}
    assert np.isnan(result["hilbert_dimension_population"].sel(view="mean", share=0.95)).all()


def test_what_has_not_settled_is_never_said_without_a_word(result, summary):
    text = result.attrs["verdict"]
    word = result["hilbert_dimension_settled"].sel(view="mean", share=0.95).values[0]
    assert (
        f"≥ {summary['models']['cae']['hilbert_dimension']['0']['0.95']['value']} ({word})" in text
    )
    found = summary["models"]["cae"]["hilbert_dimension"]["0"]["0.95"]
    assert found["settled"] == word
    assert found["ci95_of"] == "at this n"
    assert list(found["by_images"]) == ["10", "20", "40"]
    assert found["of_the_population"] == {"value": None, "ci95": [None, None]}
    angle = str(result["principal_angle_settled"].sel(view="mean").values[1])
    assert angle == summary["models"]["cae"]["principal_angles_deg"]["0.1"]["mean"]["settled"]
    assert angle == "settled" or f"({angle})" in text


def test_what_has_settled_has_an_interval(make_latents, vector_latents):
    few = vector_latents.copy()
    few[:, :, 2:] *= 1e-3
    result = analyze_latents(make_latents(few), BASELINE, SETTINGS)
    clean = result.sel(view="mean", noise=0, share=0.95)
    assert clean["hilbert_dimension_settled"] == "settled"
    assert np.isfinite(clean["hilbert_dimension_population"])
    low, high = clean["hilbert_dimension_population_ci"].values
    assert low < clean["hilbert_dimension_population"] < high
    assert "lies in 2 [2, 2] dimensions on clean images" in result.attrs["verdict"]


def test_a_kernel_of_the_noise_floor_is_called_so(make_latents, tensor_latents):
    faint = tensor_latents.copy()
    faint[:, :, :6] *= 1e-3
    told = SETTINGS.model_copy(update={"kernel": "pseudo-log"})
    result = analyze_latents(make_latents(faint), BASELINE, told)
    assert result.attrs["kernel"] == "pseudo-log (weight 1)"
    share = float(result["small_eigenvalue_share"].sel(view="mean", noise=0, part="product"))
    assert share > 0.5
    said = f"{100 * share:.0f} % of the variance comes from eigenvalues under 0.0001 of the largest"
    assert said in result.attrs["verdict"]
    other = analyze_latents(make_latents(faint), BASELINE, SETTINGS)
    assert "noise floor: " not in other.attrs["verdict"]
    assert "eigenvalues under" not in other.attrs["verdict"]


def test_the_scale_of_the_latents_is_a_number_of_its_own(make_latents, tensor_latents):
    one, four = (
        analyze_latents(make_latents(scale * tensor_latents), BASELINE, SETTINGS)
        for scale in (1, 4)
    )
    np.testing.assert_allclose(four["covariance_trace"], 16 * one["covariance_trace"], rtol=1e-5)
    unfolded = (
        tensor_latents[0].astype(np.float64).reshape(len(BASELINE), tensor_latents.shape[2], -1)
    )
    trace = unfolded.var(-1, ddof=1).sum(-1).mean()
    np.testing.assert_allclose(one["covariance_trace"].sel(mode="S3")[0, 0], trace, rtol=1e-5)
    xr.testing.assert_allclose(one["hilbert_dimension"], four["hilbert_dimension"])


def test_vectors_use_the_vectors_themselves(make_latents, vector_latents):
    result = analyze_latents(make_latents(vector_latents), BASELINE, SETTINGS)
    ratios = PCA().fit(vector_latents[2, ..., 0, 0]).explained_variance_ratio_
    expected = 1 + np.searchsorted(np.cumsum(ratios), 0.95)
    found = result["hilbert_dimension"].sel(share=0.95, centring="centred", part="product")
    assert found.sel(view="mean")[2] == expected
    assert found.sel(view="mean")[0] <= 3
    assert "rank" not in result
    assert result.attrs["kernel"] == "linear"
    reasons = json.loads(result.attrs["omitted"])
    assert any("it has no ranks" in entry["reason"] for entry in reasons)


def test_angles_are_those_of_the_principal_subspaces(make_latents, vector_latents):
    from scipy.linalg import subspace_angles

    result = analyze_latents(make_latents(vector_latents), BASELINE, SETTINGS)
    clean, noisy = (vector_latents[level, ..., 0, 0] for level in (0, 2))
    axes = []
    for points in (clean, noisy):
        pca = PCA().fit(points)
        count = 1 + np.searchsorted(np.cumsum(pca.explained_variance_ratio_), 0.95)
        axes.append(pca.components_[:count].T)
    expected = np.sort(np.rad2deg(subspace_angles(*axes)))
    found = result["principal_angle"].sel(view="mean")[2].dropna("angle")
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_angles_are_zero_without_noise_and_grow(make_latents, vector_latents):
    result = analyze_latents(make_latents(vector_latents), BASELINE, SETTINGS)
    mean = result["principal_angle_statistic"].sel(view="mean", statistic="mean").values
    assert mean[0] == pytest.approx(0, abs=1e-4)
    assert 0 < mean[1] < mean[2]


def test_disjoint_halves_differ_more_than_a_half_from_itself_slightly_noisy(result):
    null = result["principal_angle_null_mean"].sel(view="mean", null="disjoint clean sets")
    own = result["principal_angle_split_mean"].sel(view="mean")[1]
    assert null.mean() > own.mean()


def test_a_posterior_gives_two_views_and_a_null_of_redraws(make_latents, tensor_latents):
    rng = np.random.default_rng(1)
    sampled = tensor_latents + 0.1 * rng.normal(size=(2, *tensor_latents.shape))
    latents = make_latents(tensor_latents, sampled=sampled)
    result = analyze_latents(latents, BASELINE, SETTINGS)
    assert list(result["view"].values) == ["mean", "sample"]
    assert (result["rank"].sel(rule="spectrum", view="sample", mode="S3") == 12).all()
    redraws = result["principal_angle_null_mean"].sel(null="two draws")
    assert redraws.sel(view="mean").isnull().all()
    assert (redraws.sel(view="sample") > 0).all()
    assert "A sample of the posterior has the rank triple (5, 5, 12)" in result.verdict


def test_a_model_that_has_not_learned_is_called_so(make_latents, tensor_latents):
    result = analyze_latents(make_latents(tensor_latents), np.full(40, 24.9), SETTINGS)
    assert result.attrs["learned"] == 0
    assert result.attrs["verdict"].startswith("This model has not learned")


def test_dead_channels_are_counted(make_latents, tensor_latents):
    dead = tensor_latents.copy()
    dead[:, :, [2, 7]] = 0.25
    result = analyze_latents(make_latents(dead), BASELINE, SETTINGS)
    assert (result["dead_channels"] == 2).all()


def test_strata_of_equal_positions_are_called_so(make_latents):
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(3, 40, 30, 25))
    for image in range(40):  # a border of 0 to 5 positions, the same at every level
        codes[:, image, :, : image % 6] = codes[:1, :1, :, :1]
    found = analyze_latents(make_latents(codes.reshape(3, 40, 30, 5, 5)), BASELINE, SETTINGS)
    assert (found["with_equal_positions"] == 26 / 40).all()
    assert (found["rank_is_of_positions"] == 1).all()
    assert "On 65 % of the clean images several positions" in found.attrs["verdict"]
    (tile,) = ranks.MEASURE.tiles(ModelResult("m", found), [])
    assert tile.beside == "5 rank triples, by equal positions"


def test_strata_that_the_model_makes_are_not_called_those_of_positions(make_latents):
    rng = np.random.default_rng(0)
    each = [rng.normal(size=(30, k)) @ rng.normal(size=(k, 25)) for k in range(5, 25)] * 2
    latents = make_latents(np.stack([each] * 3).reshape(3, 40, 30, 5, 5))
    found = analyze_latents(latents, BASELINE, SETTINGS)
    assert (found["with_equal_positions"] == 0).all()
    assert (found["rank_is_of_positions"] == 2 / 40).all()
    assert "positions of the latent" not in found.attrs["verdict"]


def test_the_same_seed_gives_the_same_numbers(result, make_latents, tensor_latents):
    again = analyze_latents(make_latents(tensor_latents), BASELINE, SETTINGS)
    xr.testing.assert_identical(result, again)


def test_every_interval_holds_its_estimate(result):
    whole = result["hilbert_dimension"].sel(part="product", centring="centred")
    ends = result["hilbert_dimension_ci"]
    assert ((ends.sel(bound="low") <= whole) & (whole <= ends.sel(bound="high"))).all()
    value, ends = result["principal_angle_statistic"], result["principal_angle_ci"]
    assert ((ends.sel(bound="low") <= value) & (value <= ends.sel(bound="high"))).all()


def test_first_level_must_be_clean(make_latents, tensor_latents):
    latents = make_latents(tensor_latents, noise=(0.1, 0.2, 0.3))
    with pytest.raises(InputError, match="do not begin with 0"):
        analyze_latents(latents, BASELINE, SETTINGS)


def test_too_few_images_are_refused(make_latents, tensor_latents):
    with pytest.raises(InputError, match="3 images cannot be analysed"):
        analyze_latents(make_latents(tensor_latents[:, :3]), BASELINE[:3], SETTINGS)


def _summary_of(result):
    attrs = {"data": "x", "samples": 40, "seed": 0, "perturbation": "gaussian", "provenance": "{}"}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), "/cae": result})
    return summarize(tree)


@pytest.fixture(scope="module")
def summary(result):
    return _summary_of(result)


def test_summary_is_plain_json_with_the_documented_keys(summary, documented_keys):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    model = summary["models"]["cae"]
    assert set(summary) | set(model) <= documented_keys
    assert model["learned"] is True
    assert model["rank_rule"] == "spectrum"
    assert sum(model["ranks"]["0.1"]["S3"].values()) == 40
    assert sum(model["strata"]["0"].values()) == 40
    assert model["hilbert_dimension"]["0.5"]["0.95"]["value"] > 0
    assert set(model["psnr_db"]["0"]) == {"mean", "ci95"}
    assert model["principal_angles_deg"]["0.1"]["mean"]["value"] > 0
    assert model["intrinsic_dimension"]["0"]["two-nn"]["points"] == 40


def test_without_a_decoder_nothing_is_said_of_learning(
    make_latents, tensor_latents, documented_keys
):
    result = analyze_latents(make_latents(tensor_latents, decodes=False), BASELINE, SETTINGS)
    assert result.attrs["learned"] == -1
    assert not [name for name in result if str(name).startswith("psnr")]
    assert result.attrs["verdict"].startswith("Whether the model has learned cannot be judged")
    assert "The latent has the rank triple (5, 5, 9)" in result.attrs["verdict"]
    assert any("no decoder" in entry["reason"] for entry in json.loads(result.attrs["omitted"]))
    model = _summary_of(result)["models"]["cae"]
    assert set(model) <= documented_keys
    assert model["learned"] is None
    assert model["psnr_db"] is None
    assert model["psnr_mean_image_db"] is None


@pytest.mark.parametrize(
    "shape", [(4, 4, 4), (16, 16, 16), (12, 7, 1), (12, 1, 7), (1, 6, 6), (3, 2, 1)]
)
def test_other_shapes_are_ranked_like_numpy_ranks_them(make_latents, shape):
    noise = (0.0, 0.5)
    z = np.random.default_rng(0).normal(size=(2, 8, *shape)).astype(np.float32)
    result = analyze_latents(
        make_latents(z, noise=noise), BASELINE[:8], AnalysisSettings(tsne_seeds=())
    )
    for axis, mode in ((1, "S1"), (2, "S2"), (0, "S3")):
        found = result["rank"].sel(rule="spectrum", view="mean", mode=mode)
        unfolded = np.moveaxis(z.astype(np.float64), axis + 2, 2).reshape(2, 8, shape[axis], -1)
        centred = unfolded - unfolded.mean(-1, keepdims=True)
        expected = np.linalg.matrix_rank(centred, rtol=max(unfolded.shape[2:]) * np.finfo("f4").eps)
        np.testing.assert_array_equal(found, expected)
    assert np.isfinite(result["hilbert_dimension_ci"]).all()
    assert np.isfinite(result["principal_angle_statistic"]).all()


def test_summary_knows_the_dimension_of_each_stratum(summary):
    # n k - k (k - 1) / 2 for (5, 5), (5, 5) and (12, 9): 15 + 15 + 72
    assert summary["models"]["cae"]["strata_dimension"]["5,5,9"] == 102


@pytest.fixture
def documented_keys():
    import re
    from pathlib import Path

    page = Path(__file__).parents[2] / "docs" / "summary.md"
    rows = [line.split("|")[1] for line in page.read_text().splitlines() if line.startswith("|")]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


def test_verdict_on_strata_rests_on_the_spectra(make_latents):
    rng = np.random.default_rng(3)

    def latents(rank, samples):
        return rng.normal(size=(samples, 12, rank)) @ rng.normal(size=(samples, rank, 25))

    one = latents(9, 40)
    several = np.concatenate([latents(9, 20), latents(6, 20)])
    faint = latents(9, 40) + 3e-6 * latents(1, 40)  # a tenth value about at float32's noise floor
    noise = (0.0, 0.1, 0.2)
    stacked = np.stack([one, several, faint]).reshape(3, 40, 12, 5, 5)
    result = analyze_latents(make_latents(stacked, noise=noise), BASELINE, SETTINGS)
    verdicts = result["stratification"].sel(view="mean").values.tolist()
    assert verdicts == ["smooth", "stratified", "undecided"]
    assert result["rank_in_doubt"].sel(view="mean")[2] > 0.5
    assert "one stratum, and no image lies near a rank change" in result.attrs["verdict"]
