"""What the displays take from an analysis, and what they draw."""

import subprocess
import sys
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from latentgeo import figures
from latentgeo.errors import InputError
from latentgeo.figures._style import even_columns

DISPLAYS = {row.load().__name__: row.load() for row in figures.figure_rows().values()}
NEED_TENSORS = {
    "RankHistogramDisplay",
    "StratumTransitionDisplay",
    "SpectrumDisplay",
    "RankToleranceDisplay",
}
NEED_OTHERS = {"SimilarityDisplay"}
ODD = "_odd $name$:decoder.net.features.conv_2"
LAYER = "resnet:layer3.block 1"


def test_every_display_is_in_a_table_of_figures():
    of_paths = {row.load().__name__ for row in figures.figure_rows("interpolation").values()}
    exported = {name for name in figures.__all__ if name.endswith("Display")}
    assert exported - {"Display"} == set(DISPLAYS) | of_paths


@pytest.mark.parametrize("name", DISPLAYS)
def test_draws_one_three_and_eight_models(name, tree):
    # One model is a deterministic tensor, and has no other beside it.
    lacks = {"UnitsDisplay": "has units to count", "SimilarityDisplay": "not compared"}
    if name in lacks and len(tree.children) == 1:
        with pytest.raises(figures.NothingToDrawError, match=lacks[name]):
            DISPLAYS[name].from_analysis(tree)
        return
    display = DISPLAYS[name].from_analysis(tree).plot()
    assert isinstance(display.figure_, Figure)
    assert all(ax.get_figure(root=True) is display.figure_ for ax in display.axes_.ravel())
    assert any(
        ax.lines or ax.patches or ax.images or ax.collections for ax in display.axes_.ravel()
    )


@pytest.mark.parametrize("name", DISPLAYS)
def test_leaves_the_global_state_alone(name, three):
    before = dict(mpl.rcParams)
    DISPLAYS[name].from_analysis(three).plot()
    assert dict(mpl.rcParams) == before


