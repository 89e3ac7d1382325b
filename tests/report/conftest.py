"""Fixtures of the report's tests."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from latentgeo.figures import draw_figures
from latentgeo.report import write_report
from latentgeo.results import Analysis

_HELPER = Path(__file__).parents[1] / "figures" / "make_tree.py"


@pytest.fixture(scope="session")
def synthetic():
    """Return the module that makes synthetic analyses."""
    spec = importlib.util.spec_from_file_location("synthetic_analysis", _HELPER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def write(synthetic, tmp_path_factory):
    """Return a function that writes the report of an analysis, with figures or without."""

    def written(tree, *, figures=False):
        folder = tmp_path_factory.mktemp("report")
        if figures:
            draw_figures(tree, folder / "figures")
        path = folder / "report.html"
        found = Analysis(tree, synthetic.make_summary(tree))
        write_report(found, folder / "figures", path)
        return path

    return written


@pytest.fixture(scope="session")
def page_of(synthetic, write, tmp_path_factory):
    """Return a function that gives the whole report of as many models, drawn once for all tests."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each has a folder of its own in that of all
        shared = shared.parent

    def written(count):
        page = shared / f"report-of-{count}.html"
        with FileLock(f"{page}.lock"):
            if not page.is_file():
                shutil.copy(write(synthetic.make_tree(count), figures=True), page)
        return page

    return written


@pytest.fixture(scope="session", params=[1, 8], ids=lambda count: f"{count}-models")
def page(request, page_of):
    """Return whole reports of one model and of eight, one of which has not learned."""
    return page_of(request.param)
