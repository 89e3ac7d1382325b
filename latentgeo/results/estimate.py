"""A number with its interval, and where it is read from."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from latentgeo.results.words import with_interval


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
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    over: str = "images"

    def __float__(self) -> float:
        return self.value

    def text(self, digits: int = 1) -> str:
        """Format the value with its interval in square brackets, where it has one."""
        return with_interval(self.value, (self.low, self.high), digits)

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, None for what is not finite: `value` and `ci95`."""
        return {"value": plain(self.value), "ci95": [plain(self.low), plain(self.high)]}


def plain(value: Any) -> Any:
    """Return plain numbers, and None for what is not finite: JSON has no sign for it."""
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
    unit : str, default=""
        Of the value.
    at : mapping, default={}
        Where further dimensions are read unless the caller says otherwise.
    levels : str, default="noise"
        The dimension of the noise levels.
    """

    name: str
    value: str
    interval: str = ""
    over: str = "images"
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
        value = _select(data[self.value], chosen)
        if value.ndim:
            raise ValueError(
                f"{self.name} needs a value for {', '.join(map(str, value.dims))}; give "
                f"{value.dims[0]}=... out of {data[value.dims[0]].values.tolist()}"
            )
        low = high = math.nan
        if self.interval in data and self._holds(data, where):
            ends = _select(data[self.interval], chosen)
            low, high = (float(ends.isel(bound=bound)) for bound in (0, 1))
        return Estimate(float(value), low, high, over=self.over)

    def _holds(self, data: xr.Dataset, where: Mapping[str, Any]) -> bool:
        """Return whether the interval is of the value where it is asked for."""
        missing = set(map(str, data[self.value].dims)) - set(data[self.interval].dims)
        return all(where[name] == self.at.get(name) for name in missing if name in where)

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
    """Return variables that say themselves how their estimates are read."""
    annotated = data.copy()
    for one in readouts:
        one.annotate(annotated)
    return annotated


def _select(values: xr.DataArray, chosen: Mapping[str, Any]) -> xr.DataArray:
    for name, wanted in chosen.items():
        if name not in values.dims:
            continue
        coordinate = values[name].values
        if coordinate.dtype.kind == "f":
            values = values.isel({name: int(np.abs(coordinate - wanted).argmin())})
        elif wanted in coordinate.tolist():
            values = values.sel({name: wanted})
        else:
            raise ValueError(f"{name} is {wanted!r}; expected one of {coordinate.tolist()}")
    return values
