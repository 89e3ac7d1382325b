"""What the study of latent spaces says of the paper in the report of one analysis."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from latentgeo.results import Analysis, models_of

_HELPER = Path(__file__).parents[1] / "figures" / "make_tree.py"


@pytest.fixture(scope="module")
def synthetic():
    """Return the module that makes synthetic analyses."""
    spec = importlib.util.spec_from_file_location("synthetic_analysis", _HELPER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def models(synthetic):
    return models_of(synthetic.make_tree(8))


def statements():
    from claims import statements

    return statements


def set_ranks(tree, label, triples, view="mean"):
    """Assign every image of a model one of the triples in turn, at every level."""
    rank = tree[label]["rank"]
    samples = rank.sizes["sample"]
    repeated = np.resize(np.array(triples), (samples, 3))
    rank.loc[{"rule": "spectrum", "view": view}] = repeated


def statement(models, start):
    return next(row for row in statements().compare(models) if row.statement.startswith(start))


def test_an_undecided_question_of_learning_is_said_beside_the_paper(synthetic):
    tree = synthetic.make_tree(1)
    tree["CAE"].attrs["learned"] = -1
    rows = statements().compare(models_of(tree))
    assert rows[0].ours[0].endswith("so whether it has learned is not known")
    assert statements().concerns(models_of(tree))
    assert not statements().concerns(models_of(synthetic.make_tree(only=["resnet:layer3.block 1"])))


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
    rows = statements().compare(models_of(synthetic.make_tree(8, only=["CAE seed 1"])))
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
    assert {row.mark for row in statements().compare(models)} <= set(statements().MARKS)


def test_the_section_has_every_statement_and_what_cannot_be_judged(synthetic):
    tree = synthetic.make_tree(8, only=["CAE", "CAE-MLP"])
    section = statements().section_of(Analysis(tree, {}))
    assert section.title == "The paper's statements beside ours"
    assert section.html.count('<td class="mark">') == len(statements().STATEMENTS)
    assert "CAE-MLP: no ranks, the latents are vectors" in section.html
    assert "the paper&#39;s own abstract" in section.html  # what is no HTML is escaped
