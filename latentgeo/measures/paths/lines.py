"""The lines benchmark, on any autoencoder."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.datasets import ImageDataset, load, seeded_normal
from latentgeo.errors import InputError
from latentgeo.measures.paths.ranges import cut_off
from latentgeo.metrics import LINE_SIDE, LineScores, interpolate, line_interpolation_scores
from latentgeo.metrics.lines import Mode
from latentgeo.models import Autoencoder, device_of
from latentgeo.settings import LinesSettings, resolve

#: Data sets of test lines, by how they are drawn.
LINES = {"paper": "lines", "smooth": "lines-smooth"}
_POSTERIOR = 1  # the stream of the posterior's draws


class DecodedLines(NamedTuple):
    """Interpolations between lines.

    Attributes
    ----------
    images : torch.Tensor of shape (pairs, steps, 1, 32, 32)
        Decoded, both ends included, float32 in [-1, 1], on the CPU.
    latents : torch.Tensor of shape (pairs, steps, C, H, W)
        Along each path, in the model's dtype, on the CPU.
    lines : ImageDataset
        The test lines, 2·pairs of them: pair i is from line i to line i + pairs.
    clamped : int
        Pixels that the decoder made outside [-1, 1], which were cut off.
    """

    images: Tensor
    latents: Tensor
    lines: ImageDataset
    clamped: int


def line_scores(
    model: Autoencoder,
    *,
    mode: Mode = "paper",
    sampled: bool = True,
    batch: int = 512,
    settings: LinesSettings | None = None,
    **choices: Any,
) -> LineScores:
    """Score how a model interpolates between lines, as the benchmark does.

    Parameters
    ----------
    model : Autoencoder
        Trained on lines; it may be in the midst of training and is left in its mode.
    mode : {"paper", "corrected"}
        What becomes of pairs whose smoothness is undefined; see
        `latentgeo.metrics.line_interpolation_scores`.
    sampled : bool, default=True
        Interpolate between draws of a stochastic posterior, as the authors do; between its means
        otherwise. It makes no difference to a deterministic model.
    batch : int, default=512
        Images at once.
    settings : LinesSettings, optional
        What else decides the numbers; the defaults if left out. The pairs are line i and line
        i + `pairs`.
    **choices
        Fields of `LinesSettings`, before those of `settings`.

    Returns
    -------
    LineScores
        Numbers with their intervals, and those of each pair.

    Raises
    ------
    InputError
        When the model has no decoder, does not take lines or makes something else of them, or
        an argument cannot be used.
    """
    chosen = resolve(LinesSettings, settings, choices, of=line_scores)
    decoded = decode_lines(model, sampled=sampled, batch=batch, settings=chosen)
    try:
        return line_interpolation_scores(
            decoded.images,
            mode,
            references=chosen.references,
            style=chosen.style,
            seed=chosen.seed,
        )
    except ValueError as error:
        raise InputError(f"model {model.config.recipe!r}: {error}") from error


def decode_lines(
    model: Autoencoder,
    *,
    sampled: bool = True,
    batch: int = 512,
    settings: LinesSettings | None = None,
    **choices: Any,
) -> DecodedLines:
    """Interpolate linearly between the latents of test lines, and decode the paths.

    Takes and raises what `line_scores` does.

    Returns
    -------
    DecodedLines
        Images and latents along the paths.
    """
    chosen = resolve(LinesSettings, settings, choices, of=decode_lines)
    _check(model, batch)
    lines = benchmark_lines(chosen)
    pairs, steps = chosen.pairs, chosen.steps
    with _evaluating(model):
        ends = torch.cat(
            [
                _encode(model, images, indices, sampled=sampled, seed=chosen.seed)
                for images, indices in lines.batches(batch)
            ]
        )
        latents = _between(ends, pairs, steps)
        parts = [_decode(model, z) for z in torch.split(latents.flatten(0, 1), batch)]
    images = torch.cat([part for part, _ in parts]).reshape(pairs, steps, 1, LINE_SIDE, LINE_SIDE)
    return DecodedLines(images, latents, lines, sum(clamped for _, clamped in parts))


def _check(model: Autoencoder, batch: int) -> None:
    shape = (1, LINE_SIDE, LINE_SIDE)
    if not model.decodes:
        raise InputError(
            f"model {model.config.recipe!r} has no decoder, so it cannot interpolate images; open "
            "it "
            "with one (decode=…, --decode)"
        )
    if tuple(model.config.image_shape) != shape:
        raise InputError(
            f"model {model.config.recipe!r} takes images of shape "
            f"{tuple(model.config.image_shape)}; lines have {shape}: train one with --data lines"
        )
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise InputError(f"batch is {batch!r}; expected a whole number from 1")


def benchmark_lines(settings: LinesSettings) -> ImageDataset:
    """Load the lines of the pairs; raises what `line_scores` does."""
    lines = load(LINES[settings.style])
    most = len(lines) // 2
    if settings.pairs > most:
        raise InputError(f"pairs is {settings.pairs}; expected a whole number from 1 to {most}")
    return lines.take(2 * settings.pairs)


@torch.no_grad()
def _encode(
    model: Autoencoder, images: Tensor, indices: NDArray[np.int64], *, sampled: bool, seed: int
) -> Tensor:
    posterior = model.posterior(images.to(device_of(model)))
    if posterior.log_variance is None or not sampled:
        return posterior.mean.cpu()
    # By the line's number, so that neither batches nor the state of training decide the draw.
    noise = seeded_normal(model.latent_shape, seed=seed, indices=indices, stream=_POSTERIOR)
    return (posterior.mean + posterior.standard_deviation * noise.to(posterior.mean)).cpu()


def _between(ends: Tensor, pairs: int, steps: int) -> Tensor:
    try:
        return interpolate(ends[:pairs], ends[pairs:], steps)
    except ValueError as error:
        raise InputError(f"latents of lines cannot be interpolated: {error}") from error


@torch.no_grad()
def _decode(model: Autoencoder, latents: Tensor) -> tuple[Tensor, int]:
    """Return images in [-1, 1], and how many pixels had to be brought there."""
    images = model.decode_signed(latents.to(device_of(model)))
    if tuple(images.shape[1:]) != (1, LINE_SIDE, LINE_SIDE):
        raise InputError(
            f"decoder gives images of shape {tuple(images.shape[1:])}; lines have "
            f"(1, {LINE_SIDE}, {LINE_SIDE})"
        )
    return cut_off(images, "lines")


@contextmanager
def _evaluating(model: Autoencoder) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
