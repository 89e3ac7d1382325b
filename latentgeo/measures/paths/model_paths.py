"""The paths of one model, decoded and ready to be measured, with what several measures share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate as resize

from latentgeo.datasets import ImageDataset
from latentgeo.lazy import xr
from latentgeo.measures.paths.lines import DecodedLines
from latentgeo.measures.paths.path_ranks import PathRanks, measure_ranks
from latentgeo.measures.paths.ranges import cut_off
from latentgeo.measures.paths.realism import effects, image_steps, measure_realism, most_real
from latentgeo.measures.paths.variables import BOUNDS
from latentgeo.metrics import LineScores, interpolate, line_interpolation_scores
from latentgeo.metrics.interpolation import Net
from latentgeo.models import Autoencoder, device_of, dtype_of
from latentgeo.settings import InterpolationSettings, LinesSettings

#: Pairs of which the images are kept, and pixels of their longer side.
EXAMPLES, THUMBNAIL = 4, 64
# Numbers of the images that are decoded at once: 28×28 by 256 of them, 3×512×512 by five.
_NUMBERS = 2**22
_MOST_AT_ONCE = 256
_IMAGE = ("image_channel", "image_row", "image_column")


@dataclass(frozen=True)
class ModelPaths(ABC):
    """Paths between the latents of one model.

    Parameters
    ----------
    model : Autoencoder
        With a decoder, in evaluation mode.
    seed : int
        Seeds the bootstrap over pairs.
    """

    model: Autoencoder
    seed: int

    @property
    @abstractmethod
    def path(self) -> Tensor:
        """Latents along each path, (pairs, steps, C, H, W)."""

    @property
    @abstractmethod
    def reconstructed(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The ends of the paths as they are decoded, and the real ones: in [0, 1], (n, C, H, W)."""

    @property
    @abstractmethod
    def moved(self) -> NDArray[np.float64]:
        """How far the image moves from each step to the next, (pairs, steps - 1)."""

    @property
    @abstractmethod
    def effects(self) -> dict[str, NDArray[np.float64]]:
        """What becomes of each path's images, by name."""

    @property
    @abstractmethod
    def pixels(self) -> int:
        """Numbers of one decoded image."""

    @abstractmethod
    def clamped(self) -> int:
        """Count the pixels that the decoder made outside its range."""

    @abstractmethod
    def examples(self) -> dict[str, Any]:
        """Return the images of a few paths, beside the real ones at their ends."""

    @property
    def samples(self) -> int:
        """Number of pairs."""
        return len(self.path)

    @property
    def has(self) -> dict[str, bool]:
        """What the model has that a measure may need."""
        tensor = tuple(self.path.shape[-2:]) != (1, 1)
        return {"decoder": True, "tensor": tensor, "posterior": self.model.stochastic}

    @cached_property
    def apart(self) -> NDArray[np.float64]:
        """Distance of the ends of each path."""
        ends = self.path[:, -1] - self.path[:, 0]
        apart: NDArray[np.float64] = ends.flatten(1).double().norm(dim=1).cpu().numpy()
        return apart

    @cached_property
    def ranks(self) -> PathRanks | None:
        """Ranks along the paths; None where the latents are vectors."""
        return measure_ranks(self.path.cpu(), dtype_of(self.model), self.seed)

    def dataset(self, variables: dict[str, Any]) -> xr.Dataset:
        """Return variables over named dimensions as one data set."""
        steps = np.linspace(0, 1, self.path.shape[1])
        return xr.Dataset(variables, coords={"step": steps, "bound": BOUNDS})

    def described(self, label: str) -> dict[str, Any]:
        """Return which model was measured, for the attributes of its results."""
        return {
            "checkpoint": label,
            "opened": json.dumps(self.model.provenance, default=str),
            "recipe": self.model.config.recipe,
            "backbone": self.model.config.backbone,
            "stochastic": int(self.model.stochastic),
            "latent_shape": list(self.model.latent_shape),
            "weights_sha256": self.model.weights_sha256(),
        }


