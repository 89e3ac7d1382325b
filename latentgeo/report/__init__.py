"""An analysis as one self-contained HTML page."""

from latentgeo.report.page import write_report

__all__ = ["write_report"]
