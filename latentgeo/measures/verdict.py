"""What the numbers of one model say, in words."""

import json

from latentgeo.measures.quality import evidence
from latentgeo.measures.table import measures_of
from latentgeo.results import ModelResult


def verdict(model: ModelResult) -> str:
    """Return in a few sentences what was found, each number with its interval.

    Parameters
    ----------
    model : ModelResult
        What was measured of a model.

    Returns
    -------
    str
        Plain sentences.
    """
    doubts = json.loads(model.attrs.get("caveats", "[]"))
    if model.learned is False:
        unlearned = (
            f"This model has not learned: {evidence(model)}. "
            "Its ranks, dimensions and angles are not meaningful."
        )
        return " ".join([*doubts, unlearned])
    sentences = [*doubts, _learning(model)]
    for measure in measures_of("analysis"):
        sentences += measure.sentences_of(model)
    return " ".join(sentences)


def _learning(model: ModelResult) -> str:
    if model.learned is None:
        return (
            "Whether the model has learned cannot be judged: without a decoder there is no "
            "reconstruction to compare with the mean image."
        )
    return f"The model has learned: {evidence(model)}."
