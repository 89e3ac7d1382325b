"""What an analysis left out, and why; it travels with the numbers in the attribute `omitted`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from latentgeo.lazy import xr
from latentgeo.results.words import listed


class Omission(NamedTuple):
    """An analysis that was left out, and the reason in a clause without a full stop."""

    analysis: str
    reason: str


def with_omissions(variables: xr.Dataset, omissions: Sequence[Omission]) -> xr.Dataset:
    """Record on variables what is missing beside them.

    Parameters
    ----------
    variables : xarray.Dataset
        What was measured; may be empty.
    omissions : sequence of Omission
        What was not.

    Returns
    -------
    xarray.Dataset
        The variables with the attribute `omitted`, JSON text.

    Examples
    --------
    >>> import xarray as xr
    >>> from latentgeo.results import Omission, with_omissions
    >>> with_omissions(xr.Dataset(), [Omission("PSNR", "this model has no decoder")]).attrs
    {'omitted': '[{"analysis": "PSNR", "reason": "this model has no decoder"}]'}
    """
    return variables.assign_attrs(omitted=json.dumps([one._asdict() for one in omissions]))


def omissions_of(part: xr.Dataset) -> list[Omission]:
    """Read what `with_omissions` recorded.

    Examples
    --------
    >>> import xarray as xr
    >>> from latentgeo.results import Omission, omissions_of, with_omissions
    >>> data = with_omissions(xr.Dataset(), [Omission("ranks", "its latents are vectors")])
    >>> omissions_of(data)[0].reason
    'its latents are vectors'
    """
    return [Omission(**one) for one in json.loads(part.attrs.get("omitted", "[]"))]


def omissions_by_model(models: Mapping[str, xr.Dataset]) -> dict[Omission, str]:
    """Return every omission once, with the names of the models that it holds for."""
    found: dict[Omission, list[str]] = {}
    for label, data in models.items():
        for omission in omissions_of(data):
            found.setdefault(omission, []).append(label)
    return {omission: listed(labels) for omission, labels in found.items()}


def join(first: xr.Dataset, *others: xr.Dataset) -> xr.Dataset:
    """Merge the parts of one model's results.

    Parameters
    ----------
    first : xarray.Dataset
        Its attributes are kept.
    *others : xarray.Dataset
        Further variables; of their attributes only `omitted` is kept.

    Returns
    -------
    xarray.Dataset
        All variables, and everything that was omitted.

    Examples
    --------
    >>> import xarray as xr
    >>> from latentgeo.results import join
    >>> sorted(join(xr.Dataset({"psnr": 20.0}), xr.Dataset({"scale": 2.0})).data_vars)
    ['psnr', 'scale']
    """
    parts = (first, *others)
    merged = xr.merge(parts, combine_attrs="override")  # of the attributes the first ones stay
    return with_omissions(merged, [one for part in parts for one in omissions_of(part)])
