"""Whether decode(encode(x)) looks like x; if not, whether another range would do better."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.checkpoints.own_forward import OwnForward, check_forward, check_spread
from latentgeo.datasets import ImageDataset
from latentgeo.metrics import judge_learned, psnr
from latentgeo.models import Autoencoder, Preprocessing, device_of
from latentgeo.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from latentgeo.models.wrapping import PreprocessedEncoder

_IMAGES = 16
_EXACT_DB = 100.0  # JSON knows no infinity

_CODINGS: dict[str, dict[str, Any]] = {
    "[0, 1]": {"range": (0.0, 1.0), "mean": None, "std": None},
    "[-1, 1]": {"range": (-1.0, 1.0), "mean": None, "std": None},
    "ImageNet": {"range": (0.0, 1.0), "mean": IMAGENET_MEAN, "std": IMAGENET_STD},
}
_WAY_OUT = {
    "[0, 1]": "--range 0,1",
    "[-1, 1]": "--range=-1,1",
    "ImageNet": "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
}


class RoundTrip(NamedTuple):
    """How well images come back.

    Attributes
    ----------
    psnr_db : float
        Mean PSNR of decode(encode(x)), as the model was opened.
    baseline_db : float
        That of the images' own mean.
    alternatives_db : dict of str to float
        Under other codings of the input: "[0, 1]", "[-1, 1]", "ImageNet".
    suspicion : str or None
        What is probably wrong, with the evidence and the way out.
    own_forward : dict or None
        How far decode(encode(x)) is from the network's own forward pass (`OwnForward`), where it
        has one.
    own_spread : dict or None
        The spread of decoded draws over that of the network's own (`check_spread`).
    """

    psnr_db: float
    baseline_db: float
    alternatives_db: dict[str, float]
    suspicion: str | None
    own_forward: dict[str, Any] | None = None
    own_spread: dict[str, Any] | None = None


def check_round_trip(model: Autoencoder, images: ImageDataset) -> RoundTrip | None:
    """Encode and decode a few images, as the model was opened and under other codings.

    Parameters
    ----------
    model : Autoencoder
        A foreign model.
    images : ImageDataset
        Images that it shall be analysed on; the first 16 are used.

    Returns
    -------
    RoundTrip or None
        None for a model without a decoder, and for our own, which were trained by this package.
    """
    encoder = model.encoder
    if not isinstance(encoder, PreprocessedEncoder) or not model.decodes:
        return None
    preprocessing = encoder.preprocessing
    batch = images.batch(slice(0, min(_IMAGES, len(images))))
    target = model.target(batch)
    found = _decibels(model, encoder, preprocessing, batch, target)
    baseline = _psnr(target.mean(dim=0, keepdim=True).expand_as(target), target)
    others = {
        name: _decibels(model, encoder, _recoded(preprocessing, coding), batch, target)
        for name, coding in _CODINGS.items()
        if _fits(coding, target) and _recoded(preprocessing, coding) != preprocessing
    }
    means = {name: float(decibels.mean()) for name, decibels in others.items()}
    # A model of other images may do a little less badly under any coding: that says nothing.
    better = [
        name
        for name, decibels in others.items()
        if all(judge_learned(decibels, other).learned for other in (found, baseline))
    ]
    best = max(better, key=lambda name: means[name], default=None)
    trip = RoundTrip(float(found.mean()), float(baseline.mean()), means, None)
    learned = judge_learned(found, baseline).learned
    forward, spread = check_forward(model, batch), check_spread(model, batch)
    suspicion = _of_forward(forward) or _of_spread(spread) or _of_signs(model, batch)
    suspicion = suspicion or _suspicion(trip, best, learned=learned)
    return trip._replace(
        suspicion=suspicion,
        own_forward=forward and forward._asdict(),
        own_spread=spread and spread._asdict(),
    )


def _recoded(preprocessing: Preprocessing, coding: dict[str, Any]) -> Preprocessing:
    return preprocessing.model_copy(update=coding)


def _fits(coding: dict[str, Any], target: Tensor) -> bool:
    return coding["mean"] is None or len(coding["mean"]) == target.shape[1]


@torch.no_grad()
def _decibels(
    model: Autoencoder,
    encoder: PreprocessedEncoder,
    preprocessing: Preprocessing,
    images: Tensor,
    target: Tensor,
) -> NDArray[np.float64]:
    seen = preprocessing.normalise(preprocessing.see(images)).to(device_of(model))
    latents = model.bottleneck(encoder.encode(seen)).mean
    return _psnr(preprocessing.to_image(model.decode_logits(latents)).float().cpu(), target)


def _psnr(images: Tensor, target: Tensor) -> NDArray[np.float64]:
    decibels = psnr(images.numpy(), target.numpy(), data_range=1.0)
    capped: NDArray[np.float64] = np.minimum(decibels, _EXACT_DB)
    return capped


def _of_spread(spread: OwnForward | None) -> str | None:
    if spread is None or spread.better is None:
        return None
    return (
        "the second output beside the mean is probably misinterpreted: decoded draws of the "
        "posterior spread "
        f"{spread.distance:.3g} times as far as the network's own, and "
        f"{spread.alternatives[spread.better]:.3g} times with {spread.better}; try that"
    )


@torch.no_grad()
def _of_signs(model: Autoencoder, images: Tensor) -> str | None:
    layout = getattr(model.bottleneck, "layout", None)
    log_variance = model.posterior(images.to(device_of(model))).log_variance
    if log_variance is None or layout is None or layout.spread != "log-variance":
        return None
    least = float(log_variance.min())
    if least <= 0:
        return None
    return (
        f"the second output beside the mean is probably not a log-variance: it is {least:.3g} or "
        "more in "
        "every latent, so that none would be known better than by the prior; if it is a standard "
        "deviation, try --spread std"
    )


def _of_forward(forward: OwnForward | None) -> str | None:
    if forward is None or forward.better is None:
        return None
    return (
        "the layout of the posterior or the output of the decoder is probably wrong: "
        f"decode(encode(x)) is {forward.distance:.3g} (root mean square) from what the network's "
        f"own forward pass gives, and {forward.alternatives[forward.better]:.3g} with "
        f"{forward.better}; try that"
    )


def _suspicion(trip: RoundTrip, best: str | None, *, learned: bool) -> str | None:
    if best is not None:
        return (
            "the range or the normalisation of the input is probably wrong: decode(encode(x)) "
            f"reaches {trip.psnr_db:.1f} dB as opened, and {trip.alternatives_db[best]:.1f} dB "
            f"with images scaled as {best} (the mean image: {trip.baseline_db:.1f} dB); try "
            f"{_WAY_OUT[best]}"
        )
    if not learned:
        others = ", ".join(f"{name} {value:.1f} dB" for name, value in trip.alternatives_db.items())
        return (
            f"decode(encode(x)) reaches {trip.psnr_db:.1f} dB, the mean image "
            f"{trip.baseline_db:.1f} dB, and no other input scaling helps ({others}); check size, "
            "channels and the weights, or whether these images are like those that it was "
            "trained on"
        )
    return None
