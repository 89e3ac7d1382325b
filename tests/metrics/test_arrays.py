"""Arrays whose memory torch cannot share: the metrics take them as any other."""

import warnings

import numpy as np
import pytest

from latentgeo import metrics

IMAGES = np.random.default_rng(0).random((6, 1, 32, 32), dtype=np.float32)
CALLS = {
    "psnr": lambda x: metrics.psnr(x, x, data_range=1.0),
    "sharpness": metrics.sharpness,
    "interpolate": lambda x: metrics.interpolate(x, x, steps=3),
    "mmd_test": lambda x: metrics.mmd_test(x[:3, 0, 0], x[3:, 0, 0], seed=0, permutations=9),
    "parzen_log_likelihood": lambda x: metrics.parzen_log_likelihood(x, x, bandwidth=0.5),
    "line_interpolation_scores": lambda x: (
        metrics.line_interpolation_scores(x[None], references=9).mean_distance
    ),
}


def read_only(values):
    kept = values.copy()
    kept.flags.writeable = False
    return kept


ODD = {
    "read-only": read_only,
    "backwards": lambda values: values[..., ::-1].copy()[..., ::-1],
    "another byte order": lambda values: values.astype(values.dtype.newbyteorder()),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("odd", ODD)
def test_arrays_that_torch_cannot_share(name, odd):
    given = ODD[odd](IMAGES)
    np.testing.assert_array_equal(given, IMAGES)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = CALLS[name](given)
    np.testing.assert_array_equal(found, CALLS[name](IMAGES))
