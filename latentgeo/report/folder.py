"""The folder of results: numbers, figures and the page that shows them."""

from collections.abc import Sequence
from pathlib import Path

from latentgeo.figures import draw_figures
from latentgeo.measures import read
from latentgeo.report.page import Section, write_report
from latentgeo.report.paths import section_of_paths
from latentgeo.results import Analysis, write_numbers
from latentgeo.results.storing import folders_beside

FIGURES, REPORT = "figures", "report.html"


def write_results(found: Analysis, folder: Path) -> None:
    """Write numbers, summary, figures and report into a folder that exists."""
    write_numbers(found, folder)
    draw_results(found, folder)


def draw_results(found: Analysis, folder: Path) -> None:
    """Write figures and report of results into their folder.

    What was measured along paths and lies in the folder is redrawn with it.
    """
    draw_figures(found.tree, folder / FIGURES)
    for inner in folders_beside(folder):
        draw_results(read(inner), inner)
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
    beside = [section_of_paths(read(inner), inner / FIGURES) for inner in folders_beside(folder)]
    write_report(found, folder / FIGURES, folder / REPORT, beside, sections)
