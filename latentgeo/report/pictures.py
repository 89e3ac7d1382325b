"""Figures as they stand in a page: drawings whose colours follow the page, and whose words hold."""

import base64
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape, unescape

from latentgeo.figures import FigureFile
from latentgeo.report.colours import on_dark

_PROLOGUE = re.compile(r"(?s)^.*?(?=<svg )|<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>")
_SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
_STYLE = re.compile(r' style="([^"]*)"')
_ID = re.compile(r' id="([^"]+)"')
_USED = re.compile(r'(?:url\(#|href="#)([^)"]+)')
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_PIXELS = 4 / 3  # of a point


@dataclass(frozen=True)
class Picture:
    """A figure as it stands in the page.

    Parameters
    ----------
    file : FigureFile
        Its words.
    finding : str
        What it shows of these models, in words, for those who do not see it.
    svg : str
        The drawing; empty where there is a PNG alone, as in folders from before.
    png : str
        The PNG, base64; empty where there is a drawing.
    width, height : int
        Its size in pixels, so that the page does not jump while it loads.
    """

    file: FigureFile
    finding: str
    svg: str
    png: str
    width: int
    height: int


@dataclass
class Gallery:
    """The figures of one page, which share their colours and styles.

    Figures carry no style of their own, so that the page can forbid any but its own.
    """

    colours: dict[str, str] = field(default_factory=dict)
    styles: dict[str, str] = field(default_factory=dict)
    drawings: int = 0

    def picture_of(self, file: FigureFile, finding: str) -> Picture:
        """Read a figure.

        Parameters
        ----------
        file : FigureFile
            Its files and words.
        finding : str
            What it shows of these models, in words.

        Returns
        -------
        Picture
        """
        if not file.svg.is_file():
            content = file.png.read_bytes()
            # A PNG's width and height are the two integers after signature, length and "IHDR".
            width, height = struct.unpack(">II", content[16:24])
            data = base64.b64encode(content).decode("ascii")
            return Picture(file, finding, "", data, width, height)
        text = file.svg.read_text(encoding="utf-8")
        size = _SIZE.search(text)
        width, height = (round(_PIXELS * float(side)) for side in size.groups()) if size else (0, 0)
        return Picture(file, finding, self._inside(text, finding), "", width, height)

    @property
    def css(self) -> str:
        """Return the styles of all figures, and their colours on white and on black."""
        rules = [f".{name}{{{text}}}" for text, name in self.styles.items()]
        light = "".join(f"{name}:{colour};" for colour, name in self.colours.items())
        dark = "".join(f"{name}:{on_dark(colour)};" for colour, name in self.colours.items())
        return "\n".join(
            [
                f":root{{{light}}}",
                f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}",
                *rules,
            ]
        )

    def _inside(self, text: str, finding: str) -> str:
        """Return a drawing as it stands inside a page."""
        text = _PROLOGUE.sub("", text).replace("xlink:href", "href")
        # matplotlib gives everything an id; ids are unique in a page, and most are not used.
        used = set(_USED.findall(text))
        self.drawings += 1
        within = f"d{self.drawings}"
        text = _ID.sub(lambda found: f' id="{within}-{found[1]}"' if found[1] in used else "", text)
        text = _USED.sub(lambda found: found[0].replace(found[1], f"{within}-{found[1]}"), text)
        text = _STYLE.sub(lambda found: f' class="{self._class_of(found[1])}"', text)
        box = _SIZE.search(text)
        head = (
            f'<svg viewBox="{box[0][9:-1] if box else ""}" role="img" class="drawing" '
            f'aria-label="{escape(finding)}">'
        )
        return head + text[text.index(">") + 1 :].strip()

    def _class_of(self, style: str) -> str:
        def variable(found: re.Match[str]) -> str:
            name = self.colours.setdefault(found[0], f"--c{found[0][1:]}")
            return f"var({name})"

        readable = _COLOUR.sub(variable, unescape(style).strip())
        return self.styles.setdefault(readable, f"s{len(self.styles)}")


def finding_of(file: FigureFile, said: Mapping[str, str]) -> str:
    """Return what a figure shows, in words: its title, and what was found of each model."""
    found = " ".join(f"{label}: {text}" for label, text in said.items() if text)
    return f"{file.title}. {found or file.caption}"
