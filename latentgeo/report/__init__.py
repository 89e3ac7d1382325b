"""Results as HTML pages that need no network."""

from latentgeo.report.folder import FIGURES, REPORT, draw_results, write_page, write_results
from latentgeo.report.page import Section, landing, write_report
from latentgeo.report.paths import PathSection, section_of_paths

__all__ = [
    "FIGURES",
    "REPORT",
    "PathSection",
    "Section",
    "draw_results",
    "landing",
    "section_of_paths",
    "write_page",
    "write_report",
    "write_results",
]
