"""A small language model, and the perplexity under it."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentgeo.metrics.intervals import MeanInterval, bootstrap_ratio

_BEGINNING = -1
_Context = tuple[int, ...]


class TrigramModel:
    r"""Trigrams with interpolated Kneser-Ney smoothing: counting, no training.

    .. math::

        P(w \mid u, v) = \frac{\max(c(uvw) - D, 0) + D\, n(uv)\, P(w \mid v)}{c(uv)},

    with :math:`n(uv)` the number of different words that were seen after :math:`uv`. Below,
    :math:`P(w \mid v)` and :math:`P(w)` have the same form with numbers of different words that
    were seen before, and at last all words are equally likely. Where :math:`uv` was never
    seen, :math:`P(w \mid v)` is taken.

    Parameters
    ----------
    words : int
        Size of the vocabulary, V; tokens are 0 to V - 1, the end of a sentence among them.
    discount : float, default=0.75
        D, from above 0 to 1: what is taken from each count for words that were not seen.

    References
    ----------
    S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language modeling",
    1998, section 2.7 and 4.1.6.

    Examples
    --------
    >>> from latentgeo.metrics import TrigramModel
    >>> model = TrigramModel(5).fit([[0, 1, 2], [0, 1, 3]])
    >>> len(model.orders_)
    3
    """

    def __init__(self, words: int, discount: float = 0.75) -> None:
        self.words = words
        self.discount = discount

    def fit(self, sentences: ArrayLike) -> "TrigramModel":
        """Count the trigrams of sentences.

        Parameters
        ----------
        sentences : array_like of shape (n, T)
            Tokens, whole numbers; negative where a sentence is over.

        Returns
        -------
        TrigramModel
            Itself, with `orders_`, from trigrams down to single words.

        Raises
        ------
        ValueError
            When the discount is not in (0, 1], there are no sentences, or a token is not below V.
        """
        if not 0 < self.discount <= 1:
            raise ValueError(f"discount is {self.discount}, expected a number above 0, up to 1")
        counts: Counter[_Context] = Counter()
        for tokens in _rows(sentences, self.words):
            counts.update(_trigrams(tokens))
        if not counts:
            raise ValueError("sentences hold no token, expected at least one")
        self.orders_ = []
        for _ in range(3):
            self.orders_.append(_Order.of(counts))
            counts = Counter(gram[1:] for gram in counts)
        return self

    def negative_log_likelihood(
        self, sentences: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Measure sentences.

        Parameters
        ----------
        sentences : array_like of shape (n, T)
            As for `fit`.

        Returns
        -------
        nats : numpy.ndarray of shape (n,)
            Of each sentence, summed over its tokens.
        tokens : numpy.ndarray of shape (n,)
            How many it has.

        Raises
        ------
        ValueError
            As `fit` does.
        """
        rows = list(_rows(sentences, self.words))
        nats = [
            -sum(np.log(self.probability(gram[2], gram[:2])) for gram in _trigrams(tokens))
            for tokens in rows
        ]
        return np.array(nats, np.float64), np.array([len(tokens) for tokens in rows], np.int64)

    def probability(self, word: int, context: _Context) -> float:
        """Return the probability of a word after two others; -1 stands before a sentence."""
        below = 1 / self.words
        for depth, order in reversed(list(enumerate(self.orders_))):
            below = order.probability(word, context[depth:], below, self.discount)
        return below


class _Order:
    """Counts of words after contexts of one length."""

    def __init__(self) -> None:
        self.count: Counter[_Context] = Counter()
        self.total: defaultdict[_Context, int] = defaultdict(int)
        self.kinds: defaultdict[_Context, int] = defaultdict(int)

    @classmethod
    def of(cls, counts: Counter[_Context]) -> "_Order":
        order = cls()
        order.count = counts
        for gram, count in counts.items():
            order.total[gram[:-1]] += count
            order.kinds[gram[:-1]] += 1
        return order

    def probability(self, word: int, context: _Context, below: float, discount: float) -> float:
        total = self.total.get(context, 0)
        if not total:
            return below
        seen = max(self.count.get((*context, word), 0) - discount, 0.0)
        return (seen + discount * self.kinds[context] * below) / total


def perplexity(
    model: TrigramModel, sentences: ArrayLike, *, seed: int, resamples: int = 2000
) -> MeanInterval:
    """Return the perplexity of sentences under a language model, with a bootstrap interval.

    Lower is better, 1 is least and the number of words that of knowing nothing. Of real sentences
    under a model of samples it is the *reverse* perplexity: high where samples are not like
    language, and where they are always the same. It changes with the vocabulary and with how
    many sentences the model has counted, so compare only where both are the same.

    Parameters
    ----------
    model : TrigramModel
        Fitted.
    sentences : array_like of shape (n, T)
        As for `TrigramModel.fit`.
    seed : int
        Seeds the choice of sentences.
    resamples : int, default=2000
        How many bootstrap samples of sentences are drawn.

    Returns
    -------
    MeanInterval
        exp(nats per token), and the ends of its 95 % interval over sentences.

    Raises
    ------
    ValueError
        As `TrigramModel.fit` does.

    Examples
    --------
    >>> from latentgeo.metrics import TrigramModel, perplexity
    >>> model = TrigramModel(5).fit([[0, 1, 2], [0, 1, 3]])
    >>> known, new = (perplexity(model, [one], seed=0).mean for one in ([0, 1, 2], [4, 4, 4]))
    >>> bool(known < new)
    True
    """
    nats, tokens = model.negative_log_likelihood(sentences)
    return MeanInterval(*map(np.exp, bootstrap_ratio(nats, tokens, seed=seed, resamples=resamples)))


def _trigrams(tokens: list[int]) -> Iterator[_Context]:
    padded = [_BEGINNING, _BEGINNING, *tokens]
    return zip(padded, padded[1:], padded[2:], strict=False)


def _rows(sentences: ArrayLike, words: int) -> Iterator[list[int]]:
    tokens = np.asarray(sentences)
    if tokens.ndim != 2 or not np.issubdtype(tokens.dtype, np.integer) or not tokens.size:
        raise ValueError(
            f"sentences have shape {tokens.shape} and dtype {tokens.dtype}, expected whole numbers "
            "(n, T), at least one"
        )
    if tokens.max() >= words:
        raise ValueError(
            f"sentences hold the token {tokens.max()}, expected 0 to {words - 1} for {words} words"
        )
    return ([token for token in row if token >= 0] for row in tokens.tolist())
