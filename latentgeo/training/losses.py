"""Losses, from what a step measures to what a run records."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from latentgeo.training.progress import Row

#: What is measured in a step or on a batch, by name: scalars, or one number for each run.
Losses = dict[str, Tensor]


class Measured(NamedTuple):
    """Losses as one tensor on the device, (runs, losses) in float64, with their names."""

    names: tuple[str, ...]
    values: Tensor

    def rows(self) -> list[Row]:
        """Return the losses of each run, fetched from the device in one transfer."""
        return [dict(zip(self.names, row, strict=True)) for row in self.values.tolist()]


class TermWeights:
    """The weights of some runs' terms on the device, which are written there when they change.

    Attributes
    ----------
    values : torch.Tensor of shape (runs, terms)
        The weights; the tensor stays the same, so that a recorded step finds them in it.
    """

    def __init__(self, weights: Sequence[Sequence[float]], device: torch.device) -> None:
        self._written = weights
        self.values = torch.tensor(weights, device=device)

    def write(self, weights: Sequence[Sequence[float]]) -> None:
        """Replace the weights."""
        if weights != self._written:
            self._written = weights
            self.values.copy_(torch.tensor(weights), non_blocking=True)


def total(terms: Losses, weights: Tensor) -> Losses:
    """Return terms and, before them, their weighted sum as "loss".

    Parameters
    ----------
    terms : dict of str to torch.Tensor of shape (...)
        Every term, unweighted.
    weights : torch.Tensor of shape (..., terms)
        The weight of each.

    Returns
    -------
    dict of str to torch.Tensor of shape (...)
        The sum and the terms.
    """
    values = torch.stack(list(terms.values()), dim=-1)
    return {"loss": (values * weights).sum(dim=-1), **terms}


def measured(losses: Losses) -> Measured:
    """Return losses as one tensor."""
    values = [each.detach().double().reshape(-1) for each in losses.values()]
    return Measured(tuple(losses), torch.stack(values, dim=1))


def mean_row(rows: Sequence[Row]) -> Row:
    """Return the mean over runs of each loss."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
