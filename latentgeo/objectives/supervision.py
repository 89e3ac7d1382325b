"""How much of the labels training may see."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Supervision:
    """The labels that a recipe asks for.

    Attributes
    ----------
    classes : int
        Number of classes.
    labels : int or None
        How many training images show their label, as many of each class as can be; None for
        all of them.
    batch : int, default=0
        How many labelled images go with each batch, apart from it; 0 for none.
    """

    classes: int
    labels: int | None = None
    batch: int = 0
