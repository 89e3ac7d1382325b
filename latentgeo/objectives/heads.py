"""Cluster heads keep their distance."""

from torch import Tensor
from torch.nn.functional import pdist

from latentgeo.objectives.passes import Batch, Pass
from latentgeo.objectives.term import Term


class HeadDistance(Term):
    """How much nearer than a given distance the cluster heads are to each other.

    The mean over pairs of max(0, η − ‖w_i − w_j‖). That the heads are pushed apart up to a
    distance is recalled of the paper, the formula is ours.

    Parameters
    ----------
    distance : float
        η, in units of the codes.
    weight : float, default=1.0
        Factor in the objective.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders (arXiv 1511.05644), section 7.
    """

    name = "head_distance"

    def __init__(self, distance: float, weight: float = 1.0) -> None:
        self.distance = distance
        self.weight = weight

    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Measure the heads, which are the same for all images; see `Term`."""
        return (self.distance - pdist(pass_.code("heads").float())).clamp(min=0).mean()
