import numpy as np
import pytest
import torch

from latentgeo.geometry import mode_unfoldings, stratification, stratification_of_spectra

FLOOR = 1e-5
RNG = np.random.default_rng(0)


def spectra(samples, kept, dropped=1e-8, size=10):
    """Spectra that fall to ``kept`` at rank 8 and then to ``dropped``."""
    s = np.geomspace(1, kept, 8) * np.ones((samples, 8))
    return np.concatenate([s, np.full((samples, size - 8), dropped)], 1)


def test_one_clear_rank_is_smooth():
    found = stratification_of_spectra([spectra(50, 1e-2)], [FLOOR])
    assert found.verdict == "smooth"
    assert found.strata == {(8,): 50}
    assert found.doubtful == 0
    assert found.margins[0] == pytest.approx(1e3)
    assert found.gaps[0] == pytest.approx(1e6)
    assert "smooth: all samples without doubt lie on (8,)" in found.evidence


def test_two_clear_ranks_are_stratified():
    s = spectra(50, 1e-2)
    s[:10, 5:] = 1e-9
    found = stratification_of_spectra([s], [FLOOR])
    assert found.verdict == "stratified"
    assert found.strata == {(8,): 40, (5,): 10}
    assert "2 strata" in found.evidence


def test_ranks_that_hang_on_the_tolerance_are_undecided_whatever_the_integers_say():
    s = spectra(50, 1e-2)
    s[:, 8] = RNG.uniform(0.3, 3, size=50) * FLOOR
    assert len(set((s > FLOOR).sum(1))) == 2
    found = stratification_of_spectra([s], [FLOOR])
    assert found.verdict == "undecided"
    assert found.doubtful == 1
    assert "100% of 50 samples" in found.evidence


def test_the_same_integer_without_a_gap_is_not_smooth():
    s = spectra(50, 2 * FLOOR, dropped=FLOOR / 2)
    assert len(set((s > FLOOR).sum(1))) == 1
    assert stratification_of_spectra([s], [FLOOR]).verdict == "undecided"


def test_a_few_outliers_do_not_make_a_stratum_nor_a_smooth_set():
    s = spectra(300, 1e-2)
    s[0, 5:] = 1e-9
    assert stratification_of_spectra([s], [FLOOR]).verdict == "undecided"


def test_doubt_in_one_mode_is_doubt_about_the_sample():
    clear, hazy = spectra(20, 1e-2), spectra(20, 1e-2, dropped=FLOOR)
    assert stratification_of_spectra([clear, clear], [FLOOR] * 2).verdict == "smooth"
    assert stratification_of_spectra([clear, hazy], [FLOOR] * 2).doubtful == 1


def test_full_rank_has_nothing_to_drop():
    found = stratification_of_spectra([np.ones((5, 3))], [FLOOR])
    assert found.verdict == "smooth"
    assert np.isinf(found.gaps[0])


def test_latents_of_known_ranks():
    z = RNG.normal(size=(40, 12, 4, 4)).astype(np.float32)
    modes = mode_unfoldings(z)
    assert stratification(modes).verdict == "smooth"
    upcast = [x.astype(np.float64) for x in modes]
    assert stratification(upcast, source_dtype="float32") == stratification(modes)
    z[:15, 6:] = z[:15, :6]
    found = stratification(mode_unfoldings(z), source_dtype="float32")
    assert found.verdict == "stratified"
    assert found.strata == {(4, 4, 12): 25, (4, 4, 6): 15}


def test_noise_of_a_coarse_computation_is_not_taken_for_strata():
    z = RNG.normal(size=(40, 6, 4, 4))
    z = np.concatenate([z, z[:, :6] + 1e-5 * RNG.normal(size=z.shape)], 1).astype(np.float32)
    assert stratification(mode_unfoldings(z), source_dtype="float32").verdict == "undecided"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_judged_by_its_rounding(dtype):
    z = torch.from_numpy(RNG.normal(size=(40, 32, 3)) @ RNG.normal(size=(40, 3, 49)))
    z = z.reshape(40, 32, 7, 7).to(dtype)
    found = stratification(mode_unfoldings(z)[2:])
    assert found.strata == {(3,): 40}
    assert found.verdict == "smooth"
    assert 0 < found.floors[0] < 0.01
    z[:20] = z[:20, :1]
    mixed = stratification(mode_unfoldings(z)[2:])
    assert mixed.strata == {(3,): 20, (0,): 20} or mixed.strata == {(3,): 20, (1,): 20}
    assert mixed.verdict == "stratified"


@pytest.mark.parametrize("floor", [1.0, 3.0, 1e3, np.array([0.5, 2, 2, 2, 2.0])])
def test_where_rounding_is_all_there_is_nothing_is_decided(floor):
    found = stratification_of_spectra([spectra(5, 1e-2)], [floor])
    assert found.verdict == "undecided"
    assert found.doubtful == 1.0
    assert found.strata == {}


def test_latents_whose_variation_is_rounding_are_undecided_in_bf16():
    z = torch.from_numpy(5 + 0.02 * RNG.normal(size=(20, 8, 4, 4))).to(torch.bfloat16)
    assert stratification(mode_unfoldings(z)).verdict == "undecided"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stratification_of_spectra([np.ones((2, 3))], []), "1 spectra and 0 floors"),
        (lambda: stratification_of_spectra([np.ones(3)], [0.1]), r"shape \(3,\)"),
        (
            lambda: stratification_of_spectra([np.ones((2, 3)), np.ones((3, 3))], [0.1] * 2),
            r"\[2, 3\]",
        ),
        (lambda: stratification_of_spectra([np.ones((2, 3))], [0.0]), "floors are"),
        (lambda: stratification_of_spectra([np.ones((2, 3))], [0.1], band=0.5), "band is 0.5"),
        (lambda: stratification_of_spectra([np.ones((2, 3))], [0.1], share=1), "share is 1"),
        (lambda: stratification_of_spectra([np.full((2, 3), np.nan)], [0.1]), "6 NaN"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
