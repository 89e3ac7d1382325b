"""Measures: from latents to numbers, tables, sentences and figures; one module and one row each."""

from latentgeo.measures.analysing import analyze_latents
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.measure import FigureRow, Measure, Metric, Statement, Tile
from latentgeo.measures.overview import difference, tiles_of
from latentgeo.measures.reading import as_damaged, read
from latentgeo.measures.room import check_size, estimated_memory
from latentgeo.measures.summary import SCHEMA_VERSION, in_lines, summarize, together_entries
from latentgeo.measures.table import (
    MEASURES,
    figure_rows,
    measure_all,
    measure_together,
    measures_of,
    register_measure,
)
from latentgeo.measures.verdict import verdict
from latentgeo.settings import AnalysisSettings

__all__ = [
    "MEASURES",
    "SCHEMA_VERSION",
    "AnalysisSettings",
    "Encoding",
    "FigureRow",
    "Measure",
    "Metric",
    "Statement",
    "Tile",
    "analyze_latents",
    "as_damaged",
    "check_size",
    "difference",
    "estimated_memory",
    "figure_rows",
    "in_lines",
    "measure_all",
    "measure_together",
    "measures_of",
    "read",
    "register_measure",
    "summarize",
    "tiles_of",
    "together_entries",
    "verdict",
]
