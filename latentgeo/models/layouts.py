"""Find the latent in what a foreign encoder gives, and the image in what a decoder gives."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from latentgeo.errors import InputError
from latentgeo.objectives import Posterior
from latentgeo.settings import PosteriorSettings

# What the outputs of diffusers and pythae call a point, and a mean with its log-variance.
_POINTS = ("latents", "latent", "embedding", "z")
_IMAGES = ("sample", "reconstruction", "recon_x", "images", "image")


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
            Mean and log-variance (b, C, H, W), with the log-variance None for a point.

        Raises
        ------
        InputError
            When there is no latent of that layout.
        """
        mean, *rest = (as_tensor(part) for part in self.parts(output))
        return Posterior(mean, self._log_variance(rest[0]) if rest else None)

    def parts(self, output: Any) -> list[Tensor]:
        """Return the latent, or mean and spread, in the form that the encoder gives them.

        Takes and raises what `read` does.

        Returns
        -------
        list of torch.Tensor
            One or two, of one shape.
        """
        found = _named(output)
        if isinstance(found, tuple | list) and self.items is not None:
            found = self._pick(found)
        parts = self._split(found) if isinstance(found, Tensor) else found
        if not self._is_posterior(parts):
            raise InputError(
                f"the encoder gives {describe(output)}, which is no latent of layout "
                f"{self.layout!r}; expected a tensor (b, D), (b, T, D) or (b, C, H, W), or mean "
                "and spread; say where they are with a posterior layout (items, halves, "
                "interleaved), or name a layer"
            )
        return list(parts)

    def _pick(self, found: Any) -> Any:
        items = self.items or ()
        if max(items) >= len(found):
            raise InputError(
                f"posterior items {list(items)} ask for place {max(items)}, the encoder gives "
                f"{describe(found)}; places count from 0"
            )
        chosen = [found[item] for item in items]
        return chosen[0] if len(chosen) == 1 else chosen

    def _split(self, values: Tensor) -> list[Tensor]:
        if self.layout not in ("halves", "interleaved"):
            return [values]
        axis = 2 if values.ndim == 3 else 1  # of tokens (b, T, D) the last is the channel
        if values.ndim not in (2, 3, 4) or values.shape[axis] % 2:
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
        if not all(isinstance(part, Tensor) and part.ndim in (2, 3, 4) for part in parts):
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


def as_tensor(latent: Tensor) -> Tensor:
    """Make latents (b, C, H, W): vectors (b, D) become (b, D, 1, 1), tokens (b, D, T, 1)."""
    if latent.ndim == 2:
        return latent[:, :, None, None]
    return latent.mT[..., None] if latent.ndim == 3 else latent


def as_given(latent: Tensor, dimensions: int) -> Tensor:
    """Undo `as_tensor` for a decoder that takes vectors (2 dimensions) or tokens (3)."""
    if dimensions == 2:
        return latent.flatten(1)
    return latent.squeeze(-1).mT if dimensions == 3 else latent


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
    """Unpack what libraries name; leave anything else as it is."""
    distribution = _get(output, "latent_dist")
    if distribution is not None:
        return [distribution.mean, distribution.logvar]
    if isinstance(output, Tensor):
        return output
    spread = _get(output, "log_covariance")
    for name in _POINTS:
        value = _get(output, name)
        if isinstance(value, Tensor):
            return value if spread is None else [value, spread]
    return output


def _get(output: Any, name: str) -> Any:
    if isinstance(output, Mapping):
        return output.get(name)
    return None if isinstance(output, Tensor) else getattr(output, name, None)
