"""A layer that reads classes from the latents of an autoencoder that does not feel it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import skip_init
from torch.optim import Adam


def probe_layer(dimension: int, classes: int) -> nn.Linear:
    """Make a layer of zeros, without a draw: the models' draws stay those of a run without it."""
    layer: nn.Linear = skip_init(nn.Linear, dimension, classes)  # type: ignore[no-untyped-call]
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    return layer


def probe_logits(layer: nn.Linear, latents: Tensor) -> Tensor:
    """Return a probe's logits (b, classes) of latents (b, …)."""
    logits: Tensor = layer(latents.flatten(1).float())
    return logits


class Probe:
    """One softmax layer that learns classes from latents while the autoencoder trains.

    It owns its optimiser, whose step size is constant. No gradient flows into the autoencoder,
    and nothing random is drawn, so the autoencoder is bit for bit that of a run without it.

    Parameters
    ----------
    dimension : int
        Numbers in a latent.
    classes : int
        How many classes.
    learning_rate : float, default=1e-4
        Adam's step size; the paper's.

    References
    ----------
    D. Berthelot, C. Raffel, A. Roy, I. Goodfellow, "Understanding and improving interpolation in
    autoencoders via an adversarial regularizer", ICLR 2019 (arXiv 1807.07543).
    """

    def __init__(self, dimension: int, classes: int, *, learning_rate: float = 1e-4) -> None:
        self.layer = probe_layer(dimension, classes)
        self.optimiser = Adam(self.layer.parameters(), lr=learning_rate, fused=True)

    def descend(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Take one step.

        Parameters
        ----------
        latents : torch.Tensor of shape (b, …)
            Latents, from which it is cut off.
        labels : torch.Tensor of shape (b,)
            Their classes, int64.

        Returns
        -------
        torch.Tensor
            The mean cross-entropy in nats, before the step.
        """
        loss = cross_entropy(probe_logits(self.layer, latents.detach()), labels)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def measure(self, latents: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the mean cross-entropy in nats ("probe") and the accuracy ("probe_accuracy").

        Takes what `descend` does.
        """
        logits = probe_logits(self.layer, latents)
        right = (logits.argmax(dim=1) == labels).double()
        return {"probe": cross_entropy(logits, labels), "probe_accuracy": right.mean()}

    def to(self, device: torch.device) -> None:
        """Move the layer to a device, before its first step."""
        self.layer.to(device)

    def state_dict(self) -> dict[str, Any]:
        """Return the layer's weights and its optimiser's state."""
        return {"layer": self.layer.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        self.layer.load_state_dict(state["layer"])
        self.optimiser.load_state_dict(state["optimiser"])
