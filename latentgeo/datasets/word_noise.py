"""What is done to the words of sentences, for the table of perturbations."""

import numpy as np
import torch
from torch import Tensor

from latentgeo.datasets.sentences import END, UNKNOWN
from latentgeo.datasets.streams import Indices, streams
from latentgeo.errors import InputError

Draw = tuple[Tensor, ...]
Shape = tuple[int, ...]


def draw_words(shape: Shape, seed: int, indices: Indices) -> Draw:
    """Draw for each place of a sentence when it is hit, and which word comes there.

    Parameters
    ----------
    shape : tuple of int
        (V, T, 1) of the sentences.
    seed : int
        From 0 to 2**64 - 1.
    indices : int array_like
        Shape (b,), the original indices of the sentences.

    Returns
    -------
    order : torch.Tensor of shape (b, T)
        Each place's turn, a permutation.
    words : torch.Tensor of shape (b, T)
        Tokens of known words, uniform.

    Raises
    ------
    InputError
        When the shape is not that of sentences, or there are no words but the special tokens.
    """
    vocabulary, places = _checked_shape(shape)
    order = np.empty((len(indices), places), np.int64)
    words = np.empty_like(order)
    for row, generator in enumerate(streams(seed, indices)):
        order[row] = generator.permutation(places)
        words[row] = generator.integers(UNKNOWN + 1, vocabulary, places)
    return torch.from_numpy(order), torch.from_numpy(words)


def replace_words(sentences: Tensor, draw: Draw, level: float) -> Tensor:
    """Replace a share of the words of each sentence (b, V, T, 1) by the drawn word."""
    order, words = draw
    return _replace(sentences, words, _select_words(sentences, order, level))


def mask_words(sentences: Tensor, draw: Draw, level: float) -> Tensor:
    """Replace a share of the words of each sentence (b, V, T, 1) by the unknown word."""
    order, _ = draw
    return _replace(
        sentences, torch.full_like(order, UNKNOWN), _select_words(sentences, order, level)
    )


def _checked_shape(shape: Shape) -> tuple[int, int]:
    vocabulary, places, columns = shape
    if columns != 1 or vocabulary <= UNKNOWN + 1:
        raise InputError(
            f"images of shape {tuple(shape)} are no sentences, (words, places, 1), so their words "
            "cannot be perturbed; use a perturbation of images, such as gaussian"
        )
    return vocabulary, places


def _select_words(sentences: Tensor, order: Tensor, level: float) -> Tensor:
    """Mark the words whose turn has come, (b, T): a share of those that each sentence has."""
    words = (sentences.sum(dim=(1, 3)) > 0) & (sentences[:, END, :, 0] == 0)
    last = order.shape[1]
    turn = order.masked_fill(~words, last).argsort(dim=1).argsort(dim=1)
    count = (level * words.sum(dim=1)).round()
    return words & (turn < count[:, None])


def _replace(sentences: Tensor, tokens: Tensor, hit: Tensor) -> Tensor:
    fresh = torch.zeros_like(sentences).scatter_(1, tokens[:, None, :, None], 1.0)
    return torch.where(hit[:, None, :, None], fresh, sentences)
