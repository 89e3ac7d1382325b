"""What the report computes from an analysis."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from latentgeo.geometry import product_stratum_dimension
from latentgeo.report import paper, tables
from latentgeo.report._words import (
    estimate,
    listed,
    number,
    share,
    span,
    triple,
    with_interval,
)
from latentgeo.report.facts import models_of


@pytest.fixture(scope="module")
def models(synthetic):
    return models_of(synthetic.make_tree(8))


def by_label(rows):
    return {row[0]: row for row in rows}


def set_ranks(tree, label, triples, view="mean"):
    """Give every image of a model one of the triples in turn, at every level."""
    rank = tree[label]["rank"]
    samples = rank.sizes["sample"]
    repeated = np.resize(np.array(triples), (samples, 3))
    rank.loc[{"rule": "spectrum", "view": view}] = repeated


def statement(models, start):
    return next(row for row in paper.compare(models) if row.statement.startswith(start))


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
    assert triple((7, 7, 48)).replace("\N{NO-BREAK SPACE}", " ") == "(7, 7, 48)"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_shares_carry_wilsons_interval():
    ends = binomtest(30, 120).proportion_ci(method="wilson")
    text = share(30, 120)
    assert "30 of 120 images (25 %" in text
    assert f"{100 * ends.low:.0f}\N{EN DASH}{100 * ends.high:.0f} %" in text


def test_estimates_read_the_bounds(synthetic):
    data = synthetic.make_tree(1)["CAE"].to_dataset().isel(noise=0)
    low, high = data["psnr_ci"].values
    assert estimate(data["psnr_mean"], data["psnr_ci"], 2).endswith(f"[{low:.2f}, {high:.2f}]")


def test_the_noisy_level_is_the_nearest_to_a_tenth(synthetic):
    assert models_of(synthetic.make_tree(1, noise=(0.0, 0.02, 0.09, 0.5)))[0].noisy == 0.09
    assert models_of(synthetic.make_tree(1, noise=(0.0,)))[0].noisy is None


def test_strata_tables_hold_every_image(models):
    for model in models:
        for view in model.views:
            if view.has_ranks:
                table = tables.strata(view, "noisy")
                assert sum(int(row[2]) for row in table.rows) == 60
                assert sum(int(row[3]) for row in table.rows) == 60
                assert len(table.rows) <= 9


def test_the_dimension_of_a_stratum_is_that_of_the_geometry(synthetic):
    tree = synthetic.make_tree(1, shape=(64, 7, 7))
    set_ranks(tree, "CAE", [(7, 7, 48)])
    (row,) = tables.strata(models_of(tree)[0].views[0], "noisy").rows
    assert row[0] == "7,7,48"
    assert int(row[1]) == product_stratum_dimension((7, 7, 64), (7, 7, 48)) == 28 + 28 + 1944


def test_rank_tables_pass_over_vectors(models):
    for table in (
        tables.strata_at_a_glance(models, "noisy"),
        tables.two_rules(models, "noisy"),
        tables.sample_or_mean(models),
        tables.dead_channels(models, "noisy"),
    ):
        labels = {row[0] for row in table.rows}
        assert "CAE" in labels
        assert "CAE-MLP" not in labels
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_the_glance_has_a_row_per_model_and_view(models):
    table = tables.at_a_glance(models, "noisy")
    rows = by_label(table.rows)
    assert list(rows)[:4] == ["CAE", "DAE", "VAE, mean", "VAE, sample"]
    assert rows["CAE seed 1"][2] == "NO"
    assert rows["CAE-MLP"][2] == "yes"
    assert rows["CAE-MLP"][3:5] == ("\N{EM DASH}",) * 2
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_every_level_has_a_row(models):
    table = tables.by_level(models)
    assert len(table.rows) == 10 * 8


def test_the_table_of_intrinsic_dimensions_holds_the_numbers(models):
    rows = by_label(tables.intrinsic(models, "noisy").rows)
    model = models[1]
    value, ends = model.views[0].intrinsic(0.0)
    assert rows["DAE"][1] == estimate(value, ends)
    assert list(rows)[:4] == ["CAE", "DAE", "VAE, mean", "VAE, sample"]


def test_the_metric_stands_beside_the_strata(synthetic):
    tree = synthetic.make_tree(8)
    rows = by_label(tables.decoder_metric(models_of(tree)).rows)
    assert rows["CAE"][5] == "stratified"
    assert rows["VAE"][5] == "smooth"
    assert rows["CAE-MLP"][5] == "\N{EM DASH}"
    assert rows["CAE"][1].startswith(number(float(tree["CAE"]["pullback_condition_median"][0])))
    assert rows["CAE"][6].endswith("at 16 images")


def test_tables_of_units_pass_over_deterministic_tensors(models):
    table = tables.units(models, "noisy")
    rows = by_label(table.rows)
    assert set(rows) == {"VAE", "VAE beta 0.1", "CAE-MLP"}
    assert rows["VAE"][:3] == ("VAE", "64", "32 [31, 33]")
    assert rows["VAE"][4].startswith("32: ")
    assert rows["VAE"][4].endswith(", …")
    assert rows["CAE-MLP"][5] == "\N{EM DASH}"
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_each_unit_has_a_row_up_to_a_limit(models):
    vae = next(model for model in models if model.label == "VAE")
    table = tables.each_unit(vae)
    assert len(table.rows) == 32
    assert "32 units that carry less" in table.note
    assert table.rows[0][4] == "active"
    dead = tables.each_unit(next(model for model in models if model.label == "CAE-MLP"))
    assert dead.rows[-1][4] == "dead"
    assert dead.without_empty().columns == ("Unit", "Variance of the mean", "It is")


def test_a_model_without_a_decoder_is_neither_learned_nor_not(synthetic):
    (model,) = models_of(synthetic.make_tree(only=["resnet:layer3.block 1"]))
    assert model.learned is None
    assert not model.decodes
    (row,) = tables.at_a_glance([model], "noisy").rows
    assert row[2] == "unknown"
    assert row[-3:] == ("\N{EM DASH}",) * 3
    assert not tables.decoder_metric([model]).rows


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
    names = {tables.Table(caption, (), ()).anchor for caption in ("a b", "a-b", "A b", "a:b")}
    assert len(names) == 4
    assert not any(" " in name for name in names)


def test_an_undecided_question_of_learning_is_said_beside_the_paper(synthetic):
    tree = synthetic.make_tree(1)
    tree["CAE"].attrs["learned"] = -1
    rows = paper.compare(models_of(tree))
    assert rows[0].ours[0].endswith("so whether it has learned is not known")
    assert paper.concerns(models_of(tree))
    assert not paper.concerns(models_of(synthetic.make_tree(only=["resnet:layer3.block 1"])))


def test_empty_columns_are_dropped():
    dash = "\N{EM DASH}"
    table = tables.Table("t", ("a", "b", "c"), (("1", dash, dash), ("2", dash, "x")))
    assert table.without_empty().columns == ("a", "c")
    assert table.without_empty().rows == (("1", dash), ("2", "x"))


def test_controls_show_mean_sample_and_jitter(models):
    rows = by_label(tables.sample_or_mean(models).rows)
    assert rows["CAE"][2] == "deterministic"
    assert rows["VAE"][2] == "7, 7, 48"
    assert rows["CAE"][3] == "7, 7, 48"
    assert by_label(tables.dead_channels(models, "noisy").rows)["CAE"][1:] == ("64", "3", "3")


@pytest.mark.parametrize(("angle", "word"), [(10, "less"), (48, "as much"), (80, "more")])
def test_angles_are_judged_on_halves_against_the_null(synthetic, angle, word):
    tree = synthetic.make_tree(1)
    tree["CAE"]["principal_angle_split_mean"][:] = angle
    tree["CAE"]["principal_angle_null_mean"][:] = [46, 47, 48, 49, 50]
    assert f" {word} " in tables.against_null(models_of(tree)[0].views[0])


def test_ranks_that_vary_agree_with_the_paper_for_a_cae(synthetic):
    tree = synthetic.make_tree(1)
    set_ranks(tree, "CAE", [(7, 7, 48), (6, 7, 40)])
    assert statement(models_of(tree), "CAE and DAE latents").verdict == "agrees"
    assert statement(models_of(tree), "Pooled ranks").verdict == "agrees"
    set_ranks(tree, "CAE", [(7, 7, 48)])
    assert statement(models_of(tree), "CAE and DAE latents").verdict == "differs"
    set_ranks(tree, "CAE", [(3, 7, 48)])
    assert statement(models_of(tree), "Pooled ranks").verdict == "differs"


def test_ranks_out_of_reach_are_not_held_against_a_model(synthetic):
    models = models_of(synthetic.make_tree(3, shape=(16, 5, 5)))
    for start in ("Pooled ranks", "Ranks of the VAE"):
        row = statement(models, start)
        assert row.verdict == "not judged"
        assert all("cannot have the paper's ranks" in line for line in row.ours)
    assert statement(models, "CAE and DAE latents").verdict != "not judged"


def test_a_sample_is_compared_with_another_draw_too(synthetic):
    tree = synthetic.make_tree(8, only=["VAE"])
    tree["VAE"]["principal_angle_split_mean"][:] = 30
    mean, sample = models_of(tree)[0].views
    assert "drawing again" not in tables.against_null(mean)
    assert "less than exchanging the images does" in tables.against_null(sample)
    assert "more than drawing again from the posterior does" in tables.against_null(sample)


def test_a_vae_is_judged_in_both_views(synthetic):
    tree = synthetic.make_tree(8, only=["VAE"])
    set_ranks(tree, "VAE", [(7, 7, 30), (7, 7, 31)], view="mean")
    set_ranks(tree, "VAE", [(7, 7, 48)], view="sample")
    row = statement(models_of(tree), "Ranks of the VAE")
    assert row.verdict == "depends on the model or view"
    assert row.mark == "S"
    assert [line.split(":")[0] for line in row.ours] == ["VAE, mean", "VAE, sample"]
    set_ranks(tree, "VAE", [(7, 7, 48)], view="mean")
    assert statement(models_of(tree), "Ranks of the VAE").verdict == "agrees"
    assert statement(models_of(tree), "VAE latents form").verdict == "agrees"


@pytest.mark.parametrize(("fall", "verdict"), [(0.5, "agrees"), (6.0, "differs")])
def test_a_flat_curve_is_flat(synthetic, fall, verdict):
    tree = synthetic.make_tree(8, only=["VAE"])
    tree["VAE"]["psnr_mean"][:] = 25 - np.linspace(0, fall, 8)
    assert statement(models_of(tree), "PSNR of the VAE").verdict == verdict


@pytest.mark.parametrize(("angle", "verdict"), [(0.2, "agrees"), (9.0, "differs")])
def test_zero_angles_are_zero(synthetic, angle, verdict):
    tree = synthetic.make_tree(8, only=["VAE"])
    tree["VAE"]["principal_angle_statistic"][:] = angle
    assert statement(models_of(tree), 'Principal angles "remain').verdict == verdict


def test_unlearned_models_are_named_but_not_judged(synthetic):
    rows = paper.compare(models_of(synthetic.make_tree(8, only=["CAE seed 1"])))
    assert {row.verdict for row in rows} == {"not judged"}
    assert rows[0].ours == ("CAE seed 1: not judged, this model has not learned",)
    assert rows[2].ours == ("no model with the recipe vae was analysed",)


def test_what_the_paper_gives_no_number_for_is_not_judged(models):
    assert statement(models, "Hilbert dimension").verdict == "not judged"


def test_one_noise_level_is_too_few_to_judge_curves(synthetic):
    models = models_of(synthetic.make_tree(3, noise=(0.0,)))
    for start in ("PSNR of CAE", "Principal angles rise", 'Principal angles "remain'):
        assert statement(models, start).verdict == "not judged"


def test_every_statement_has_a_known_mark(models):
    assert {row.mark for row in paper.compare(models)} <= set(paper.MARKS)
