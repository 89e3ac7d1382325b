"""Gram matrices of several noise levels."""

import numpy as np
import pytest
import torch

from latentgeo.geometry import kernel, mode_unfoldings
from latentgeo.measures import AnalysisSettings
from latentgeo.measures.embedding import embed, gram_over_levels
from latentgeo.measures.latents import reader_of

SETTINGS = AnalysisSettings()


@pytest.mark.parametrize("kind", ["tensor_latents", "vector_latents"])
@pytest.mark.parametrize("levels", [[0, 1, 2], [1, 2], [0]])
def test_the_gram_matrix_of_levels_is_that_of_all_their_latents(
    make_latents, request, kind, levels
):
    latents = make_latents(request.getfixturevalue(kind))
    view = reader_of(latents["mean"])
    grams = embed(view, np.arange(view.samples), "float32", SETTINGS).grams
    found = gram_over_levels(view, grams, levels, "float32", SETTINGS)
    points = torch.cat([view.read(level, slice(None)) for level in levels])
    if kind == "tensor_latents":
        expected = kernel(mode_unfoldings(points), form="unfolding", source_dtype="float32")
    else:
        flat = points.flatten(1).double()
        expected = flat @ flat.mT
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
