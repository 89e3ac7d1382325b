"""Functions of any framework as modules: arrays in, arrays out."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentgeo.errors import InputError
from latentgeo.models.layouts import Outputs

_HALF = {"float16": torch.float16, "bfloat16": torch.bfloat16}
_NO_DERIVATIVES = "does not require grad"  # as torch says it
_BEHAVIOUR = 0  # seeds the images whose latents tell one function from another


class Function(nn.Module):
    """A function of any framework: it is given NumPy arrays, and gives what NumPy can read.

    Parameters
    ----------
    function : callable
        Images or latents to latents or images: one array, several, or a mapping of them.
    channels_last : bool, default=False
        Whether what has rows and columns is (b, H, W, C) to it.
    """

    def __init__(self, function: Callable[[Any], Any], *, channels_last: bool = False) -> None:
        super().__init__()
        self.function = function
        self.channels_last = channels_last
        self.axes = 4  # of a batch of images
        self.described = str(getattr(function, "__qualname__", type(function).__name__))

    def forward(self, values: Tensor, **arguments: Any) -> Any:
        """Call it; raises `RuntimeError` where derivatives are asked for, of which it has none."""
        return self.read(self.function(self.given(values), **arguments), values.device)

    def given(self, values: Tensor) -> NDArray[Any]:
        """Return values (b, ...) as the function takes them."""
        wrapped = torch._C._functorch.is_functorch_wrapped_tensor(values)
        if wrapped or (values.requires_grad and torch.is_grad_enabled()):
            raise RuntimeError("a function of another framework gives torch no derivatives")
        array = values.detach().float().cpu().numpy()
        last = self.channels_last and array.ndim == self.axes
        return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if last else array

    def read(self, output: Any, device: torch.device) -> Any:
        """Return what the function gave as tensors, channels first, in single or half precision."""
        if isinstance(output, Mapping):
            kind = Outputs if isinstance(output, Outputs) else dict
            return kind((name, self.read(one, device)) for name, one in output.items())
        if isinstance(output, tuple | list):
            return tuple(self.read(one, device) for one in output)
        array = np.asarray(output)
        if array.dtype.kind not in "fiubV":  # V: bfloat16, which NumPy has from elsewhere
            raise InputError(
                f"{self.described} gives {array.dtype} numbers ({type(output).__name__}); expected "
                "an array of floating point, or several"
            )
        last = self.channels_last and array.ndim == self.axes
        array = np.moveaxis(array, -1, 1) if last else array
        single = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
        return single.to(device, _HALF.get(array.dtype.name, torch.float32))


class Method(nn.Module):
    """A method of a module, as a module that holds its weights.

    Parameters
    ----------
    net : torch.nn.Module
        The module.
    name : str
        The method.
    """

    def __init__(self, net: nn.Module, name: str) -> None:
        super().__init__()
        self.net = net
        self.name = name
        self.described = f"{type(net).__name__}.{name}"

    def forward(self, values: Tensor) -> Any:
        """Call it."""
        return getattr(self.net, self.name)(values)


def as_module(what: Any, *, channels_last: bool = False) -> nn.Module:
    """Return a module of a module, a method of one, or a function.

    Parameters
    ----------
    what : torch.nn.Module or callable
        A module stays as it is.
    channels_last : bool, default=False
        Whether a function takes and gives channels last.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    InputError
        When it cannot be called.
    """
    if isinstance(what, nn.Module):
        return what
    net = getattr(what, "__self__", None)
    if isinstance(net, nn.Module):
        return Method(net, what.__name__)
    if not callable(what):
        raise InputError(
            f"an encoder or decoder is a {type(what).__name__}; expected a torch.nn.Module, or a "
            "function of NumPy arrays"
        )
    return Function(what, channels_last=channels_last)


def run_net(net: Callable[[Any], Any], values: Any) -> Any:
    """Return what a net gives, which may take derivatives of its own on the way.

    Energies that are descended in `encode`, and other inference by steps, need them where
    everything around does without.
    """
    try:
        return net(values)
    except RuntimeError as error:
        if torch.is_grad_enabled() or _NO_DERIVATIVES not in str(error):
            raise
    with torch.enable_grad():
        return net(values)


@torch.no_grad()
def behaviour(encode: Callable[[Tensor], Tensor], image_shape: tuple[int, ...]) -> str:
    """Return a hash of what an encoder does, where it shows no weights to tell it by.

    Parameters
    ----------
    encode : callable
        Images (b, C, H, W) in [0, 1] to latents.
    image_shape : tuple of int
        (C, H, W).

    Returns
    -------
    str
        SHA-256 of the latents of two images of noise.
    """
    generator = torch.Generator().manual_seed(_BEHAVIOUR)
    latents = encode(torch.rand((2, *image_shape), generator=generator))
    return hashlib.sha256(latents.float().cpu().contiguous().numpy().tobytes()).hexdigest()
