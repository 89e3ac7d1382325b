"""Find the latent in what a foreign encoder gives, and the image in what a decoder gives."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentgeo.errors import InputError
from latentgeo.objectives import Posterior
from latentgeo.settings import LAYOUTS, PosteriorSettings

# What people call a point, and a mean with its log-variance.
_POINTS = ("latents", "latent", "embedding", "last_hidden_state", "z")
_MEANS = ("mean", "mu", "loc", "embedding", "z_mean", "z_mu")
_LOG_VARIANCES = ("logvar", "log_var", "log_variance", "log_covariance", "z_logvar", "z_log_var")
_SHOWN, _DEEPEST = 8, 3
_DIMENSIONS = (2, 3, 4, 5)  # vectors, tokens or signals, images, volumes; the batch is the first
_IMAGES = ("sample", "reconstruction", "recon_x", "images", "image")


class Outputs(dict[str, Any]):
    """What a network gives by names that may mean nothing, in an order that counts."""


class PosteriorLayout(PosteriorSettings):
    """How a foreign encoder gives the parameters of its posterior."""

    def read(self, output: Any) -> Posterior:
        """Return the posterior.

        Parameters
        ----------
        output : object
            What the encoder gave for a batch.

        Returns
        -------
        Posterior
            Mean and log-variance (b, C, ...), with the log-variance None for a point.

        Raises
        ------
        InputError
            When there is no latent of that layout.
        """
        first = self.channels == "first"
        mean, *rest = (as_tensor(part, channels_first=first) for part in self.parts(output))
        return Posterior(mean, self._log_variance(rest[0]) if rest else None)

    def parts(self, output: Any) -> list[Tensor]:
        """Return the latent, or mean and spread, in the form that the encoder gives them.

        Takes and raises what `read` does.

        Returns
        -------
        list of torch.Tensor
            One or two, of one shape.
        """
        found = self._pick(output) if self.items is not None else _named(output)
        found = list(found.values()) if isinstance(found, Outputs) else found
        parts = self._split(found) if isinstance(found, Tensor) else found
        if not self._is_posterior(parts):
            if not _tensors_in(output):
                raise InputError(
                    f"the encoder gives {describe(output)}, which is no latent, nor holds a "
                    "tensor; name what gives the latents (encode=…, --encode), or a layer (--layer)"
                )
            raise InputError(
                f"the encoder gives {describe(output)}, which is no latent of layout "
                f"{self.layout!r}; expected a tensor (b, D), (b, T, D) or (b, C, H, W), or mean "
                "and spread; say where they are (--posterior, by place or name: "
                f"{_places(output)}), that one tensor holds both (halves, interleaved), or name a "
                "layer"
            )
        return list(parts)

    def _pick(self, output: Any) -> Any:
        chosen = [_at(output, item) for item in self.items or ()]
        return _named(chosen[0]) if len(chosen) == 1 else chosen

    def _split(self, values: Tensor) -> list[Tensor]:
        if self.layout not in ("halves", "interleaved"):
            return [values]
        tokens = values.ndim == 3 and self.channels != "first"
        axis = 2 if tokens else 1  # of tokens (b, T, D) the last is the channel
        if values.ndim not in _DIMENSIONS or values.shape[axis] % 2:
            raise InputError(
                f"the encoder gives {describe(values)}, which has no two equal halves of "
                f"channels for the layout {self.layout!r}"
            )
        if self.layout == "halves":
            return list(values.chunk(2, dim=axis))
        before, after = values.shape[:axis], values.shape[axis + 1 :]
        return list(values.reshape(*before, -1, 2, *after).unbind(axis + 1))

    def _is_posterior(self, parts: Any) -> bool:
        if not isinstance(parts, tuple | list) or not parts:
            return False
        if not all(map(is_latent, parts)):
            return False
        expected = {"point": (1,), "auto": (1, 2)}.get(self.layout, (2,))
        return len(parts) in expected and all(part.shape == parts[0].shape for part in parts)

    def _log_variance(self, spread: Tensor) -> Tensor:
        if self.spread == "variance":
            return torch.log(spread)
        if self.spread == "std":
            return 2 * torch.log(spread)
        return 2 * spread if self.spread == "log-std" else spread


def read_image(output: Any) -> Any:
    """Return the images in what a decoder gave: a tensor, the first of several, or a named one."""
    if isinstance(output, Tensor):
        return output
    for name in _IMAGES:
        value = _get(output, name)
        if isinstance(value, Tensor):
            return value
    return output[0] if isinstance(output, tuple | list) and output else output


def is_latent(value: Any) -> TypeGuard[Tensor]:
    """Return whether a value is a tensor of as many axes as a batch of latents has."""
    return isinstance(value, Tensor) and value.ndim in _DIMENSIONS


def as_tensor(latent: Tensor, *, channels_first: bool = False) -> Tensor:
    """Put the channels first: vectors (b, D) as (b, D, 1, 1), tokens (b, T, D) as (b, D, T).

    With `channels_first` latents of two axes are signals (b, D, T), and stay as they are. A volume
    of one slice, or a video of one frame, is an image.
    """
    if latent.ndim == 2:
        return latent[:, :, None, None]
    if latent.ndim == 5 and latent.shape[2] == 1:
        return latent.squeeze(2)
    return latent.mT if latent.ndim == 3 and not channels_first else latent


def as_given(latent: Tensor, shape: Sequence[int], *, channels_first: bool = False) -> Tensor:
    """Undo `as_tensor` for a decoder that takes latents of this shape, without the batch."""
    if len(shape) == 2 and not channels_first:
        return latent.mT
    return latent.reshape(-1, *shape)


def describe(values: Any) -> str:
    """Return what an object is, for messages."""
    if isinstance(values, Tensor):
        return f"a tensor of shape {tuple(values.shape)}"
    if isinstance(values, Mapping):
        return f"a mapping of {', '.join(map(str, values))}"
    if isinstance(values, tuple | list):
        return f"{len(values)} values ({', '.join(describe(value) for value in values)})"
    return f"a {type(values).__name__}"


def _named(output: Any) -> Any:
    """Unpack distributions and what is named as usual; leave anything else as it is."""
    if isinstance(output, Tensor):
        return output
    inner = _get(output, "latent_dist")
    found = output if inner is None else inner
    if isinstance(found, tuple | list):
        held = [part for part in found if isinstance(part, Distribution)]
        found = held[0] if len(held) == 1 else found
    if isinstance(found, Distribution):
        return [found.mean, torch.log(found.variance)]
    pair = [_first_named(found, names) for names in (_MEANS, _LOG_VARIANCES)]
    if all(part is not None for part in pair):
        return pair
    point = _first_named(found, _POINTS)
    return _only_latent(found) if point is None else point


def _first_named(output: Any, names: Sequence[str]) -> Tensor | None:
    values = (_get(output, name) for name in names)
    return next((value for value in values if isinstance(value, Tensor)), None)


def _only_latent(output: Any) -> Any:
    """Return the only tensor that is a latent by its form, or what was given."""
    values = output.values() if isinstance(output, Mapping) else output
    if not isinstance(output, Mapping | tuple | list):
        return output
    tensors = [value for value in values if isinstance(value, Tensor) and value.ndim > 1]
    return tensors[0] if len(tensors) == 1 else output


def _at(output: Any, item: int | str) -> Any:
    """Return what lies at a place or under a name, with dots within what is nested."""
    found = output
    for step in str(item).split("."):
        found = _get(found, step)
        if found is None:
            raise InputError(
                f"posterior item {item!r} is not there, the encoder gives {describe(output)}; "
                f"expected one of {_places(output)}, or a layout ({', '.join(LAYOUTS)})"
            )
    return found


def _get(output: Any, name: str) -> Any:
    """Return a member of an output by its name, or by its place from 0; None if there is none."""
    if isinstance(output, Tensor):
        return None
    named = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
    if named is None and name.isdigit() and isinstance(output, Mapping | tuple | list):
        values = list(output.values() if isinstance(output, Mapping) else output)
        return values[int(name)] if int(name) < len(values) else None
    return named


def _places(output: Any) -> str:
    return ", ".join(_tensors_in(output))


def _tensors_in(values: Any, path: str = "", depth: int = 0) -> list[str]:
    """List the tensors that an output holds, each as it can be asked for."""
    if isinstance(values, Tensor):
        return [path]
    if depth > _DEEPEST or not isinstance(values, Mapping | tuple | list):
        return []
    named = values.items() if isinstance(values, Mapping) else enumerate(values)
    return [
        place
        for name, value in named
        for place in _tensors_in(value, f"{path}.{name}".lstrip("."), depth + 1)
    ][:_SHOWN]
