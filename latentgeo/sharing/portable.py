"""What is shared does not tell where on somebody's disk it lay."""

import re
from typing import Any

# An absolute path of any system, at the start of a word or after what is no part of a path, as in
# --out=/a/b; the address of a web page is none.
_PATH = re.compile(r"(?<![\w./\\])(?:~|[A-Za-z]:)?[/\\](?=[^/\\\s])[^\s'\",;:]*")
_BETWEEN = re.compile(r"[/\\]+")


def portable(value: Any) -> Any:
    """Cut every absolute path in JSON-ready values down to its last part.

    Parameters
    ----------
    value : object
        Texts, numbers, lists and dictionaries of them.

    Returns
    -------
    object
        The same without the folders: `--out=/a/b` becomes `--out=b`.
    """
    if isinstance(value, str):
        return _PATH.sub(_last_part, value)
    if isinstance(value, dict):
        return {name: portable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    return value


def _last_part(path: re.Match[str]) -> str:
    return _BETWEEN.split(path.group().rstrip("/\\"))[-1]
