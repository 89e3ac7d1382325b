"""The adversarial autoencoder and its variants."""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from latentgeo.errors import InputError
from latentgeo.models.bottlenecks import (
    Bottleneck,
    Categories,
    Conditional,
    Deterministic,
    Gaussian,
    Universal,
)
from latentgeo.models.nets import LatentShape, Nets, Shapes
from latentgeo.models.prior_options import DiscriminatorOptions, adversarial_prior
from latentgeo.models.recipe import NonNegative, Positive, Recipe, reconstruct
from latentgeo.objectives import (
    Categorical,
    Classification,
    Corruption,
    GaussianCorruption,
    HeadDistance,
    Prior,
    Supervision,
    Term,
    make_prior,
)

Variant = Literal[
    "basic",
    "label-regularised",
    "supervised",
    "semi-supervised",
    "clustering",
    "dimensionality-reduction",
]
_WITH_LABELS = ("label-regularised", "supervised", "semi-supervised")
_WITHOUT_LABELS = ("basic", "clustering")
_WITH_CATEGORIES = ("semi-supervised", "clustering", "dimensionality-reduction")


class AAEOptions(DiscriminatorOptions):
    """Options of the adversarial autoencoder.

    Attributes
    ----------
    variant : str
        "basic": the latent follows the prior. "label-regularised": the discriminator is given the
        labels, and each class follows its own part of the prior (a mixture or a swiss roll).
        "supervised": the decoder is given the label, the rest of the latent is the style.
        "semi-supervised": the latent is a category beside a style, the category learned from some
        labels. "clustering": the same without labels. "dimensionality-reduction": the latent is
        the sum of a learned head of the category and a style.
    encoder : {"deterministic", "gaussian", "universal"}
        Its posterior: a point, a diagonal Gaussian (basic and label-regularised only), or a
        function of the image and of noise.
    universal_noise : int
        Numbers of noise that a universal encoder takes (per place, for latent tensors).
    adversarial_weight : float
        Factor of −log D in the objective, for each code.
    categories : int
        Classes of the data, or clusters.
    category_norm : bool
        Normalise the categories' logits over the batch: otherwise one category tends to take all
        images.
    labels : int, "all" or None
        How many training images show their label; "all" where the variant learns from labels and
        nothing is said, and none in the others.
    labelled_batch : int
        Labelled images that go with each batch (semi-supervised, dimensionality reduction).
    classification_weight : float
        Factor of the cross-entropy on them.
    head_distance : float
        Distance up to which the heads of a dimensionality reduction are pushed apart.
    head_weight : float
        Factor of that push.
    input_noise : float
        Standard deviation of the noise on the images that the encoder sees while training.
    """

    variant: Variant = "basic"
    encoder: Literal["deterministic", "gaussian", "universal"] = "deterministic"
    universal_noise: PositiveInt = 10
    adversarial_weight: NonNegative = 1.0
    categories: Annotated[int, Field(ge=2)] = 10
    category_norm: bool = True
    labels: PositiveInt | Literal["all"] | None = None
    labelled_batch: PositiveInt = 100
    classification_weight: NonNegative = 1.0
    head_distance: Positive = 5.0
    head_weight: NonNegative = 1.0
    input_noise: NonNegative = 0.0

    @model_validator(mode="after")
    def _fit_together(self) -> "AAEOptions":
        if self.encoder == "gaussian" and self.variant not in ("basic", "label-regularised"):
            raise ValueError(
                f"option encoder is 'gaussian', but the variant {self.variant!r} takes a "
                "deterministic or a universal encoder; use one of them"
            )
        plain = self.encoder == "deterministic" and self.variant not in _WITH_CATEGORIES
        if self.latent_norm and not plain:
            raise ValueError(
                "option latent_norm is true, but only a deterministic latent without categories "
                "is normalised; leave it out"
            )
        if self.variant in _WITHOUT_LABELS and self.labels is not None:
            raise ValueError(
                f"option labels is {self.labels!r}, but the variant {self.variant!r} learns from "
                "no labels; leave it out, or use variant=semi-supervised"
            )
        if self.variant == "label-regularised" and self.prior == "normal":
            raise ValueError(
                "option prior is 'normal', but the variant 'label-regularised' needs one with a "
                "part for each class; use prior=mixture or prior=swiss-roll"
            )
        return self

    @property
    def labels_seen(self) -> int | Literal["all"] | None:
        """Labels that training sees, the default filled in."""
        return "all" if self.labels is None and self.variant in _WITH_LABELS else self.labels


