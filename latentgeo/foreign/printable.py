"""Texts from files, shown without moving a cursor, colouring a terminal or turning words round."""

import unicodedata

# Control characters; marks that turn the direction of writing and other invisible ones; halves of
# characters; and the separators that some readers take as the end of a line.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_KEPT = frozenset("\n\t\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}\N{SOFT HYPHEN}")


def printable(text: str) -> str:
    r"""Return a text with what is not shown, but has an effect, written out.

    Parameters
    ----------
    text : str
        From a file that others may have written.

    Returns
    -------
    str
        Control characters other than newline and tab, marks of direction and the like as
        escapes: ``\x1b`` for the beginning of a terminal's commands.
    """
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _UNSHOWN:
        return character
    return character.encode("unicode_escape").decode("ascii")