def test_never_touches_pyplot():
    code = (
        "import sys, latentgeo.figures, latentgeo.report;"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", DISPLAYS)
def test_draws_on_given_axes_of_the_right_shape(name, three):
    display = DISPLAYS[name].from_analysis(three)
    shape = display.plot().axes_.shape
    own = Figure(figsize=(12, 12)).subplots(*np.atleast_2d(np.empty(shape)).shape, squeeze=False)
    display.plot(axes=own.reshape(shape))
    assert display.figure_ is own.ravel()[0].figure


@pytest.mark.parametrize("name", DISPLAYS)
def test_refuses_axes_of_the_wrong_number(name, three):
    axes = Figure().subplots(1, 13)
    with pytest.raises(InputError, match=r"axes: got 13 .* expected \d+ matplotlib Axes"):
        DISPLAYS[name].from_analysis(three).plot(axes=axes)


@pytest.mark.parametrize("name", DISPLAYS)
def test_vectors_are_drawn_or_refused_in_words(name, vectors):
    if name in NEED_TENSORS:
        with pytest.raises(figures.NothingToDrawError, match=r"all latents .* are vectors"):
            DISPLAYS[name].from_analysis(vectors)
    elif name not in NEED_OTHERS:
        assert DISPLAYS[name].from_analysis(vectors).plot().axes_.size


@pytest.mark.parametrize("name", sorted(NEED_TENSORS))
def test_a_figure_says_which_model_it_leaves_out(name, synthetic):
    mixed = synthetic.make_tree(8, only=["CAE", "CAE-MLP"])
    display = DISPLAYS[name].from_analysis(mixed).plot()
    texts = [text.get_text() for text in display.figure_.findobj(mpl.text.Text)]
    assert any("Left out: CAE-MLP (latents are vectors" in text for text in texts)


@pytest.mark.parametrize("levels", [(0.0,), (0.0, 0.1), tuple(np.linspace(0, 1, 25))])
def test_draws_one_two_and_many_noise_levels(synthetic, levels):
    tree = synthetic.make_tree(2, samples=24, noise=levels)
    missing = figures.undrawn(tree)
    clean_only = set() if len(levels) > 1 else {"strata", "principal_angles", "fixed_angles"}
    assert set(missing) == clean_only | {"units"}
    for name in set(figures.figure_rows()) - set(missing):
        assert figures.figure_rows()[name].draw(tree).plot().axes_.size


@pytest.mark.parametrize(
    "name", ["StratumTransitionDisplay", "PrincipalAngleDisplay", "FixedAnglesDisplay"]
)
def test_clean_images_alone_have_nothing_to_compare(name, synthetic):
    with pytest.raises(figures.NothingToDrawError, match="noise level 0 only"):
        DISPLAYS[name].from_analysis(synthetic.make_tree(1, noise=(0.0,)))


def test_an_unknown_view_is_named_with_those_there_are(three):
    with pytest.raises(figures.NothingToDrawError, match=r"views \['draw'\] .* choose from"):
        figures.SpectrumDisplay.from_analysis(three, views=["draw"])


def test_an_empty_analysis_is_refused(three):
    empty = three.filter(lambda node: False)
    with pytest.raises(figures.NothingToDrawError, match="holds no model"):
        figures.NoiseCurvesDisplay.from_analysis(empty)


NEED_DECODERS = {"ReconstructionDisplay", "DecoderMetricDisplay"}


@pytest.mark.parametrize("name", DISPLAYS)
def test_models_without_a_decoder_are_drawn_or_refused_in_words(name, synthetic):
    tree = synthetic.make_tree(only=[LAYER])
    if name in NEED_DECODERS:
        with pytest.raises(figures.NothingToDrawError, match=r"no model .* has a decoder"):
            DISPLAYS[name].from_analysis(tree)
    elif name not in {"UnitsDisplay", *NEED_OTHERS}:
        assert DISPLAYS[name].from_analysis(tree).plot().axes_.size


def test_reconstructions_name_the_models_that_have_none(synthetic):
    tree = synthetic.make_tree(only=["CAE", LAYER])
    display = figures.ReconstructionDisplay.from_analysis(tree).plot()
    assert list(display.rows) == ["input", "CAE"]
    assert f"Left out: {LAYER} (no decoder)." in display.figure_.get_supxlabel()
    curves = figures.NoiseCurvesDisplay.from_analysis(tree)
    assert [curve.label for curve in curves.psnr] == ["CAE"]
    assert [curve.label for curve in curves.dimension] == ["CAE", LAYER]


@pytest.mark.parametrize("name", DISPLAYS)
def test_names_with_signs_are_shown_as_they_are(name, synthetic):
    tree = synthetic.make_tree(only=["VAE", ODD])
    display = DISPLAYS[name].from_analysis(tree).plot()
    display.figure_.draw_without_rendering()  # mathematics that is none would fail here
    if name != "UnitsDisplay":
        texts = [text.get_text() for text in display.figure_.findobj(mpl.text.Text)]
        joined = "".join("".join(texts).split())
        assert r"_odd\$name\$:decoder.net.features.conv_2" in joined


def test_long_names_are_broken_where_their_parts_meet():
    from latentgeo.figures._style import wrapped_text

    assert wrapped_text("VAE, mean") == "VAE, mean"
    assert wrapped_text("VAE, mean", 8) == "VAE,\nmean"
    assert wrapped_text("CAE seed 1") == "CAE seed 1"
    assert wrapped_text("resnet18:layer3.block.conv2") == "resnet18:layer3.\nblock.conv2"
    assert wrapped_text("$x$_y") == r"\$x\$_y"


def test_intrinsic_dimension_is_that_of_the_analysis(three):
    display = figures.IntrinsicDimensionDisplay.from_analysis(three).plot()
    assert list(display.curves) == ["two-nn", "local-pca"]
    expected = three["DAE"]["intrinsic_dimension"].sel(view="mean", estimator="two-nn")
    np.testing.assert_array_equal(display.curves["two-nn"][1].y, expected)
    assert display.axes_[0].get_ylim() == display.axes_[1].get_ylim()


def test_a_missing_estimate_leaves_a_gap(synthetic):
    tree = synthetic.make_tree(1)
    for name in ("intrinsic_dimension", "intrinsic_dimension_ci"):
        tree["CAE"][name].loc[{"estimator": "two-nn"}] = np.nan
    display = figures.IntrinsicDimensionDisplay.from_analysis(tree).plot()
    assert np.isnan(display.curves["two-nn"][0].y).all()
    assert np.isfinite(display.axes_[0].get_ylim()).all()


def test_an_analysis_from_before_says_what_it_lacks(synthetic):
    tree = synthetic.make_tree(1)
    older = tree["CAE"].to_dataset().drop_vars(["intrinsic_dimension", "intrinsic_dimension_ci"])
    tree["CAE"].dataset = older
    with pytest.raises(figures.NothingToDrawError, match="holds no intrinsic dimension"):
        figures.IntrinsicDimensionDisplay.from_analysis(tree)


def test_the_decoders_metric_is_that_of_the_analysis(three):
    display = figures.DecoderMetricDisplay.from_analysis(three).plot()
    assert list(display.condition) == ["CAE", "DAE", "VAE"]
    assert display.conditions[0] == "clean"
    np.testing.assert_array_equal(
        display.condition["DAE"].median, three["DAE"]["pullback_condition_median"]
    )
    volume = three["DAE"]["pullback_log_volume"] / 16
    np.testing.assert_allclose(display.volume["DAE"].each, volume)
    assert display.axes_[0].get_xscale() == "log"


def test_an_infinite_condition_is_written_at_the_rim(synthetic):
    tree = synthetic.make_tree(1)
    tree["CAE"]["pullback_condition"][1, :5] = np.inf
    tree["CAE"]["pullback_log_volume"][1, :5] = -np.inf
    display = figures.DecoderMetricDisplay.from_analysis(tree).plot()
    texts = [text.get_text().strip() for text in display.axes_[0].texts]
    assert texts == ["\N{INFINITY} for 5 of 16"]
    display.figure_.draw_without_rendering()


def test_conditions_that_are_infinite_everywhere_are_drawn(synthetic):
    tree = synthetic.make_tree(1)
    for name in ("condition", "condition_median", "condition_ci"):
        tree["CAE"][f"pullback_{name}"][:] = np.inf
    for name in ("log_volume", "log_volume_median", "log_volume_ci"):
        tree["CAE"][f"pullback_{name}"][:] = -np.inf
    display = figures.DecoderMetricDisplay.from_analysis(tree).plot()
    display.figure_.draw_without_rendering()
    assert display.axes_[0].get_xlim() == (1, 10)
    texts = {text.get_text().strip() for text in display.axes_[0].texts}
    assert texts == {"\N{INFINITY} for 16 of 16"}


def test_units_stand_in_the_order_of_what_they_carry(synthetic):
    tree = synthetic.make_tree(only=["VAE-MLP", "CAE-MLP"])
    display = figures.UnitsDisplay.from_analysis(tree).plot()
    stochastic, deterministic = display.bars["VAE-MLP"], display.bars["CAE-MLP"]
    assert (np.diff(stochastic.divergence) <= 0).all()
    assert (np.diff(deterministic.variance) <= 0).all()
    assert deterministic.divergence is None
    clean = tree["VAE-MLP"].to_dataset().isel(noise=0)
    np.testing.assert_array_equal(stochastic.divergence, clean["unit_kl"][stochastic.number])
    assert stochastic.title == "16 of 32 active, 16 collapsed"
    assert deterministic.title == "16 of 32 active, 16 dead"
    hatched = [bar for bar in display.axes_[0, 1].patches if bar.get_hatch()]
    assert len(hatched) == 16


def test_few_units_bear_their_numbers(synthetic):
    tree = synthetic.make_tree(only=["VAE-MLP"])
    ten = tree["VAE-MLP"].to_dataset().isel(unit=slice(10))
    tree["VAE-MLP"].dataset = ten
    display = figures.UnitsDisplay.from_analysis(tree).plot()
    labels = [label.get_text() for label in display.axes_[0, 0].get_xticklabels()]
    assert labels == [str(number) for number in display.bars["VAE-MLP"].number]


def test_images_of_several_sizes_and_kinds_stand_in_one_figure(synthetic):
    tree = synthetic.make_tree(only=["CAE", "DAE", "VAE"])
    names = ["example_input", "example_reconstruction"]
    for label, channels, grow in (("DAE", 3, 4), ("VAE", 1, 2)):
        large = {
            name: (
                tree[label][name].dims,
                tree[label][name]
                .values[:, :, :1]
                .repeat(channels, 2)
                .repeat(grow, 3)
                .repeat(grow, 4),
            )
            for name in names
        }
        tree[label].dataset = tree[label].to_dataset().drop_vars(names).assign(large)
    display = figures.ReconstructionDisplay.from_analysis(tree).plot()
    assert {images.shape[-1] for images in display.rows.values()} == {64}
    for images in display.rows.values():
        assert 0 <= images.min() <= images.max() <= 1


def test_histograms_hold_every_image_once(three):
    display = figures.RankHistogramDisplay.from_analysis(three).plot()
    # All samples of the posterior have full rank: a line of text says so in place of six bars.
    assert list(display.clean) == ["CAE", "DAE", "VAE, mean"]
    assert display.alone == "VAE, sample (7, 7, 48)"
    for ax in display.axes_.ravel():
        assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)


