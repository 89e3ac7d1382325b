"""The base of all terms."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from latentgeo.objectives.passes import Batch, Pass


class Term(ABC):
    """One summand of an objective.

    Attributes
    ----------
    name : str
        How metrics and messages call it.
    weight : float
        Its factor in the sum that is minimised.
    per_image : bool
        Whether it is the mean over images of what each image alone decides, so that parts of a
        batch give it too. False unless a subclass says so.
    """

    name: str
    weight: float
    per_image: ClassVar[bool] = False

    def weight_at(self, share: float) -> float:
        """Return the factor while training.

        Parameters
        ----------
        share : float
            How much of the training is done, from 0 to 1.

        Returns
        -------
        float
            `weight`, unless the term rises to it.
        """
        return self.weight

    def diagnostics(self, pass_: Pass, batch: Batch) -> dict[str, Tensor]:
        """Measure diagnostics: whether the term works, without a part in the sum.

        Takes what the call takes; it is measured on the validation images.

        Returns
        -------
        dict of str to torch.Tensor
            Scalars by name, each a mean over the batch; none by default.
        """
        return {}

    def diagnose(self, found: Mapping[str, float]) -> str | None:
        """Return a warning of one line: what is wrong and what to try, or None.

        Parameters
        ----------
        found : mapping of str to float
            The diagnostics, each the mean over the validation images.

        Returns
        -------
        str or None
            Lower case, without a full stop; None where all is well.
        """
        return None

    @abstractmethod
    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Measure a pass.

        Parameters
        ----------
        pass_ : Pass
            One pass of the model.
        batch : Batch
            The images without corruption, and their labels where they are known.

        Returns
        -------
        torch.Tensor
            A scalar, the mean over the batch, not yet weighted; lower is better.
        """
