"""Find the encoder, the decoder or a layer within somebody's network."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from latentgeo.errors import InputError
from latentgeo.models.layouts import as_tensor, describe, is_latent
from latentgeo.models.nets import LatentShape

_ENCODE, _DECODE = ("encode", "encoder", "enc"), ("decode", "decoder", "dec")


class Member(nn.Module):
    """A method or submodule of a network, as a module that holds all of its weights.

    Parameters
    ----------
    net : torch.nn.Module
        The network.
    name : str
        A method or a submodule, with dots.
    arguments : mapping, optional
        Further arguments of it, by name.
    """

    def __init__(
        self, net: nn.Module, name: str, arguments: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        super().__init__()
        self.net = net
        self.name = name
        self.arguments = dict(arguments)
        whole = str(getattr(net, "described", type(net).__name__))
        self.described = whole if name == "forward" else f"{whole}.{name}"

    def forward(self, values: Tensor) -> Any:
        """Call it."""
        return find_member(self.net, self.name)(values, **self.arguments)


class Tapped(nn.Module):
    """A network that gives what some of its layers gave, in one pass.

    One layer's output is given as it is. Those of several are flattened and set side by side
    (b, D); `shapes` then tells how long each is.

    Parameters
    ----------
    net : torch.nn.Module
        The network.
    layers : sequence of str
        Names of modules, as `named_modules` gives them.
    call : str, default="forward"
        What to run: a method or a submodule.
    arguments : mapping, optional
        Further arguments of it, by name.

    Raises
    ------
    InputError
        When there is no such module.
    """

    def __init__(
        self,
        net: nn.Module,
        layers: Sequence[str],
        call: str = "forward",
        arguments: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        known = module_names(net)
        for layer in layers:
            if layer not in known:
                raise _unknown_layer(layer, known)
        self.net = net
        self.layers = tuple(layers)
        self.call = Member(net, call, arguments)
        self.described = self.call.described
        self.shapes: dict[str, LatentShape] = {}

    def forward(self, images: Tensor) -> Tensor:
        """Return the layers' outputs for images (b, C, H, W)."""
        with listening(self.net, self.layers) as heard:
            self.call(images)
        outputs = [self._single(layer, heard.get(layer, [])) for layer in self.layers]
        self.shapes = {
            layer: tuple(as_tensor(output).shape[1:])
            for layer, output in zip(self.layers, outputs, strict=True)
        }
        if len(outputs) == 1:
            return outputs[0]
        return torch.cat([as_tensor(output).flatten(1) for output in outputs], dim=1)

    def _single(self, layer: str, outputs: list[Any]) -> Tensor:
        if not outputs:
            raise InputError(
                f"layer {layer!r} was not used in {self.call.name!r}; name another layer, or what "
                "to run with encode (--encode). The modules are: "
                f"{_some(module_names(self.net), 40)}"
            )
        if len(outputs) > 1:
            raise InputError(
                f"layer {layer!r} ran {len(outputs)} times in one pass, so its output is not one "
                "latent; name a layer that runs once"
            )
        output: Tensor = outputs[0]
        if not is_latent(output):
            raise InputError(
                f"layer {layer!r} gives {describe(output)}, expected a tensor (b, D), (b, T, D) "
                "or (b, C, H, W); name a layer within it or after it"
            )
        return output


@contextmanager
def listening(net: nn.Module, layers: Iterable[str]) -> Iterator[dict[str, list[Any]]]:
    """Collect what layers give while the block runs.

    Parameters
    ----------
    net : torch.nn.Module
        The network.
    layers : iterable of str
        Names of its modules.

    Yields
    ------
    dict of str to list
        The outputs of each layer that ran, one for each time; in the order of their first end.
    """
    heard: dict[str, list[Any]] = {}
    handles = [
        net.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, layer=layer: heard.setdefault(layer, []).append(output)
        )
        for layer in layers
    ]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def find_encoder(
    net: nn.Module,
    name: str | None,
    layers: Sequence[str],
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> nn.Module:
    """Return what encodes.

    Parameters
    ----------
    net : torch.nn.Module
        The network.
    name : str or None
        A method or submodule; `encode`, `encoder` or `enc` are looked for if None.
    layers : sequence of str
        Modules whose outputs are the latents; the whole network is run if there is no name.
    arguments : mapping, optional
        Further arguments of what encodes, by name.

    Returns
    -------
    torch.nn.Module
        Takes images, gives latents.

    Raises
    ------
    InputError
        When there is none of that name, or nothing that is called so.
    """
    if layers:
        return Tapped(net, layers, name or _whole(net), arguments)
    found = name or next((n for n in _ENCODE if _callable(net, n)), None)
    if found is None:
        raise InputError(
            f"model {type(net).__name__} has no 'encode' or 'encoder' to call; name what encodes "
            "(encode=…, --encode), or a layer (layers=…, --layer). Its modules are: "
            f"{_some(module_names(net))}"
        )
    find_member(net, found)
    return Member(net, found, arguments)


def find_decoder(
    net: nn.Module,
    name: str | None,
    layers: Sequence[str],
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> nn.Module | None:
    """Return what decodes, or None.

    Takes and raises what `find_encoder` does. The latents of layers have no decoder unless one is
    named, and those of several layers none at all.
    """
    if len(layers) > 1 and name is not None:
        raise InputError(
            f"{len(layers)} layers have no decoder in common; leave out decode ({name!r}), or "
            "name one layer"
        )
    if layers and name is None:
        return None
    found = name or next((n for n in _DECODE if _callable(net, n)), None)
    if found is None:
        return None
    find_member(net, found)
    return Member(net, found, arguments)


def find_member(net: nn.Module, name: str) -> Callable[..., Any]:
    """Return a method or submodule by its name, with dots; raise `InputError` if there is none."""
    if name == "forward":
        return net  # called so, hooks on the whole network run too
    member: Any = net
    for step in name.split("."):
        member = getattr(member, step, None)
        if member is None:
            raise InputError(
                f"model {type(net).__name__} has no {name!r}; expected a method or one of its "
                f"modules: {_some(module_names(net))}"
            )
    if not callable(member):
        raise InputError(
            f"{name!r} of model {type(net).__name__} is a {type(member).__name__}, expected a "
            "method or a submodule"
        )
    found: Callable[..., Any] = member
    return found


def module_names(net: nn.Module) -> list[str]:
    """Return the names of all modules within a network."""
    return [name for name, _ in net.named_modules() if name]


def _whole(net: nn.Module) -> str:
    """Return what runs the network: itself, or where it has no forward, what encodes."""
    if type(net).forward is not nn.Module.forward:
        return "forward"
    return next((name for name in _ENCODE if _callable(net, name)), "forward")


def _callable(net: nn.Module, name: str) -> bool:
    member = getattr(net, name, None)
    listing = isinstance(member, nn.Module) and type(member).forward is nn.Module.forward
    return callable(member) and not listing  # a ModuleList is called through a loop in `forward`


def _unknown_layer(layer: str, known: list[str]) -> InputError:
    near = get_close_matches(layer, known, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return InputError(f"layer {layer!r} does not exist; {guess}The modules are: {_some(known, 40)}")


def _some(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + more