@pytest.mark.parametrize("name", ["RankHistogramDisplay", "StratumTransitionDisplay"])
def test_what_a_line_of_text_says_has_no_figure(name, synthetic):
    tree = synthetic.make_tree(1)
    tree["CAE"]["rank"][:] = 7
    with pytest.raises(figures.NothingToDrawError, match=r"CAE \(7, ?7, ?7\)"):
        DISPLAYS[name].from_analysis(tree)


def test_a_model_that_has_not_learned_is_grey_and_says_so(synthetic):
    tree = synthetic.make_tree(8, only=["CAE", "CAE seed 1"])
    display = figures.NoiseCurvesDisplay.from_analysis(tree)
    learned, doubted = display.dimension
    assert doubted.label == "CAE seed 1 (not learned)"
    assert len({*hex_parts(doubted.style.colour)}) == 1
    assert len({*hex_parts(learned.style.colour)}) > 1


def hex_parts(colour):
    return [colour[at : at + 2] for at in (1, 3, 5)]


def test_no_two_models_have_one_colour():
    colours = [figures.LineStyle.of(place, "mean").colour.lower() for place in range(40)]
    assert len(set(colours)) == 40


@pytest.mark.parametrize("most", [3, 4])
@pytest.mark.parametrize("count", range(1, 13))
def test_no_panel_stands_alone_in_the_last_row(count, most):
    across = even_columns(count, most)
    assert across <= 4
    assert count == 1 or (count % across or across) > 1 or across == 1


