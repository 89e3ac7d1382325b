"""The results of one model, with typed access to its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from latentgeo.errors import InputError
from latentgeo.lazy import xr
from latentgeo.results.estimate import Estimate, Readout, readouts_of
from latentgeo.results.levels import at_noise, nearest_level

NOT_LEARNED = "not learned"
MISMATCHED = "weights do not fit"


@dataclass(frozen=True)
class ModelResult:
    """What was measured of one model.

    Every estimate is a method: ``found["vae"].hilbert_dimension(noise=0.1, share=0.95)`` returns
    an `Estimate`; `estimates` lists their names.

    Parameters
    ----------
    label : str
        Its name, with the view where it is seen in one of several.
    data : xarray.Dataset
        Its variables.
    view : str, default=""
        The view that `data` was reduced to: "mean", or "sample" of the posterior; empty for all.
    noisy : float or None, default=None
        The noise level that is set beside the clean one; None when there is none.
    """

    label: str
    data: xr.Dataset
    view: str = ""
    noisy: float | None = None

    def __getattr__(self, name: str) -> Callable[..., Estimate]:
        data = self.__dict__.get("data")  # absent while a copy is made
        known = {} if data is None or name.startswith("_") else readouts_of(data)
        if name not in known:
            raise AttributeError(
                f"model {self.__dict__.get('label')!r} has no estimate {name!r}; it has "
                f"{', '.join(known) or 'none'}"
            )
        return lambda noise=0.0, **where: self.estimate(known[name], noise, **where)

    @property
    def estimates(self) -> list[str]:
        """Names of what can be read, each a method that returns an `Estimate`."""
        return list(readouts_of(self.data))

    def estimate(self, readout: Readout | str, noise: float = 0.0, **where: Any) -> Estimate:
        """Return a number with its interval.

        Parameters
        ----------
        readout : Readout or str
            What to read.
        noise : float, default=0.0
            The noise level, the nearest there is.
        **where
            Further coordinates, as ``share=0.95`` or ``view="sample"``.

        Returns
        -------
        Estimate

        Raises
        ------
        InputError
            When there is no such estimate or no such coordinate.
        """
        if isinstance(readout, str):
            known = readouts_of(self.data)
            if readout not in known:
                raise InputError(
                    f"model {self.label!r} has no estimate {readout!r}; expected one of "
                    f"{', '.join(known)}"
                )
            readout = known[readout]
        if "view" in self.data.dims:
            where.setdefault("view", self.data["view"].values[0])
        try:
            return readout.read(self.data, noise=noise, **where)
        except ValueError as error:
            raise InputError(f"model {self.label!r}: {error}") from None

    @property
    def attrs(self) -> dict[str, Any]:
        """What is recorded of the model."""
        return self.data.attrs

    @property
    def learned(self) -> bool | None:
        """Whether it beats the mean image; None where nothing is reconstructed."""
        learned = int(self.data.attrs.get("learned", -1))
        return bool(learned) if learned >= 0 else None

    @property
    def doubt(self) -> str:
        """What stands beside every number of a model that means nothing; empty for others."""
        reasons = {NOT_LEARNED: self.learned is False, MISMATCHED: self.opened.get("mismatch")}
        return ", ".join(reason for reason, holds in reasons.items() if holds)

    @property
    def marked(self) -> str:
        """Its name, with what makes its numbers doubtful in brackets."""
        return f"{self.label} ({self.doubt})" if self.doubt else self.label

    @property
    def opened(self) -> dict[str, Any]:
        """How it was opened: kind, card, files and round trip; empty where it is not recorded."""
        found: dict[str, Any] = json.loads(self.data.attrs.get("opened", "{}"))
        return found

    @property
    def is_vector(self) -> bool:
        """Whether its latents are vectors, which have no unfoldings."""
        return bool(self.data.attrs["latent_kind"] == "vector")

    @property
    def what(self) -> str:
        """What its latents are called in this view."""
        if self.view == "sample":
            return "sampled latent"
        return "posterior mean" if self.data.attrs["stochastic"] else "latent"

    @property
    def modes(self) -> list[str]:
        """Names of the modes along which its latents are unfolded, the channels last."""
        return [str(mode) for mode in self.data["mode"].values]

    @property
    def latent(self) -> str:
        """The shape of its latents: channels, then positions."""
        return "\N{MULTIPLICATION SIGN}".join(str(n) for n in self.data.attrs["latent_shape"])

    @property
    def levels(self) -> list[float]:
        """Its noise levels, the clean one first."""
        return [float(level) for level in self.data["noise"].values]

    @property
    def compared_levels(self) -> list[float]:
        """The clean level, and the noisy one beside it where there is one."""
        return [0.0] if self.noisy is None else [0.0, self.noisy]

    @cached_property
    def views(self) -> list[ModelResult]:
        """The model seen in each view, the mean first."""
        names = [str(name) for name in self.data["view"].values]
        return [
            replace(
                self,
                label=view_label(self.label, name, several=len(names) > 1),
                data=self.data.sel(view=name),
                view=name,
            )
            for name in names
        ]

    def at(self, noise: float) -> xr.Dataset:
        """Return the variables at a noise level, the nearest there is."""
        if noise not in self._at:
            self._at[noise] = at_noise(self.data, noise)
        return self._at[noise]

    @cached_property
    def _at(self) -> dict[float, xr.Dataset]:
        """Levels that were asked for: to select one from all variables takes milliseconds."""
        return {}


def view_label(model: str, view: str, *, several: bool) -> str:
    """Return the name of a model in a view; the view is left out where there is only one."""
    return f"{model}, {view}" if several or view != "mean" else model


def models_of(tree: xr.DataTree) -> list[ModelResult]:
    """Return the results of every model in the order of the analysis, noise ascending.

    Parameters
    ----------
    tree : xarray.DataTree
        The results of several models.

    Returns
    -------
    list of ModelResult

    Examples
    --------
    >>> import xarray as xr
    >>> from latentgeo.results import models_of
    >>> models_of(xr.DataTree())
    []
    """
    found = {label: _ascending(tree[label].to_dataset()) for label in ordered_labels(tree)}
    levels = next((data["noise"].values for data in found.values() if "noise" in data.dims), None)
    noisy = None if levels is None else nearest_level(levels)
    return [ModelResult(label, data, noisy=noisy) for label, data in found.items()]


def ordered_labels(tree: xr.DataTree) -> list[str]:
    """Return the labels as they were asked for; a tree from disk has lost their order."""
    present = [str(label) for label in tree.children]
    asked = [str(label) for label in tree.attrs.get("models", ())]
    return sorted(present, key=lambda label: asked.index(label) if label in asked else len(asked))


def _ascending(result: xr.Dataset) -> xr.Dataset:
    """Sort by noise, which copies everything, where it is not sorted."""
    if "noise" not in result.dims or result["noise"].to_index().is_monotonic_increasing:
        return result
    return result.sortby("noise")
