"""Measures of quality, each with its direction, its units and its interval.

This package is mathematics on arrays: it imports nothing else of the project.
"""

from latentgeo.metrics.interpolation import (
    NearestReal,
    PathScores,
    cycle_consistency,
    interpolate,
    nearest_real_distance,
    path_sharpness,
    sharpness,
)
from latentgeo.metrics.intervals import (
    MeanInterval,
    bootstrap_mean,
    bootstrap_median,
    jackknife_interval,
)
from latentgeo.metrics.line_images import LINE_SIDE, render_lines
from latentgeo.metrics.lines import LineScores, line_interpolation_scores
from latentgeo.metrics.psnr import LEARNED_MARGIN_DB, psnr

__all__ = [
    "LEARNED_MARGIN_DB",
    "LINE_SIDE",
    "LineScores",
    "MeanInterval",
    "NearestReal",
    "PathScores",
    "bootstrap_mean",
    "bootstrap_median",
    "cycle_consistency",
    "interpolate",
    "jackknife_interval",
    "line_interpolation_scores",
    "nearest_real_distance",
    "path_sharpness",
    "psnr",
    "render_lines",
    "sharpness",
]
