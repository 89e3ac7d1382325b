"""The second stage of a stacked autoencoder: codes of codes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from latentgeo.objectives.passes import Batch, Pass
from latentgeo.objectives.term import Term

_VANISHED = 0.05


class CodeReconstruction(Term):
    """Squared error with which the second autoencoder gives the first one's codes back.

    Parameters
    ----------
    weight : float, default=1.0
        Factor in the objective, λ1.

    References
    ----------
    A reconstruction from the abstract of Xu et al., Stacked Wasserstein Autoencoder
    (arXiv 1910.02560).
    """

    name = "code_reconstruction"

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Return ‖h − G2(E2 h)‖², summed over the code, its mean over the batch; see `Term`."""
        error = pass_.code("stage") - pass_.code("rebuilt")
        return error.square().flatten(1).sum(dim=1).mean()

    def diagnostics(self, pass_: Pass, batch: Batch) -> dict[str, Tensor]:
        """Measure the code's size, and the error of images through both stages; see `Term`.

        `stage_deviation` is the root of the mean variance of h; `through_error` the mean squared
        error per pixel of G1(G2(E2(E1 x))).
        """
        stage, latent = pass_.code("stage"), pass_.code("rebuilt")
        images = pass_.codec.decode(latent.view_as(pass_.latent))
        return {
            "stage_deviation": stage.flatten(1).var(dim=0, correction=0).mean().sqrt(),
            "through_error": torch.mean((images - batch.images).square()),
        }

    def diagnose(self, found: Mapping[str, float]) -> str | None:
        """Return a warning where the first code has shrunk away; see `Term`."""
        deviation = found.get("stage_deviation", 1.0)
        if deviation >= _VANISHED:
            return None
        return (
            f"the first code has shrunk to a standard deviation of {deviation:.3f}, so that its "
            "reconstruction costs nothing; use stage_gradients=stop or normalised, and where it is "
            "one of them, train on: the code begins small"
        )
