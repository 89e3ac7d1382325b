"""The codes follow a prior, as far as a discriminator can tell."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from latentgeo.objectives.adversarial import AdversarialTerm
from latentgeo.objectives.diagnostics import active_categories, code_variance, diagnose_collapse
from latentgeo.objectives.passes import UNLABELLED, Batch, Pass
from latentgeo.objectives.priors import Categorical, Prior

# A discriminator that is right so often has won; one with so narrow scores says nothing.
_WON, _DEAD = 0.97, 1e-3
_FEW_HEADS = 0.5
_MANY = 100


class Discriminator(nn.Module):
    """Codes, and their classes where it is told them, to the logit that they are from the prior.

    Parameters
    ----------
    dimension : int
        Numbers in a code.
    hidden : sequence of int
        Widths of the hidden layers.
    classes : int, default=0
        With classes, it sees the one-hot label beside the code; one more stands for "unlabelled".
    noise : float, default=0.0
        Standard deviation of the noise on the codes while it trains.
    slope : float, default=0.0
        Slope of the units of the hidden layers below 0: with 0 they are ReLUs.
    prior : Prior, optional
        With a prior whose density is known, the logarithm of that density is added to the logit,
        so that the net has to learn the codes' density alone.
    """

    def __init__(
        self,
        dimension: int,
        hidden: Sequence[int],
        *,
        classes: int = 0,
        noise: float = 0.0,
        slope: float = 0.0,
        prior: Prior | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.noise = noise
        self.prior = prior
        widths = (dimension + (classes + 1 if classes else 0), *hidden)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.LeakyReLU(slope)]
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map codes (n, dimension) and labels (n,) to logits (n,)."""
        seen = codes
        if self.training and self.noise:
            seen = codes + self.noise * torch.randn_like(codes)
        if self.classes:
            seen = torch.cat([seen, self._one_hot_labels(labels, codes)], dim=1)
        logits: Tensor = self.net(seen).squeeze(1)
        return logits if self.prior is None else logits + self.prior.log_density(codes)

    def _one_hot_labels(self, labels: Tensor | None, codes: Tensor) -> Tensor:
        if labels is None:
            labels = torch.full((len(codes),), UNLABELLED, device=codes.device)
        places = torch.where(labels == UNLABELLED, self.classes, labels)
        return one_hot(places, self.classes + 1).to(codes)


