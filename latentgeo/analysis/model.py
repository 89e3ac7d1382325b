"""Analyse one model's latents."""

import json
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
    gram_matrices,
)
from latentgeo.analysis.intrinsic import intrinsic_variables
from latentgeo.analysis.maps import map_levels, tsne_variables
from latentgeo.analysis.omission import Omission, join, with_omissions
from latentgeo.analysis.quality import Quality, measure_quality
from latentgeo.analysis.ranks import MODES, rank_variables
from latentgeo.analysis.settings import AnalysisSettings
from latentgeo.analysis.units import unit_variables
from latentgeo.analysis.verdict import verdict
from latentgeo.errors import InputError
from latentgeo.geometry import mode_unfoldings, pseudo_log_features

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
) -> xr.Dataset:
    """Measure ranks, dimensions, principal angles, units and PSNR of one model.

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
    """
    chosen = settings or AnalysisSettings()
    _check(latents)
    views = _views(latents)
    tensors = not _are_vectors(views["mean"])
    quality = _quality(latents, baseline, chosen)
    dtype = latents.attrs["source_dtype"]
    features = [_features_of(view, dtype, chosen) for view in views.values()]
    grams = [gram_matrices(levels) for levels in features]
    halves = draw_halves(latents.sizes["sample"], chosen)
    parts = [
        xr.Dataset() if quality is None else quality.variables,
        dimension_variables(grams, halves, chosen),
        angle_variables(grams, _redraw(latents, chosen), halves, chosen),
        _tsne(features[0], latents, chosen),
        intrinsic_variables(views, halves, chosen),
        unit_variables(latents, halves, chosen),
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
    return result.assign_attrs(learned=_learned(quality), verdict=verdict(result, quality))


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


def _views(latents: xr.Dataset) -> dict[str, Tensor]:
    """Give what is analysed, (noise, n, C, H, W): the mean, and one sample where there is one."""
    views = {"mean": torch.from_numpy(latents["mean"].values)}
    if "sampled" in latents:
        views["sample"] = torch.from_numpy(latents["sampled"].isel(draw=0).values)
    return views


def _features_of(view: Tensor, dtype: str, settings: AnalysisSettings) -> list[dict[str, Tensor]]:
    return [_features(level, dtype, settings) for level in view]


def _features(latent: Tensor, dtype: str, settings: AnalysisSettings) -> dict[str, Tensor]:
    """Map latents (n, C, H, W) to kernel features (n, D) per mode; vectors are their own."""
    if _are_vectors(latent):
        return {"product": latent.flatten(1).double()}
    return {
        mode: pseudo_log_features(unfolding, log_weight=settings.log_weight, source_dtype=dtype)
        for mode, unfolding in zip(MODES, mode_unfoldings(latent), strict=True)
    }


def _are_vectors(latent: Tensor) -> bool:
    return latent.shape[-2:] == (1, 1)


def _redraw(latents: xr.Dataset, settings: AnalysisSettings) -> Grams | None:
    """Give two draws of a stochastic posterior at the clean level, as if they were two levels."""
    if "sampled" not in latents or latents.sizes["draw"] < 2:
        return None
    clean = torch.from_numpy(latents["sampled"].isel(noise=0, draw=slice(2)).values)
    return gram_matrices(_features_of(clean, latents.attrs["source_dtype"], settings))


def _tsne(
    features: list[dict[str, Tensor]], latents: xr.Dataset, settings: AnalysisSettings
) -> xr.Dataset:
    if not settings.tsne_seeds:
        return xr.Dataset()
    levels = map_levels(len(features), settings.tsne_levels)
    gram = sum(
        (
            (stacked := torch.cat([features[level][part] for level in levels])) @ stacked.mT
            for part in features[0]
        ),
        torch.zeros(()),
    )
    noise = [float(latents["noise"].values[level]) for level in levels]
    return tsne_variables(gram, noise, latents.sizes["sample"], settings)


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
