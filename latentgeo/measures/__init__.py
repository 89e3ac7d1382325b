"""Measures: from latents to numbers, tables, sentences and figures; one module and one row each."""

from latentgeo.measures.analysing import analyze_latents
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.latents import check_size
from latentgeo.measures.measure import FigureRow, Measure, Metric, Statement
from latentgeo.measures.reading import read
from latentgeo.measures.summary import SCHEMA_VERSION, in_lines, summarize, together_entries
from latentgeo.measures.table import (
    MEASURES,
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
    "analyze_latents",
    "check_size",
    "in_lines",
    "measure_all",
    "measure_together",
    "measures_of",
    "read",
    "register_measure",
    "summarize",
    "together_entries",
    "verdict",
]