def test_histogram_bars_are_the_ranks(three):
    display = figures.RankHistogramDisplay.from_analysis(three).plot()
    ranks = three["CAE"]["rank"].sel(rule="spectrum", view="mean", noise=0.1, mode="S3").values
    found, counts = np.unique(ranks, return_counts=True)
    bars = display.axes_[0, 5].patches
    np.testing.assert_allclose([bar.get_center()[0] for bar in bars], found)
    np.testing.assert_allclose([bar.get_height() for bar in bars], counts / counts.sum())


def test_the_nearest_noise_level_is_shown_and_named(synthetic):
    tree = synthetic.make_tree(1, noise=(0.0, 0.04, 0.3))
    display = figures.RankHistogramDisplay.from_analysis(tree, noise=0.1)
    assert display.conditions[1].endswith("0.04")


def test_levels_in_any_order_are_drawn_in_theirs(synthetic):
    tree = synthetic.make_tree(1, noise=(0.0, 0.5, 0.1))
    curve = figures.NoiseCurvesDisplay.from_analysis(tree)
    assert list(curve.noise) == [0.0, 0.1, 0.5]
    np.testing.assert_array_equal(curve.psnr[0].y, tree["CAE"]["psnr_mean"].values[[0, 2, 1]])


def test_models_stand_in_the_order_that_the_analysis_names(synthetic):
    tree = synthetic.make_tree(3)
    tree.attrs["models"] = ["VAE", "CAE", "DAE"]
    display = figures.NoiseCurvesDisplay.from_analysis(tree)
    assert [curve.label for curve in display.psnr] == ["VAE", "CAE", "DAE"]


