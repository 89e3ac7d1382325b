"""Measures of quality, each with its direction, its units and its interval.

This package is mathematics on arrays: it imports nothing else of the project.
"""

from latentgeo.metrics.intervals import MeanInterval, bootstrap_mean, jackknife_interval
from latentgeo.metrics.psnr import LEARNED_MARGIN_DB, psnr

__all__ = ["LEARNED_MARGIN_DB", "MeanInterval", "bootstrap_mean", "jackknife_interval", "psnr"]
