"""What figures take from an analysis before they draw it."""

import pytest
import xarray as xr

from latentgeo.figures.reading import models


@pytest.mark.parametrize("step", [1, -1])
def test_models_have_their_noise_ascending(synthetic, step):
    tree = synthetic.make_tree(1)
    (label,) = tree.children
    expected = tree[label].to_dataset()
    given = expected.isel(noise=slice(None, None, step))
    found = models(xr.DataTree.from_dict({"/": tree.to_dataset(), f"/{label}": given}))
    xr.testing.assert_identical(found[label], expected)
