"""Distributions that the codes are to follow: what can be sampled."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from latentgeo.errors import InputError
from latentgeo.objectives.passes import UNLABELLED

_DRAWS_FOR_SPREAD = 4096
#: Segments of the plane priors, one for each class.
_SEGMENTS = 10


class Prior(ABC):
    """A distribution of codes.

    Attributes
    ----------
    dimension : int
        Numbers in a code.
    """

    dimension: int

    def sample(
        self,
        n: int,
        generator: Generator | None = None,
        *,
        labels: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Draw codes.

        Parameters
        ----------
        n : int
            How many.
        generator : torch.Generator, optional
            Source of the draws, on `device`; torch's global one if left out.
        labels : torch.Tensor of shape (n,), optional
            Classes, int64. A code of class k comes from the k-th part of the distribution where
            it has parts; one of `UNLABELLED`, from all of it.
        device : torch.device or str, default="cpu"
            Where to draw.

        Returns
        -------
        torch.Tensor of shape (n, dimension)
            float32.
        """
        return self._draw(n, generator, labels, torch.device(device))

    @abstractmethod
    def _draw(
        self, n: int, generator: Generator | None, labels: Tensor | None, device: torch.device
    ) -> Tensor:
        """Draw codes; see `sample`."""

    def log_density(self, codes: Tensor) -> Tensor:
        """Return the logarithm of the density.

        Parameters
        ----------
        codes : torch.Tensor of shape (n, dimension)
            Points.

        Returns
        -------
        torch.Tensor of shape (n,)
            In nats.

        Raises
        ------
        InputError
            Where the density is not known.
        """
        raise InputError(
            f"the density of the prior {type(self).__name__} is not known; "
            "use a normal prior or a mixture, or leave known_prior out"
        )

    @cached_property
    def spread(self) -> float:
        """Expected squared distance of two draws: twice the sum of the variances."""
        generator = torch.Generator().manual_seed(0)
        return 2 * float(self.sample(_DRAWS_FOR_SPREAD, generator).var(dim=0).sum())


class StandardNormal(Prior):
    """Independent normal numbers with mean 0.

    Parameters
    ----------
    dimension : int
        Numbers in a code.
    deviation : float, default=1.0
        Their standard deviation.
    """

    def __init__(self, dimension: int, deviation: float = 1.0) -> None:
        self.dimension = dimension
        self.deviation = deviation

    def _draw(
        self, n: int, generator: Generator | None, labels: Tensor | None, device: torch.device
    ) -> Tensor:
        return self.deviation * torch.randn(n, self.dimension, generator=generator, device=device)

    def log_density(self, codes: Tensor) -> Tensor:
        """Return the logarithm of the density; see `Prior`."""
        squared = (codes / self.deviation).square().sum(dim=1)
        return -0.5 * squared - self.dimension * (
            math.log(self.deviation) + 0.5 * math.log(2 * math.pi)
        )

    @cached_property
    def spread(self) -> float:
        """Expected squared distance of two draws."""
        return 2 * self.dimension * self.deviation**2


class GaussianMixture(Prior):
    """Ten narrow Gaussians around the origin of the plane, like the petals of a flower.

    Component k has standard deviation 0.5 along its axis and 0.05 across, its mean lies 1.4
    outwards, and it is turned by 2πk/10. All weigh the same.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders (arXiv 1511.05644), section 2.3; the numbers are
    those of a published port.
    """

    dimension = 2
    _LONG, _SHORT, _SHIFT = 0.5, 0.05, 1.4

    def _draw(
        self, n: int, generator: Generator | None, labels: Tensor | None, device: torch.device
    ) -> Tensor:
        segment = _segments(n, generator, labels, device)
        normal = torch.randn(n, 2, generator=generator, device=device)
        along, across = self._LONG * normal[:, 0] + self._SHIFT, self._SHORT * normal[:, 1]
        cosine, sine = _direction(segment)
        return torch.stack([along * cosine - across * sine, along * sine + across * cosine], dim=1)

    def log_density(self, codes: Tensor) -> Tensor:
        """Return the logarithm of the density; see `Prior`."""
        cosine, sine = _direction(torch.arange(_SEGMENTS, device=codes.device))
        first, second = codes[:, :1], codes[:, 1:]
        along = (first * cosine + second * sine - self._SHIFT) / self._LONG
        across = (second * cosine - first * sine) / self._SHORT
        each = -0.5 * (along.square() + across.square())
        constant = math.log(2 * math.pi * self._LONG * self._SHORT * _SEGMENTS)
        return torch.logsumexp(each, dim=1) - constant


