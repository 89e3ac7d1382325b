"""Results that carry their meaning: estimates, models, analyses; typed, saved, joined, tabulated.

Nothing here draws; reading a number needs no matplotlib.
"""

from latentgeo.results.analysis import Analysis
from latentgeo.results.estimate import Estimate, Readout, annotate, plain
from latentgeo.results.levels import at_noise, level_key, level_text, nearest_level
from latentgeo.results.model import ModelResult, models_of
from latentgeo.results.omission import Omission, join, omissions_of, with_omissions
from latentgeo.results.storing import read_numbers, write_numbers
from latentgeo.results.table import Column, Table, table_of

__all__ = [
    "Analysis",
    "Column",
    "Estimate",
    "ModelResult",
    "Omission",
    "Readout",
    "Table",
    "annotate",
    "at_noise",
    "join",
    "level_key",
    "level_text",
    "models_of",
    "nearest_level",
    "omissions_of",
    "plain",
    "read_numbers",
    "table_of",
    "with_omissions",
    "write_numbers",
]
