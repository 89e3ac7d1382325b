"""What training minimises: terms, the likelihoods that they use, and corruptions of the input.

A term is one small file: a class with a `name`, a `weight` and a call that takes one pass of the
model and the batch and gives a scalar. A term whose measure is learned is an `AdversarialTerm`:
it owns the net that measures, and says what that net descends.
"""

from latentgeo.objectives.adversarial import AdversarialTerm
from latentgeo.objectives.corruption import Corruption, GaussianCorruption
from latentgeo.objectives.kl import KLDivergence
from latentgeo.objectives.likelihoods import LIKELIHOODS, Likelihood
from latentgeo.objectives.passes import UNLABELLED, Batch, Codec, Labelled, Pass, Posterior
from latentgeo.objectives.reconstruction import Reconstruction
from latentgeo.objectives.supervision import Supervision
from latentgeo.objectives.term import Term

__all__ = [
    "LIKELIHOODS",
    "UNLABELLED",
    "AdversarialTerm",
    "Batch",
    "Codec",
    "Corruption",
    "GaussianCorruption",
    "KLDivergence",
    "Labelled",
    "Likelihood",
    "Pass",
    "Posterior",
    "Reconstruction",
    "Supervision",
    "Term",
]
