"""A number with its interval, and where it is read from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from latentgeo.lazy import xr
from latentgeo.results.words import number, with_interval


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Parameters
    ----------
    value : float
        The number; NaN where it could not be estimated.
    low, high : float, default=nan
        Ends of the interval; NaN where there is none.
    level : float, default=0.95
        Nominal coverage of the interval.
    over : str, default="images"
        What the interval is over: what would be drawn again.
    of : str, default=""
        What the interval covers, where it is not that of the population: "at this n".
    settled : str, default=""
        Whether the number has settled at this number of images: "settled", "still rising",
        "still falling", "bounded by n"; empty where it does not depend on it.
    bounded : str, default=""
        What stands before a number that is bounded by n.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    over: str = "images"
    of: str = ""
    settled: str = ""
    bounded: str = ""

    def __float__(self) -> float:
        return self.value

    def text(self, digits: int = 1) -> str:
        """Format the value with its interval in square brackets, where it has one.

        What has not settled has a word in place of an interval: "≥ 244 (still rising)".
        """
        if self.settled in ("", "settled") or not math.isfinite(self.value):
            return with_interval(self.value, (self.low, self.high), digits)
        marks = {"still rising": "≥ ", "still falling": "≤ ", "bounded by n": self.bounded}
        return f"{marks[self.settled]}{number(self.value, digits)} ({self.settled})"

    def below(self, other: Estimate) -> bool:
        """Return whether this number lies below another one by more than both intervals."""
        high = self.high if math.isfinite(self.high) else self.value
        low = other.low if math.isfinite(other.low) else other.value
        return high < low

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, None for what is not finite: `value` and `ci95`.

        With `settled` where the number depends on that of the images.
        """
        found = {"value": plain(self.value), "ci95": [plain(self.low), plain(self.high)]}
        return {**found, "settled": self.settled} if self.settled else found


def plain(value: Any) -> Any:
    """Return plain numbers, and None for what is not finite: JSON has no sign for it.

    Examples
    --------
    >>> from latentgeo.results import plain
    >>> plain([1.5, float("nan")])
    [1.5, None]
    """
    if isinstance(value, xr.DataArray):
        value = value.values
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class Readout:
    """Where an estimate is read from the variables of a model.

    Parameters
    ----------
    name : str
        What it is called: ``found["vae"].NAME(noise=0.1)``.
    value : str
        The variable that holds it.
    interval : str, default=""
        The variable of its interval, with the dimension ``bound``.
    over : str, default="images"
        What the interval is over.
    of : str, default=""
        What the interval covers, where it is not that of the population.
    settled : str, default=""
        The variable that says whether the number has settled.
    bounded : str, default=""
        What stands before a number that is bounded by n.
    unit : str, default=""
        Of the value.
    at : mapping, default={}
        Where further dimensions are read unless the caller says otherwise; of names, a whole
        number is the place, -1 the last.
    levels : str, default="noise"
        The dimension of the noise levels.
    """

    name: str
    value: str
    interval: str = ""
    over: str = "images"
    of: str = ""
    settled: str = ""
    bounded: str = ""
    unit: str = ""
    at: Mapping[str, Any] = field(default_factory=dict)
    levels: str = "noise"

    def read(self, data: xr.Dataset, **where: Any) -> Estimate:
        """Read one estimate.

        Parameters
        ----------
        data : xarray.Dataset
            The variables.
        **where
            Coordinates, nearest for numbers; others are taken from `at`.

        Returns
        -------
        Estimate

        Raises
        ------
        ValueError
            When a dimension of the value is neither given nor has a default.
        """
        chosen = {**self.at, **where}
        if "noise" in chosen:
            chosen[self.levels] = chosen["noise"]
        value = _select(data, self.value, chosen)
        if value.ndim:
            missing = value.dims[0]
            raise ValueError(
                f"{self.name} needs a value for {', '.join(map(str, value.dims))}; give "
                f"{missing}=... out of {data[missing].values.tolist()}"
            )
        low = high = math.nan
        if self._holds(self.interval, data, where):
            ends = _select(data, self.interval, chosen)
            low, high = (float(ends.isel(bound=bound)) for bound in (0, 1))
        word = ""
        if self._holds(self.settled, data, where):
            word = str(_select(data, self.settled, chosen).values.item())
        return Estimate(
            float(value), low, high, over=self.over, of=self.of, settled=word, bounded=self.bounded
        )

    def _holds(self, variable: str, data: xr.Dataset, where: Mapping[str, Any]) -> bool:
        """Return whether a variable is there, and of the value where it is asked for."""
        if variable not in data:
            return False
        missing = set(data.variables[self.value].dims) - set(data.variables[variable].dims)
        return all(where[name] == self.at.get(name) for name in map(str, missing) if name in where)

    def annotate(self, data: xr.Dataset) -> None:
        """Write into the attributes of the value where its interval is and what it means."""
        if self.value not in data:
            return
        record = {**asdict(self), "at": dict(self.at)}
        known = json.loads(data[self.value].attrs.get("readouts", "[]"))
        others = [one for one in known if one["name"] != self.name]
        data[self.value].attrs["readouts"] = json.dumps([*others, record])
        if self.unit:
            data[self.value].attrs["units"] = self.unit


def readouts_of(data: xr.Dataset) -> dict[str, Readout]:
    """Return what can be read from variables that were annotated, by name."""
    found = [
        Readout(**one)
        for variable in data.data_vars.values()
        for one in json.loads(variable.attrs.get("readouts", "[]"))
    ]
    return {one.name: one for one in found}


def annotate(data: xr.Dataset, readouts: Sequence[Readout]) -> xr.Dataset:
    """Return variables that say themselves how their estimates are read.

    Examples
    --------
    >>> import xarray as xr
    >>> from latentgeo.results import Readout, annotate
    >>> data = annotate(xr.Dataset({"psnr": 21.0}), [Readout("psnr", "psnr", unit="dB")])
    >>> data["psnr"].attrs["units"]
    'dB'
    """
    annotated = data.copy()
    for one in readouts:
        one.annotate(annotated)
    return annotated


def _select(data: xr.Dataset, name: str, chosen: Mapping[str, Any]) -> xr.Variable:
    """Select from one variable, without the coordinates, whose selection would take most time."""
    variable = data.variables[name]
    places = {
        dim: _place(dim, data.variables[dim].values, wanted)
        for dim, wanted in chosen.items()
        if dim in variable.dims
    }
    selected: xr.Variable = variable.isel(places)
    return selected


def _place(name: str, coordinate: np.ndarray, wanted: Any) -> int:
    if coordinate.dtype.kind == "f":
        return int(np.abs(coordinate - wanted).argmin())
    known = coordinate.tolist()
    if isinstance(wanted, int) and coordinate.dtype.kind in "OTU":
        return wanted
    if wanted not in known:
        raise ValueError(f"{name} is {wanted!r}; expected one of {known}")
    return int(known.index(wanted))
