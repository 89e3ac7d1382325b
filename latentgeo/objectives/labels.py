"""What labels teach the categories."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from latentgeo.objectives.passes import Batch, Pass
from latentgeo.objectives.term import Term

_LOGITS = "category_logits"


class Classification(Term):
    """Cross-entropy of the categories on labelled images: the third phase of a semi-supervised AAE.

    While it trains, it is that of the labelled images that come with the batch; on validation
    images, that of the batch itself.

    Parameters
    ----------
    weight : float, default=1.0
        Factor in the objective.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders (arXiv 1511.05644), section 5.
    """

    name = "classification"

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Return the mean cross-entropy, in nats per labelled image; see `Term`.

        Raises
        ------
        TypeError
            When the batch has no labels.
        """
        if batch.labelled is not None:
            codes = pass_.codec.posterior(batch.labelled.images).codes or {}
            return cross_entropy(codes[_LOGITS], batch.labelled.labels)
        return cross_entropy(pass_.code(_LOGITS), _labels(batch))

    def diagnostics(self, pass_: Pass, batch: Batch) -> dict[str, Tensor]:
        """Measure the share of images that get a wrong category; see `Term`."""
        wrong = pass_.code(_LOGITS).argmax(dim=1) != _labels(batch)
        return {"error": wrong.double().mean()}


def _labels(batch: Batch) -> Tensor:
    if batch.labels is None:
        raise TypeError("this term needs labels, the batch has none")
    return batch.labels
