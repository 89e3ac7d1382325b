"""Whether decode(encode(x)) is what the network makes of x; if not, which layout would be."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from latentgeo.checkpoints.members import Member
from latentgeo.models import Autoencoder, PosteriorLayout, device_of
from latentgeo.models.layouts import read_image
from latentgeo.models.wrapping import PostprocessedDecoder, PreprocessedEncoder

_RUNS = 8  # of a forward that samples, the mean of which is compared
_EXACT = 1e-3  # of the spread of the images: what rounding may do
_BETTER = 0.5  # how much nearer another layout has to come

_LAYOUTS: dict[str, dict[str, Any]] = {
    "--posterior point": {"layout": "point"},
    "--posterior pair": {"layout": "pair"},
    "--posterior halves": {"layout": "halves"},
    "--posterior interleaved": {"layout": "interleaved"},
    **{f"--posterior {item}": {"items": (item,)} for item in range(4)},
    **{f"--posterior {a},{b}": {"items": (a, b)} for a in range(3) for b in range(3) if a != b},
}


class OwnForward(NamedTuple):
    """How far decode(encode(x)) is from the network's own forward pass.

    Attributes
    ----------
    distance : float
        Root mean square, in the numbers that the network gives, as the model was opened.
    alternatives : dict of str to float
        Of other layouts and outputs, by the option that would say so.
    better : str or None
        The option that comes much nearer, where one does.
    """

    distance: float
    alternatives: dict[str, float]
    better: str | None


@torch.inference_mode()
def check_forward(model: Autoencoder, images: Tensor) -> OwnForward | None:
    """Compare decode(encode(x)) with what the network gives in its own forward pass.

    Parameters
    ----------
    model : Autoencoder
        A foreign model.
    images : torch.Tensor of shape (b, C, H, W)
        In [0, 1].

    Returns
    -------
    OwnForward or None
        None where the network has no forward pass that gives images.
    """
    seeing, decoding = model.encoder, model.decoder
    if not isinstance(seeing, PreprocessedEncoder) or not isinstance(
        decoding, PostprocessedDecoder
    ):
        return None
    net = _whole(seeing.net, decoding.net)
    if net is None:
        return None
    values = seeing.preprocessing.normalise(seeing.preprocessing.see(images)).to(device_of(net))
    with torch.random.fork_rng([values.device] if values.is_cuda else []):
        torch.manual_seed(0)
        expected = _own(net, seeing, values)
        if expected is None:
            return None
        encoded = seeing.encode(values)
        logits = seeing.preprocessing.output == "logits"
        latents = model.bottleneck(encoded).mean
        now = _distance(decoding(latents), expected, logits=logits)
        spread = float((expected - expected.mean(dim=0)).square().mean().sqrt())
        if now <= _EXACT * spread:
            return OwnForward(now, {}, None)
        found = _alternatives(decoding, encoded, latents, expected, logits=logits)
    best = min(found, key=lambda option: found[option], default=None)
    better = best if best and found[best] < _BETTER * now else None
    return OwnForward(now, found, better)


def _whole(encoder: nn.Module, decoder: nn.Module) -> nn.Module | None:
    """Return the network that both belong to, where it has a forward pass of its own."""
    if not isinstance(encoder, Member) or not isinstance(decoder, Member):
        return None
    same = encoder.net is decoder.net and "forward" not in (encoder.name, decoder.name)
    own = type(encoder.net).forward is not nn.Module.forward
    return encoder.net if same and own else None


def _own(net: nn.Module, seeing: PreprocessedEncoder, values: Tensor) -> Tensor | None:
    """Return the images that a network makes, the mean of several passes where it samples."""
    given = values.to(seeing.form.dtype)
    given = given.flatten(1) if seeing.form.flat else given
    try:
        first, second = (_as_images(net(given), values) for _ in range(2))
        if first is None or second is None or torch.equal(first, second):
            return first
        rest = [_as_images(net(given), values) for _ in range(_RUNS - 2)]
    except Exception:  # a forward that takes something else says nothing
        return None
    made = [images for images in (first, second, *rest) if images is not None]
    return torch.stack(made).mean(dim=0)


def _as_images(output: Any, like: Tensor) -> Tensor | None:
    found = read_image(output)
    if not isinstance(found, Tensor) or len(found) != len(like) or found.numel() != like.numel():
        return None
    return found.reshape(like.shape).float()


def _alternatives(
    decoding: PostprocessedDecoder, encoded: Any, latents: Tensor, expected: Tensor, *, logits: bool
) -> dict[str, float]:
    """Return the distances of other layouts and of the other output, by option."""
    found = {} if logits else {"--output logits": _distance(decoding(latents).sigmoid(), expected)}
    tried = [latents]
    for option, layout in _LAYOUTS.items():
        try:
            mean = PosteriorLayout(**layout).read(encoded).mean.float()
            if any(torch.equal(mean, other) for other in tried):
                continue
            tried.append(mean)
            distance = _distance(decoding(mean), expected, logits=logits)
        except Exception:  # noqa: S112 - what does not fit is no alternative
            continue
        if math.isfinite(distance):
            found[option] = distance
    return found


def _distance(images: Tensor, expected: Tensor, *, logits: bool = False) -> float:
    """Return the root mean square between images; a forward may give logits or images of them."""
    if images.shape != expected.shape:
        return math.inf
    made = [images, images.sigmoid()] if logits else [images]
    return min(float((one - expected).square().mean().sqrt()) for one in made)
