"""Features of a small classifier, in which the quality of samples is measured.

`train_classifier` trains it on a labelled data set and hashes it, `load_features` gives its last
hidden layer, for `frechet_feature_distance` and `nearest_real_distance` of `latentgeo.metrics`.
What is measured in it carries its name, data set and hash: it is no Inception distance, and is
comparable only where the hash is the same.
"""

from latentgeo.features.folder import load_features
from latentgeo.features.network import Classifier, Features
from latentgeo.features.training import train_classifier

__all__ = ["Classifier", "Features", "load_features", "train_classifier"]
