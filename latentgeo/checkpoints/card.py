"""The card beside a foreign checkpoint: how to open it, so that its folder is enough."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from latentgeo.errors import InputError
from latentgeo.files import write_text
from latentgeo.foreign import read_yaml
from latentgeo.models import PosteriorLayout, Preprocessing
from latentgeo.settings import CardSettings, parse

CARD = "latentgeo.yaml"
NO_DECODER = "none"
_VERSION = 1


class Card(CardSettings):
    """How to open a checkpoint that others made."""

    preprocessing: Preprocessing = Preprocessing()
    posterior: PosteriorLayout = PosteriorLayout()

    @classmethod
    def of(cls, **entries: Any) -> "Card":
        """Build a card from entries as a user wrote them.

        Parameters
        ----------
        **entries
            Attributes of `Card`; `preprocessing` and `posterior` may be mappings.

        Returns
        -------
        Card
            With these entries set.

        Raises
        ------
        InputError
            For an unknown entry or a value that cannot be.
        """
        return parse(cls, entries, "entry")

    def updated(self, newer: "Card") -> "Card":
        """Return the card with the entries that are set in another one replaced.

        Parameters
        ----------
        newer : Card
            Its `preprocessing`, `posterior` and `arguments` replace only what they set.

        Returns
        -------
        Card
            A new card.

        Raises
        ------
        InputError
            When entries of the two exclude each other.
        """
        own = self.model_dump(exclude_unset=True)
        for name, value in newer.model_dump(exclude_unset=True).items():
            own[name] = _merged(own.get(name), value)
        return Card.of(**own)

    def without(self, *names: str) -> "Card":
        """Return the card with some entries not set."""
        return Card.of(**self.model_dump(exclude_unset=True, exclude=set(names)))


def card_path(place: Path) -> Path:
    """Return where the card of a folder lies, or of one file among several."""
    return place / CARD if place.is_dir() else place.with_name(f"{place.name}.{CARD}")


def read_card(place: str | Path) -> Card | None:
    """Read the card of a checkpoint.

    That of a folder is `latentgeo.yaml` in it, or the only `FILE.latentgeo.yaml`; that of a file is
    `FILE.latentgeo.yaml` beside it, or the folder's where this is not about another file.

    Parameters
    ----------
    place : str or pathlib.Path
        A folder or a file of weights.

    Returns
    -------
    Card or None
        None where there is no card.

    Raises
    ------
    InputError
        When the file is no card: not YAML, an unknown entry, a later version.
    """
    place = Path(place)
    if card_path(place).is_file():
        return _read(card_path(place))
    if place.is_dir():
        single = list(place.glob(f"*.{CARD}"))
        if len(single) != 1:
            return None
        weights = single[0].name.removesuffix(f".{CARD}")
        return Card(weights=weights).updated(_read(single[0]))
    folder = place.parent / CARD
    card = _read(folder) if folder.is_file() else None
    about_another = card is not None and card.weights not in (None, place.name)
    return None if about_another else card


def _read(path: Path) -> Card:
    values = read_yaml(path, "card")
    version = values.get("latentgeo", _VERSION)
    if version != _VERSION:
        raise InputError(
            f"card {str(path)!r} is of version {version!r}, this latentgeo reads version "
            f"{_VERSION}; install a newer one"
        )
    if "trust_code" in values:
        raise InputError(
            f"card {str(path)!r} sets trust_code, which no file can set for you; remove it, and "
            "pass --trust-code yourself if you trust the program"
        )
    try:
        return parse(Card, values, "entry")
    except InputError as error:
        raise InputError(f"card {str(path)!r} cannot be used: {error}") from None


def write_card(place: str | Path, card: Card, *, comment: str = "", force: bool = False) -> Path:
    """Write a card.

    Parameters
    ----------
    place : str or pathlib.Path
        The folder or the file of weights that it is about.
    card : Card
        The card; entries that were not set are left out.
    comment : str, optional
        Lines to stand at its top.
    force : bool, default=False
        Replace a card that is there.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        When there is a card already and `force` is false, or no such folder.
    """
    path = card_path(Path(place))
    if not Path(place).exists():
        raise InputError(f"{str(place)!r} is no folder or file; a card lies beside the weights")
    if path.exists() and not force:
        raise InputError(
            f"card {str(path)!r} exists already; edit it, or replace it with --force (force=True)"
        )
    values = {
        "latentgeo": _VERSION,
        **card.without("trust_code").model_dump(mode="json", exclude_unset=True),
    }
    lines = "".join(f"# {line}\n" for line in comment.splitlines())
    write_text(path, lines + yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return path


def _merged(known: Any, value: Any) -> Any:
    """Replace the known value; of two mappings, entry by entry."""
    if not isinstance(known, Mapping) or not isinstance(value, Mapping):
        return value
    # A range and a mean with a standard deviation exclude each other: the newer one holds.
    stale = {"range": ("mean", "std"), "mean": ("range",), "std": ("range",)}
    gone = {name for given in value for name in stale.get(given, ())}
    return {**{name: entry for name, entry in known.items() if name not in gone}, **value}
