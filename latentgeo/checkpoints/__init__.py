"""Checkpoints: from a folder to a model that is ready to be analysed."""

from latentgeo.checkpoints.ours import info, load

__all__ = ["info", "load"]
