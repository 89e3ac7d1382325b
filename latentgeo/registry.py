"""Tables of named rows, into which users and other packages add their own."""

import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from latentgeo.errors import InputError, reason_of

Row = TypeVar("Row")


class Registry(Mapping[str, Row], Generic[Row]):
    """Rows by name: those of latentgeo, those that were registered, those of other packages.

    An entry point in the group ``latentgeo.<group>`` is a function without arguments, called once
    when the table is first read, that registers rows, or the row itself.

    Parameters
    ----------
    group : str
        Name of the table: "measures", "recipes" and the like.
    kind : str
        What one row is called in messages.
    rows : mapping of str to Row
        Rows of latentgeo itself.
    """

    def __init__(self, group: str, kind: str, rows: Mapping[str, Row]) -> None:
        self.group, self.kind = group, kind
        self._rows = dict(rows)
        self._loaded = False

    def register(self, name: str, row: Row, *, replace: bool = False) -> None:
        """Add a row.

        Parameters
        ----------
        name : str
            Its name, as on the command line.
        row : Row
            What it is.
        replace : bool, default=False
            Replace a row of the same name.

        Raises
        ------
        InputError
            When the name is taken and `replace` is false, or cannot be one.

        Examples
        --------
        >>> import latentgeo
        >>> from latentgeo.models import RECIPES
        >>> latentgeo.register_recipe("cae", RECIPES["cae"], replace=True)
        """
        if not isinstance(name, str) or not name or any(sign in name for sign in "/ \t\n"):
            raise InputError(
                f"{self.kind} name {name!r} cannot be used; expected a word without '/' or spaces"
            )
        if name in self._rows and not replace:
            raise InputError(
                f"there is a {self.kind} {name!r} already; choose another name, or replace it with "
                "replace=True"
            )
        self._rows[name] = row

    def unregister(self, name: str) -> None:
        """Remove a row."""
        del self._rows[name]

    def __getitem__(self, name: str) -> Row:
        self._load()
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(list(self._rows))

    def __len__(self) -> int:
        self._load()
        return len(self._rows)

    def _load(self) -> None:
        """Load what other packages add, once."""
        if self._loaded:
            return
        self._loaded = True
        for point in entry_points(group=f"latentgeo.{self.group}"):
            try:
                found = point.load()
                found() if callable(found) else self.register(point.name, found)
            except Exception as error:  # another package's code may raise anything
                warnings.warn(
                    f"the {self.kind} {point.name!r} of another package ({point.value}) cannot be "
                    f"loaded: {reason_of(error)}",
                    stacklevel=3,
                )
