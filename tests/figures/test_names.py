"""Long names of models: a letter in the panels, and a key above them."""

import matplotlib.text
import pytest
import xarray as xr

from latentgeo.figures import SimilarityDisplay, catalogue
from latentgeo.figures._names import LONGEST, add_key, tagged


@pytest.fixture(scope="module")
def long_tree(synthetic):
    tree = synthetic.make_tree(3, samples=30, tsne=False)
    names = {name: f"{name}-{'of-a-long-experiment-' * 3}"[:60] for name in tree.children}

    def renamed(data):
        others = [names[other] for other in data["other_model"].values.tolist()]
        return data.assign_coords(other_model=others)

    found = xr.DataTree.from_dict(
        {f"/{names[name]}": renamed(child.to_dataset()) for name, child in tree.children.items()}
    )
    found.attrs = tree.attrs
    return found


def test_short_names_stay(synthetic):
    tree = synthetic.make_tree(2, samples=30, tsne=False)
    assert max(map(len, tree.children)) <= LONGEST
    found, key = tagged(tree)
    assert found is tree
    assert key == {}


def test_letters_stand_for_long_names(long_tree):
    found, key = tagged(long_tree)
    assert list(found.children) == ["A", "B", "C"]
    assert list(key.values()) == list(long_tree.children)
    assert found.attrs == long_tree.attrs
    assert found["B"]["other_model"].values.tolist() == ["A", "C"]


def test_the_key_stands_above_the_panels_and_none_is_cut(long_tree):
    found, key = tagged(long_tree)
    figure = SimilarityDisplay.from_analysis(found).plot().figure_
    before = figure.get_figheight()
    add_key(figure, key)
    catalogue._settle(figure)
    (text,) = [one for one in figure.texts if key["A"] in one.get_text()]
    assert all(name in text.get_text() for name in key.values())
    box = text.get_window_extent()
    assert box.x1 <= figure.bbox.x1
    assert box.y1 <= figure.bbox.y1
    assert all(ax.get_tightbbox().y1 <= box.y0 for ax in figure.axes)
    assert figure.get_figheight() > before
    shown = [one.get_text() for one in figure.findobj(matplotlib.text.Text) if one is not text]
    assert not any("long-experiment" in one for one in shown)


def test_files_have_the_key(long_tree, tmp_path, monkeypatch):
    rows = {"similarity": catalogue.figure_rows("analysis")["similarity"]}
    monkeypatch.setattr(catalogue, "figure_rows", lambda kind: rows)
    catalogue.draw_figures(long_tree, tmp_path)
    text = (tmp_path / "similarity.svg").read_text()
    assert all(name in text for name in long_tree.children)
