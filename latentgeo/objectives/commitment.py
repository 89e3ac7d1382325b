"""How far an encoder's vectors lie from the codebook."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from latentgeo.objectives.passes import Batch, Pass
from latentgeo.objectives.term import Term


@runtime_checkable
class Quantises(Protocol):
    """A decoder that puts vectors of a codebook in the place of what the encoder gives."""

    def commitment(self, latents: Tensor) -> Tensor:
        """Return the mean squared distance to the nearest vectors of the codebook."""


@dataclass(frozen=True)
class Commitment(Term):
    """Mean squared distance of an encoder's vectors to their nearest in the codebook.

    The codebook stands still: it follows the vectors by moving averages.

    Parameters
    ----------
    weight : float, default=1.0
        Factor in the objective.

    References
    ----------
    A. van den Oord, O. Vinyals, K. Kavukcuoglu, "Neural discrete representation learning", 2017
    (arXiv 1711.00937), equation 3, third summand.
    """

    weight: float = 1.0
    name: str = "commitment"

    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Return the mean over vectors and their numbers; see `Term`.

        Raises
        ------
        TypeError
            When the decoder has no codebook.
        """
        decoder = getattr(pass_.codec, "decoder", None)
        if not isinstance(decoder, Quantises):
            raise TypeError("a commitment needs a decoder with a codebook")
        return decoder.commitment(pass_.latent)
