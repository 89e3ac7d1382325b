"""Whether what a file says that it holds has room in memory, asked before anything is read."""

from pathlib import Path

from latentgeo.errors import InputError
from latentgeo.machine import physical_memory

_ALWAYS = 1 << 30
_RATIO = 100  # measured arrays are packed to a half, sparse ones to a tenth


def check_room(path: Path, needed: float, stored: int, most: float | None = None) -> None:
    """Refuse a file that says of itself more than there is room for, or than it can hold.

    Parameters
    ----------
    path : pathlib.Path
        The file or folder.
    needed : float
        Bytes that its arrays take in memory, as it says.
    stored : int
        Bytes that it has.
    most : float, optional
        Most bytes that there is room for; the memory of the machine if left out.

    Raises
    ------
    InputError
        When the arrays take more than `most`, or over 1 GiB and more than a hundred times what is
        stored.
    """
    room = physical_memory() if most is None else most
    if needed > room:
        raise InputError(
            f"{str(path)!r} is not read: its arrays take {needed:.0f} bytes, and there is room for "
            f"{room:.0f}; take fewer samples, or a machine with more memory"
        )
    if needed > max(_ALWAYS, _RATIO * stored):
        raise InputError(
            f"{str(path)!r} is not read: {stored} bytes say that they hold {needed:.0f}, over "
            f"{_RATIO} times as many, as an archive does that is made to fill a memory; save the "
            "array anew without compression if that is its size"
        )
