"""An analysis as one self-contained HTML page."""

from latentgeo.report.page import write_path_report, write_report
from latentgeo.report.paths import PathSection, section_of_paths

__all__ = ["PathSection", "section_of_paths", "write_path_report", "write_report"]
