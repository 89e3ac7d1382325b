"""Analyse one model's latents."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.analysis.embedding import (
    Grams,
    angle_variables,
    dimension_variables,
    draw_halves,
    embed,
    gram_matrices,
    gram_over_levels,
)
from latentgeo.analysis.intrinsic import intrinsic_variables
from latentgeo.analysis.maps import map_levels, tsne_variables
from latentgeo.analysis.omission import Omission, join, with_omissions
from latentgeo.analysis.quality import Quality, measure_quality
from latentgeo.analysis.ranks import rank_variables
from latentgeo.analysis.settings import AnalysisSettings
from latentgeo.analysis.units import unit_variables
from latentgeo.analysis.verdict import verdict
from latentgeo.analysis.views import (
    View,
    choose_images,
    held_if_small,
    is_vector,
    view_of,
)
from latentgeo.errors import InputError

LEARNED, NOT_LEARNED, NOT_KNOWN = 1, 0, -1
_OMITTED_FOR_VECTORS = (
    Omission(
        "ranks, strata and spectra",
        "a vector has no rows and columns to unfold, so there is nothing to rank",
    ),
    Omission(
        "the pseudo-log kernel",
        "it compares covariances of unfoldings; dimension and angles of a vector use the numbers "
        "themselves (a linear kernel)",
    ),
)
_OMITTED_WITHOUT_DECODER = (
    Omission(
        "PSNR, reconstructions and whether the model has learned",
        "this model has no decoder, so nothing is reconstructed",
    ),
)


def analyze_latents(
    latents: xr.Dataset,
    baseline: NDArray[np.floating],
    settings: AnalysisSettings | None = None,
    *,
    device: torch.device | None = None,
) -> xr.Dataset:
    """Measure ranks, dimensions, principal angles, units and PSNR of one model.

    Latents of up to 256 MiB are held in memory; others are read in shards, so that they may lie on
    disk and be more than memory. Spectra rest on all images; what compares images with one another
    rests on `settings.compared_images` of them at most.

    Parameters
    ----------
    latents : xarray.Dataset
        From `latentgeo.encode`; the first noise level is 0. Two draws of a stochastic
        posterior give the null of the angles between draws. Without `psnr` (a model that has no
        decoder) it stays unknown whether the model has learned.
    baseline : numpy.ndarray of shape (n,)
        PSNR in dB of the mean image on the same images (`mean_image_psnr`).
    settings : AnalysisSettings, optional
        Every choice; the defaults if left out.
    device : torch.device, optional
        Where spectra and features are computed; the CPU if left out.

    Returns
    -------
    xarray.Dataset
        The variables that the documentation of results lists, with provenance and the
        verdict in the attributes; `learned` is 1, 0, or -1 where it is not known. Latents that
        are vectors (1×1 spatially) have no ranks; the attribute `omitted` says what is missing
        and why.

    Raises
    ------
    InputError
        When the first level is not 0 or there are fewer than 4 images.
    ValueError
        When the spectrum of the features is more than memory (`check_size` says so beforehand).
    """
    chosen = settings or AnalysisSettings()
    _check(latents)
    latents = held_if_small(latents)
    views = _views(latents, device)
    tensors = not is_vector(views["mean"].shape)
    quality = _quality(latents, baseline, chosen)
    dtype = latents.attrs["source_dtype"]
    samples = latents.sizes["sample"]
    compared = choose_images(samples, chosen.compared_images, chosen.seed)
    embeddings = [embed(view, compared, dtype, chosen) for view in views.values()]
    few = {name: view.take(compared) for name, view in views.items()}
    halves = draw_halves(len(compared), chosen)
    parts = [
        xr.Dataset() if quality is None else quality.variables,
        dimension_variables(embeddings, samples, halves, chosen),
        angle_variables(embeddings, _redraw(latents, compared, chosen, device), halves, chosen),
        _tsne(few["mean"], embeddings[0].grams, compared, latents, chosen),
        intrinsic_variables({name: _levels(view) for name, view in few.items()}, halves, chosen),
        unit_variables(latents, draw_halves(samples, chosen), chosen),
        latents[["label"]] if "label" in latents else xr.Dataset(),
    ]
    if tensors:
        parts.append(rank_variables(views, latents["sample"].values, dtype, chosen))
    known = with_omissions(
        xr.Dataset(attrs=_attributes(latents, tensors, chosen)),
        (*(() if tensors else _OMITTED_FOR_VECTORS), *_missing_quality(quality)),
    )
    result = join(known, *parts).assign_coords(
        view=list(views), noise=latents["noise"], sample=latents["sample"]
    )
    result = result.assign_attrs(
        compared_images=len(compared), angle_images=embeddings[0].angle_images
    )
    # What was passed on as it came may still lie on disk.
    return result.assign_attrs(learned=_learned(quality), verdict=verdict(result, quality)).load()


def _quality(
    latents: xr.Dataset, baseline: NDArray[np.floating], settings: AnalysisSettings
) -> Quality | None:
    """Judge the reconstructions, where there are any."""
    if "psnr" not in latents:
        return None
    return measure_quality(latents["psnr"], baseline, seed=settings.seed)


def _missing_quality(quality: Quality | None) -> tuple[Omission, ...]:
    return _OMITTED_WITHOUT_DECODER if quality is None else ()


def _learned(quality: Quality | None) -> int:
    if quality is None:
        return NOT_KNOWN
    return LEARNED if quality.learned else NOT_LEARNED


def _check(latents: xr.Dataset) -> None:
    levels, samples = latents["noise"].values, latents.sizes["sample"]
    if levels[0] != 0:
        raise InputError(
            f"the noise levels {levels.tolist()} do not begin with 0; the analysis compares "
            "every level with the clean images, so give 0 first"
        )
    if samples < 4:
        raise InputError(f"{samples} images cannot be analysed; expected at least 4")


def _views(latents: xr.Dataset, device: torch.device | None) -> dict[str, View]:
    """Give what is analysed: the mean, and one sample where there is one."""
    views = {"mean": view_of(latents["mean"], device)}
    if "sampled" in latents:
        views["sample"] = view_of(latents["sampled"].isel(draw=0), device)
    return views


def _levels(view: View) -> Iterator[Tensor]:
    """Give the latents of a (small) view, one level after the other."""
    return (view.read(level, slice(None)).cpu() for level in range(view.levels))


def _redraw(
    latents: xr.Dataset,
    compared: NDArray[np.int64],
    settings: AnalysisSettings,
    device: torch.device | None,
) -> Grams | None:
    """Give two draws of a stochastic posterior at the clean level, as if they were two levels."""
    if "sampled" not in latents or latents.sizes["draw"] < 2:
        return None
    draws = latents["sampled"].isel(noise=0, draw=slice(2)).rename(draw="noise")
    some = view_of(draws, device).take(compared)
    return gram_matrices(some, latents.attrs["source_dtype"], settings)


def _tsne(
    view: View,
    grams: Grams,
    compared: NDArray[np.int64],
    latents: xr.Dataset,
    settings: AnalysisSettings,
) -> xr.Dataset:
    if not settings.tsne_seeds:
        return xr.Dataset()
    levels = map_levels(view.levels, settings.tsne_levels)
    gram = gram_over_levels(view, grams, levels, latents.attrs["source_dtype"], settings)
    noise = [float(latents["noise"].values[level]) for level in levels]
    return tsne_variables(gram, noise, compared, latents.sizes["sample"], settings)


def _attributes(latents: xr.Dataset, tensors: bool, settings: AnalysisSettings) -> dict[str, Any]:
    return {
        **{
            name: latents.attrs[name]
            for name in ("recipe", "backbone", "stochastic", "source_dtype")
        },
        "latent_kind": "tensor" if tensors else "vector",
        "latent_shape": list(latents["mean"].shape[2:]),
        "rank_rule": "spectrum" if tensors else "none",
        "kernel": "pseudo-log" if tensors else "linear",
        "settings": settings.model_dump_json(),
        "provenance": latents.attrs["provenance"],
        "weights_sha256": json.loads(latents.attrs["provenance"])["weights_sha256"],
    }
