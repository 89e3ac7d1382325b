"""From the encoder's features to the posterior of the latent."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from latentgeo.objectives import UNLABELLED, Posterior

# Beyond these a standard deviation is 5e-5 or 150: exp stays finite, and nothing is lost.
_LOG_VARIANCE_RANGE = (-20.0, 10.0)
# A fresh posterior as wide as the prior drowns the signal, and learning starts late.
_LOG_VARIANCE_SHIFT = -2.0


class Bottleneck(nn.Module, ABC):
    """Features (b, F, H, W) to a `Posterior` of latents (b, C, H, W).

    Attributes
    ----------
    stochastic : bool
        Whether the posterior has a variance.
    """

    stochastic: ClassVar[bool]

    @abstractmethod
    def forward(self, features: Tensor) -> Posterior:
        """Return the posterior."""

    def condition(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Insert labels into latents, where there is room for them.

        Parameters
        ----------
        latent : torch.Tensor of shape (b, C, H, W)
            Latents.
        labels : torch.Tensor of shape (b,)
            Classes, -1 where they are not known.

        Returns
        -------
        torch.Tensor of shape (b, C, H, W)
            The latents; as they came, unless the bottleneck is one for labels.
        """
        return latent

    def compose(self, codes: Mapping[str, Tensor]) -> Tensor:
        """Make latents of codes, such as draws of the priors.

        Parameters
        ----------
        codes : mapping of str to torch.Tensor of shape (n, d)
            Each code by its name; "latent" alone, unless the latent is composed of others.

        Returns
        -------
        torch.Tensor of shape (n, D)
            Latents, flattened.
        """
        return codes["latent"]


class Deterministic(Bottleneck):
    """A single point: the features, activated; mapped by a 1×1 convolution if sizes differ.

    Parameters
    ----------
    features : int
        Channels that come in, before their activation.
    channels : int
        Channels of the latent.
    activation : {"relu", "linear"}, default="relu"
        What the latent passes.
    deviation : float, optional
        Normalise each channel over the batch (and over rows and columns) to mean 0 and this
        standard deviation; as it comes if left out.
    """

    stochastic = False

    def __init__(
        self,
        features: int,
        channels: int,
        activation: Literal["relu", "linear"] = "relu",
        *,
        deviation: float | None = None,
    ) -> None:
        super().__init__()
        self.project = nn.Identity() if features == channels else _project(features, channels)
        self.activation = nn.ReLU() if activation == "relu" else nn.Identity()
        self.normalise = nn.Identity() if deviation is None else _normalise(channels)
        self.deviation = 1.0 if deviation is None else deviation

    def forward(self, features: Tensor) -> Posterior:
        """Return the point."""
        latent = self.activation(self.project(features))
        return Posterior(self.deviation * self.normalise(latent))


class Gaussian(Bottleneck):
    """A diagonal Gaussian: mean and log-variance by 1×1 convolutions of the features.

    The log-variance is shifted by -2, so that it starts there, and clamped to [-20, 10].

    Parameters
    ----------
    features : int
        Channels that come in, before their activation.
    channels : int
        Channels of the latent.
    activated : bool, default=True
        Whether the features pass a ReLU before.
    """

    stochastic = True

    def __init__(self, features: int, channels: int, *, activated: bool = True) -> None:
        super().__init__()
        project = _project if activated else _map
        self.mean = project(features, channels)
        self.log_variance = project(features, channels)

    def forward(self, features: Tensor) -> Posterior:
        """Return mean and log-variance."""
        return Posterior(self.mean(features), _log_variance(self.log_variance(features)))


