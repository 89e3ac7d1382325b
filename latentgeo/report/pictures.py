"""Figures as they stand in a page."""

import base64
import struct
from dataclasses import dataclass

from latentgeo.figures import FigureFile


@dataclass(frozen=True)
class Picture:
    """A figure as it stands in the page.

    Parameters
    ----------
    file : FigureFile
        Its words.
    data : str
        The PNG, base64.
    width, height : int
        Its size in pixels, so that the page does not jump while it loads.
    """

    file: FigureFile
    data: str
    width: int
    height: int


def picture_of(file: FigureFile) -> Picture:
    """Read a figure and its size."""
    content = file.png.read_bytes()
    # A PNG's width and height are the two integers after signature, length and "IHDR".
    width, height = struct.unpack(">II", content[16:24])
    return Picture(file, base64.b64encode(content).decode("ascii"), width, height)
