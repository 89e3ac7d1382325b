"""Figures as files."""

import numpy as np
import pytest
from matplotlib.image import imread

from latentgeo import figures


@pytest.fixture(scope="module")
def folder(tmp_path_factory, three):
    """Return a folder with the figures of three models."""
    place = tmp_path_factory.mktemp("figures")
    figures.draw_figures(three, place, ("svg", "png"))
    return place


def test_every_figure_is_written_in_every_format_that_is_asked_for(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{name}.{end}" for name in figures.figure_rows() for end in ("svg", "png")}


def test_figures_are_described_with_the_numbers_of_the_analysis(folder, three):
    found = figures.found_figures(three, folder)
    assert [one.name for one in found] == list(figures.figure_rows())
    for one in found:
        assert one.svg.is_file()
        assert one.png.is_file()
        assert one.how_to_read
        assert "{" not in one.caption
    ranks = next(one for one in found if one.name == "rank_histograms")
    assert "60 images" in ranks.caption
    assert "0.1" in ranks.caption


def test_pictures_are_not_blank_and_fit_a_page(folder):
    for path in folder.glob("*.png"):
        pixels = imread(path)[..., :3]
        assert pixels.std() > 0.02, path.name
        assert pixels.shape[1] <= 1080
        assert pixels.shape[0] <= 1700
        # Text that runs over the rim would leave ink on the outermost pixels.
        rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert rim.min() > 0.9, path.name


def test_the_same_analysis_gives_the_same_bytes(folder, tmp_path, three):
    for name in ("noise_curves", "tsne"):
        display = figures.figure_rows()[name].draw(three).plot()
        figures.save_figure(display.figure_, tmp_path / name, ("svg", "png", "pdf"))
        for end in ("svg", "png"):
            again = (tmp_path / f"{name}.{end}").read_bytes()
            assert again == (folder / f"{name}.{end}").read_bytes()
        assert b"CreationDate" not in (tmp_path / f"{name}.pdf").read_bytes()
        assert "dc:date" not in (tmp_path / f"{name}.svg").read_text(encoding="utf-8")


def test_no_temporary_file_stays(folder):
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_figure_that_cannot_be_drawn_says_why(vectors, tmp_path):
    missing = figures.undrawn(vectors)
    of_ranks = {"rank_histograms", "strata", "spectra", "rank_tolerance"}
    assert set(missing) == of_ranks | {"similarity"}
    drawn = figures.draw_figures(vectors, tmp_path)
    assert {one.name for one in drawn} == set(figures.figure_rows()) - set(missing)


def test_nothing_is_left_out_when_all_can_be_drawn(three):
    assert figures.undrawn(three) == {}
