"""What the report asks of an analysis, model by model."""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from latentgeo.figures import reading

MODES = reading.MODES
Triple = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """One model seen through its posterior mean or through a sample.

    Parameters
    ----------
    label : str
        Name of the model, with the view where it has several.
    name : str
        "mean" or "sample".
    data : xarray.Dataset
        The model's results in this view.
    noisy : float or None
        The noise level that is set beside the clean one; None when there is none.
    """

    label: str
    name: str
    data: xr.Dataset
    noisy: float | None

    @property
    def has_ranks(self) -> bool:
        """Whether the latents are tensors, which have ranks."""
        return "rank" in self.data

    def triples(self, level: float | None = None, rule: str = "spectrum") -> list[Triple]:
        """Give the rank triples of the images at one level, or at all of them."""
        ranks = self.data["rank"].sel(rule=rule).transpose("noise", "sample", "mode")
        chosen = ranks if level is None else reading.at_noise(ranks, level)
        return [tuple(row) for row in chosen.values.reshape(-1, len(MODES)).tolist()]

    def strata(self, level: float | None = None, rule: str = "spectrum") -> Counter[Triple]:
        """Count the images on each stratum, the most frequent first."""
        ordered = Counter(sorted(self.triples(level, rule))).most_common()
        return Counter(dict(ordered))

    def kept(self) -> int:
        """Count the images that have the same rank triple clean and noisy."""
        if self.noisy is None:
            return len(self.triples(0.0))
        pairs = zip(self.triples(0.0), self.triples(self.noisy), strict=True)
        return sum(clean == noisy for clean, noisy in pairs)

    def dimension(self, level: float, share: float = 0.95) -> tuple[float, xr.DataArray]:
        """Give the Hilbert dimension of the product, centred, and its interval."""
        data = reading.at_noise(self.data, level).sel(share=share, method="nearest")
        value = data["hilbert_dimension"].sel(part="product", centring="centred")
        return float(value), data["hilbert_dimension_ci"]

    def angle(self, level: float, statistic: str = "mean") -> tuple[float, xr.DataArray]:
        """Give a statistic of the principal angles in degrees, and its interval."""
        data = reading.at_noise(self.data, level).sel(statistic=statistic)
        return float(data["principal_angle_statistic"]), data["principal_angle_ci"]

    def intrinsic(self, level: float, estimator: str = "two-nn") -> tuple[float, xr.DataArray]:
        """Give the intrinsic dimension of the set of latents, and its interval."""
        data = reading.at_noise(self.data, level).sel(estimator=estimator)
        return float(data["intrinsic_dimension"]), data["intrinsic_dimension_ci"]

    def half_angles(self, level: float) -> NDArray[np.float64]:
        """Give the mean angle of a clean half to itself made noisy, per split, in degrees."""
        values: NDArray[np.float64] = reading.at_noise(
            self.data["principal_angle_split_mean"], level
        ).values
        return values

    def nulls(self) -> dict[str, NDArray[np.float64]]:
        """Give the mean angle of the null pairs, per split, in degrees, where they exist."""
        values = self.data["principal_angle_null_mean"]
        found = {str(name): values.sel(null=name).values for name in values["null"].values}
        return {name: angles for name, angles in found.items() if np.isfinite(angles).any()}


@dataclass(frozen=True)
class Model:
    """One model of an analysis.

    Parameters
    ----------
    label : str
        Its name.
    data : xarray.Dataset
        Its results.
    noisy : float or None
        The noise level that is set beside the clean one; None when there is none.
    """

    label: str
    data: xr.Dataset
    noisy: float | None

    @property
    def recipe(self) -> str:
        """Name of the recipe, in small letters."""
        return str(self.data.attrs["recipe"]).lower()

    @property
    def learned(self) -> bool | None:
        """Whether it beats the mean image; None where nothing is reconstructed."""
        learned = int(self.data.attrs["learned"])
        return bool(learned) if learned >= 0 else None

    @property
    def decodes(self) -> bool:
        """Whether it reconstructs images."""
        return "psnr_mean" in self.data

    @property
    def has_ranks(self) -> bool:
        """Whether its latents are tensors, which have ranks."""
        return "rank" in self.data

    @property
    def opened(self) -> dict[str, Any]:
        """How it was opened: kind, card, files and round trip; empty where nobody wrote it down."""
        found: dict[str, Any] = json.loads(self.data.attrs.get("opened", "{}"))
        return found

    @property
    def has_units(self) -> bool:
        """Whether its units were counted: those of vectors and of stochastic tensors are."""
        return "active_units" in self.data

    @property
    def stratification(self) -> str:
        """What the spectra say of the clean latents: smooth, stratified, undecided, or nothing."""
        if "stratification" not in self.data:
            return ""
        clean = reading.at_noise(self.data["stratification"].isel(view=0), 0.0)
        return str(clean.values)

    @property
    def latent(self) -> str:
        """The shape of its latents: channels, rows, columns."""
        return "\N{MULTIPLICATION SIGN}".join(str(n) for n in self.data.attrs["latent_shape"])

    @property
    def levels(self) -> list[float]:
        """Its noise levels, the clean one first."""
        return [float(level) for level in self.data["noise"].values]

    @cached_property
    def views(self) -> list[View]:
        """Its views, the mean first."""
        names = [str(name) for name in self.data["view"].values]
        return [
            View(
                reading.label_of(self.label, name, len(names) > 1),
                name,
                self.data.sel(view=name),
                self.noisy,
            )
            for name in names
        ]


def models_of(tree: xr.DataTree) -> list[Model]:
    """Give the models of an analysis, in its order.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.

    Returns
    -------
    list of Model
    """
    several = (reading.noise_levels(tree) > 0).any()
    noisy = reading.noisy_level(tree) if several else None
    return [Model(label, data, noisy) for label, data in reading.models(tree).items()]