@pytest.mark.parametrize("ranks", [(1, 7), (3, 7), (10, 16), (10, 14), (95, 101), (20, 120)])
def test_named_ranks_stand_apart(synthetic, ranks):
    tree = synthetic.make_tree(3)
    for label in tree.children:
        values = tree[label]["rank"].values
        values[:] = np.resize(ranks, values.shape)
    display = figures.RankHistogramDisplay.from_analysis(tree).plot()
    display.figure_.canvas.draw()
    for ax in display.axes_[-1]:
        low, high = ax.get_xlim()
        named = [label for label in ax.get_xticklabels() if low <= label.get_position()[0] <= high]
        boxes = [label.get_window_extent() for label in named]
        assert len(boxes) > 1
        assert all(one.x1 < other.x0 for one, other in pairwise(boxes))


def test_other_perturbations_are_named(synthetic):
    tree = synthetic.make_tree(1)
    tree.attrs["perturbation"] = "salt-and-pepper"
    display = figures.NoiseCurvesDisplay.from_analysis(tree).plot()
    assert "salt and pepper" in display.axes_[0].get_xlabel()


def test_noise_curves_are_the_numbers_of_the_analysis(three):
    display = figures.NoiseCurvesDisplay.from_analysis(three, share=0.9)
    labels = [curve.label for curve in display.dimension]
    assert labels == ["CAE", "DAE", "VAE, mean", "VAE, sample"]
    assert [curve.label for curve in display.psnr] == ["CAE", "DAE", "VAE"]
    expected = three["DAE"]["hilbert_dimension"].sel(
        view="mean", part="product", share=0.9, centring="centred"
    )
    np.testing.assert_array_equal(display.dimension[1].y, expected.values)
    np.testing.assert_array_equal(display.psnr[1].high, three["DAE"]["psnr_ci"].sel(bound="high"))


def test_noise_zero_has_a_place_beside_the_decades(three):
    ax = figures.NoiseCurvesDisplay.from_analysis(three).plot().axes_[0]
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["0", "0.01", "0.02", "0.05", "0.1", "0.2", "0.3", "0.5"]
    assert np.ptp(np.diff(ax.get_xticks())) == 0


def test_infinite_psnr_is_left_out_of_the_curve(synthetic):
    tree = synthetic.make_tree(1)
    tree["CAE"]["psnr_mean"][0] = np.inf
    curve = figures.NoiseCurvesDisplay.from_analysis(tree).psnr[0]
    assert np.isnan(curve.y[0])
    assert np.isfinite(curve.y[1:]).all()


def test_nulls_are_drawn_where_they_exist(three):
    display = figures.PrincipalAngleDisplay.from_analysis(three)
    names = {one.label: set(one.nulls) for one in display.series}
    assert names["CAE"] == names["VAE, mean"] == {"disjoint clean sets"}
    assert names["VAE, sample"] == {"disjoint clean sets", "two draws"}


def test_spectra_start_at_one_and_fall(three):
    display = figures.SpectrumDisplay.from_analysis(three)
    for curves in display.curves.values():
        for curve in curves:
            assert curve.y[0] == 1
            assert (np.diff(curve.y) <= 0).all()
            assert (curve.low <= curve.y).all()
            assert (curve.y <= curve.high).all()


