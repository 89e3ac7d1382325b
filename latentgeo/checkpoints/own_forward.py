"""Whether decode(encode(x)) is what the network makes of x; if not, which layout would be."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor, nn

from latentgeo.checkpoints.members import Member
from latentgeo.models import Autoencoder, PosteriorLayout, device_of
from latentgeo.models.functions import run_net
from latentgeo.models.layouts import read_image
from latentgeo.models.wrapping import (
    LatentOfWrapped,
    PostprocessedDecoder,
    PreprocessedEncoder,
)
from latentgeo.objectives import Posterior

_RUNS = 8  # of a forward that samples, the mean of which is compared
_EXACT = 1e-3  # of the spread of the images: what rounding may do
_BETTER = 0.5  # how much nearer another layout has to come

_SPREADS = get_args(PosteriorLayout.model_fields["spread"].annotation)
_FAR, _NEAR = math.log(1.5), math.log(1.25)  # a spread that is wrong, and one that is right

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


@torch.no_grad()
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
    parts = _parts(model)
    if parts is None:
        return None
    net, seeing, decoding = parts
    values = seeing.preprocessing.normalise(seeing.preprocessing.see(images)).to(device_of(net))
    with _seeded(values):
        passes = _own(net, seeing, values)
        if passes is None:
            return None
        expected = passes.mean(dim=0)
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


@torch.no_grad()
def check_spread(model: Autoencoder, images: Tensor) -> OwnForward | None:
    """Compare how far decoded draws of the posterior differ with what the network's own do.

    The modules of the network that are its own draw as in training; those of torch do not.

    Parameters
    ----------
    model, images
        As for `check_forward`.

    Returns
    -------
    OwnForward or None
        `distance` is the ratio of the two standard deviations over draws, as the model was
        opened; `better` an option under which it is near 1. None where there is no posterior, or
        the network's own forward pass does not draw.
    """
    parts = _parts(model)
    if parts is None or not isinstance(model.bottleneck, LatentOfWrapped) or not model.stochastic:
        return None
    net, seeing, decoding = parts
    values = seeing.preprocessing.normalise(seeing.preprocessing.see(images)).to(device_of(net))
    with _seeded(values), _drawing(net):
        passes = _own(net, seeing, values)
        encoded = seeing.encode(values)
        if passes is None or len(passes) == 1:
            return None
        expected = float(passes.var(dim=0).mean().sqrt())
        found = {}
        for kind in _SPREADS:
            layout = model.bottleneck.layout.model_copy(update={"spread": kind})
            ratio = _spread_of_draws(decoding, layout.read(encoded)) / expected
            if math.isfinite(ratio) and ratio > 0:
                found[kind] = ratio
    now = found.pop(model.bottleneck.layout.spread, 0.0)  # 0 where it is no number
    away = {kind: abs(math.log(ratio)) for kind, ratio in found.items()}
    best = min(away, key=lambda kind: away[kind], default="")
    far = now == 0 or abs(math.log(now)) > _FAR
    wrong = far and bool(best) and away[best] < _NEAR
    options = {f"--spread {kind}": ratio for kind, ratio in found.items()}
    return OwnForward(now, options, f"--spread {best}" if wrong else None)


def _spread_of_draws(decoding: PostprocessedDecoder, posterior: Posterior) -> float:
    deviation = posterior.standard_deviation
    drawn = [
        decoding((posterior.mean + deviation * torch.randn_like(deviation)).float())
        for _ in range(_RUNS)
    ]
    return float(torch.stack(drawn).var(dim=0).mean().sqrt())


@contextmanager
def _seeded(values: Tensor) -> Iterator[None]:
    """Draw the same in the block each time, and leave the state of random numbers as it was."""
    with torch.random.fork_rng([values.device] if values.is_cuda else []):
        torch.manual_seed(0)
        yield


@contextmanager
def _drawing(net: nn.Module) -> Iterator[None]:
    """Let the network draw in the block as in training, but for torch's dropout and norms."""
    own = [part for part in net.modules() if not type(part).__module__.startswith("torch.")]
    modes = [part.training for part in own]
    try:
        for part in own:
            part.training = True
        yield
    finally:
        for part, mode in zip(own, modes, strict=True):
            part.training = mode


def _parts(
    model: Autoencoder,
) -> tuple[nn.Module, PreprocessedEncoder, PostprocessedDecoder] | None:
    """Return the whole network and its two parts, where it has a forward pass of its own."""
    seeing, decoding = model.encoder, model.decoder
    if not isinstance(seeing, PreprocessedEncoder):
        return None
    if not isinstance(decoding, PostprocessedDecoder):
        return None
    net = _whole(seeing.net, decoding.net)
    return None if net is None else (net, seeing, decoding)


def _whole(encoder: nn.Module, decoder: nn.Module) -> nn.Module | None:
    """Return the network that both belong to, where it has a forward pass of its own."""
    if not isinstance(encoder, Member) or not isinstance(decoder, Member):
        return None
    same = encoder.net is decoder.net and "forward" not in (encoder.name, decoder.name)
    own = type(encoder.net).forward is not nn.Module.forward
    return encoder.net if same and own else None


def _own(net: nn.Module, seeing: PreprocessedEncoder, values: Tensor) -> Tensor | None:
    """Return the images that a network makes: in one pass, or in several where it draws."""
    given = seeing.form.given(values)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it takes for something else
            first, second = (_as_images(run_net(net, given), values) for _ in range(2))
            if first is None or second is None:
                return None
            if torch.equal(first, second):
                return first[None]
            rest = [_as_images(run_net(net, given), values) for _ in range(_RUNS - 2)]
    except Exception:  # a forward that takes something else says nothing
        return None
    made = [images for images in (first, second, *rest) if images is not None]
    return torch.stack(made)


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
    channels: dict[str, Any] = {"channels": "first" if decoding.channels_first else "last"}
    tried = [latents]
    for option, layout in _LAYOUTS.items():
        try:
            mean = PosteriorLayout(**layout, **channels).read(encoded).mean.float()
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
