"""Encode a data set under a sweep of perturbations; the container and its disk form."""

from latentgeo.latents.sweep import Sweep, check_fit, encode, make_sweep, select_images, split_parts

__all__ = ["Sweep", "check_fit", "encode", "make_sweep", "select_images", "split_parts"]