class SwissRoll(Prior):
    """A spiral in the plane, cut into ten segments.

    A point of segment k has u = (U + k)/10 with U uniform in [0, 1]: radius 3√u, angle 4π√u.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders (arXiv 1511.05644), section 2.3; the numbers are
    those of a published port.
    """

    dimension = 2

    def _draw(
        self, n: int, generator: Generator | None, labels: Tensor | None, device: torch.device
    ) -> Tensor:
        segment = _segments(n, generator, labels, device)
        place = torch.rand(n, generator=generator, device=device)
        root = ((place + segment) / _SEGMENTS).sqrt()
        radius, angle = 3 * root, 4 * math.pi * root
        return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


class Categorical(Prior):
    """One-hot vectors, all equally likely.

    Parameters
    ----------
    dimension : int
        Number of categories.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def _draw(
        self, n: int, generator: Generator | None, labels: Tensor | None, device: torch.device
    ) -> Tensor:
        category = torch.randint(self.dimension, (n,), generator=generator, device=device)
        if labels is not None:
            _check_classes(labels, self.dimension)
            category = torch.where(labels == UNLABELLED, category, labels)
        return one_hot(category, self.dimension).float()


class CustomPrior(Prior):
    """A distribution of your own.

    Parameters
    ----------
    draw : callable
        (n, generator or None) to codes (n, dimension), drawn on the CPU.
    dimension : int
        Numbers in a code.
    """

    def __init__(self, draw: Callable[[int, Generator | None], Tensor], dimension: int) -> None:
        self.draw = draw
        self.dimension = dimension

    def _draw(
        self, n: int, generator: Generator | None, labels: Tensor | None, device: torch.device
    ) -> Tensor:
        codes = self.draw(n, generator if device.type == "cpu" else None)
        if tuple(codes.shape) != (n, self.dimension):
            raise InputError(
                f"the prior of your own gave shape {tuple(codes.shape)}, "
                f"expected ({n}, {self.dimension})"
            )
        return codes.float().to(device)


#: From a name to a prior of a dimension and a standard deviation (where it has one to choose).
#: Add a row for a prior of your own; it must be there whenever such a run is loaded.
PRIORS: dict[str, Callable[[int, float], Prior]] = {
    "normal": StandardNormal,
    "mixture": lambda dimension, deviation: GaussianMixture(),
    "swiss-roll": lambda dimension, deviation: SwissRoll(),
    "categorical": lambda dimension, deviation: Categorical(dimension),
}


def make_prior(name: str, dimension: int, deviation: float = 1.0) -> Prior:
    """Return a prior by name.

    Parameters
    ----------
    name : str
        A name in `PRIORS`.
    dimension : int
        Numbers in the codes that it shall be a prior of.
    deviation : float, default=1.0
        Standard deviation of a normal prior; the others have their own.

    Returns
    -------
    Prior
        The prior.

    Raises
    ------
    InputError
        When it has another dimension.
    """
    prior = PRIORS[name](dimension, deviation)
    if prior.dimension != dimension:
        raise InputError(
            f"prior {name!r} has dimension {prior.dimension}, the code has {dimension}; choose "
            f"the code's dimension to be {prior.dimension} (on the mlp and wae backbones "
            "latent_dim), or prior=normal"
        )
    return prior


def _segments(
    n: int, generator: Generator | None, labels: Tensor | None, device: torch.device
) -> Tensor:
    """Draw a segment for each code, or take that of its label."""
    segment = torch.randint(_SEGMENTS, (n,), generator=generator, device=device)
    if labels is None:
        return segment
    _check_classes(labels, _SEGMENTS)
    return torch.where(labels == UNLABELLED, segment, labels)


def _check_classes(labels: Tensor, parts: int) -> None:
    highest = int(labels.max()) if len(labels) else 0
    if highest >= parts:
        raise InputError(
            f"label {highest} has no part of the prior, which has {parts}; use labels below that, "
            "or a variant without labels"
        )


def _direction(segment: Tensor) -> tuple[Tensor, Tensor]:
    angle = 2 * math.pi * segment / _SEGMENTS
    return angle.cos(), angle.sin()