class AdversarialPrior(AdversarialTerm):
    r"""How sure a discriminator is that the codes are not draws of the prior.

    The encoder descends :math:`-\log D(z)` of its codes, the discriminator
    :math:`-\log D(p) - \log(1 - D(z))` with draws p of the prior.

    Parameters
    ----------
    prior : Prior
        What the codes are to follow.
    code : str, default="latent"
        Which code; see `Pass.code`.
    hidden : sequence of int, default=(1000, 1000)
        Widths of the discriminator's hidden layers.
    classes : int, default=0
        With classes, the discriminator is given the labels, and a labelled image's code is set
        against a draw of its own part of the prior.
    noise : float, default=0.0
        Standard deviation of the noise on the codes that the discriminator sees while training.
    slope : float, default=0.0
        Slope of the discriminator's units below 0.
    known_prior : bool, default=False
        Add the prior's log-density to the discriminator's logit.
    positions : bool, default=False
        Take each position of a latent tensor as a code of its own, of as many numbers as there are
        channels: one discriminator for all. `prior` is that of a position then.
    weight : float, default=1.0
        Factor in the objective.
    learning_rate : float, default=1e-3
        The discriminator's.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders (arXiv 1511.05644), sections 2 and 2.3. Tolstikhin
    et al., Wasserstein Auto-Encoders (arXiv 1711.01558), algorithm 1.
    """

    def __init__(
        self,
        prior: Prior,
        *,
        code: str = "latent",
        hidden: Sequence[int] = (1000, 1000),
        classes: int = 0,
        noise: float = 0.0,
        slope: float = 0.0,
        known_prior: bool = False,
        positions: bool = False,
        weight: float = 1.0,
        learning_rate: float = 1e-3,
    ) -> None:
        discriminator = Discriminator(
            prior.dimension,
            hidden,
            classes=classes,
            noise=noise,
            slope=slope,
            prior=prior if known_prior else None,
        )
        super().__init__(
            discriminator, name=f"adversarial_{code}", weight=weight, learning_rate=learning_rate
        )
        self.prior = prior
        self.code = code
        self.classes = classes
        self.positions = positions

    def __call__(self, pass_: Pass, batch: Batch) -> Tensor:
        """Return the mean of −log D of the codes; see `Term`."""
        return softplus(-self._score(pass_, batch)).mean()

    def adversary_loss(self, pass_: Pass, batch: Batch) -> Tensor:
        """Return the cross-entropy between draws of the prior and codes; see `AdversarialTerm`."""
        count = len(self._codes(pass_))
        real, fake = self._score_draws(batch, count), self._score(pass_, batch)
        return softplus(-real).mean() + softplus(fake).mean()

    def diagnostics(self, pass_: Pass, batch: Batch) -> dict[str, Tensor]:
        """Measure how often and how firmly the discriminator is right, and the codes' variance.

        See `Term`. Of a categorical code, also how many categories are in use.
        """
        codes = self._codes(pass_)
        real, fake = self._score_draws(batch, len(codes)), self._score(pass_, batch)
        found = {
            "accuracy": 0.5 * ((real > 0).double().mean() + (fake <= 0).double().mean()),
            "score_deviation": torch.cat([real, fake]).std(correction=0),
            "code_variance": code_variance(codes, self.prior),
        }
        if isinstance(self.prior, Categorical):
            found["active"] = active_categories(codes)
        return found

    def diagnose(self, found: Mapping[str, float]) -> str | None:
        """Return a warning where codes, discriminator or categories are dead; see `Term`."""
        if not found:
            return None
        if found.get("active", self.prior.dimension) < _FEW_HEADS * self.prior.dimension:
            return (
                f"only {found['active']:.1f} of {self.prior.dimension} categories are in use; "
                "try another seed, noise on the discriminator's input (discriminator_noise), or "
                "category_norm"
            )
        collapsed = diagnose_collapse(self.code, found, self.prior)
        return collapsed or self._diagnose_discriminator(found)

    def _diagnose_discriminator(self, found: Mapping[str, float]) -> str | None:
        if found["score_deviation"] < _DEAD:
            return (
                f"the discriminator of the codes ({self.code}) is dead: its output is the same "
                "for every code; try a lower discriminator_rate or another seed"
            )
        if found["accuracy"] > _WON:
            return (
                f"the discriminator of the codes ({self.code}) has won: its accuracy is "
                f"{found['accuracy']:.1%}, so the codes do not follow the prior; try "
                f"{self._advice()}"
            )
        return None

    def _advice(self) -> str:
        if self.prior.dimension > _MANY:
            others = "" if self.positions else "discriminator_sees=positions (of a tensor), or "
            return (
                f"{others}a code of fewer numbers than {self.prior.dimension}: no encoder without "
                "noise can fill more dimensions than the data has"
            )
        return "more weight of this term, a lower discriminator_rate or discriminator_noise"

    def _score(self, pass_: Pass, batch: Batch) -> Tensor:
        logits: Tensor = self.adversary(self._codes(pass_), self._labels_for_discriminator(batch))
        return logits

    def _score_draws(self, batch: Batch, count: int) -> Tensor:
        labels = self._labels_for_discriminator(batch)
        draws = self.prior.sample(count, labels=labels, device=batch.images.device)
        logits: Tensor = self.adversary(draws, labels)
        return logits

    def _codes(self, pass_: Pass) -> Tensor:
        codes = pass_.code(self.code).float()
        if self.positions:
            return codes.flatten(2).movedim(1, 2).flatten(0, 1)
        return codes.flatten(1)

    def _labels_for_discriminator(self, batch: Batch) -> Tensor | None:
        return batch.labels if self.classes else None
