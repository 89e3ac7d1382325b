"""One net of several members as one: weights and Adam's state, stacked."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import stack_module_state
from torch.optim import Adam


class Stack:
    """The weights of one net, a member each along the first dimension, and their Adam.

    Adam works number by number, so that of the stack is that of each member.

    Parameters
    ----------
    nets : sequence of torch.nn.Module
        One net of each member, alike but for the weights.
    optimisers : sequence of torch.optim.Adam
        Of all weights of each, after equally many steps.

    Attributes
    ----------
    weights : dict of str to torch.Tensor of shape (members, …)
        The weights by the name that the net gives them, each with a gradient.
    """

    def __init__(self, nets: Sequence[nn.Module], optimisers: Sequence[Adam]) -> None:
        self._nets, self._optimisers = list(nets), optimisers
        self.weights: dict[str, Tensor] = stack_module_state(self._nets)[0]
        for weight in self.weights.values():
            weight.requires_grad_()
        settings = optimisers[0].param_groups[0]
        chosen = {name: settings[name] for name in ("lr", "betas", "fused")}
        self._optimiser = Adam(self.weights.values(), **chosen)
        self._take_states()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._optimiser.zero_grad()

    def step(self, learning_rate: float, clip: float | None) -> None:
        """Take one step.

        Parameters
        ----------
        learning_rate : float
            Adam's step size.
        clip : float or None
            Largest norm of each member's gradient.
        """
        if clip is not None:
            gradients = [weight.grad for weight in self.weights.values()]
            clip_each([each for each in gradients if each is not None], clip)
        self._optimiser.param_groups[0]["lr"] = learning_rate
        self._optimiser.step()

    @torch.no_grad()
    def write_back(self) -> None:
        """Give each member its weights and its optimiser's state."""
        for member, optimiser in enumerate(self._optimisers):
            optimiser.param_groups[0]["lr"] = self._optimiser.param_groups[0]["lr"]
            for own, weight in zip(_weights_of(optimiser), self.weights.values(), strict=True):
                own.copy_(weight[member])
                for name, values in self._optimiser.state[weight].items():
                    alone = values if values.ndim == 0 else values[member]
                    optimiser.state[own][name] = _laid_out_as(own, alone)

    def _take_states(self) -> None:
        for place, weight in enumerate(self.weights.values()):
            states = [each.state.get(_weights_of(each)[place], {}) for each in self._optimisers]
            for name, first in states[0].items():
                values = [state[name] for state in states]
                together = first if first.ndim == 0 else torch.stack(values)
                self._optimiser.state[weight][name] = _laid_out_as(weight, together)


def clip_each(gradients: Sequence[Tensor], clip: float) -> None:
    """Scale the gradient of each member in place, so that its norm is at most `clip`.

    Parameters
    ----------
    gradients : sequence of torch.Tensor of shape (members, …)
        Of all weights.
    clip : float
        The largest norm.
    """
    parts = torch.stack([each.reshape(len(each), -1).norm(dim=1) for each in gradients])
    # As torch.nn.utils.clip_grad_norm_ has it.
    factors = (clip / (parts.norm(dim=0) + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(factors.reshape(-1, *[1] * (gradient.ndim - 1)))


def _weights_of(optimiser: Adam) -> list[Tensor]:
    weights: list[Tensor] = optimiser.param_groups[0]["params"]
    return weights


def _laid_out_as(weight: Tensor, values: Tensor) -> Tensor:
    """Copy; the fused optimiser walks through weights and states by one pointer."""
    if values.ndim == 0:
        return values.clone()
    return torch.empty_like(weight).copy_(values)
