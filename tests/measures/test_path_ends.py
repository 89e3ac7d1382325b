"""The gate of trust on paths: a model below its mean image is called so, whatever it scores."""

from types import SimpleNamespace

import numpy as np
import pytest

from latentgeo.measures.paths.ends import MEASURE
from latentgeo.results import ModelResult, annotate


def ends(error, pairs=6):
    """Return the paths of a model whose reconstructions are off by an error."""
    draws = np.random.default_rng(0)
    real = draws.random((2 * pairs, 1, 8, 8), dtype=np.float32)
    wrong = real + error * draws.standard_normal(real.shape).astype(np.float32)
    return SimpleNamespace(reconstructed=(wrong.clip(0, 1), real), seed=0)


@pytest.mark.parametrize(("error", "learned"), [(0.02, True), (2.0, False)])
def test_paths_say_whether_the_model_has_learned(error, learned):
    data = annotate(MEASURE.compute(ends(error)), MEASURE.readouts)
    model = ModelResult("m", data)
    assert model.learned is learned
    assert model.marked == ("m" if learned else "m (not learned)")
    gain = model.end_psnr_gain()
    assert (gain.low > 0) if learned else (gain.high < 0)
    (sentence,) = MEASURE.sentences_of(model)
    assert ("not meaningful" in sentence) is not learned
    (table,) = MEASURE.tables_of([model], "between images")
    assert table.rows[0][-1] == ("yes" if learned else "no")
    assert MEASURE.entry_of(model)["learned"] is learned
