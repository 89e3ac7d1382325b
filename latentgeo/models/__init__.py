"""Autoencoders: encoder, bottleneck, decoder; named recipes on a chosen backbone.

Add a model
-----------
A recipe is a row of `recipes.RECIPES`: its options, its bottleneck, the terms that training
minimises and what corrupts the input. A backbone is a row of `backbones.BACKBONES`: its options
and a function that builds encoder and decoder for an image shape. Every recipe then goes with
every backbone, and the contract test covers the pairs.
"""

from latentgeo.models.autoencoder import Autoencoder
from latentgeo.models.backbones import BACKBONES, Backbone, register_backbone
from latentgeo.models.bottlenecks import Bottleneck, Deterministic, Gaussian
from latentgeo.models.build import build
from latentgeo.models.config import ModelConfig, resolve_options
from latentgeo.models.device import choose_device, device_of, dtype_of
from latentgeo.models.folder import load_model, save_model
from latentgeo.models.functions import Function
from latentgeo.models.layouts import PosteriorLayout
from latentgeo.models.nets import LatentShape, Nets, Shape, Shapes, shape_of
from latentgeo.models.objective import objective, shapes_of
from latentgeo.models.preprocessing import Preprocessing
from latentgeo.models.recipe import Recipe
from latentgeo.models.recipes import RECIPES, register_recipe
from latentgeo.models.sampling import sample, sample_latents
from latentgeo.models.sentences import (
    add_sentences,
    interpolate_sentences,
    reconstruct_sentences,
    sample_sentences,
)
from latentgeo.models.wrapping import wrap
from latentgeo.objectives import Pass, Posterior

__all__ = [
    "BACKBONES",
    "RECIPES",
    "Autoencoder",
    "Backbone",
    "Bottleneck",
    "Deterministic",
    "Function",
    "Gaussian",
    "LatentShape",
    "ModelConfig",
    "Nets",
    "Pass",
    "Posterior",
    "PosteriorLayout",
    "Preprocessing",
    "Recipe",
    "Shape",
    "Shapes",
    "add_sentences",
    "build",
    "choose_device",
    "device_of",
    "dtype_of",
    "interpolate_sentences",
    "load_model",
    "objective",
    "reconstruct_sentences",
    "register_backbone",
    "register_recipe",
    "resolve_options",
    "sample",
    "sample_latents",
    "sample_sentences",
    "save_model",
    "shape_of",
    "shapes_of",
    "wrap",
]
