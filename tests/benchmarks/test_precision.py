"""The precision of training does not change what an analysis says."""

import pytest


@pytest.fixture(scope="module")
def precision(load_benchmark):
    return load_benchmark("precision")


@pytest.mark.filterwarnings("ignore:.*has not learned")
def test_ranks_dimension_and_psnr_agree_within_the_seeds_spread(precision):
    scale = precision.SCALES["smoke"]
    found = {
        kind: precision.measure("cae", kind, scale, "cpu") for kind in ("32-true", "bf16-mixed")
    }
    first, second = found.values()
    assert first["PSNR, dB, σ 0"] != second["PSNR, dB, σ 0"]  # it was another arithmetic
    assert all(precision.agree(first[name], second[name]) for name in first)
    assert "| cae | commonest rank S3, σ 0.1 |" in precision.to_table(
        {"cae": found}, "smoke", "cpu"
    )


def test_numbers_farther_apart_than_the_seeds_do_not_agree(precision):
    assert precision.agree([1.0, 3.0], [3.5, 4.0])
    assert not precision.agree([1.0, 3.0], [4.5, 4.5])
    assert precision.agree([7.0, 7.0], [7.0, 7.0])
    assert not precision.agree([7.0, 7.0], [7.0, 6.9])
