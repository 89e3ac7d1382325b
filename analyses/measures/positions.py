"""Positions of a latent with one and the same code, and what they leave of its ranks."""

from collections.abc import Mapping
from pathlib import Path

import torch
from study import Facts
from torch import Tensor

import latentgeo
from latentgeo.datasets import load

_EQUAL = 1e-5  # of the largest value; convolutions round a little differently along an image


def distinct_positions(latents: Tensor) -> Tensor:
    """Count the different codes among the positions of each latent.

    Parameters
    ----------
    latents : torch.Tensor of shape (n, C, ...)
        Codes of C channels at each position.

    Returns
    -------
    torch.Tensor of shape (n,)
        Less one it bounds the rank of the channels' covariance, which is about the mean code.
    """
    codes = latents.flatten(2).mT
    apart = torch.cdist(codes, codes, p=torch.inf)
    equal = apart <= _EQUAL * codes.abs().amax((1, 2), keepdim=True)
    repeated = equal.tril(diagonal=-1).any(-1)
    return codes.shape[1] - repeated.sum(-1)


def positions_of(analysis: Path, runs: Mapping[str, Path], data: str) -> dict[str, Facts]:
    """Set the channels' ranks of clean images beside the number of different codes.

    Parameters
    ----------
    analysis : pathlib.Path
        A folder of `latentgeo.analyze`.
    runs : mapping of str to pathlib.Path
        Model to its run folder.
    data : str
        What was analysed.

    Returns
    -------
    dict of str to dict
        For each model the share of images with equal codes at several positions, and the share
        whose rank (of the posterior's mean) is the number of different codes, less one, or that
        of the channels where these are fewer.
    """
    saved = latentgeo.read(analysis)
    count, seed = saved.summary["samples"], saved.summary["seed"]
    images = load(data, "test", samples=count, seed=seed).batch(slice(None))
    found = {}
    for name, folder in runs.items():
        model = latentgeo.load(folder)
        with torch.inference_mode():
            latents = model.encode(images)
        codes = distinct_positions(latents)
        most = (codes - 1).clamp(max=latents.shape[1])
        rank = saved[name].data["rank"].sel(rule="spectrum", view="mean", noise=0).isel(mode=-1)
        found[name] = {
            "with_equal_positions": float((codes < latents[0, 0].numel()).double().mean()),
            "rank_is_of_positions": float((most.numpy() == rank.values).mean()),
        }
    return found
