"""Which model a row of a table is about, and whether its numbers are to be doubted."""

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

from latentgeo.results import ModelResult


class Mark(NamedTuple):
    """What a row is marked with.

    Attributes
    ----------
    place : int or None
        Place of its model; None for a row of several models or of none.
    doubt : str
        What makes its numbers doubtful, empty where nothing does.
    """

    place: int | None
    doubt: str


class Marks:
    """The rows of all tables, known by their heads: a model, one of its views, or two models.

    Parameters
    ----------
    models : sequence of ModelResult
        The models of a page.
    """

    def __init__(self, models: Sequence[ModelResult]) -> None:
        self._known = {
            name: Mark(place, model.doubt)
            for place, model in enumerate(models)
            for name in (model.label, *_views(model))
        }
        for one, other in permutations(models, 2):
            doubt = one.doubt or other.doubt
            self._known.setdefault(f"{one.label} and {other.label}", Mark(None, doubt))

    def of(self, head: str) -> Mark:
        """Return the mark of the row with a head."""
        return self._known.get(head, Mark(None, ""))


def _views(model: ModelResult) -> list[str]:
    return [view.label for view in model.views] if "view" in model.data.dims else []
