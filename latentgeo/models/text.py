"""The backbone for sentences: a small transformer on either side of a vector."""

from typing import Annotated

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn.functional import linear

from latentgeo.errors import InputError
from latentgeo.models.nets import Nets, Shape
from latentgeo.settings import Options

_POSITION_DEVIATION = 0.1


class TextOptions(Options):
    """Options of the text backbone.

    Attributes
    ----------
    width : int
        Numbers for each word within the transformers.
    heads : int
        Heads of attention, among which the width is shared out.
    layers : int
        Layers of each transformer.
    place_width : int
        Numbers for each word where all words of a sentence are joined to one vector.
    latent_dim : int
        Dimension of the latent vector.
    """

    width: PositiveInt = 128
    heads: PositiveInt = 4
    layers: Annotated[int, Field(ge=1)] = 2
    place_width: PositiveInt = 32
    latent_dim: PositiveInt = 128

    @model_validator(mode="after")
    def _divisible(self) -> "TextOptions":
        if self.width % self.heads:
            raise ValueError(
                f"width is {self.width}, which {self.heads} heads cannot share out; expected a "
                "multiple of heads"
            )
        return self


def build_text(image_shape: Shape, options: TextOptions) -> Nets:
    """Build an encoder of one-hot sentences, and a decoder that says all words at once.

    The decoder sees the latent alone: no word hears what the others are, as in an image no pixel
    does. What a sentence is must lie in the latent, and nothing has to be said word by word.

    Parameters
    ----------
    image_shape : tuple of int
        (V, T, 1): words of the vocabulary, places of a sentence.
    options : TextOptions
        Sizes.

    Returns
    -------
    Nets
        Latent (latent_dim, 1, 1).

    Raises
    ------
    InputError
        When the images are no sentences.
    """
    check_sentences(image_shape, "backbone 'text'")
    words, places, _ = image_shape
    joined = places * options.place_width
    encoder = nn.Sequential(
        Embedding(words, options.width),
        Positions(places, options.width),
        _transformer(options),
        nn.Linear(options.width, options.place_width),
        nn.Flatten(),
        nn.Unflatten(1, (joined, 1, 1)),
    )
    decoder = nn.Sequential(
        nn.Flatten(),
        nn.Linear(options.latent_dim, joined),
        nn.Unflatten(1, (places, options.place_width)),
        nn.Linear(options.place_width, options.width),
        Positions(places, options.width),
        _transformer(options),
        nn.Linear(options.width, words),
        AsImages(),
    )
    return Nets(encoder, decoder, joined, (options.latent_dim, 1, 1))


def check_sentences(image_shape: Shape, what: str) -> None:
    """Raise `InputError` unless a shape is that of sentences, (V, T, 1) with words to choose from.

    Parameters
    ----------
    image_shape : tuple of int
        (C, H, W).
    what : str
        What needs sentences, for the message.
    """
    words, _, columns = image_shape
    if words < 2 or columns != 1:
        raise InputError(
            f"{what} takes sentences, images of shape (words, places, 1), but these have shape "
            f"{tuple(image_shape)}; give a text as data, or choose another"
        )


class Embedding(nn.Module):
    """Vectors of words, for one-hot sentences that may be perturbed or mixed.

    Parameters
    ----------
    words : int
        Size of the vocabulary.
    width : int
        Numbers for each word.
    """

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        # Not smaller: what the blocks add would drown the words.
        self.weight = nn.Parameter(torch.randn(width, words))

    def forward(self, images: Tensor) -> Tensor:
        """Return (b, T, width) of images (b, V, T, 1)."""
        return linear(images[..., 0].mT, self.weight)


class Positions(nn.Module):
    """Adds a learned vector to each place.

    Parameters
    ----------
    places : int
        Places of a sentence.
    width : int
        Numbers for each.
    """

    def __init__(self, places: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(_POSITION_DEVIATION * torch.randn(places, width))

    def forward(self, words: Tensor) -> Tensor:
        """Return (b, T, width) of the same."""
        return words + self.weight


class AsImages(nn.Module):
    """Logits (b, T, V) as images (b, V, T, 1)."""

    def forward(self, logits: Tensor) -> Tensor:
        """Return the images."""
        return logits.mT[..., None]


class Block(nn.Module):
    """Attention, then two linear layers, each beside a path that lets its input through.

    PyTorch's own layer attends by a kernel that has no forward derivative on a CPU, which the
    decoder's metric is made of.

    Parameters
    ----------
    width : int
        Numbers for each word.
    heads : int
        Heads of attention.

    References
    ----------
    R. Xiong et al., On Layer Normalization in the Transformer Architecture (arXiv 2002.04745).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, words: Tensor) -> Tensor:
        """Return (b, T, width) of the same."""
        words = words + self.output(self._attend(self.norm(words)))
        result: Tensor = words + self.mlp(words)
        return result

    def _attend(self, words: Tensor) -> Tensor:
        parts = self.query_key_value(words).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.movedim(1, 3).unbind(dim=1)
        weights = (query @ key.mT * query.shape[-1] ** -0.5).softmax(dim=-1)
        heard: Tensor = (weights @ value).transpose(1, 2).flatten(2)
        return heard


def _transformer(options: TextOptions) -> nn.Sequential:
    # Without dropout: a recipe says itself what training does to the input.
    blocks = [Block(options.width, options.heads) for _ in range(options.layers)]
    return nn.Sequential(*blocks, nn.LayerNorm(options.width))
