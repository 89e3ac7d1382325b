"""Losses, from what a step measures to what a run records."""

from collections.abc import Sequence

import torch
from torch import Tensor

from latentgeo.training.progress import Row

#: What is measured in a step or on a batch, by name: scalars, or one number for each run.
Losses = dict[str, Tensor]


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


def rows_of(losses: Losses) -> list[Row]:
    """Return the losses of each run, fetched from the device in one transfer."""
    table = torch.stack([each.detach().double().reshape(-1) for each in losses.values()], dim=1)
    return [dict(zip(losses, row, strict=True)) for row in table.tolist()]


def mean_row(rows: Sequence[Row]) -> Row:
    """Return the mean over runs of each loss."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
