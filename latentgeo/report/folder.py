"""The folder of results: numbers, figures and the page that shows them."""

from collections.abc import Sequence
from pathlib import Path

from latentgeo.figures import WRITTEN, draw_figures
from latentgeo.measures import read
from latentgeo.report.page import Section, write_report
from latentgeo.results import Analysis, write_numbers
from latentgeo.results.storing import folders_beside

FIGURES, REPORT = "figures", "report.html"


def write_results(found: Analysis, folder: Path) -> None:
    """Write numbers, summary, figures and report into a folder that exists."""
    write_numbers(found, folder)
    draw_results(found, folder)


def draw_results(found: Analysis, folder: Path, endings: Sequence[str] = WRITTEN) -> None:
    """Write figures and report of results into their folder.

    What was measured along paths and lies in the folder is redrawn with it.

    Parameters
    ----------
    found : Analysis
        The results.
    folder : pathlib.Path
        Their folder.
    endings : sequence of {"svg", "pdf", "png"}, default=("svg",)
        As what figures are written; the report shows the SVG.
    """
    draw_figures(found.tree, folder / FIGURES, dict.fromkeys((*WRITTEN, *endings)))
    for inner in folders_beside(folder):
        draw_results(read(inner), inner, endings)
    write_page(found, folder)


def write_page(found: Analysis, folder: Path, sections: Sequence[Section] = ()) -> None:
    """Write the report of results from the figures that lie in their folder.

    Parameters
    ----------
    found : Analysis
        The results.
    folder : pathlib.Path
        Their folder. What was measured along paths and lies there has a section in the report.
    sections : sequence of Section, default=()
        Further sections.
    """
    beside = [(read(inner), inner / FIGURES) for inner in folders_beside(folder)]
    write_report(found, folder / FIGURES, folder / REPORT, beside, sections)