def _bottleneck(nets: Nets, options: AAEOptions) -> Bottleneck:
    channels = nets.latent_shape[0]
    style = _style_dimension(nets.latent_shape, options)
    if options.variant in _WITH_CATEGORIES:
        heads = options.head_distance if options.variant == "dimensionality-reduction" else None
        noise = options.universal_noise if options.encoder == "universal" else 0
        return Categories(
            nets.features,
            channels,
            options.categories,
            heads=heads,
            noise=noise,
            normalised=options.category_norm,
        )
    if options.variant == "supervised":
        return Conditional(_plain(nets, style, options), options.categories)
    return _plain(nets, channels, options)


def _plain(nets: Nets, channels: int, options: AAEOptions) -> Bottleneck:
    if options.encoder == "gaussian":
        return Gaussian(nets.features, channels, activated=not nets.code)
    if options.encoder == "universal":
        return Universal(nets.features, channels, options.universal_noise)
    return Deterministic(nets.features, channels, "linear", deviation=options.latent_deviation)


def _style_dimension(latent_shape: LatentShape, options: AAEOptions) -> int:
    """Return the dimension of the code that follows the prior."""
    dimension = prod(latent_shape)
    if options.variant in ("basic", "label-regularised"):
        return dimension
    if latent_shape[1:] != (1, 1):
        raise InputError(
            f"the latent is a tensor of shape {latent_shape}, but the variant {options.variant!r} "
            "needs a vector; use the mlp or the wae backbone"
        )
    if options.variant == "dimensionality-reduction":
        return dimension
    if dimension <= options.categories:
        raise InputError(
            f"latent_dim is {dimension}, but the variant {options.variant!r} keeps "
            f"{options.categories} of it for the categories; expected more, such as "
            f"latent_dim={options.categories + 10} for a style of 10"
        )
    return dimension - options.categories


def _priors(options: AAEOptions, latent_shape: LatentShape) -> Mapping[str, Prior]:
    prior = make_prior(
        options.prior, _style_dimension(latent_shape, options), options.prior_deviation
    )
    if options.variant in _WITH_CATEGORIES:
        return {"category": Categorical(options.categories), "style": prior}
    if options.variant == "supervised":
        return {"style": prior, "label": Categorical(options.categories)}
    return {"latent": prior}


def _terms(options: AAEOptions, shapes: Shapes) -> tuple[Term, ...]:
    adversarial = [
        adversarial_prior(
            options,
            prior,
            code=code,
            weight=options.adversarial_weight,
            latent_shape=shapes.latent if code == "latent" else None,
            classes=options.categories if options.variant == "label-regularised" else 0,
        )
        for code, prior in _priors(options, shapes.latent).items()
        # The label of a supervised one is given, not learned.
        if code != "label"
    ]
    return (*reconstruct(options, shapes), *adversarial, *_terms_of_categories(options))


def _terms_of_categories(options: AAEOptions) -> list[Term]:
    terms: list[Term] = []
    if options.variant in _WITH_CATEGORIES and options.labels_seen is not None:
        terms.append(Classification(options.classification_weight))
    if options.variant == "dimensionality-reduction":
        terms.append(HeadDistance(options.head_distance, options.head_weight))
    return terms


def _corruption(options: AAEOptions) -> Corruption | None:
    noise = options.input_noise
    return GaussianCorruption(noise, noise) if noise else None


def _supervision(options: AAEOptions) -> Supervision | None:
    seen = options.labels_seen
    if seen is None:
        return None
    batch = options.labelled_batch if options.variant in _WITH_CATEGORIES else 0
    return Supervision(options.categories, None if seen == "all" else seen, batch)


AAE = Recipe(
    "adversarial autoencoder: reconstruction and an adversarial prior on the codes; variants with "
    "labels, clusters and reduced dimension",
    AAEOptions,
    _bottleneck,
    _terms,
    corruption=_corruption,
    supervision=_supervision,
    priors=_priors,
)
