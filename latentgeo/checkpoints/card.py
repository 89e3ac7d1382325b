"""The card beside a foreign checkpoint: how to open it, so that its folder is enough."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from latentgeo.errors import InputError
from latentgeo.files import write_text
from latentgeo.models import PosteriorLayout, Preprocessing, parse

CARD = "latentgeo.yaml"
_VERSION = 1
_LARGEST = 1 << 20  # a card is a page of text


class Card(BaseModel):
    """How to open a checkpoint that others made.

    Attributes
    ----------
    latentgeo : int
        Version of the format of cards.
    name : str, optional
        What tables call the model; the folder's name if left out.
    model : str, optional
        "package.module:factory" or "file.py:factory", the file relative to the card. The
        factory gives the network; it is code, which runs only once it was named explicitly.
    arguments : dict
        Keyword arguments of the factory.
    weights : str, optional
        File of the weights, relative to the card.
    decoder : str, optional
        File of the decoder, where it is apart from the encoder's.
    encode, decode : str, optional
        Method or submodule that encodes, that decodes.
    layers : tuple of str
        Modules, by name, whose outputs are the latents.
    image_shape : (C, H, W), optional
        Images that it was made for, where the network takes no other.
    preprocessing : Preprocessing
        What it wants of images in [0, 1].
    posterior : PosteriorLayout
        Where mean and spread of the posterior are.
    ema : bool
        Take the averaged weights, where a checkpoint holds both.
    prefix : str, optional
        What the names of the network's weights begin with in the file, where several would do.
    strict : bool
        Refuse weights that miss keys or hold others than the network's.
    trust_code : bool
        Run a checkpoint that is a program (`torch.export`, TorchScript). Only the user says so:
        a card that lies beside a checkpoint cannot. Remembered for the file as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latentgeo: int = _VERSION
    name: str | None = None
    model: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    weights: str | None = None
    decoder: str | None = None
    encode: str | None = None
    decode: str | None = None
    layers: tuple[str, ...] = ()
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
    preprocessing: Preprocessing = Preprocessing()
    posterior: PosteriorLayout = PosteriorLayout()
    ema: bool = False
    prefix: str | None = None
    strict: bool = True
    trust_code: bool = False

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


def read_card(folder: str | Path) -> Card | None:
    """Read the card in a folder.

    Parameters
    ----------
    folder : str or pathlib.Path
        The folder of a checkpoint.

    Returns
    -------
    Card or None
        None where there is no `latentgeo.yaml`.

    Raises
    ------
    InputError
        When the file is no card: not YAML, an unknown entry, a later version.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        return None
    values = _load(path)
    version = values.get("latentgeo", _VERSION)
    if version != _VERSION:
        raise InputError(
            f"card {str(path)!r} is of version {version!r}, this latentgeo reads version "
            f"{_VERSION}; install a newer one"
        )
    if "trust_code" in values:
        raise InputError(
            f"card {str(path)!r} says trust_code, which no file can say for you; remove it, and "
            "say --trust-code yourself if you trust the program"
        )
    try:
        return parse(Card, values, "entry")
    except InputError as error:
        raise InputError(f"card {str(path)!r} cannot be used: {error}") from None


def write_card(folder: str | Path, card: Card, *, comment: str = "", force: bool = False) -> Path:
    """Write a card.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where the checkpoint lies.
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
    path = Path(folder) / CARD
    if not path.parent.is_dir():
        raise InputError(f"{str(path.parent)!r} is no folder; a card lies beside the weights")
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


def _load(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LARGEST:
        raise InputError(f"card {str(path)!r} has over {_LARGEST} bytes; a card is a page of text")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"card {str(path)!r} is not valid YAML: {reason}") from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InputError(f"card {str(path)!r} holds no entries; expected lines such as 'model: …'")
    return values


def _merged(known: Any, value: Any) -> Any:
    """Put a value in place of the known one; of two mappings, entry by entry."""
    if not isinstance(known, Mapping) or not isinstance(value, Mapping):
        return value
    # A range and a mean with a standard deviation exclude each other: the newer one holds.
    stale = {"range": ("mean", "std"), "mean": ("range",), "std": ("range",)}
    gone = {name for given in value for name in stale.get(given, ())}
    return {**{name: entry for name, entry in known.items() if name not in gone}, **value}
