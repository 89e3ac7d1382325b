"""One net of several runs as one: weights stacked, which the optimiser of each run still moves."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Stack:
    """The weights of one net, a run each along the first dimension.

    The weights of each net become views of the stack, and so do their gradients: what its own
    optimiser does to them, it does to the stack.

    Parameters
    ----------
    nets : sequence of torch.nn.Module
        One net of each run, alike but for the weights.

    Attributes
    ----------
    weights : dict of str to torch.Tensor of shape (runs, …)
        The weights by the name that the net gives them.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        names = [name for name, _ in nets[0].named_parameters()]
        self._own = {name: [net.get_parameter(name) for net in nets] for name in names}
        self.weights = {name: _stacked(own) for name, own in self._own.items()}

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for weight in self.weights.values():
            weight.grad = None

    def share_gradients(self) -> None:
        """Set the gradients of the weights of each net."""
        for name, weight in self.weights.items():
            if weight.grad is not None:
                for own, gradient in zip(self._own[name], weight.grad.unbind(), strict=True):
                    own.grad = gradient


def _stacked(weights: Sequence[nn.Parameter]) -> Tensor:
    """Copy weights into one tensor, of which they become views that lie in memory as before.

    The fused optimiser walks through weights, gradients and its state by one pointer.
    """
    first = weights[0]
    size, strides = (len(weights), *first.shape), (first.numel(), *first.stride())
    stack = torch.empty_strided(size, strides, dtype=first.dtype, device=first.device)
    for weight, view in zip(weights, stack.unbind(), strict=True):
        weight.data = view.copy_(weight.detach())
    return stack.requires_grad_()
