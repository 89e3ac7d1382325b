"""What training minimises: terms, the likelihoods that they use, and corruptions of the input.

A term is one small file: a class with a `name`, a `weight` and a call that takes one pass of the
model and the clean images and gives a scalar in nats per image.
"""

from latentgeo.objectives.corruption import Corruption, GaussianCorruption
from latentgeo.objectives.kl import KLDivergence
from latentgeo.objectives.likelihoods import LIKELIHOODS, Likelihood
from latentgeo.objectives.passes import Pass, Posterior
from latentgeo.objectives.reconstruction import Reconstruction
from latentgeo.objectives.term import Term

__all__ = [
    "LIKELIHOODS",
    "Corruption",
    "GaussianCorruption",
    "KLDivergence",
    "Likelihood",
    "Pass",
    "Posterior",
    "Reconstruction",
    "Term",
]
