"""Figures as SVG that says of which model a curve is, and the value of each point."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.figure import Figure

_NOTE = "_latentgeo_note"
# Text stays text, and the same figure has the same bytes.
_RC: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "latentgeo"}
_USE = re.compile(r"<use ([^>]*)/>")


def describe(artist: Artist, place: int, label: str, points: Sequence[str] = ()) -> None:
    """Say what an artist shows, which an SVG file will tell.

    Parameters
    ----------
    artist : matplotlib.artist.Artist
        A line or a band.
    place : int
        Place of the model in the results; below 0 for what is of no model.
    label : str
        What is shown where the pointer rests on it.
    points : sequence of str, default=()
        The same of each marker.
    """
    setattr(artist, _NOTE, (place, label, tuple(points)))


def save_svg(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure as SVG in which what `describe` said stands as titles.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    path : pathlib.Path
        The file.
    dpi : int
        Resolution of what is drawn as pixels.
    """
    noted = {f"note-{n}": one for n, one in enumerate(_noted(figure))}
    for name, artist in noted.items():
        artist.set_gid(name)
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(_RC):
        figure.savefig(path, format="svg", dpi=dpi, metadata=metadata)
    text = path.read_text(encoding="utf-8")
    for name, artist in noted.items():
        text = _told(text, name, *getattr(artist, _NOTE))
        artist.set_gid(None)
    path.write_text(text, encoding="utf-8")


def _noted(figure: Figure) -> list[Artist]:
    return [one for one in figure.findobj(Artist) if hasattr(one, _NOTE)]


def _told(text: str, name: str, place: int, label: str, points: Sequence[str]) -> str:
    """Put the titles of one artist into its group, and which model it is of."""
    head = f'<g id="{name}">'
    start = text.find(head)
    if start < 0:
        return text
    end = _end_of_group(text, start)
    inner = text[start + len(head) : end]
    markers = _USE.findall(inner)
    if points and len(markers) == len(points):
        titles = iter(points)
        inner = _USE.sub(
            lambda use: f"<use {use[1]}><title>{escape(next(titles))}</title></use>", inner
        )
    opening = f'<g data-model="{place}">' if place >= 0 else "<g>"
    title = f"<title>{escape(label)}</title>"
    return f"{text[:start]}{opening}{title}{inner}{text[end:]}"


def _end_of_group(text: str, start: int) -> int:
    """Return where the closing tag of the group begins that opens at `start`."""
    depth = 0
    for tag in re.finditer(r"<g\b[^>]*?(/?)>|</g>", text[start:]):
        if tag[0] == "</g>":
            depth -= 1
        elif not tag[1]:
            depth += 1
        if depth == 0:
            return start + tag.start()
    return len(text)
