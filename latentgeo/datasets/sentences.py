"""Sentences as images: a channel for each word of the vocabulary, a row for each place."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.datasets.images import ImageDataset
from latentgeo.errors import InputError

#: Token that ends a sentence, and token of all words that the vocabulary does not know.
END, UNKNOWN = 0, 1
SPECIAL = ("<end>", "<unk>")

#: Places of a sentence, and words of a vocabulary, unless told otherwise.
LENGTH, WORDS = 24, 2000

_BLANK = -1


@dataclass(frozen=True, eq=False)
class SentenceDataset(ImageDataset):
    """Sentences of one split, which models see as one-hot images of shape (V, T, 1).

    The channels are the vocabulary, the rows the T places of a sentence. After its words comes the
    end token, where there is room for it, and after that a sentence is blank: 0 in all channels.
    Only tokens are kept in memory. Make one with `load`, or with `from_sentences`.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (n, 1, T, 1), int32: tokens, positions in `vocabulary`, -1 where blank.
    vocabulary : tuple of str
        Its words; "<end>" and "<unk>" come first.

    Attributes
    ----------
    shape : tuple of int
        (V, T, 1).
    fingerprint : str
        SHA-256 as of an `ImageDataset`, and of the vocabulary.

    See Also
    --------
    ImageDataset : All other parameters, and what can be done with it.
    """

    vocabulary: tuple[str, ...] = SPECIAL

    @classmethod
    def from_sentences(
        cls,
        sentences: Sequence[str],
        *,
        vocabulary: Sequence[str] | None = None,
        length: int = LENGTH,
        name: str = "user",
        split: str = "test",
    ) -> "SentenceDataset":
        """Make a dataset of your own sentences.

        Parameters
        ----------
        sentences : sequence of str
            Words with spaces between them, as they shall be told apart: lower-case them and part
            punctuation from words before.
        vocabulary : sequence of str, optional
            That of a model (`model.config.vocabulary`), or of another dataset; the 2,000 most
            frequent words of these sentences if left out. Other words become "<unk>".
        length : int, default=24
            Places, T. What goes beyond is cut off, and a warning says of how many.
        name, split : str
            As of an `ImageDataset`.

        Returns
        -------
        SentenceDataset

        Raises
        ------
        InputError
            When there are no sentences, one is empty, the vocabulary does not begin with the
            special tokens or repeats a word, or the length is below 1.

        Warns
        -----
        UserWarning
            When sentences are cut off.
        """
        if length < 1:
            raise InputError(f"length is {length}, expected at least 1 place for a word")
        split_up = _words_of(sentences, name)
        known = frequent_words(split_up) if vocabulary is None else _checked_words(vocabulary)
        tokens = _tokens(split_up, known, length)
        _warn_of_cut(split_up, length, f"{name!r} ({split})")
        images = tokens[:, None, :, None]
        size = None if length == LENGTH else length
        indices = np.arange(len(tokens))
        return cls(name, split, images, None, (), indices, size, vocabulary=known)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (V, T, 1) of each sentence."""
        return len(self.vocabulary), self.images.shape[2], 1

    @property
    def tokens(self) -> NDArray[np.int32]:
        """Tokens (n, T), int32, -1 where blank."""
        return self.images[:, 0, :, 0]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides a result on these sentences, as hexadecimal text."""
        return hashlib.sha256(repr((super().fingerprint, self.vocabulary)).encode()).hexdigest()

    def __repr__(self) -> str:
        return f"SentenceDataset({self.name!r}, {self.split!r}, n={len(self)}, shape={self.shape})"

    def as_seen(self, kept: Tensor) -> Tensor:
        """Make one-hot images (b, V, T, 1) of tokens; see `ImageDataset.as_seen`."""
        return one_hot(kept[:, 0, :, 0], len(self.vocabulary))

    def sentences(self) -> list[str]:
        """Return the sentences as a model sees them, with "<unk>" and cut to T places."""
        return [to_sentence(row, self.vocabulary) for row in self.tokens]


def one_hot(tokens: Tensor, words: int) -> Tensor:
    """Make images of tokens.

    Parameters
    ----------
    tokens : torch.Tensor of shape (b, T)
        Whole numbers below `words`; negative where blank.
    words : int
        Size of the vocabulary, V.

    Returns
    -------
    torch.Tensor of shape (b, V, T, 1)
        float32, 1 at the token's channel.
    """
    places = tokens.long()[..., None]
    # Channels last, as training wants them.
    images = torch.zeros(*tokens.shape, words, device=tokens.device)
    images.scatter_(2, places.clamp(min=0), (places >= 0) * 1.0)
    return images.movedim(2, 1)[..., None]


def most_likely_tokens(images: Tensor) -> Tensor:
    """Return the tokens that sentences most likely are.

    Parameters
    ----------
    images : torch.Tensor of shape (b, V, T, 1)
        One-hot sentences, or what a model made of them.

    Returns
    -------
    torch.Tensor of shape (b, T)
        int64; -1 after the first end token, and where a sentence is blank.
    """
    places = images[..., 0]
    tokens = places.argmax(dim=1)
    ended = (tokens == END).cumsum(dim=1) - (tokens == END).long() > 0
    return tokens.masked_fill(ended | (places.amax(dim=1) <= 0), _BLANK)


def to_sentences(images: Tensor, vocabulary: Sequence[str]) -> list[str]:
    """Return images of sentences as text.

    Parameters
    ----------
    images : torch.Tensor of shape (b, V, T, 1)
        One-hot sentences, or what a model made of them: the likeliest word is taken at each place.
    vocabulary : sequence of str
        The V words.

    Returns
    -------
    list of str
        Words with spaces between them, up to the first end token.

    Raises
    ------
    InputError
        When the images do not have a channel for each word.
    """
    if images.ndim != 4 or images.shape[1] != len(vocabulary) or images.shape[3] != 1:
        raise InputError(
            f"images have shape {tuple(images.shape)}, expected (b, {len(vocabulary)}, T, 1): one "
            "channel for each word of the vocabulary; give the vocabulary of the model"
        )
    return [to_sentence(row, vocabulary) for row in most_likely_tokens(images).tolist()]


def to_sentence(tokens: Iterable[int], vocabulary: Sequence[str]) -> str:
    """Return tokens as text, up to the end token or the first blank place."""
    words = []
    for token in tokens:
        if token <= END:
            break
        words.append(vocabulary[token])
    return " ".join(words)


def frequent_words(sentences: Iterable[Sequence[str]], words: int = WORDS) -> tuple[str, ...]:
    """Make a vocabulary: the special tokens, then the most frequent words, ties by the alphabet."""
    count = Counter(word for sentence in sentences for word in sentence if word not in SPECIAL)
    ordered = sorted(count, key=lambda word: (-count[word], word))
    return (*SPECIAL, *ordered[:words])


def _words_of(sentences: Sequence[str], name: str) -> list[list[str]]:
    if isinstance(sentences, str) or not sentences:
        raise InputError(
            f"sentences of {name!r} are {sentences!r:.40}, expected a list of at least one sentence"
        )
    split_up = [sentence.split() for sentence in sentences]
    empty = next((place for place, words in enumerate(split_up) if not words), None)
    if empty is not None:
        raise InputError(
            f"sentence {empty} of {name!r} is empty, expected at least one word; leave it out"
        )
    return split_up


def _checked_words(vocabulary: Sequence[str]) -> tuple[str, ...]:
    words = tuple(vocabulary)
    if words[:2] != SPECIAL:
        raise InputError(
            f"the vocabulary begins with {words[:2]}, expected {SPECIAL}; give that of a model or "
            "of a dataset"
        )
    repeated = next((word for word, count in Counter(words).items() if count > 1), None)
    if repeated is not None:
        raise InputError(f"the vocabulary repeats the word {repeated!r}; give each once")
    return words


def _tokens(
    sentences: Sequence[Sequence[str]], vocabulary: Sequence[str], length: int
) -> NDArray[np.int32]:
    place = {word: token for token, word in enumerate(vocabulary) if token > UNKNOWN}
    tokens = np.full((len(sentences), length), _BLANK, np.int32)
    for row, words in zip(tokens, sentences, strict=True):
        found = [*(place.get(word, UNKNOWN) for word in words), END][:length]
        row[: len(found)] = found
    return tokens


def _warn_of_cut(sentences: Sequence[Sequence[str]], length: int, what: str) -> None:
    cut = sum(len(words) > length for words in sentences)
    if cut:
        warnings.warn(
            f"{cut} of the {len(sentences)} sentences of {what} are longer than {length} words and "
            "are cut there; for more words give a larger size (--size), or a larger length",
            stacklevel=3,
        )
