"""The base of all terms."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from latentgeo.objectives.passes import Pass


class Term(ABC):
    """One summand of an objective.

    Attributes
    ----------
    name : str
        How metrics and messages call it.
    weight : float
        Its factor in the sum that is minimised.
    """

    name: ClassVar[str]
    weight: float

    def weight_at(self, share: float) -> float:
        """Give the factor while training.

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

    @abstractmethod
    def __call__(self, pass_: Pass, clean: Tensor) -> Tensor:
        """Measure a pass.

        Parameters
        ----------
        pass_ : Pass
            One pass of the model.
        clean : torch.Tensor of shape (b, channels, rows, columns)
            The images without corruption, in [0, 1].

        Returns
        -------
        torch.Tensor
            A scalar, the mean over the batch, not yet weighted; lower is better.
        """
