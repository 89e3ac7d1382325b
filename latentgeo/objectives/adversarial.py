"""The base of terms with an adversary: a net that learns against the autoencoder."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from latentgeo.objectives.passes import Batch, Pass
from latentgeo.objectives.term import Term


class AdversarialTerm(Term):
    """A term that an adversary measures.

    The term owns the adversary and its optimiser. The adversary stands still while the
    autoencoder descends the term, and the autoencoder while the adversary descends
    `adversary_loss`. A subclass says what each of them descends, and no more.

    Parameters
    ----------
    adversary : torch.nn.Module
        The net, with fresh weights.
    name : str
        How metrics and messages call the term.
    weight : float, default=1.0
        Factor in the objective of the autoencoder.
    learning_rate : float, default=1e-3
        Adam's step size for the adversary; the schedule of the training applies to it too.
    betas : tuple of two float, default=(0.5, 0.999)
        Adam's coefficients for the adversary. A short memory, for its target moves.
    """

    def __init__(
        self,
        adversary: nn.Module,
        *,
        name: str,
        weight: float = 1.0,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.5, 0.999),
    ) -> None:
        self.name = name
        self.weight = weight
        self.learning_rate = learning_rate
        # Without gradients, except in its own step: so the autoencoder's step cannot touch it.
        self.adversary = adversary.requires_grad_(False)
        self.optimiser = Adam(adversary.parameters(), lr=learning_rate, betas=betas, fused=True)

    @abstractmethod
    def adversary_loss(self, pass_: Pass, batch: Batch) -> Tensor:
        """Measure how badly the adversary does.

        Parameters
        ----------
        pass_ : Pass
            The autoencoder's pass, detached from it.
        batch : Batch
            The images without corruption, and their labels where they are known.

        Returns
        -------
        torch.Tensor
            A scalar, the mean over the batch; lower is better for the adversary.
        """

    def set_rate(self, factor: float) -> None:
        """Set the learning rate of the next steps to the base rate times a factor."""
        self.optimiser.param_groups[0]["lr"] = self.learning_rate * factor

    def descend(self, pass_: Pass, batch: Batch, *, clip: float | None = None) -> Tensor:
        """Take one step of the adversary.

        Parameters
        ----------
        pass_, batch : Pass, Batch
            What the call takes.
        clip
            What `step` takes.

        Returns
        -------
        torch.Tensor
            The scalar that was descended, before the step.
        """
        self.adversary.requires_grad_(True)
        loss = self.adversary_loss(pass_.detached(), batch)
        self.optimiser.zero_grad()
        # For these alone: it would leave gradients in the autoencoder, where a term decodes anew.
        loss.backward(inputs=list(self.adversary.parameters()))  # type: ignore[no-untyped-call]
        self.adversary.requires_grad_(False)
        self.step(clip=clip)
        return loss.detach()

    def step(self, *, clip: float | None = None) -> None:
        """Take the step of the adversary that its gradients ask for.

        Parameters
        ----------
        clip : float, optional
            Largest norm of the gradient.
        """
        if clip is not None:
            nn.utils.clip_grad_norm_(self.adversary.parameters(), clip)
        self.optimiser.step()

    def to(self, device: torch.device) -> None:
        """Move the adversary to a device, before its first step."""
        self.adversary.to(device)

    def state_dict(self) -> dict[str, Any]:
        """Return the adversary's weights and its optimiser's state."""
        return {
            "adversary": self.adversary.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        self.adversary.load_state_dict(state["adversary"])
        self.optimiser.load_state_dict(state["optimiser"])
