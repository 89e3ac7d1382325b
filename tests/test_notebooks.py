"""Notebooks are kept clean here; `docs/build.py` runs them, and the site shows their outputs."""

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
DRAWS = ("plt.", "Display.", "SVG(")


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_committed_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.get("outputs") for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_pictures_are_said_in_words(path):
    drawing = [
        cell
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code" and any(call in cell.source for call in DRAWS)
    ]
    assert drawing
    assert all(cell.metadata["mystnb"]["image"]["alt"] for cell in drawing)
