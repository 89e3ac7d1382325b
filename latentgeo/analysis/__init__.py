"""From latents to numbers: everything measured on one model, and the summary of several."""

from latentgeo.analysis.model import analyze_latents
from latentgeo.analysis.quality import mean_image_psnr, measure_quality
from latentgeo.analysis.settings import AnalysisSettings
from latentgeo.analysis.summary import SCHEMA_VERSION, summarize

__all__ = [
    "SCHEMA_VERSION",
    "AnalysisSettings",
    "analyze_latents",
    "mean_image_psnr",
    "measure_quality",
    "summarize",
]
