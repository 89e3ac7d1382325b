"""Measure everything on one model's latents."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentgeo.checkpoints import caveats, describe_mismatch
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.latents import Sweep
from latentgeo.lazy import xr
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.latents import kernel_words
from latentgeo.measures.table import measure_all
from latentgeo.measures.verdict import verdict
from latentgeo.models import Autoencoder
from latentgeo.results import ModelResult, Omission, join, with_omissions
from latentgeo.settings import AnalysisSettings

_ONLY_CLEAN = Omission(
    "what noise does: curves over levels, angles between clean and noisy latents",
    "there are clean latents only; give noisy ones (--noisy LEVEL=FILE) or levels (--noise)",
)
_WEIGHTS = "the weights that do not fit the network"
_NOT_KNOWN = -1  # whether a model has learned that reconstructs nothing


def analyze_latents(
    latents: xr.Dataset,
    baseline: NDArray[np.floating],
    settings: AnalysisSettings | None = None,
    *,
    device: torch.device | None = None,
    model: Autoencoder | None = None,
    images: ImageDataset | None = None,
    sweep: Sweep | None = None,
) -> xr.Dataset:
    """Measure ranks, dimensions, principal angles, units and PSNR of one model.

    Latents of up to 256 MiB are held in memory; others are read in shards, so that they may lie on
    disk and be more than memory. Spectra rest on all images; what compares images with one another
    rests on `settings.compared_images` of them at most.

    Parameters
    ----------
    latents : xarray.Dataset
        From `latentgeo.encode`; the first noise level is 0. Two draws of a stochastic
        posterior give the baseline of the angles between draws. Without `psnr` (a model that has no
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
    measured = latents.drop_vars("file", errors="ignore")
    encoding = Encoding(measured, baseline, chosen, device, model, images, sweep)
    parts = measure_all("analysis", encoding)
    if latents.sizes["noise"] == 1:
        parts.append(with_omissions(xr.Dataset(), [_ONLY_CLEAN]))
    if "label" in latents:
        said = {"long_name": "class of the image", "units": "1"}
        parts.append(latents["label"].assign_attrs(said).to_dataset())
    learned = next((int(part.attrs["learned"]) for part in parts if "learned" in part.attrs), None)
    found = join(_opened(encoding), *parts).assign_coords(
        view=list(encoding.readers), noise=latents["noise"], sample=latents["sample"]
    )
    found = found.assign_attrs(
        compared_images=len(encoding.compared),
        angle_images=encoding.embeddings[0].angle_images,
        learned=_NOT_KNOWN if learned is None else learned,
    )
    # What was passed on as it came may still lie on disk.
    if "file" in latents.coords:
        found = found.assign_coords(file=latents["file"])
    return found.assign_attrs(verdict=verdict(ModelResult("", found))).load()


def _check(latents: xr.Dataset) -> None:
    levels, samples = latents["noise"].values, latents.sizes["sample"]
    if levels[0] != 0:
        raise InputError(
            f"the noise levels {levels.tolist()} do not begin with 0; the analysis compares "
            "every level with the clean images, so give 0 first"
        )
    if samples < 4:
        raise InputError(f"{samples} images cannot be analysed; expected at least 4")


def _opened(encoding: Encoding) -> xr.Dataset:
    """Return what is known before anything is measured, with what was left out of the weights."""
    opened = {} if encoding.model is None else encoding.model.provenance
    mismatch = opened.get("mismatch")
    left = [Omission(_WEIGHTS, describe_mismatch(mismatch))] if mismatch else []
    attrs = {**_attributes(encoding), "caveats": json.dumps(caveats(opened))}
    return with_omissions(xr.Dataset(attrs=attrs), left)


def _attributes(encoding: Encoding) -> dict[str, Any]:
    attrs, tensors = encoding.latents.attrs, encoding.tensors
    kept = ("recipe", "backbone", "stochastic", "source_dtype")
    return {
        **{name: attrs[name] for name in kept},
        "latent_kind": "tensor" if tensors else "vector",
        "latent_shape": list(encoding.latents["mean"].shape[2:]),
        "rank_rule": "spectrum" if tensors else "none",
        "kernel": kernel_words(encoding.readers["mean"].shape, encoding.settings),
        "settings": encoding.settings.model_dump_json(),
        "provenance": attrs["provenance"],
        "weights_sha256": json.loads(attrs["provenance"])["weights_sha256"],
    }
