"""What somebody may have meant who wrote an option or a command that there is not."""

import re
from difflib import get_close_matches
from typing import Any

import typer

#: Short forms and other tools' names that no rule makes out of ours.
_KNOWN = {
    "--dataset": "--data",
    "--output": "--out",
    "--output-dir": "--out",
    "--num-samples": "--samples",
    "--n": "--samples",
    "--n-epochs": "--epochs",
    "--sigma": "--noise",
    "--gpu": "--device",
    "--name": "--out",
}


def suggested(error: typer.TyperException) -> str:
    """Return the message of a usage error, with what may have been meant.

    Parameters
    ----------
    error : typer.TyperException
        From reading the command line.

    Returns
    -------
    str
        One sentence.
    """
    message = error.format_message()
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if context is None or not option or "Did you mean" in message:
        return message
    found = nearest(option, _options(context.command))
    named = re.sub(r" \(Possible options:.*\)", "", message).rstrip(".")
    return f"{named}. Did you mean {found}?" if found else message


def nearest(written: str, known: list[str]) -> str:
    """Return the option that was probably meant: an alias, initials, a beginning, or a misspelling.

    Parameters
    ----------
    written : str
        With its dashes.
    known : list of str
        All options of the command.

    Returns
    -------
    str
        Empty where nothing is near.
    """
    if _KNOWN.get(written) in known:
        return _KNOWN[written]
    bare = written.lstrip("-").replace("_", "-")
    for option in known:
        words = option.lstrip("-").split("-")
        if bare == "".join(word[:1] for word in words) and len(words) > 1:
            return option
    begins = [option for option in known if bare and bare in option.lstrip("-").split("-")]
    begins += [option for option in known if bare and option.startswith(f"--{bare}")]
    return next(iter([*begins, *get_close_matches(f"--{bare}", known, 1, 0.6)]), "")


def _options(command: Any) -> list[str]:
    return [
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    ]
