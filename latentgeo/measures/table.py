"""The table of measures, into which users register their own."""

from latentgeo.measures import (
    decoder_metric,
    hilbert_dimension,
    intrinsic_dimension,
    maps,
    principal_angles,
    quality,
    ranks,
    reconstructions,
    units,
)
from latentgeo.measures.measure import Measure
from latentgeo.measures.paths import (
    associations,
    images,
    line_scores,
    path_metric,
    path_ranks,
    realism,
)
from latentgeo.registry import Registry

_ROWS = (
    reconstructions.MEASURE,
    ranks.MEASURE,
    hilbert_dimension.MEASURE,
    intrinsic_dimension.MEASURE,
    decoder_metric.MEASURE,
    units.MEASURE,
    principal_angles.MEASURE,
    quality.MEASURE,
    maps.MEASURE,
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
    """
    MEASURES.register(measure.name, measure, replace=replace)
