"""What the numbers of one model say, in words."""

import numpy as np
import xarray as xr

from latentgeo.analysis.levels import nearest_level
from latentgeo.analysis.quality import Quality
from latentgeo.geometry import strata_counts

_STRATUM_SHARE = 0.99


def verdict(result: xr.Dataset, quality: Quality | None) -> str:
    """Say in a few sentences what was found, each number with its interval.

    Parameters
    ----------
    result : xarray.Dataset
        Variables of one model.
    quality : Quality or None
        Whether it has learned; None where nothing is reconstructed.

    Returns
    -------
    str
        Plain sentences.
    """
    if quality is not None and not quality.learned:
        return (
            f"This model has not learned: {quality.evidence}. "
            "Whatever its ranks and dimensions are, they say nothing about the latent space."
        )
    sentences = [_learning(quality)]
    if "rank" in result:
        sentences += [_ranks(result, "mean"), _clear(result)]
        if len(result["view"]) > 1:
            sentences += [
                _ranks(result, "sample"),
                "A sample has a density, so it has full rank whatever was learned; "
                "the mean is what the network computes.",
            ]
    sentences += [_dimension(result), _intrinsic(result)]
    if "active_units" in result:
        sentences.append(_units(result))
    level = nearest_level(result["noise"].values)
    if level is not None:
        sentences.append(_angles(result, level))
    return " ".join(sentences)


def _learning(quality: Quality | None) -> str:
    if quality is None:
        return (
            "Whether the model has learned cannot be judged: it has no decoder, so there is no "
            "reconstruction to compare with the mean image."
        )
    return f"The model has learned: {quality.evidence}."


def _intrinsic(result: xr.Dataset) -> str:
    clean = result.isel(view=0, noise=0).sel(estimator="two-nn")
    value = float(clean["intrinsic_dimension"])
    if not np.isfinite(value):
        return "The intrinsic dimension could not be estimated: too many latents are the same."
    low, high = clean["intrinsic_dimension_ci"].values
    return (
        f"The clean latents lie about a set of intrinsic dimension {value:.1f} "
        f"[{low:.1f}, {high:.1f}] (two nearest neighbours)."
    )


def _units(result: xr.Dataset) -> str:
    clean = result.isel(noise=0)
    units = result.sizes["unit"]
    what = "channels" if result.attrs["latent_kind"] == "tensor" else "units"
    text = f"{int(clean['active_units'])} of {units} {what} are active on clean images"
    if "kl_total" not in result:
        dead = int(clean["unit_collapsed"].sum())
        return f"{text}, {dead or 'none'} {'is' if dead < 2 else 'are'} dead."
    low, high = clean["kl_total_ci"].values
    collapsed = int(clean["unit_collapsed"].sum())
    return (
        f"{text}, {collapsed or 'none'} {'has' if collapsed < 2 else 'have'} collapsed onto the "
        f"prior; the divergence from it is {float(clean['kl_total']):.1f} nats "
        f"[{low:.1f}, {high:.1f}] per image."
    )


def _ranks(result: xr.Dataset, view: str) -> str:
    ranks = result["rank"].sel(rule="spectrum", view=view)
    levels = [
        strata_counts(ranks.isel(noise=level).values) for level in range(ranks.sizes["noise"])
    ]
    name = "The posterior mean" if result.sizes["view"] > 1 else "The latent"
    if view == "sample":
        name = "A sample of the posterior"
    triple, count = max(levels[0].items(), key=lambda item: item[1])
    share = count / ranks.sizes["sample"]
    text = f"({', '.join(map(str, triple))})"
    every = {stratum for level in levels for stratum in level}
    if len(every) == 1:
        return f"{name} keeps the one rank triple {text} on all images at all noise levels."
    if share >= _STRATUM_SHARE:
        return (
            f"{name} has the rank triple {text} on {100 * share:.1f} % of the clean images, "
            f"and {len(every)} triples over all noise levels."
        )
    return (
        f"{name} meets {len(levels[0])} rank triples on clean images (most often {text}, "
        f"{100 * share:.0f} %) and {len(every)} over all noise levels."
    )


def _clear(result: xr.Dataset) -> str:
    clean = result.isel(view=0, noise=0)
    words = {
        "smooth": "one stratum, and no image is near another",
        "stratified": "several strata, and clearly so",
        "undecided": "neither one stratum nor several can be told",
    }[str(clean["stratification"].values)]
    doubt = float(clean["rank_in_doubt"])
    return (
        f"Judged by the spectra and not by one integer: {words} ({100 * doubt:.0f} % of the clean "
        "images have a singular value within ten times the noise floor)."
    )


def _dimension(result: xr.Dataset) -> str:
    values = result["hilbert_dimension"].sel(part="product", centring="centred", share=0.95)
    ends = result["hilbert_dimension_ci"].sel(share=0.95)
    view = values["view"].values[0]
    clean, noisiest = (
        _with_interval(values.sel(view=view)[level].item(), ends.sel(view=view)[level].values, "")
        for level in (0, -1)
    )
    level = float(result["noise"][-1])
    ceiling = result.sizes["sample"] - 1
    return (
        f"95 % of the embedding's variance lies in {clean} dimensions on clean images and "
        f"{noisiest} at noise {level:g} (at most {ceiling} with so many images)."
    )


def _angles(result: xr.Dataset, level: float) -> str:
    split = result["principal_angle_split_mean"].isel(view=0).sel(noise=level).values
    null = result["principal_angle_null_mean"].isel(view=0).sel(null="disjoint clean sets").values
    compared = result.attrs["compared_images"]
    half = "half the images" if compared == result.sizes["sample"] else f"half of {compared} images"
    return (
        f"At noise {level:g} the mean principal angle between clean and noisy subspaces is "
        f"{split.mean():.1f}° on {half}; two disjoint clean halves differ by "
        f"{null.mean():.1f}°."
    )


def _with_interval(value: float, ends: np.ndarray, unit: str) -> str:
    return f"{value:g}{unit} [{ends[0]:.0f}, {ends[1]:.0f}]"
