"""Everything that is measured of one model's paths."""

import json
from typing import Any, NamedTuple

import torch
import xarray as xr
from torch import Tensor
from torch.nn.functional import interpolate as resize

from latentgeo.analysis import Omission
from latentgeo.analysis.omission import with_omissions
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.interpolation.decoder import measure_decoder
from latentgeo.interpolation.ranges import cut_off
from latentgeo.interpolation.realism import effects, image_steps, measure_realism, most_real
from latentgeo.interpolation.strata import measure_strata
from latentgeo.interpolation.variables import as_dataset, associations, per_pair
from latentgeo.metrics import interpolate
from latentgeo.metrics.interpolation import Net, Path
from latentgeo.models import Autoencoder, device_of, dtype_of

#: Pairs of which the images are kept, and pixels of their longer side.
EXAMPLES, THUMBNAIL = 4, 64
# Numbers of the images that are decoded at once: 28×28 by 256 of them, 3×512×512 by five.
_NUMBERS = 2**22
_MOST_AT_ONCE = 256
NO_RANKS = Omission("ranks along paths", "latents are vectors, and a vector has no modes to unfold")


class PathSettings(NamedTuple):
    """How paths are laid and what is measured.

    Attributes
    ----------
    steps : int
        Latents on each path, both ends included.
    path : {"linear", "spherical"}
        Their way.
    geodesics : int
        Pairs between which geodesics are looked for.
    real : int
        Real images that decoded ones are compared with, at most.
    seed : int
        Of the bootstrap.
    """

    steps: int
    path: Path
    geodesics: int
    real: int
    seed: int


def measure_paths(
    label: str,
    model: Autoencoder,
    ends: ImageDataset,
    real: ImageDataset,
    settings: PathSettings,
    features: Net | None = None,
) -> xr.Dataset:
    """Measure the paths between the latents of pairs of images.

    Parameters
    ----------
    label : str
        What the model is called.
    model : Autoencoder
        With a decoder, in evaluation mode.
    ends : ImageDataset
        The starts of all paths, then their ends: an even number of images.
    real : ImageDataset
        Images that decoded ones are compared with.
    settings : PathSettings
        How.
    features : callable, optional
        Images to the space where distances to real images are taken; the pixels if left out.

    Returns
    -------
    xarray.Dataset
        Measures over (pair, step), each with its mean over pairs and the interval of that; the
        images of a few pairs; correlations between what a path is and what becomes of its
        images.

    Raises
    ------
    InputError
        When a latent or an interpolant is not finite, or a spherical path has no one way.
    """
    try:
        return _measure(label, model, ends, real, settings, features)
    except ValueError as error:
        raise InputError(f"model {label!r}: {error}") from error


def _measure(
    label: str,
    model: Autoencoder,
    ends: ImageDataset,
    real: ImageDataset,
    settings: PathSettings,
    features: Net | None,
) -> xr.Dataset:
    pairs = len(ends) // 2
    targets = model.target(ends.batch(slice(None)))
    batch = max(1, min(_MOST_AT_ONCE, _NUMBERS // targets[0].numel()))
    decode, encode = _pieces(model.decode, model, batch), _pieces(_again(model), model, batch)
    with torch.no_grad():
        latents = _pieces(model.encode, model, batch)(ends.batch(slice(None)))
    path = interpolate(latents[:pairs], latents[pairs:], settings.steps, settings.path)
    clamped = _clamped(model, path, batch)
    chosen = real.take(min(len(real), most_real(tuple(targets.shape[1:]), settings.real)))
    known = torch.cat([model.target(images) for images, _ in chosen.batches(batch)])
    known = known.to(latents.device)
    realism = measure_realism(
        encode, decode, path, known, targets, features, batch=batch, seed=settings.seed
    )
    moved = image_steps(decode, path)
    apart = (path[:, -1] - path[:, 0]).flatten(1).double().norm(dim=1).cpu().numpy()
    stretch = measure_decoder(decode, path, settings.geodesics, settings.seed)
    strata = measure_strata(path.cpu(), dtype_of(model), settings.seed)
    causes = {} if strata is None else strata.causes
    parts = [
        realism,
        stretch.variables,
        per_pair("ends_apart", apart, settings.seed),
        {"clamped_share": ((), clamped / targets[0].numel() / pairs / settings.steps)},
        {"image_step": (("pair", "gap"), moved)},
        associations(causes, effects(realism), apart, settings.seed),
        _examples(decode, path, targets),
    ]
    if strata is not None:
        parts += [strata.variables, strata.at_crossings(moved, settings.seed)]
    variables = {name: value for part in parts for name, value in part.items()}
    missing = [*stretch.omissions, *([NO_RANKS] if strata is None else [])]
    found = with_omissions(as_dataset(variables, settings.steps), missing)
    return found.assign_attrs(real_images=len(chosen), **described(label, model))


def _again(model: Autoencoder) -> Net:
    """Encode what was decoded: at the size and with the channels that the net sees."""

    def encode(images: Tensor) -> Tensor:
        # Not by model.encode, which expects the data's images and would resize them back.
        latents: Tensor = model.bottleneck(model.encoder(images)).mean
        return latents

    return encode


@torch.no_grad()
def _clamped(model: Autoencoder, path: Tensor, batch: int) -> int:
    """Count the pixels that the decoder made outside its range."""
    parts = torch.split(path.flatten(0, 1), batch)
    return sum(cut_off(model.decode_signed(z), "interpolants")[1] for z in parts)


def _pieces(net: Net, model: Autoencoder, batch: int) -> Net:
    """Run a net on the model's device by so many samples at once, whatever it is given."""

    def run(samples: Tensor) -> Tensor:
        device = device_of(model)
        return torch.cat([net(part.to(device)) for part in torch.split(samples, batch)])

    return run


@torch.no_grad()
def _examples(decode: Net, path: Tensor, targets: Tensor) -> dict[str, Any]:
    """Keep the images of a few paths, beside the real ones at their ends."""
    pairs, count = len(path), min(EXAMPLES, len(path))
    decoded = torch.stack([thumbnails(decode(one)) for one in path[:count]])
    axes = ("image_channel", "image_row", "image_column")
    return {
        "example_path": (("example", "step", *axes), decoded.numpy()),
        "example_start": (("example", *axes), thumbnails(targets[:count]).numpy()),
        "example_end": (("example", *axes), thumbnails(targets[pairs : pairs + count]).numpy()),
    }


def thumbnails(images: Tensor) -> Tensor:
    """Make images (b, C, H, W) in [0, 1] no larger than a report needs; float32."""
    longer = max(images.shape[-2:])
    if longer > THUMBNAIL:
        size = [max(1, round(side * THUMBNAIL / longer)) for side in images.shape[-2:]]
        images = resize(images, size=size, mode="bilinear", antialias=True)
    return images.float().clamp(0, 1).cpu()


def described(label: str, model: Autoencoder) -> dict[str, Any]:
    """Say which model was measured, for the attributes of its results."""
    return {
        "checkpoint": label,
        "opened": json.dumps(model.provenance, default=str),
        "recipe": model.config.recipe,
        "backbone": model.config.backbone,
        "stochastic": int(model.stochastic),
        "latent_shape": list(model.latent_shape),
        "weights_sha256": model.weights_sha256(),
    }
