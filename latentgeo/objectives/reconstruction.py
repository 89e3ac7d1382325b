"""How well the clean image is recovered."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from latentgeo.objectives.likelihoods import Likelihood
from latentgeo.objectives.passes import Batch, Pass
from latentgeo.objectives.term import Term


@dataclass(frozen=True)
class Reconstruction(Term):
    """Negative log-likelihood of the clean image, in nats per image.

    Parameters
    ----------
    likelihood : Likelihood
        What the decoder's output means.
    weight : float, default=1.0
        Factor in the objective.
    """

    likelihood: Likelihood
    weight: float = 1.0
    name: str = "reconstruction"
    per_image: ClassVar[bool] = True

    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Return the mean over the batch of the sum over pixels; see `Term`."""
        return self.likelihood.negative_log(pass_.logits, batch.images).mean()