def test_the_spectrum_rule_cuts_where_the_ranks_say(three):
    display = figures.SpectrumDisplay.from_analysis(three, noise=0.1)
    model = three["CAE"].to_dataset().sel(view="mean", noise=0.0)
    for mode in ("S1", "S2", "S3"):
        values = model["singular_value"].sel(mode=mode).values
        relative = np.nan_to_num(values / values[:, :1])
        (cut,) = display.cuts["spectrum", mode]
        expected = model["rank"].sel(rule="spectrum", mode=mode).values
        np.testing.assert_array_equal((relative > cut).sum(-1), expected)


def test_a_transition_table_counts_every_image():
    clean = np.array([[7, 7, 48]] * 3 + [[6, 7, 40]] * 2)
    noisy = np.array([[7, 7, 48]] * 2 + [[7, 7, 47]] + [[6, 7, 40], [7, 7, 48]])
    table = figures.transition_table("m", clean, noisy, most=5)
    assert table.rows == ("7,7,48", "6,7,40")
    assert table.columns == ("7,7,48", "6,7,40", "7,7,47")
    np.testing.assert_array_equal(table.counts, [[2, 0, 1], [1, 1, 0]])
    assert (table.kept, table.total) == (3, 5)


def test_rare_strata_are_pooled_and_counted():
    clean = np.stack([np.full(3, rank) for rank in [9, 9, 9, 8, 8, 1, 2, 3]])
    table = figures.transition_table("m", clean, clean, most=2)
    assert table.rows == ("9,9,9", "8,8,8", "other (3)")
    np.testing.assert_array_equal(table.counts, np.diag([3, 2, 3]))
    assert table.kept == 8


def test_a_single_leftover_stratum_is_named_not_pooled():
    clean = np.array([[2, 2, 2], [2, 2, 2], [1, 1, 1]])
    assert figures.transition_table("m", clean, clean, most=1).rows == ("2,2,2", "1,1,1")


def test_tsne_without_classes_is_coloured_by_noise_only(three):
    unlabelled = three.map_over_datasets(lambda data: data.drop_vars("label", errors="ignore"))
    assert figures.TsneDisplay.from_analysis(unlabelled).plot().axes_.shape == (3, 3)
    assert figures.TsneDisplay.from_analysis(three).plot().axes_.shape == (3, 6)


def test_an_analysis_without_tsne_says_so(synthetic):
    with pytest.raises(figures.NothingToDrawError, match="holds no t-SNE"):
        figures.TsneDisplay.from_analysis(synthetic.make_tree(1, tsne=False))


def test_reconstructions_show_input_and_every_model(three):
    display = figures.ReconstructionDisplay.from_analysis(three, examples=2).plot()
    assert list(display.rows) == ["input", "CAE", "DAE", "VAE"]
    assert len(display.axes_) == 2
    (image,) = display.axes_[0].findobj(AxesImage)
    assert image.get_array().shape == (4 * 30, 8 * 30, 3)


def test_colour_images_keep_their_colours(synthetic):
    tree = synthetic.make_tree(1)
    names = ["example_input", "example_reconstruction"]
    red = {}
    for name in names:
        images = tree["CAE"][name].values.repeat(3, axis=2)
        images[:, :, 1:] = 0
        red[name] = (tree["CAE"][name].dims, images)
    tree["CAE"].dataset = tree["CAE"].to_dataset().drop_vars(names).assign(red)
    display = figures.ReconstructionDisplay.from_analysis(tree).plot()
    pixels = np.asarray(display.axes_[0].findobj(AxesImage)[0].get_array())[:28, :28]
    assert pixels[..., 0].max() > 0.5
    assert pixels[..., 1:].max() == 0


def test_a_dimension_cannot_pass_the_ceiling_that_is_drawn(three):
    display = figures.HilbertDimensionBySizeDisplay.from_analysis(three).plot()
    for curves in display.curves.values():
        for curve in curves:
            assert (curve.y <= curve.x - 1).all()
    assert "upper bound n − 1" in display.axes_[0].get_legend_handles_labels()[1]


def test_a_notebook_gets_a_picture(three):
    display = figures.NoiseCurvesDisplay.from_analysis(three)
    assert display._repr_png_() is None
    assert display.plot()._repr_png_().startswith(b"\x89PNG")
