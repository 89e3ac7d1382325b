"""What a measure is: one row that says how it is computed, shown and put into words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, Literal

from latentgeo.lazy import xr
from latentgeo.results import (
    Column,
    Estimate,
    ModelResult,
    Omission,
    Readout,
    Table,
    annotate,
    level_key,
)
from latentgeo.results.words import ARROW, NONE

Direction = Literal["higher is better", "lower is better", "neither"]
Need = Literal["decoder", "tensor", "posterior"]
#: Transformations of all latents of a model that tests apply, by name.
Invariance = Literal["image order", "shift", "scale", "rotation", "channel order", "reflection"]


@dataclass(frozen=True)
class Statement:
    """What a measure promises; tests are generated from it.

    Parameters
    ----------
    direction : {"higher is better", "lower is better", "neither"}
        Which way is better.
    interval : str
        What its intervals cover, and by which method; why there is none.
    cost : str
        How it grows with the number of images n and the size of a latent.
    invariances : tuple of str
        Transformations of all latents alike that leave its estimates as they are.
    """

    direction: Direction
    interval: str
    cost: str
    invariances: tuple[Invariance, ...] = ()


@dataclass(frozen=True)
class FigureRow:
    """One kind of figure.

    Parameters
    ----------
    name : str
        Its name, and the stem of its files.
    display : str
        "module:Class" of its Display, loaded when it is drawn.
    title : str
        Heading.
    caption : str
        What is drawn; ``{samples}``, ``{noisy}``, ``{pairs}``, ``{steps}`` and ``{path}`` are
        filled in.
    how_to_read : str
        One sentence that tells what to look for.
    constructor : str, default="from_analysis"
        The class method that takes the tree.
    """

    name: str
    display: str
    title: str
    caption: str
    how_to_read: str
    constructor: str = "from_analysis"

    def load(self) -> Any:
        """Import the Display class."""
        module, name = self.display.split(":")
        return getattr(import_module(module), name)

    def draw(self, tree: xr.DataTree) -> Any:
        """Build the Display of an analysis."""
        return getattr(self.load(), self.constructor)(tree)


@dataclass(frozen=True)
class Metric:
    """A number of the model card at one noise level.

    Parameters
    ----------
    key : str
        Its name in the card's metadata.
    name : str
        Its name for readers.
    estimate : Estimate
        The number.
    digits : int, default=1
        Decimals that are shown.
    shown : str, default=""
        What stands in the card's table in place of the number; such a metric is in no index.
    """

    key: str
    name: str
    estimate: Estimate
    digits: int = 1
    shown: str = ""


Standing = Literal["", "good", "weak", "bad", "open"]


@dataclass(frozen=True)
class Tile:
    """What a measure says of a model at first sight.

    Parameters
    ----------
    name : str
        What it is called.
    text : str
        The number, or a word.
    beside : str, default=""
        What it is to be compared with.
    standing : {"", "good", "weak", "bad", "open"}, default=""
        How good it is, "open" where it has not settled; empty where there is no good and no bad.
    share : float, default=nan
        Of the best one of all models, from 0 to 1.
    estimate : Estimate, optional
        The number, where models are compared by it.
    compared : bool, default=True
        Whether it is named among what differs between models.
    """

    name: str
    text: str
    beside: str = ""
    standing: Standing = ""
    share: float = math.nan
    estimate: Estimate | None = None
    compared: bool = True


def no_tiles(*_: Any) -> list[Tile]:
    """Return nothing to show at first sight."""
    return []


def nothing(*_: Any) -> list[Any]:
    """Return nothing to show: what is not to be made from the readouts."""
    return []


def _silent(*_: Any) -> str:
    return ""


def _empty(*_: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Measure:
    """One measure: computed, summarised, tabled, put into words and drawn from here.

    What is left out is made from `readouts`: an entry of the summary where there is neither `entry`
    nor `view_entry`, a sentence and a table; `nothing` leaves one out.

    Parameters
    ----------
    name : str
        Its name.
    compute : callable
        Takes the `Encoding` of a model (or the `ModelPaths`) and returns an xarray.Dataset.
    statement : Statement
        What it promises.
    kinds : tuple of str, default=("analysis",)
        Results that it is part of: "analysis", "interpolation", "lines".
    needs : tuple of str
        What a model must have: "decoder", "tensor" (latents that are no vectors), "posterior".
    images : int, default=1
        Fewest images that it can be computed from.
    absences : mapping of str to Omission
        What is recorded as omitted where a need is not met.
    together : callable, optional
        All models' data sets by name to further variables of each: what is of several models.
    heading : str, default=""
        Its name as a heading; its name in words if left out.
    readouts : tuple of Readout
        Its estimates.
    units : mapping of str to str
        Units by how the names of variables begin; numbers of no unit have "1".
    tiles : callable, optional
        `ModelResult` and all models to what is shown of it at first sight.
    entry : callable, optional
        `ModelResult` to entries of the summary, once per model.
    view_entry : callable, optional
        `ModelResult` seen in one view to entries of the summary, once per view.
    sentences : callable, optional
        `ModelResult` to sentences of the verdict.
    points : callable, optional
        `ModelResult` and the name of the noisy level to sentences with numbers.
    glance : callable, optional
        The name of the noisy level to columns of the first table, whose cells take the model and
        the model in a view.
    glance_note : str
        What a reader must know of these columns.
    by_level : tuple of Column
        Columns of the table over noise levels, whose cells take a view and a level.
    tables : callable, optional
        Models and the name of the noisy level to tables, each with its section.
    card : callable, optional
        `ModelResult` in a view and a level to metrics of the model card.
    card_notes : callable, optional
        `ModelResult` to notes below the table of the model card.
    terminal : callable, optional
        `ModelResult` to what the command prints of it at the end, in a line.
    figures : tuple of FigureRow
        Its figures.
    meanings : mapping of str to str
        What its numbers mean, by heading.
    rules : callable, optional
        `ModelResult` to facts that must agree before its numbers are compared.
    presentation : tuple of str
        Settings that decide no number that is compared.
    shown_unlearned : bool, default=False
        Whether its points are shown of a model that has not learned, too.
    """

    name: str
    compute: Callable[[Any], xr.Dataset]
    statement: Statement
    kinds: tuple[str, ...] = ("analysis",)
    needs: tuple[Need, ...] = ()
    images: int = 1
    absences: Mapping[str, Omission] = field(default_factory=dict)
    together: Callable[[Mapping[str, xr.Dataset]], Mapping[str, xr.Dataset]] | None = None
    heading: str = ""
    readouts: tuple[Readout, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    tiles: Callable[[ModelResult, Sequence[ModelResult]], Sequence[Tile]] = no_tiles
    entry: Callable[[ModelResult], dict[str, Any]] | None = None
    view_entry: Callable[[ModelResult], dict[str, Any]] | None = None
    sentences: Callable[[ModelResult], Sequence[str]] | None = None
    points: Callable[[ModelResult, str], Sequence[str]] = nothing
    glance: Callable[[str], Sequence[Column]] = nothing
    glance_note: str = ""
    by_level: tuple[Column, ...] = ()
    tables: Callable[[Sequence[ModelResult], str], Sequence[Table]] | None = None
    card: Callable[[ModelResult, float], Sequence[Metric]] = nothing
    card_notes: Callable[[ModelResult], Sequence[str]] = nothing
    terminal: Callable[[ModelResult], str] = _silent
    figures: tuple[FigureRow, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    rules: Callable[[ModelResult], dict[str, Any]] = _empty
    presentation: tuple[str, ...] = ()
    shown_unlearned: bool = False

    @property
    def title(self) -> str:
        """Its name in words."""
        return self.name.replace("_", " ").replace("-", " ")

    @property
    def headed(self) -> str:
        """Its heading."""
        return self.heading or self.title.capitalize()

    def lacks(self, has: Mapping[str, bool], images: int) -> Omission | None:
        """Return what keeps it from being computed, None where nothing does."""
        for need in self.needs:
            if not has[need]:
                return self.absences.get(need, Omission(self.title, _LACKS[need]))
        if images < self.images:
            return Omission(self.title, f"it needs {self.images} images, there are {images}")
        return None

    def annotated(self, data: xr.Dataset) -> xr.Dataset:
        """Return its variables with name, unit, and how estimates are read, in the attributes."""
        said = annotate(data, self.readouts)
        for name, variable in said.data_vars.items():
            variable.attrs.setdefault("long_name", in_words(str(name)))
            if variable.dtype.kind in "fiu":
                units = [unit for begin, unit in self.units.items() if str(name).startswith(begin)]
                variable.attrs.setdefault("units", next(iter(units), "1"))
        return said

    def measured(self, model: ModelResult) -> list[Readout]:
        """Return the estimates that a model has."""
        return [one for one in self.readouts if one.value in model.data]

    def entry_of(self, model: ModelResult) -> dict[str, Any]:
        """Return its entries in the summary that stand once for a model."""
        return {} if self.entry is None else self.entry(model)

    def view_entry_of(self, view: ModelResult) -> dict[str, Any]:
        """Return its entries in the summary for a model seen in one view."""
        if self.view_entry is not None:
            return self.view_entry(view)
        if self.entry is not None:
            return {}
        return {
            one.name: by_level(view, partial(_json, view, one))
            for one in self.measured(view)
            if set(view.data[one.value].dims) <= {"noise", *one.at}
        }

    def sentences_of(self, model: ModelResult) -> list[str]:
        """Return its sentences in the verdict."""
        if self.sentences is not None:
            return list(self.sentences(model))
        return [
            f"{one.name.replace('_', ' ').capitalize()} is {model.estimate(one).text(2)}"
            f"{' ' * bool(one.unit)}{one.unit} on clean images."
            for one in self.measured(model)
        ]

    def tables_of(self, models: Sequence[ModelResult], noisy: str) -> list[Table]:
        """Return its tables in the report."""
        if self.tables is not None:
            return list(self.tables(models, noisy))
        rows = tuple(
            (
                view.label,
                one.name.replace("_", " "),
                *both(view, partial(_text, readout=one)),
            )
            for model in models
            for view in model.views
            for one in self.measured(view)
        )
        if not rows:
            return []
        columns = ("Model", "Estimate", "Clean", f"At {noisy}")
        return [Table(self.title.capitalize(), columns, rows, section="measured")]


def _json(view: ModelResult, readout: Readout, level: float) -> dict[str, Any]:
    return view.estimate(readout, level).to_json()


def _text(view: ModelResult, level: float, readout: Readout) -> str:
    return view.estimate(readout, level).text(2)


_LACKS = {
    "decoder": "this model has no decoder",
    "tensor": "its latents are vectors, which have no unfoldings",
    "posterior": "its encoder is deterministic, so there is no posterior",
}


_ENDINGS = {"_ci": "95 % interval of ", "_mean": "mean of ", "_median": "median of "}


def in_words(name: str) -> str:
    """Return the name of a variable in words."""
    for ending, words in _ENDINGS.items():
        if name.endswith(ending):
            return words + in_words(name.removesuffix(ending))
    return name.replace("_", " ")


def both(view: ModelResult, text: Callable[[ModelResult, float], str]) -> tuple[str, str]:
    """Return a text of the clean level and of the noisy one; a dash where there is none."""
    return text(view, 0.0), NONE if view.noisy is None else text(view, view.noisy)


def on_each(head: str, noisy: str, text: Callable[[ModelResult, float], str]) -> list[Column]:
    """Return two columns: a text of the clean level, and of the noisy one."""
    return [
        Column(f"{head}, clean", lambda view: both(view, text)[0]),
        Column(f"{head}, {noisy}", lambda view: both(view, text)[1]),
    ]


def by_level(view: ModelResult, entry: Callable[[float], Any]) -> dict[str, Any]:
    """Return an entry of the summary keyed by noise level."""
    return {level_key(level): entry(level) for level in view.levels}


def on_both(head: str, text: Callable[[ModelResult, float], str]) -> Column:
    """Return a column of the first table: clean, and at the noisy level after an arrow."""

    def cell(_: ModelResult, view: ModelResult) -> str:
        clean, moved = both(view, text)
        return clean if moved == NONE else f"{clean} {ARROW} {moved}"

    return Column(head, cell)
