"""The table of measures, into which users register their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from latentgeo.lazy import xr
from latentgeo.measures import (
    decoder_metric,
    fixed_angles,
    hilbert_dimension,
    intrinsic_dimension,
    maps,
    principal_angles,
    quality,
    ranks,
    reconstructions,
    similarity,
    units,
)
from latentgeo.measures.measure import FigureRow, Measure
from latentgeo.measures.paths import (
    associations,
    ends,
    images,
    line_scores,
    path_metric,
    path_ranks,
    realism,
)
from latentgeo.progress import announce
from latentgeo.registry import Registry
from latentgeo.results import with_omissions

_ROWS = (
    quality.MEASURE,
    reconstructions.MEASURE,
    ranks.MEASURE,
    hilbert_dimension.MEASURE,
    intrinsic_dimension.MEASURE,
    decoder_metric.MEASURE,
    units.MEASURE,
    principal_angles.MEASURE,
    fixed_angles.MEASURE,
    similarity.MEASURE,
    maps.MEASURE,
    ends.MEASURE,
    images.MEASURE,
    line_scores.MEASURE,
    realism.MEASURE,
    path_ranks.MEASURE,
    path_metric.MEASURE,
    associations.MEASURE,
)
#: Every measure by name, in the order of summary, tables and figures.
MEASURES: Registry[Measure] = Registry("measures", "measure", {row.name: row for row in _ROWS})


def measures_of(kind: str) -> list[Measure]:
    """Return the measures of one kind of results: "analysis", "interpolation" or "lines"."""
    return [measure for measure in MEASURES.values() if kind in measure.kinds]


def figure_rows(kind: str = "analysis") -> dict[str, FigureRow]:
    """Return the figures of one kind of results by name, as their measures list them."""
    return {row.name: row for measure in measures_of(kind) for row in measure.figures}


def register_measure(measure: Measure, *, replace: bool = False) -> None:
    """Add a measure to every analysis from now on.

    Parameters
    ----------
    measure : Measure
        What it computes and how it is shown.
    replace : bool, default=False
        Replace a measure of the same name.

    Raises
    ------
    InputError
        When there is one of this name already and `replace` is false.

    Examples
    --------
    >>> import latentgeo
    >>> from latentgeo.measures import MEASURES
    >>> latentgeo.register_measure(MEASURES["psnr"], replace=True)
    """
    MEASURES.register(measure.name, measure, replace=replace)


class Subject(Protocol):
    """What measures are computed of: the latents of a model, or its paths."""

    @property
    def has(self) -> dict[str, bool]:
        """What the model has that a measure may need."""

    @property
    def samples(self) -> int:
        """Number of images, or of pairs."""


def measure_all(kind: str, subject: Subject) -> list[xr.Dataset]:
    """Compute every measure of a kind, each with its omission where it cannot be.

    Parameters
    ----------
    kind : str
        "analysis", "interpolation" or "lines".
    subject : Encoding or ModelPaths
        What is measured.

    Returns
    -------
    list of xarray.Dataset
        Variables that say themselves how they are read, one data set for each measure.
    """
    parts = []
    for measure in measures_of(kind):
        announce(measure.headed)
        omission = measure.lacks(subject.has, subject.samples)
        if omission is None:
            parts.append(measure.annotated(measure.compute(subject)))
        else:
            parts.append(with_omissions(xr.Dataset(), [omission]))
    return parts


def measure_together(models: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Add to every model what is measured of several of them together.

    Parameters
    ----------
    models : mapping of str to xarray.Dataset
        What was measured of each, on the same images; of other models together, it is replaced.

    Returns
    -------
    dict of str to xarray.Dataset
    """
    found = dict(models)
    for measure in measures_of("analysis"):
        if measure.together is None:
            continue
        for label, more in measure.together(found).items():
            parts = [_without(found[label], more), measure.annotated(more)]
            found[label] = xr.merge(parts, combine_attrs="override")  # of the attributes the first
    return found


def _without(data: xr.Dataset, more: xr.Dataset) -> xr.Dataset:
    """Drop variables that come anew, and the coordinates that only they had."""
    kept = data.drop_vars([name for name in more.data_vars if name in data])
    used = {name for variable in kept.data_vars.values() for name in variable.dims}
    return kept.drop_vars([name for name in more.dims if name in kept and name not in used])
