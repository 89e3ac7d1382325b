"""What the numbers of one model say, in words."""

import numpy as np
import xarray as xr

from latentgeo.analysis.quality import Quality
from latentgeo.geometry import strata_counts

_STRATUM_SHARE = 0.99


def verdict(result: xr.Dataset, quality: Quality) -> str:
    """Say in a few sentences what was found, each number with its interval.

    Parameters
    ----------
    result : xarray.Dataset
        Variables of one model.
    quality : Quality
        Whether it has learned.

    Returns
    -------
    str
        Plain sentences.
    """
    if not quality.learned:
        return (
            f"This model has not learned: {quality.evidence}. "
            "Whatever its ranks and dimensions are, they say nothing about the latent space."
        )
    sentences = [f"The model has learned: {quality.evidence}."]
    if "rank" in result:
        for view in result["view"].values:
            sentences += [_ranks(result, str(view)), _clear(result, str(view))]
        if len(result["view"]) > 1:
            sentences.append(
                "A sample has a density, so it has full rank whatever was learned; "
                "the mean is what the network computes."
            )
    sentences.append(_dimension(result))
    if result.sizes["noise"] > 1:
        sentences.append(_angles(result))
    return " ".join(sentences)


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
            f"{name} has the rank triple {text} on {share:.1%} of the clean images, "
            f"and {len(every)} triples over all noise levels."
        )
    return (
        f"{name} meets {len(levels[0])} rank triples on clean images (most often {text}, "
        f"{share:.0%}) and {len(every)} over all noise levels."
    )


def _clear(result: xr.Dataset, view: str) -> str:
    clean = result.sel(view=view).isel(noise=0)
    words = {
        "smooth": "one stratum, and no image is near another",
        "stratified": "several strata, and clearly so",
        "undecided": "neither one stratum nor several can be told",
    }[str(clean["stratification"].values)]
    doubt = float(clean["rank_in_doubt"])
    return (
        f"Judged by the spectra and not by one integer: {words} ({doubt:.0%} of the clean images "
        "have a singular value within ten times the noise floor)."
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


def _angles(result: xr.Dataset) -> str:
    level = nearest_level(result["noise"].values, 0.1)
    split = result["principal_angle_split_mean"].isel(view=0).sel(noise=level).values
    null = result["principal_angle_null_mean"].isel(view=0).sel(null="disjoint clean sets").values
    return (
        f"At noise {level:g} the mean principal angle between clean and noisy subspaces is "
        f"{split.mean():.1f}° on half the images; two disjoint clean halves differ by "
        f"{null.mean():.1f}°."
    )


def nearest_level(levels: np.ndarray, wanted: float) -> float:
    """Give the level above 0 that is nearest to the wanted one."""
    above = levels[levels > 0]
    return float(above[np.abs(above - wanted).argmin()])


def _with_interval(value: float, ends: np.ndarray, unit: str) -> str:
    return f"{value:g}{unit} [{ends[0]:.0f}, {ends[1]:.0f}]"
