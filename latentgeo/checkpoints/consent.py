"""What the user has consented to run, remembered in the user's own settings.

The list lies in the configuration folder of the user, so that no file beside a model can forge it.
"""

import hashlib
import json
import warnings
from pathlib import Path

from platformdirs import user_config_path

from latentgeo.files import write_json

_LIST = "allowed.json"


def allow(what: str, content: str) -> None:
    """Remember that the user consents to run this, in the state that it is in now.

    Parameters
    ----------
    what : str
        What runs: a factory, a file.
    content : str
        SHA-256 of its content.
    """
    known = _read()
    if (key := _key(what, content)) in known:
        return
    try:
        write_json(_list_path(), [*known, key])
    except OSError as error:
        warnings.warn(
            f"consent to run {what!r} cannot be remembered in {str(_list_path())!r} "
            f"({error.strerror or error}); pass it again next time",
            stacklevel=2,
        )


def is_allowed(what: str, content: str) -> bool:
    """Return whether the user has consented to run this, and it has not changed since."""
    return _key(what, content) in _read()


def _key(what: str, content: str) -> str:
    return hashlib.sha256(f"{what}\n{content}".encode()).hexdigest()


def _list_path() -> Path:
    return user_config_path("latentgeo") / _LIST


def _read() -> list[str]:
    try:
        known = json.loads(_list_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []  # a broken list allows nothing
    return [str(key) for key in known] if isinstance(known, list) else []
