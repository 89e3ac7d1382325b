"""Interpolation between the latents of trained models: of lines, and of real images."""

from latentgeo.interpolation.lines import DecodedLines, decode_lines, line_scores

__all__ = ["DecodedLines", "decode_lines", "line_scores"]
