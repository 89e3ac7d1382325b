"""How far the codes lie from the prior, without an adversary."""

from collections.abc import Mapping

from torch import Tensor

from latentgeo.errors import InputError
from latentgeo.metrics.mmd import Kernel, mmd_squared
from latentgeo.objectives.diagnostics import code_variance, diagnose_collapse
from latentgeo.objectives.passes import Batch, Pass
from latentgeo.objectives.priors import Prior
from latentgeo.objectives.term import Term


class MaximumMeanDiscrepancy(Term):
    """Squared maximum mean discrepancy of a batch's codes and as many draws of the prior.

    Parameters
    ----------
    prior : Prior
        What the codes are to follow. The kernel's scale is its `spread`, 2dσ² for a normal prior.
    code : str, default="latent"
        Which code; see `Pass.code`.
    kernel : {"imq", "imq-scales", "rbf"}, default="imq"
        See `latentgeo.metrics.mmd_squared`.
    weight : float, default=10.0
        Factor in the objective.

    References
    ----------
    Tolstikhin et al., Wasserstein Auto-Encoders (arXiv 1711.01558), algorithm 2.
    """

    def __init__(
        self, prior: Prior, *, code: str = "latent", kernel: Kernel = "imq", weight: float = 10.0
    ) -> None:
        self.prior = prior
        self.code = code
        self.kernel = kernel
        self.weight = weight
        self.name = f"mmd_{code}"

    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Estimate it by the unbiased U-statistic; see `Term`.

        Raises
        ------
        InputError
            For a batch of one image.
        """
        codes = pass_.code(self.code).flatten(1)
        if len(codes) < 2:
            raise InputError(
                "a batch has 1 image, the discrepancy needs 2; set a batch_size from 2"
            )
        draws = self.prior.sample(len(codes), device=codes.device)
        return mmd_squared(codes.float(), draws, kernel=self.kernel, scale=self.prior.spread)

    def diagnostics(self, pass_: Pass, batch: Batch) -> dict[str, Tensor]:
        """Measure the variance of the codes against the prior's; see `Term`."""
        return {"code_variance": code_variance(pass_.code(self.code), self.prior)}

    def diagnose(self, found: Mapping[str, float]) -> str | None:
        """Return a warning where the codes have collapsed; see `Term`."""
        return diagnose_collapse(self.code, found, self.prior)


class MomentMatching(Term):
    """Squared distance of the codes' first and second moments from the prior's: the pre-training.

    With them, mean and covariance are matched. The estimate is the unbiased U-statistic of the
    kernel x·y + (x·y)², of a batch and as many draws of the prior; a plain distance of the two
    covariances would make the codes of thousands of numbers too small. No matrix larger than
    batch times batch is formed.

    Parameters
    ----------
    prior : Prior
        What the codes are to follow.
    code : str, default="latent"
        Which code; see `Pass.code`.
    weight : float, default=1.0
        Factor in the objective.

    References
    ----------
    Tolstikhin et al., Wasserstein Auto-Encoders (arXiv 1711.01558), the published code.
    """

    def __init__(self, prior: Prior, *, code: str = "latent", weight: float = 1.0) -> None:
        self.prior = prior
        self.code = code
        self.weight = weight
        self.name = f"moments_{code}"

    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Return ‖m − m'‖² + ‖M − M'‖² of the moments (Frobenius' norm); see `Term`."""
        codes = pass_.code(self.code).flatten(1).float()
        draws = self.prior.sample(len(codes), device=codes.device)
        within = _mean_apart(codes @ codes.T) + _mean_apart(draws @ draws.T)
        across = codes @ draws.T
        return within - 2 * (across + across.square()).mean()


def _mean_apart(products: Tensor) -> Tensor:
    """Return the mean of p + p² over all pairs of two different points."""
    values = products + products.square()
    count = len(values)
    return (values.sum() - values.diagonal().sum()) / (count * (count - 1))
