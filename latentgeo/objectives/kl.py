"""How far the posterior lies from the standard normal prior."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from latentgeo.objectives.passes import Batch, Pass
from latentgeo.objectives.term import Term


@dataclass(frozen=True)
class KLDivergence(Term):
    r"""Kullback-Leibler divergence from N(0, I) to the posterior, in nats per image.

    .. math:: \tfrac12 \sum_i (\mu_i^2 + \sigma_i^2 - 1 - \log \sigma_i^2)

    Parameters
    ----------
    weight : float, default=1.0
        Factor in the objective; 1 makes the sum the negative evidence lower bound.
    warmup : float, default=0.0
        Share of the training over which the factor rises from 0. Without it a posterior of
        thousands of numbers falls back on the prior before the decoder has learned to read it.

    References
    ----------
    Kingma and Welling, Auto-Encoding Variational Bayes, 2014, appendix B. Bowman et al.,
    Generating Sentences from a Continuous Space, 2016 (arXiv 1511.06349), section 3.1.
    """

    weight: float = 1.0
    warmup: float = 0.0
    name: str = "kl"
    per_image: ClassVar[bool] = True

    def weight_at(self, share: float) -> float:
        """Return the factor, which rises linearly during the warm-up; see `Term`."""
        return self.weight if share >= self.warmup else self.weight * share / self.warmup

    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Return the mean over the batch; see `Term`.

        Raises
        ------
        TypeError
            When the posterior is a single point.
        """
        mean, log_variance, *_ = pass_.posterior
        if log_variance is None:
            raise TypeError(
                "a KL divergence needs a stochastic posterior, this one has no variance"
            )
        each = mean.square() + log_variance.exp() - 1 - log_variance
        return 0.5 * each.flatten(1).sum(dim=1).mean()
