"""What training minimises: terms, the likelihoods that they use, and corruptions of the input.

A term is one small file: a class with a `name`, a `weight` and a call that takes one pass of the
model and the batch and gives a scalar. A term whose measure is learned is an `AdversarialTerm`:
it owns the net that measures, and says what that net descends.
"""

from latentgeo.objectives.adversarial import AdversarialTerm
from latentgeo.objectives.adversarial_prior import AdversarialPrior, Discriminator
from latentgeo.objectives.commitment import Commitment
from latentgeo.objectives.corruption import Corruption, GaussianCorruption
from latentgeo.objectives.heads import HeadDistance
from latentgeo.objectives.interpolation_critic import InterpolationCritic
from latentgeo.objectives.kl import KLDivergence
from latentgeo.objectives.labels import Classification
from latentgeo.objectives.likelihoods import LIKELIHOODS, Likelihood
from latentgeo.objectives.mmd import MaximumMeanDiscrepancy, MomentMatching
from latentgeo.objectives.passes import UNLABELLED, Batch, Codec, Labelled, Pass, Posterior
from latentgeo.objectives.priors import (
    PRIORS,
    Categorical,
    CustomPrior,
    GaussianMixture,
    Prior,
    StandardNormal,
    SwissRoll,
    make_prior,
)
from latentgeo.objectives.probe import Probe
from latentgeo.objectives.reconstruction import Reconstruction
from latentgeo.objectives.stacked import CodeReconstruction
from latentgeo.objectives.supervision import Supervision
from latentgeo.objectives.term import Term

__all__ = [
    "LIKELIHOODS",
    "PRIORS",
    "UNLABELLED",
    "AdversarialPrior",
    "AdversarialTerm",
    "Batch",
    "Categorical",
    "Classification",
    "CodeReconstruction",
    "Codec",
    "Commitment",
    "Corruption",
    "CustomPrior",
    "Discriminator",
    "GaussianCorruption",
    "GaussianMixture",
    "HeadDistance",
    "InterpolationCritic",
    "KLDivergence",
    "Labelled",
    "Likelihood",
    "MaximumMeanDiscrepancy",
    "MomentMatching",
    "Pass",
    "Posterior",
    "Prior",
    "Probe",
    "Reconstruction",
    "StandardNormal",
    "Supervision",
    "SwissRoll",
    "Term",
    "make_prior",
]
