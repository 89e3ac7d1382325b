"""What can be drawn of results, as methods."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import latentgeo
from latentgeo.errors import InputError
from latentgeo.files import kept
from latentgeo.measures import summarize
from latentgeo.measures.quality import PSNR
from latentgeo.results import Analysis, annotate


@pytest.fixture(scope="module")
def found(synthetic):
    tree = synthetic.make_tree(8, only=["CAE", "CAE seed 1"])
    for label in tree.children:
        tree[label].dataset = annotate(tree[label].to_dataset(), [PSNR])
    return Analysis(tree, summarize(tree))


def test_an_estimate_is_drawn_on_the_axes_of_the_caller(found):
    ax = Figure().subplots()
    assert found.plot.psnr(ax=ax) is ax
    first, second = ax.get_lines()
    np.testing.assert_allclose(first.get_ydata(), found["CAE"].data["psnr_mean"])
    assert second.get_label() == "CAE seed 1 (not learned)"
    assert "dB" in ax.get_ylabel()


def test_a_figure_of_the_report_is_drawn_by_its_name(found):
    assert found.plot.noise_curves().figure_
    assert {"psnr", "noise_curves"} <= set(dir(found.plot))


def test_what_cannot_be_drawn_is_said(found):
    with pytest.raises(AttributeError, match=r"no plot 'zebra'; they have .*psnr"):
        found.plot.zebra()
    with pytest.raises(InputError, match="ax is a str; give one matplotlib Axes"):
        found.plot.psnr(ax="left")


def test_results_show_their_tiles_in_a_notebook(found):
    shown = found._repr_html_()
    assert "Learned" in shown
    assert "Headline numbers of every measure" in shown


def test_results_are_saved_and_come_back(found, tmp_path, monkeypatch):
    monkeypatch.setattr("latentgeo.report.folder.draw_results", lambda *_: None)
    place = found.save(tmp_path / "kept")
    assert latentgeo.read(place)["CAE"].psnr().value == found["CAE"].psnr().value
    with pytest.raises(InputError, match="already holds files"):
        found.save(place)
    with kept(place), pytest.raises(InputError, match="another process is writing to"):
        found.save(place, force=True)
