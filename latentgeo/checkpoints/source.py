"""What every way in gives: a network with what is known of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from latentgeo.checkpoints.card import Card


@dataclass(frozen=True)
class Source:
    """A network that was found, before its encoder and decoder are.

    Attributes
    ----------
    kind : str
        The way in ("module", "diffusers", …).
    net : torch.nn.Module
        The network; with the decoder within, or apart.
    encoder, decoder : torch.nn.Module, optional
        What encodes and decodes, where the way in says it: in files of their own, or outputs that
        are named.
    card : Card
        What is known of it beyond what the user gave.
    files : tuple of pathlib.Path
        What it was read from.
    facts : dict
        JSON-ready, for the provenance.
    """

    kind: str
    net: nn.Module
    card: Card
    files: tuple[Path, ...]
    encoder: nn.Module | None = None
    decoder: nn.Module | None = None
    facts: dict[str, Any] = field(default_factory=dict)