class DenseGaussian(Bottleneck):
    """A diagonal Gaussian: mean and log-variance by dense layers of the flattened features.

    A probe reads these features, as in the ACAI paper.

    The log-variance is shifted and clamped as that of `Gaussian`.

    Parameters
    ----------
    features : int
        Channels that come in, with the rows and columns of the latent.
    latent_shape : tuple of int
        (C, H, W).
    """

    stochastic = True

    def __init__(self, features: int, latent_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, rows, columns = latent_shape
        inputs, self._shape = features * rows * columns, latent_shape
        self.mean = nn.Linear(inputs, channels * rows * columns)
        self.log_variance = nn.Linear(inputs, channels * rows * columns)

    def forward(self, features: Tensor) -> Posterior:
        """Return mean and log-variance."""
        code = features.flatten(1)
        mean = self.mean(code).unflatten(1, self._shape)
        log_variance = _log_variance(self.log_variance(code).unflatten(1, self._shape))
        return Posterior(mean, log_variance, probed=features)


class Universal(Bottleneck):
    """A point that depends on noise: any posterior, as far as a hidden layer can bend it.

    While training, normal noise η joins the features before a hidden layer; otherwise η is 0, so
    that the latent that is analysed is one point.

    Parameters
    ----------
    features : int
        Channels that come in, before their activation.
    channels : int
        Channels of the latent.
    noise : int
        Channels of noise.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders (arXiv 1511.05644), section 2.1.
    """

    stochastic = False

    def __init__(self, features: int, channels: int, noise: int) -> None:
        super().__init__()
        self.join = _Joined(features, noise)
        self.project = _project(features, channels)

    def forward(self, features: Tensor) -> Posterior:
        """Return the point."""
        return Posterior(self.project(self.join(features)))


class Conditional(Bottleneck):
    """A code of the style, beside room for the label: the decoder is given the class.

    The latent is a vector of the style and the one-hot label. Without a label its places share
    one, 1/K each.

    Parameters
    ----------
    style : Bottleneck
        Features to the style; a point.
    classes : int
        Number of classes, K.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders (arXiv 1511.05644), section 4.
    """

    stochastic = False

    def __init__(self, style: Bottleneck, classes: int) -> None:
        super().__init__()
        self.style = style
        self.classes = classes

    def forward(self, features: Tensor) -> Posterior:
        """Return style and room for the label."""
        style = self.style(features).mean
        room = style.new_full((len(style), self.classes, 1, 1), 1 / self.classes)
        return Posterior(torch.cat([style, room], dim=1), codes={"style": style.flatten(1)})

    def condition(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Insert the known labels in their places; see `Bottleneck`."""
        style, room = latent[:, : -self.classes], latent[:, -self.classes :]
        known_part = one_hot(labels.clamp(min=0), self.classes).to(latent)[..., None, None]
        known = (labels != UNLABELLED)[:, None, None, None]
        return torch.cat([style, torch.where(known, known_part, room)], dim=1)

    def compose(self, codes: Mapping[str, Tensor]) -> Tensor:
        """Concatenate style and label; see `Bottleneck`."""
        return torch.cat([codes["style"], codes["label"]], dim=1)


class Categories(Bottleneck):
    """A category and a style from the same features.

    Parameters
    ----------
    features : int
        Channels that come in, before their activation; rows and columns are 1.
    dimension : int
        Numbers in the latent.
    categories : int
        Number of categories, K.
    heads : float or None
        None: the latent is the category's probabilities beside the style. A number: the latent
        is y·W + z, the category's head plus the style, both of the latent's dimension; the heads
        W (K × dimension) are learned, and begin about as far from each other as this.
    noise : int, default=0
        Channels of noise that join the features while training, as in `Universal`.
    normalised : bool, default=True
        Normalise the categories' logits over the batch, so that none is forgotten.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders (arXiv 1511.05644), sections 5 to 7.
    """

    stochastic = False

    def __init__(
        self,
        features: int,
        dimension: int,
        categories: int,
        *,
        heads: float | None = None,
        noise: int = 0,
        normalised: bool = True,
    ) -> None:
        super().__init__()
        self.join = _Joined(features, noise) if noise else nn.Identity()
        norm = nn.BatchNorm2d(categories) if normalised else nn.Identity()
        # A bias would be taken away by the normalisation.
        logits = nn.Conv2d(features, categories, 1, bias=not normalised)
        self.category = nn.Sequential(nn.ReLU(), logits, norm)
        self.style = _project(features, dimension if heads else dimension - categories)
        # Two normal points lie √(2d) standard deviations apart.
        deviation = heads / (2 * dimension) ** 0.5 if heads else 0.0
        start = deviation * torch.randn(categories, dimension)
        self.heads = nn.Parameter(start) if heads else None

    def forward(self, features: Tensor) -> Posterior:
        """Return the latent and what it is composed of."""
        joined = self.join(features)
        logits, style = self.category(joined).flatten(1), self.style(joined).flatten(1)
        codes = {"category": logits.softmax(dim=1), "style": style}
        latent = self.compose(codes)[..., None, None]
        codes["category_logits"] = logits
        if self.heads is not None:
            codes["heads"] = self.heads
        return Posterior(latent, codes=codes)

    def compose(self, codes: Mapping[str, Tensor]) -> Tensor:
        """Make the latent of category and style; see `Bottleneck`."""
        if self.heads is None:
            return torch.cat([codes["category"], codes["style"]], dim=1)
        return codes["category"] @ self.heads + codes["style"]


class Stacked(Bottleneck):
    """A deterministic code h, and a second autoencoder of it with a code z of its own.

    The latent is h. What the second stage makes of it are the codes "stage" (h as the second
    stage sees it), "code" (z) and "rebuilt" (h again), all flattened.

    Parameters
    ----------
    features : int
        Channels that come in, before their activation.
    latent_shape : tuple of int
        (C, H, W) of h.
    dimension : int
        Numbers in z.
    hidden : tuple of int
        Widths of the hidden layers of the second stage's two nets.
    gradients : {"stop", "normalised", "raw"}
        How the second stage acts on the first: not at all; with h normalised per channel over the
        batch, so that it cannot shrink; or freely, whereby h can shrink until the second stage
        costs nothing.

    References
    ----------
    A reconstruction from the abstract of Xu et al., Stacked Wasserstein Autoencoder
    (arXiv 1910.02560).
    """

    stochastic = False

    def __init__(
        self,
        features: int,
        latent_shape: tuple[int, int, int],
        *,
        dimension: int,
        hidden: tuple[int, ...],
        gradients: Literal["stop", "normalised", "raw"],
    ) -> None:
        super().__init__()
        channels, rows, columns = latent_shape
        deviation = 1.0 if gradients == "normalised" else None
        self.first = Deterministic(features, channels, "linear", deviation=deviation)
        self.stopped = gradients == "stop"
        size = channels * rows * columns
        self.second_encoder = _WithInput(size, hidden, dimension)
        self.second_decoder = _WithInput(dimension, hidden, size)

    def forward(self, features: Tensor) -> Posterior:
        """Return h, and what the second stage makes of it."""
        latent = self.first(features).mean
        stage = latent.detach() if self.stopped else latent
        code = self.second_encoder(stage.flatten(1))
        rebuilt = self.second_decoder(code)
        return Posterior(
            latent, codes={"stage": stage.flatten(1), "code": code, "rebuilt": rebuilt}
        )

    def compose(self, codes: Mapping[str, Tensor]) -> Tensor:
        """Return h of z; see `Bottleneck`."""
        latent: Tensor = self.second_decoder(codes["code"])
        return latent


class _Joined(nn.Module):
    """Features with noise, through a hidden layer of the same width; before its activation."""

    def __init__(self, features: int, noise: int) -> None:
        super().__init__()
        self.noise = noise
        self.hidden = nn.Conv2d(features + noise, features, 1)

    def forward(self, features: Tensor) -> Tensor:
        batch, _, rows, columns = features.shape
        noise = features.new_zeros(batch, self.noise, rows, columns)
        if self.training:
            noise = torch.randn_like(noise)
        joined: Tensor = self.hidden(torch.cat([features.relu(), noise], dim=1))
        return joined


class _WithInput(nn.Module):
    """Linear layers with ReLU, whose last sees the input again beside what was made of it."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((inputs, *hidden)):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.hidden = nn.Sequential(*layers)
        self.last = nn.Linear(inputs + hidden[-1], outputs)

    def forward(self, values: Tensor) -> Tensor:
        output: Tensor = self.last(torch.cat([values, self.hidden(values)], dim=1))
        return output


def _log_variance(given: Tensor) -> Tensor:
    return (given + _LOG_VARIANCE_SHIFT).clamp(*_LOG_VARIANCE_RANGE)


def _project(features: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), _map(features, channels))


def _map(features: int, channels: int) -> nn.Conv2d:
    return nn.Conv2d(features, channels, 1)


def _normalise(channels: int) -> nn.BatchNorm2d:
    """Normalise over the batch, without a learned scale, which could undo it."""
    return nn.BatchNorm2d(channels, affine=False)
