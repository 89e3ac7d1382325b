"""What training minimises for a model."""

from latentgeo.models.autoencoder import Autoencoder
from latentgeo.models.critic import critic_terms
from latentgeo.models.nets import Shapes
from latentgeo.models.recipes import RECIPES
from latentgeo.objectives import Term


def objective(model: Autoencoder) -> tuple[Term, ...]:
    """Return the terms of a model's recipe.

    Parameters
    ----------
    model : Autoencoder
        Its configuration and its shapes decide.

    Returns
    -------
    tuple of Term
        The terms; adversaries in them have fresh weights, drawn from torch's global generator.
    """
    options, shapes = model.config.recipe_options, shapes_of(model)
    terms = RECIPES[model.config.recipe].terms(options, shapes)
    return (*terms, *critic_terms(options, options.likelihood, shapes))


def shapes_of(model: Autoencoder) -> Shapes:
    """Return the sizes that a term may need."""
    return Shapes(model.config.image_shape, model.latent_shape)
