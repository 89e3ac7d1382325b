"""Checkpoints, ours and other people's: from a file to a model that is ready to be analysed."""

from latentgeo.checkpoints.accepted import check_is_checkpoint, is_mapping_of_models
from latentgeo.checkpoints.card import Card, read_card, write_card
from latentgeo.checkpoints.caveats import caveats, describe_mismatch
from latentgeo.checkpoints.description import info
from latentgeo.checkpoints.inspection import Layer, init_card, list_layers
from latentgeo.checkpoints.opening import name_of, open_checkpoint
from latentgeo.checkpoints.repeats import warn_of_repeats
from latentgeo.checkpoints.round_trip import RoundTrip, check_round_trip
from latentgeo.checkpoints.stated import sized, stated_shape

__all__ = [
    "Card",
    "Layer",
    "RoundTrip",
    "caveats",
    "check_is_checkpoint",
    "check_round_trip",
    "describe_mismatch",
    "info",
    "init_card",
    "is_mapping_of_models",
    "list_layers",
    "name_of",
    "open_checkpoint",
    "read_card",
    "sized",
    "stated_shape",
    "warn_of_repeats",
    "write_card",
]