@dataclass(frozen=True)
class ImagePaths(ModelPaths):
    """Paths between the latents of pairs of images.

    Parameters
    ----------
    ends : ImageDataset
        The starts of all paths, then their ends: an even number of images.
    real : ImageDataset
        Images that decoded ones are compared with.
    settings : InterpolationSettings
    from latentgeo.models import Autoencoder, device_of, dtype_of
    from latentgeo.settings import InterpolationSettings, LinesSettings
    features : callable, optional
        Images to the space where distances to real images are taken; the pixels if left out.
    """

    ends: ImageDataset
    real: ImageDataset
    settings: InterpolationSettings
    features: Net | None = None

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return len(self.ends) // 2

    @cached_property
    def targets(self) -> Tensor:
        """The images at the ends as the model's net sees them."""
        return self.model.target(self.ends.batch(slice(None)))

    @property
    def pixels(self) -> int:
        """Numbers of one decoded image."""
        return self.targets[0].numel()

    @property
    def batch(self) -> int:
        """Images that are encoded or decoded at once."""
        return max(1, min(_MOST_AT_ONCE, _NUMBERS // self.pixels))

    @property
    def decode(self) -> Net:
        """Latents to images, so many at once."""
        return self._in_batches(self.model.decode)

    @property
    def encode_again(self) -> Net:
        """Decoded images to latents: at the size and with the channels that the net sees."""

        def encode(images: Tensor) -> Tensor:
            # Not by model.encode, which expects the data's images and would resize them back.
            latents: Tensor = self.model.bottleneck(self.model.encoder(images)).mean
            return latents

        return self._in_batches(encode)

    @cached_property
    def path(self) -> Tensor:
        """Latents along each path."""
        with torch.no_grad():
            latents = self._in_batches(self.model.encode)(self.ends.batch(slice(None)))
        starts, ends = latents[: self.pairs], latents[self.pairs :]
        return interpolate(starts, ends, self.settings.steps, self.settings.path)

    @cached_property
    def compared(self) -> ImageDataset:
        """The real images that decoded ones are compared with."""
        most = most_real(tuple(self.targets.shape[1:]), self.settings.real)
        return self.real.take(min(len(self.real), most))

    @cached_property
    def realism(self) -> dict[str, Any]:
        """Variables of sharpness, cycle consistency and distance to real images."""
        known = [self.model.target(images) for images, _ in self.compared.batches(self.batch)]
        return measure_realism(
            self.encode_again,
            self.decode,
            self.path,
            torch.cat(known).to(self.path.device),
            self.targets,
            self.features,
            batch=self.batch,
            seed=self.seed,
        )

    @property
    def reconstructed(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The ends of the paths as they are decoded, and the real ones."""
        with torch.no_grad():
            decoded = self.decode(torch.cat([self.path[:, 0], self.path[:, -1]]))
        return decoded.float().clamp(0, 1).cpu().numpy(), self.targets.float().cpu().numpy()

    @cached_property
    def moved(self) -> NDArray[np.float64]:
        """How far the image moves from each step to the next."""
        return image_steps(self.decode, self.path)

    @property
    def effects(self) -> dict[str, NDArray[np.float64]]:
        """What becomes of each path's images in the middle."""
        return effects(self.realism)

    @torch.no_grad()
    def clamped(self) -> int:
        """Count the pixels that the decoder made outside its range."""
        parts = torch.split(self.path.flatten(0, 1), self.batch)
        return sum(cut_off(self.model.decode_signed(z), "interpolants")[1] for z in parts)

    @torch.no_grad()
    def examples(self) -> dict[str, Any]:
        """Return the images of a few paths, beside the real ones at their ends."""
        pairs, count = self.pairs, min(EXAMPLES, self.pairs)
        decoded = torch.stack([thumbnails(self.decode(one)) for one in self.path[:count]])
        starts, ends = self.targets[:count], self.targets[pairs : pairs + count]
        return {
            "example_path": (("example", "step", *_IMAGE), decoded.numpy()),
            "example_start": (("example", *_IMAGE), thumbnails(starts).numpy()),
            "example_end": (("example", *_IMAGE), thumbnails(ends).numpy()),
        }

    def described(self, label: str) -> dict[str, Any]:
        """Return which model was measured, and beside how many real images."""
        return {"real_images": len(self.compared), **super().described(label)}

    def _in_batches(self, net: Net) -> Net:
        """Run a net on the model's device by so many samples at once, whatever it is given."""

        def run(samples: Tensor) -> Tensor:
            device = device_of(self.model)
            return torch.cat([net(part.to(device)) for part in torch.split(samples, self.batch)])

        return run


@dataclass(frozen=True)
class LinePaths(ModelPaths):
    """Paths between the latents of pairs of lines.

    Parameters
    ----------
    decoded : DecodedLines
        Latents and images along the paths.
    settings : LinesSettings
        How they are scored.
    """

    decoded: DecodedLines
    settings: LinesSettings

    @property
    def path(self) -> Tensor:
        """Latents along each path."""
        return self.decoded.latents

    @property
    def pixels(self) -> int:
        """Numbers of one decoded image."""
        return self.decoded.images[0, 0].numel()

    @cached_property
    def scores(self) -> LineScores:
        """The benchmark's numbers."""
        return line_interpolation_scores(
            self.decoded.images,
            "corrected",
            references=self.settings.references,
            style=self.settings.style,
            seed=self.seed,
        )

    @property
    def reconstructed(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The ends of the paths as they are decoded, and the real ones."""
        ends = torch.cat([self.decoded.images[:, 0], self.decoded.images[:, -1]])
        real = self.decoded.lines.batch(slice(None))[: len(ends)]
        return ((ends + 1) / 2).numpy(), real.numpy()

    @cached_property
    def moved(self) -> NDArray[np.float64]:
        """How far the image moves from each step to the next."""
        images = self.decoded.images.flatten(2).double()
        moved: NDArray[np.float64] = images.diff(dim=1).norm(dim=2).numpy()
        return moved

    @property
    def effects(self) -> dict[str, NDArray[np.float64]]:
        """What becomes of each path's lines."""
        return {
            "smoothness": self.scores.pair_smoothness,
            "mean distance": self.scores.distance.mean(axis=1),
        }

    def clamped(self) -> int:
        """Count the pixels that the decoder made outside its range."""
        return self.decoded.clamped

    def examples(self) -> dict[str, Any]:
        """Return the images of a few paths, beside the real lines at their ends."""
        pairs = len(self.decoded.images)
        count = min(EXAMPLES, pairs)
        real = self.decoded.lines.batch(slice(None))
        decoded = (self.decoded.images[:count].numpy() + 1) / 2
        return {
            "example_path": (("example", "step", *_IMAGE), decoded),
            "example_start": (("example", *_IMAGE), real[:count].numpy()),
            "example_end": (("example", *_IMAGE), real[pairs : pairs + count].numpy()),
        }


def thumbnails(images: Tensor) -> Tensor:
    """Return images (b, C, H, W) in [0, 1] no larger than a report needs; float32."""
    longer = max(images.shape[-2:])
    if longer > THUMBNAIL:
        size = [max(1, round(side * THUMBNAIL / longer)) for side in images.shape[-2:]]
        images = resize(images, size=size, mode="bilinear", antialias=True)
    return images.float().clamp(0, 1).cpu()
