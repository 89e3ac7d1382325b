"""Encode a data set under a sweep of perturbations; the container and its disk form."""

from latentgeo.latents.arrays import GivenLatents, given_latents, read_latents
from latentgeo.latents.sweep import (
    Sweep,
    check_fit,
    choose_images,
    encode,
    make_sweep,
    select_images,
    split_parts,
)

__all__ = [
    "GivenLatents",
    "Sweep",
    "check_fit",
    "choose_images",
    "encode",
    "given_latents",
    "make_sweep",
    "read_latents",
    "select_images",
    "split_parts",
]
