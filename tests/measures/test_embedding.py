"""Gram matrices of several noise levels, under every kernel."""

from typing import get_args

import numpy as np
import pytest
import torch

from latentgeo.geometry import (
    LINEAR_KERNELS,
    METRICS,
    centre_gram,
    feature_map,
    gram_dimension,
    kernel,
    mode_unfoldings,
    small_eigenvalue_share,
    statement,
    trace_normalised,
)
from latentgeo.geometry.kernels import RADIAL_KERNELS
from latentgeo.measures import AnalysisSettings
from latentgeo.measures.embedding import embed, gram_over_levels
from latentgeo.measures.latents import reader_of

SETTINGS = AnalysisSettings()


def gram_of(points, settings):
    """Compute the kernel of latents from the geometry, without streams."""
    unit = tuple(
        trace_normalised(mode.double(), "unfolding")[0] for mode in mode_unfoldings(points)
    )
    metric = settings.kernel_distance if settings.kernel in RADIAL_KERNELS else settings.kernel
    return kernel(
        unit,
        kernel=settings.kernel,
        metric=settings.kernel_distance,
        gamma=settings.gamma,
        form="unfolding",
        ridge=0.0 if statement(metric).domain == "any rank" else settings.ridge,
        log_weight=settings.log_weight,
        source_dtype="float32",
    )


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
        expected = gram_of(points, SETTINGS)
    else:
        flat = points.flatten(1).double()
        expected = flat @ flat.mT
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.filterwarnings("ignore::latentgeo.geometry.IndefiniteKernelWarning")
@pytest.mark.parametrize(
    "settings",
    [
        *(AnalysisSettings(kernel=name) for name in LINEAR_KERNELS),
        *(AnalysisSettings(kernel="gaussian", kernel_distance=name) for name in METRICS),
        AnalysisSettings(kernel="laplacian", gamma=0.5),
        AnalysisSettings(kernel="log-euclidean", ridge=0.1),
        AnalysisSettings(kernel="pseudo-log", log_weight=0.25),
    ],
    ids=lambda one: one.kernel + one.kernel_distance * (one.kernel in RADIAL_KERNELS),
)
def test_every_kernel_is_that_of_the_geometry(make_latents, tensor_latents, settings):
    view = reader_of(make_latents(tensor_latents)["mean"])
    view = view.take(np.arange(12))
    whole = embed(view, np.arange(12), "float32", settings)
    expected = gram_of(view.read(1, slice(None)), settings)
    torch.testing.assert_close(whole.grams.within[1], expected, rtol=1e-9, atol=1e-9)
    some = embed(view, np.arange(6), "float32", settings)
    if centre_gram(expected).trace() > 1e-9:  # ranges alone do not differ at full rank
        counted = int(gram_dimension(expected, (0.95,))[0])
        assert whole.dimension[1, -1, 1, 0] == counted
        assert np.ceil(float(whole.interpolated[1, 1]) - 1e-9) == counted
        torch.testing.assert_close(some.dimension, whole.dimension)
    assert some.angle_images == (6 if settings.kernel in RADIAL_KERNELS else 12)


def test_the_linear_kernel_takes_latents_as_they_are(make_latents, tensor_latents):
    view = reader_of(make_latents(tensor_latents)["mean"])
    found = embed(view, np.arange(view.samples), "float32", AnalysisSettings(kernel="linear"))
    flat = view.read(0, slice(None)).flatten(1).double()
    assert found.parts == ("product",)
    torch.testing.assert_close(found.grams.within[0], flat @ flat.mT)


@pytest.mark.parametrize("name", [*LINEAR_KERNELS, "gaussian"])
def test_no_kernel_sees_the_unit_of_the_latent(make_latents, tensor_latents, name):
    settings = AnalysisSettings(kernel=name, kernel_distance="square-root")
    one, other = (
        embed(
            reader_of(make_latents(scale * tensor_latents)["mean"]),
            np.arange(20),
            "float32",
            settings,
        ).grams.within
        for scale in (1, 64)
    )
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_the_share_of_small_eigenvalues_is_that_of_the_modes(make_latents, tensor_latents):
    faint = tensor_latents.copy()
    faint[:, :, :3] *= 1e-3
    view = reader_of(make_latents(faint)["mean"])
    settings = AnalysisSettings(kernel="pseudo-log")
    found = embed(view, np.arange(view.samples), "float32", settings).small[0].numpy()
    unfoldings = mode_unfoldings(view.read(0, slice(None)).double())
    expected, variance = [], []
    for mode in unfoldings:
        unit = trace_normalised(mode, "unfolding")[0]
        told = {"form": "unfolding", "source_dtype": "float32"}
        expected.append(small_eigenvalue_share(unit, "pseudo-log", **told))
        features = feature_map(unit, "pseudo-log", **told)
        variance.append(features.var(0).sum().item())
    np.testing.assert_allclose(found[:3], expected, rtol=1e-6, atol=1e-12)
    assert found[2] > 0.3
    np.testing.assert_allclose(found[3], np.average(expected, weights=variance), rtol=1e-6)
    smooth = embed(view, np.arange(view.samples), "float32", SETTINGS).small[0]
    assert smooth[3] < 1e-3


def test_settings_name_every_kernel_and_distance():
    kernels, distances = (
        get_args(AnalysisSettings.model_fields[name].annotation)
        for name in ("kernel", "kernel_distance")
    )
    assert set(kernels) == {*LINEAR_KERNELS, *RADIAL_KERNELS, "linear"}
    assert set(distances) == set(METRICS)
