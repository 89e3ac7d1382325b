"""Interpolation between the latents of trained models: of lines, and of real images."""

from latentgeo.interpolation.benchmark import score_lines
from latentgeo.interpolation.images import interpolate_images
from latentgeo.measures.paths.lines import DecodedLines, decode_lines, line_scores

__all__ = ["DecodedLines", "decode_lines", "interpolate_images", "line_scores", "score_lines"]
