"""From latents to numbers: everything measured on one model, and the summary of several."""

from latentgeo.analysis.levels import nearest_level
from latentgeo.analysis.model import analyze_latents
from latentgeo.analysis.omission import Omission, join, omissions_of
from latentgeo.analysis.pullback import decoder_geometry
from latentgeo.analysis.quality import mean_image_psnr, measure_quality
from latentgeo.analysis.settings import AnalysisSettings
from latentgeo.analysis.summary import SCHEMA_VERSION, summarize
from latentgeo.analysis.units import ACTIVE_VARIANCE
from latentgeo.analysis.views import check_size

__all__ = [
    "ACTIVE_VARIANCE",
    "SCHEMA_VERSION",
    "AnalysisSettings",
    "Omission",
    "analyze_latents",
    "check_size",
    "decoder_geometry",
    "join",
    "mean_image_psnr",
    "measure_quality",
    "nearest_level",
    "omissions_of",
    "summarize",
]
