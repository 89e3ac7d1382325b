"""The latents of one model, ready to be measured, with what several measures share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.datasets import ImageDataset
from latentgeo.latents import Sweep, choose_images
from latentgeo.lazy import xr
from latentgeo.measures.embedding import Embedding, Grams, draw_halves, embed, gram_matrices
from latentgeo.measures.latents import (
    LatentReader,
    held_if_small,
    is_vector,
    reader_of,
)
from latentgeo.models import Autoencoder
from latentgeo.results import nearest_level
from latentgeo.settings import AnalysisSettings


@dataclass(frozen=True)
class Encoding:
    """The latents of one model.

    Parameters
    ----------
    latents : xarray.Dataset
        From `latentgeo.encode`; the first noise level is 0.
    baseline : numpy.ndarray of shape (n,)
        PSNR in dB of the mean image on the same images.
    settings : AnalysisSettings
        Every choice that decides a number.
    device : torch.device, optional
        Where to compute; the CPU if left out.
    model : Autoencoder, optional
        What encoded them; None where latents came alone.
    images : ImageDataset, optional
        What was encoded.
    sweep : Sweep, optional
        The perturbations.
    """

    latents: xr.Dataset
    baseline: NDArray[np.floating]
    settings: AnalysisSettings
    device: torch.device | None = None
    model: Autoencoder | None = None
    images: ImageDataset | None = None
    sweep: Sweep | None = None

    @property
    def samples(self) -> int:
        """Number of images n."""
        return int(self.latents.sizes["sample"])

    @property
    def source_dtype(self) -> str:
        """What the latents were computed in."""
        return str(self.latents.attrs["source_dtype"])

    @cached_property
    def held(self) -> xr.Dataset:
        """The latents, in memory where they are small."""
        return held_if_small(self.latents)

    @cached_property
    def readers(self) -> dict[str, LatentReader]:
        """What is measured: the mean, and one sample where there is one."""
        found = {"mean": reader_of(self.held["mean"], self.device)}
        if "sampled" in self.held:
            found["sample"] = reader_of(self.held["sampled"].isel(draw=0), self.device)
        return found

    @property
    def tensors(self) -> bool:
        """Whether the latents are tensors, which can be unfolded."""
        return not is_vector(self.readers["mean"].shape)

    @property
    def has(self) -> dict[str, bool]:
        """What the model has that a measure may need."""
        return {
            "decoder": "psnr" in self.latents,
            "tensor": self.tensors,
            "posterior": "log_variance" in self.latents,
        }

    @cached_property
    def compared(self) -> NDArray[np.int64]:
        """Positions of the images that are compared with one another."""
        return choose_images(self.samples, self.settings.compared_images, self.settings.seed)

    @cached_property
    def few(self) -> dict[str, LatentReader]:
        """The readers of the compared images."""
        return {name: reader.take(self.compared) for name, reader in self.readers.items()}

    @cached_property
    def halves(self) -> Tensor:
        """Random halves of the compared images: integers (halves, m // 2)."""
        return draw_halves(len(self.compared), self.settings)

    @cached_property
    def embeddings(self) -> list[Embedding]:
        """Each view in the kernel's space."""
        return [
            embed(reader, self.compared, self.source_dtype, self.settings)
            for reader in self.readers.values()
        ]

    @property
    def redrawn_noise(self) -> list[float]:
        """The clean level, and the noisy one where there is one: where posteriors are redrawn."""
        noisy = nearest_level(self.latents["noise"].values)
        return [0.0] if noisy is None else [0.0, noisy]

    @cached_property
    def redraw(self) -> Grams | None:
        """Two draws of a stochastic posterior as if they were levels of noise.

        The first one at the clean level, then the second one at those of `redrawn_noise`.
        """
        if "sampled" not in self.held or self.held.sizes["draw"] < 2:
            return None
        compared = self.held["sampled"].isel(sample=self.compared)
        again = compared.isel(draw=1).sel(noise=self.redrawn_noise)
        draws = xr.concat([compared.isel(draw=0, noise=[0]), again], "noise")
        some = reader_of(draws, self.device)
        return gram_matrices(some, self.source_dtype, self.settings)

    def levels_of(self, reader: LatentReader) -> Iterator[Tensor]:
        """Yield the latents of a (small) reader, one level after the other."""
        return (reader.read(level, slice(None)).cpu() for level in range(reader.levels))
