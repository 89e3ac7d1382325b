"""What the report computes from an analysis."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from latentgeo.geometry import product_stratum_dimension
from latentgeo.measures import measures_of, tiles_of
from latentgeo.measures.intrinsic_dimension import INTRINSIC
from latentgeo.measures.principal_angles import against_null
from latentgeo.measures.quality import PSNR
from latentgeo.measures.ranks import in_brackets
from latentgeo.report import tables
from latentgeo.results import Table, models_of
from latentgeo.results.words import listed, number, share, span, with_interval


@pytest.fixture(scope="module")
def models(synthetic):
    return models_of(synthetic.make_tree(8))


def by_label(rows):
    return {row[0]: row for row in rows}


def tables_of(models):
    """Return the tables of all measures by caption."""
    every = measures_of("analysis")
    return {table.caption: table for one in every for table in one.tables_of(models, "noisy")}


INTRINSIC_TABLE = "Intrinsic dimension of the set of latents"
METRIC_TABLE = "The decoder's metric beside the strata"
UNITS_TABLE = "Active units and collapse"
SAMPLES_TABLE = "Mean, sample and jitter: ranks on clean images"
LOWERED_TABLE = "What lowers the rank of the channels"
RANK_TABLES = ("Strata", "Ranks under two rules", SAMPLES_TABLE, LOWERED_TABLE)


def set_ranks(tree, label, triples, view="mean"):
    """Assign every image of a model one of the triples in turn, at every level."""
    rank = tree[label]["rank"]
    samples = rank.sizes["sample"]
    repeated = np.resize(np.array(triples), (samples, 3))
    rank.loc[{"rule": "spectrum", "view": view}] = repeated


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.25, "1.2"), (-0.5, "\N{MINUS SIGN}0.5"), (np.nan, "\N{EM DASH}"), (np.inf, "\N{INFINITY}")],
)
def test_numbers(value, expected):
    assert number(value) == expected


def test_words():
    assert with_interval(1.04, (0.5, 2), 1) == "1.0 [0.5, 2.0]"
    assert with_interval(1.04, (np.nan, 2), 1) == "1.0"
    assert span([7, 5, 6]) == "5\N{EN DASH}7"
    assert span([7, 7]) == "7"
    assert in_brackets((7, 7, 48)).replace("\N{NO-BREAK SPACE}", " ") == "(7, 7, 48)"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_shares_carry_wilsons_interval():
    ends = binomtest(30, 120).proportion_ci(method="wilson")
    text = share(30, 120)
    assert "30 of 120 images (25 %" in text
    assert f"{100 * ends.low:.0f}\N{EN DASH}{100 * ends.high:.0f} %" in text


def test_estimates_read_the_bounds(synthetic):
    (model,) = models_of(synthetic.make_tree(1))
    low, high = model.at(0.0)["psnr_ci"].values
    assert model.estimate(PSNR).text(2).endswith(f"[{low:.2f}, {high:.2f}]")


def test_the_noisy_level_is_the_nearest_to_a_tenth(synthetic):
    assert models_of(synthetic.make_tree(1, noise=(0.0, 0.02, 0.09, 0.5)))[0].noisy == 0.09
    assert models_of(synthetic.make_tree(1, noise=(0.0,)))[0].noisy is None


def test_strata_tables_hold_every_image(models):
    for model in models:
        for view in model.views:
            if "rank" in view.data:
                table = tables_of([model])[view.label]
                assert sum(int(row[2]) for row in table.rows) == 60
                assert sum(int(row[3]) for row in table.rows) == 60
                assert len(table.rows) <= 9


def test_the_dimension_of_a_stratum_is_that_of_the_geometry(synthetic):
    tree = synthetic.make_tree(1, shape=(64, 7, 7))
    set_ranks(tree, "CAE", [(7, 7, 48)])
    (row,) = tables_of(models_of(tree))["CAE"].rows
    assert row[0] == "7,7,48"
    assert int(row[1]) == product_stratum_dimension((7, 7, 64), (7, 7, 48)) == 28 + 28 + 1944


def test_rank_tables_pass_over_vectors(models):
    for table in map(tables_of(models).get, RANK_TABLES):
        labels = {row[0] for row in table.rows}
        assert "CAE" in labels
        assert "CAE-MLP" not in labels
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_the_glance_has_a_row_per_model_and_view(models):
    (table,) = tables.at_a_glance(models, "noisy")
    rows = by_label(table.rows)
    assert list(rows)[:4] == ["CAE", "DAE", "VAE, mean", "VAE, sample"]
    assert rows["CAE-MLP"][table.columns.index("Ranks by mode")] == "\N{EM DASH}"
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_the_decoded_mean_gives_a_sample_no_psnr(models):
    (table,) = tables.at_a_glance(models, "noisy")
    rows, at = by_label(table.rows), table.columns.index("PSNR (dB)")
    assert "\N{RIGHTWARDS ARROW}" in rows["VAE, mean"][at]
    assert rows["VAE, sample"][at] == "\N{EM DASH}"


def test_one_label_means_one_number(models):
    heads = [table.columns for table in tables.at_a_glance(models, "noisy")]
    assert not {*sum(heads, ())} & {*tables.by_level(models).columns} - {"Model", "PSNR (dB)"}


def test_every_level_has_a_row(models):
    table = tables.by_level(models)
    assert len(table.rows) == 10 * 8


def test_the_table_of_intrinsic_dimensions_holds_the_numbers(models):
    rows = by_label(tables_of(models)[INTRINSIC_TABLE].rows)
    model = models[1]
    assert rows["DAE"][1] == model.estimate(INTRINSIC).text()
    assert list(rows)[:4] == ["CAE", "DAE", "VAE, mean", "VAE, sample"]


def test_the_metric_stands_beside_the_strata(synthetic):
    tree = synthetic.make_tree(8)
    rows = by_label(tables_of(models_of(tree))[METRIC_TABLE].rows)
    assert rows["CAE"][5] == "stratified"
    assert rows["VAE"][5] == "smooth"
    assert rows["CAE-MLP"][5] == "\N{EM DASH}"
    assert rows["CAE"][1].startswith(number(float(tree["CAE"]["pullback_condition_median"][0])))
    assert rows["CAE"][6].endswith("at 16 images")


def test_tables_of_units_pass_over_deterministic_tensors(models):
    table = tables_of(models)[UNITS_TABLE]
    rows = by_label(table.rows)
    assert set(rows) == {"VAE", "VAE beta 0.1", "CAE-MLP"}
    assert rows["VAE"][:3] == ("VAE", "64", "32 [31, 33]")
    assert rows["VAE"][4].startswith("32: ")
    assert rows["VAE"][4].endswith(", …")
    assert rows["CAE-MLP"][5] == "\N{EM DASH}"
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_each_unit_has_a_row_up_to_a_limit(models):
    vae = next(model for model in models if model.label == "VAE")
    table = tables_of([vae])["Units of VAE, clean images"]
    assert len(table.rows) == 32
    assert "32 units that carry less" in table.note
    assert table.rows[0][4] == "active"
    (mlp,) = [model for model in models if model.label == "CAE-MLP"]
    dead = tables_of([mlp])["Units of CAE-MLP, clean images"]
    assert dead.rows[-1][4] == "dead"
    assert dead.without_empty().columns == ("Unit", "Variance of the mean", "Status")


def test_a_model_without_a_decoder_is_neither_learned_nor_not(synthetic):
    (model,) = models_of(synthetic.make_tree(only=["resnet:layer3.block 1"]))
    assert model.learned is None
    (table,) = tables.at_a_glance([model], "noisy")
    assert "PSNR (dB)" not in table.columns
    assert tiles_of(model, [model])[0].text == "unknown"
    assert METRIC_TABLE not in tables_of([model])


def test_how_a_foreign_model_was_opened(synthetic):
    tree = synthetic.make_tree(2)
    assert not tables.opened(models_of(tree)).rows
    name = models_of(tree)[0].label
    opened = {
        "kind": "diffusers",
        "card": {"preprocessing": {"grey_to_rgb": True, "range": [-1.0, 1.0]}},
        "round_trip": {"psnr_db": 27.4, "baseline_db": 11.8, "alternatives_db": {"[0, 1]": 24.2}},
    }
    tree[name].attrs["opened"] = json.dumps(opened)
    (row,) = tables.opened(models_of(tree)).rows
    assert row[1:3] == ("diffusers", "grey to rgb yes, range -1, 1")
    assert row[3:] == ("its encoder", "27.4", "[0, 1] 24.2", "11.8")
    tree[name].attrs["opened"] = json.dumps({"kind": "module", "card": {"layers": ["a.b", "c"]}})
    (row,) = tables.opened(models_of(tree)).rows
    assert row[2:5] == ("nothing", "a.b, c", "\N{EM DASH}")


def test_captions_become_different_names_without_spaces():
    names = {Table(caption, (), ()).anchor for caption in ("a b", "a-b", "A b", "a:b")}
    assert len(names) == 4
    assert not any(" " in name for name in names)


def test_empty_columns_are_dropped():
    dash = "\N{EM DASH}"
    table = Table("t", ("a", "b", "c"), (("1", dash, dash), ("2", dash, "x")))
    assert table.without_empty().columns == ("a", "c")
    assert table.without_empty().rows == (("1", dash), ("2", "x"))


def test_controls_show_mean_sample_and_jitter(models):
    rows = by_label(tables_of(models)[SAMPLES_TABLE].rows)
    assert rows["CAE"][2] == "deterministic"
    assert rows["VAE"][2] == "7, 7, 48"
    assert rows["CAE"][3] == "7, 7, 48"
    lowered = by_label(tables_of(models)[LOWERED_TABLE].rows)["CAE"]
    assert lowered[1:] == ("64", "3", "3", "2 %", "2 %", "100 %", "100 %")


@pytest.mark.parametrize(("angle", "word"), [(10, "less"), (48, "as much"), (80, "more")])
def test_angles_are_judged_on_halves_against_the_null(synthetic, angle, word):
    tree = synthetic.make_tree(1)
    tree["CAE"]["principal_angle_split_mean"][:] = angle
    tree["CAE"]["principal_angle_null_mean"][:] = [46, 47, 48, 49, 50]
    assert f" {word} " in against_null(models_of(tree)[0].views[0])


def test_a_sample_is_compared_with_another_draw_too(synthetic):
    tree = synthetic.make_tree(8, only=["VAE"])
    tree["VAE"]["principal_angle_split_mean"][:] = 30
    mean, sample = models_of(tree)[0].views
    assert "drawing again" not in against_null(mean)
    assert "less than resampling the images does" in against_null(sample)
    assert "more than drawing again from the posterior does" in against_null(sample)
