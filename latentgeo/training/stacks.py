"""One net of several members as one: weights and Adam's state, stacked."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import stack_module_state
from torch.optim import Adam


class Stack:
    """The weights of one net, a member each along the first dimension, and their Adam.

    Adam works number by number, so that of the stack is that of each member. Its step is as long as
    its rate, so that one at the largest rate serves all: the others go a part of the way.

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
        self._rates = [each.param_groups[0]["lr"] for each in optimisers]
        chosen = {name: settings[name] for name in ("betas", "fused")}
        self._optimiser = Adam(self.weights.values(), **chosen)
        self._take_states()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._optimiser.zero_grad()

    @torch.no_grad()
    def step(self, rates: Sequence[float], clips: Sequence[float | None]) -> None:
        """Take one step.

        Parameters
        ----------
        rates : sequence of float
            Adam's step size, of each member.
        clips : sequence of float or None
            Largest norm of the gradient, of each member.
        """
        gradients = [weight.grad for weight in self.weights.values()]
        clip_each([each for each in gradients if each is not None], clips)
        self._rates, largest = list(rates), max(rates)
        weights = list(self.weights.values())
        before = [] if min(rates) == largest else [weight.clone() for weight in weights]
        self._optimiser.param_groups[0]["lr"] = largest
        self._optimiser.step()
        if before:
            shares = torch.tensor(self._rates, device=weights[0].device) / largest
            for start, weight in zip(before, weights, strict=True):
                weight.copy_(start.lerp(weight, _for_each(shares, weight)))

    @torch.no_grad()
    def write_back(self) -> None:
        """Give each member its weights and its optimiser's state."""
        for member, optimiser in enumerate(self._optimisers):
            optimiser.param_groups[0]["lr"] = self._rates[member]
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


def clip_each(gradients: Sequence[Tensor], clips: Sequence[float | None]) -> None:
    """Scale the gradient of each member in place, so that its norm is at most its own `clip`.

    Parameters
    ----------
    gradients : sequence of torch.Tensor of shape (members, …)
        Of all weights.
    clips : sequence of float or None
        The largest norm, of each member; None for any.
    """
    if all(clip is None for clip in clips):
        return
    largest = torch.tensor([math.inf if clip is None else clip for clip in clips]).to(gradients[0])
    parts = torch.stack([each.reshape(len(each), -1).norm(dim=1) for each in gradients])
    # As torch.nn.utils.clip_grad_norm_ has it.
    factors = (largest / (parts.norm(dim=0) + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(_for_each(factors, gradient))


def _for_each(factors: Tensor, values: Tensor) -> Tensor:
    """Shape a factor of each member, so that it multiplies all of the member's values."""
    return factors.reshape(-1, *[1] * (values.ndim - 1))


def _weights_of(optimiser: Adam) -> list[Tensor]:
    weights: list[Tensor] = optimiser.param_groups[0]["params"]
    return weights


def _laid_out_as(weight: Tensor, values: Tensor) -> Tensor:
    """Copy; the fused optimiser walks through weights and states by one pointer."""
    if values.ndim == 0:
        return values.clone()
    return torch.empty_like(weight).copy_(values)
