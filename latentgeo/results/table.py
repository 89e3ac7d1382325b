"""Tables of text, made of columns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from latentgeo.results.words import NONE


@dataclass(frozen=True)
class Table:
    """A table of text.

    Parameters
    ----------
    caption : str
        What it shows.
    columns : tuple of str
        Heads of the columns.
    rows : tuple of tuple of str
        Cells; the first of a row is its head.
    note : str, default=""
        What a reader must know beside it.
    section : str, default=""
        The section of the report that it stands in.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    section: str = ""

    @property
    def anchor(self) -> str:
        """Its name inside the page: without spaces, and another one for every other caption."""
        return "table-" + quote(self.caption, safe="")

    def without_empty(self) -> "Table":
        """Drop the columns that hold a dash in every row, as the noisy ones of a clean analysis."""
        kept = [
            at
            for at in range(len(self.columns))
            if not self.rows or any(row[at] != NONE for row in self.rows)
        ]
        return replace(
            self,
            columns=tuple(self.columns[at] for at in kept),
            rows=tuple(tuple(row[at] for at in kept) for row in self.rows),
        )


@dataclass(frozen=True)
class Column:
    """A column: its head, and the text of a cell.

    Parameters
    ----------
    head : str
        What stands above it.
    cell : callable
        Takes what a row is about and returns text; a dash stands for nothing.
    """

    head: str
    cell: Callable[..., str]


def table_of(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Any]],
    note: str = "",
    *,
    section: str = "",
) -> Table:
    """Lay out a table of columns.

    Parameters
    ----------
    caption : str
        What it shows.
    columns : sequence of Column
        Its columns, the first of which names the row.
    rows : iterable of sequence
        What each row is about: the arguments of every column's `cell`.
    note : str, default=""
        What a reader must know beside it.
    section : str, default=""
        The section of the report that it stands in.

    Returns
    -------
    Table

    Examples
    --------
    >>> from latentgeo.results import Column, read_numbers, table_of
    >>> models = read_numbers("results/cae").models
    >>> columns = [Column("Model", lambda model, view: view.label)]
    >>> table_of("Models", columns, [(model, model) for model in models]).columns
    ('Model',)
    """
    cells = tuple(tuple(column.cell(*row) for column in columns) for row in rows)
    return Table(caption, tuple(column.head for column in columns), cells, note, section)
