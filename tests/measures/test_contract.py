"""What every measure must do. A new row of the table is covered by itself."""

import json
from functools import cache

import numpy as np
import pytest
import torch
import xarray as xr

from latentgeo.errors import InputError
from latentgeo.figures import figure_rows, undrawn
from latentgeo.measures import (
    MEASURES,
    AnalysisSettings,
    analyze_latents,
    measure_together,
    measures_of,
    summarize,
    verdict,
)
from latentgeo.results import Analysis, models_of, omissions_of

SETTINGS = AnalysisSettings(halves=4, tsne_seeds=(0,))
NOISE = (0.0, 0.1, 0.5)
ROWS = measures_of("analysis")
every_measure = pytest.mark.parametrize("measure", ROWS, ids=lambda measure: measure.name)


def tree_of(models):
    """Join results of models under one root, as `analyze` does."""
    first = next(iter(models.values()))
    attrs = {
        "data": "made up",
        "samples": first.sizes["sample"],
        "seed": 0,
        "perturbation": "gaussian",
        "models": list(models),
        "provenance": json.dumps({"created": "never"}),
    }
    root = xr.Dataset(attrs=attrs)
    models = measure_together(models)
    return xr.DataTree.from_dict({"/": root, **{f"/{name}": one for name, one in models.items()}})


def measured(latents):
    """Analyse latents, and give them the attributes that opening a model gives."""
    baseline = np.full(latents.sizes["sample"], 12.0)
    return analyze_latents(latents, baseline, SETTINGS).assign_attrs(checkpoint="it")


@pytest.fixture(scope="session")
def kinds(make_latents, tensor_latents, vector_latents):
    """Return the results of latents of every kind."""
    rng = np.random.default_rng(1)
    sampled = tensor_latents + 0.1 * rng.normal(size=(2, *tensor_latents.shape))
    spread = np.full_like(tensor_latents, -4.0)
    latents = {
        "tensor": make_latents(tensor_latents),
        "vector": make_latents(vector_latents),
        "no decoder": make_latents(tensor_latents, decodes=False),
        "stochastic": make_latents(tensor_latents, sampled=sampled, log_variance=spread),
        "constant": make_latents(np.ones_like(tensor_latents)),
        "five images": make_latents(tensor_latents[:, :5]),
    }
    return {name: measured(one) for name, one in latents.items()}


KINDS = ("tensor", "vector", "no decoder", "stochastic", "constant", "five images")


@pytest.mark.parametrize("kind", KINDS)
@every_measure
def test_what_is_measured_is_summarised_tabled_and_said(measure, kinds, kind):
    tree = tree_of({"it": kinds[kind]})
    (model,) = models_of(tree)
    lacks = {"decoder": kind == "no decoder", "tensor": kind == "vector"}
    if any(lacks.get(need, False) for need in measure.needs):
        reasons = {one.analysis for one in omissions_of(model.data)}
        assert reasons & {one.analysis for one in measure.absences.values()}
        assert not measure.measured(model)
        return
    found = [measure.view_entry_of(view) for view in model.views]
    found.append(measure.entry_of(model))
    json.dumps(found, allow_nan=False)
    if measure.measured(model):
        assert any(found), "a measure that has estimates says them in the summary"
    for readout in measure.measured(model):
        one = model.estimate(readout)
        assert one.over
        if np.isfinite([one.low, one.high]).all():
            assert one.low <= one.high
    for table in measure.tables_of([model], "noisy"):
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert not any("nan" in cell.lower().split() for row in table.rows for cell in row)
    for text in (*measure.sentences_of(model), *measure.points(model, "noisy")):
        assert text[0].isupper() or text[0].isdigit()
        assert text.endswith(".")
        assert "nan" not in text
    assert verdict(model)


@pytest.mark.parametrize("kind", KINDS)
def test_the_summary_is_json(kinds, kind):
    json.dumps(summarize(tree_of({"it": kinds[kind]})), allow_nan=False)


@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize("row", figure_rows().values(), ids=lambda row: row.name)
def test_figures_draw_few_models_and_many(kinds, row, count):
    names = ["stochastic", "tensor", "vector", "no decoder"]
    # Without pictures there is nothing to reconstruct: latents came alone.
    chosen = {f"{names[at % 4]} {at}": kinds[names[at % 4]] for at in range(count)}
    tree = tree_of(chosen)
    if row.name in undrawn(tree, but=set(figure_rows()) - {row.name}):
        alone = ("similarity",) if count == 1 else ()
        # Where all images have the same ranks, a line of text says so.
        same = ("strata", "rank_histograms")
        assert row.name in ("reconstructions", "decoder_metric", *same, *alone)
        return
    figure = row.draw(tree).plot().figure_
    figure.canvas.draw()
    assert figure.axes
    assert "{" not in row.caption.format(samples=1, noisy="noisy")


@every_measure
def test_it_states_what_it_promises(measure):
    statement = measure.statement
    assert statement.direction in ("higher is better", "lower is better", "neither")
    assert statement.interval
    assert statement.cost
    assert measure.title


TRANSFORMATIONS = {
    "image order": lambda values, rng: values[:, rng.permutation(values.shape[1])],
    "shift": lambda values, rng: values + 3,
    "scale": lambda values, rng: 8 * values,
    "reflection": lambda values, rng: values[..., ::-1],
    "channel order": lambda values, rng: values[:, :, rng.permutation(values.shape[2])],
    "rotation": lambda values, rng: _rotated(values, rng),
}


def _rotated(values, rng):
    flat = values.reshape(*values.shape[:2], -1)
    rotation = np.linalg.qr(rng.normal(size=(flat.shape[-1],) * 2))[0]
    return (flat @ rotation).reshape(values.shape)


@pytest.fixture(scope="module")
def moved(make_latents, tensor_latents):
    """Return a function that measures the latents after a transformation, each once."""

    @cache
    def found(name):
        rng = np.random.default_rng(2)
        values = tensor_latents if name == "nothing" else TRANSFORMATIONS[name](tensor_latents, rng)
        return measured(make_latents(np.ascontiguousarray(values), labels=False))

    return found


CLAIMS = [(measure, name) for measure in ROWS for name in measure.statement.invariances]


@pytest.mark.parametrize(("measure", "name"), CLAIMS, ids=lambda one: getattr(one, "name", one))
def test_its_estimates_are_invariant_as_stated(measure, name, moved):
    found, other = moved("nothing"), moved(name)
    for readout in measure.readouts:
        if readout.value in found:
            np.testing.assert_allclose(
                found[readout.value], other[readout.value], rtol=2e-3, err_msg=readout.name
            )


def test_latents_that_are_not_finite_are_refused(make_latents, tensor_latents):
    broken = tensor_latents.copy()
    broken[1, 3, 0, 0, 0] = np.nan
    with pytest.raises((InputError, ValueError), match=r"NaN|finite"):
        measured(make_latents(broken))


def test_names_are_those_of_the_table():
    assert list(MEASURES) == [measure.name for measure in MEASURES.values()]


def test_estimates_are_read_by_name(kinds):
    found = Analysis(tree_of({"it": kinds["stochastic"]}), {"models": {}})
    one = found["it"].hilbert_dimension(noise=0.1, share=0.9)
    data = kinds["stochastic"].sel(noise=0.1, share=0.9, view="mean")
    assert one.value == float(data["hilbert_dimension"].sel(part="product", centring="centred"))
    assert [one.low, one.high] == data["hilbert_dimension_ci"].values.tolist()
    other = found["it"].hilbert_dimension(noise=0.1, share=0.9, centring="uncentred")
    assert np.isnan(other.low)  # the interval is that of the centred one
    sample = found["it"].principal_angle(noise=0.5, view="sample", statistic="largest")
    assert sample.value == float(
        kinds["stochastic"]["principal_angle_statistic"].sel(
            noise=0.5, view="sample", statistic="largest"
        )
    )
    with pytest.raises(AttributeError, match=r"it has .*psnr"):
        found["it"].beauty()
    with pytest.raises(InputError, match="statistic is 'middle'; expected one of"):
        found["it"].principal_angle(statistic="middle")
    with pytest.raises(InputError, match="no model 'that'"):
        found["that"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_variable_says_what_it_is_and_in_which_unit(kinds, kind):
    tree = tree_of({"a": kinds[kind], "b": kinds[kind]})
    variables = tree["a"].to_dataset().data_vars
    assert [name for name, one in variables.items() if not one.attrs.get("long_name")] == []
    numbers = {name: one for name, one in variables.items() if one.dtype.kind in "fiu"}
    assert [name for name, one in numbers.items() if "units" not in one.attrs] == []
    if kind != "no decoder":
        assert numbers["psnr_ci"].attrs["units"] == "dB"
        assert numbers["psnr_ci"].attrs["long_name"] == "95 % interval of psnr"
    assert numbers["principal_angle"].attrs["units"] == "degree"
    assert numbers["hilbert_dimension"].attrs["units"] == "1"


def test_the_data_frame_is_tidy(kinds):
    found = Analysis(tree_of({"a": kinds["stochastic"], "b": kinds["vector"]}), {"models": {}})
    frame = found.to_dataframe()
    assert list(frame.columns) == [
        *("model", "view", "noise", "measure", "statistic", "value", "low", "high", "settled")
    ]
    row = frame.query(
        "model == 'a' and view == 'sample' and noise == 0.1 and measure == 'principal_angle' "
        "and statistic == 'statistic=mean'"
    )
    expected = found["a"].principal_angle(noise=0.1, view="sample")
    assert row[["value", "low", "high"]].values.tolist() == [
        [expected.value, expected.low, expected.high]
    ]
    assert set(frame["model"]) == {"a", "b"}
    assert "psnr" in set(frame["measure"])
    html = found._repr_html_()
    assert all(f">{name}</a>" in html for name in "ab")
    assert "Learned" in html


class Decoder(torch.nn.Module):
    """What the measures ask of a model: images of latents, here their first channel."""

    decodes = True
    provenance = {}  # noqa: RUF012

    def decode(self, latents):
        return latents[:, :1]


@pytest.fixture(scope="session")
def frame_and_data(make_latents, tensor_latents):
    """Return the estimates of a stochastic model with a decoder, as a table and as variables."""
    spread = np.full_like(tensor_latents, -4.0)
    latents = make_latents(tensor_latents, sampled=tensor_latents[None], log_variance=spread)
    baseline = np.full(latents.sizes["sample"], 12.0)
    data = analyze_latents(latents, baseline, SETTINGS, model=Decoder())
    data = data.assign_attrs(checkpoint="it")
    return Analysis(tree_of({"it": data}), {"models": {}}).to_dataframe(), data


@every_measure
def test_every_row_of_a_measure_that_is_taken_per_level_has_its_noise(measure, frame_and_data):
    frame, data = frame_and_data
    for readout in measure.readouts:
        rows = frame.query(f"measure == {readout.name!r}")
        if readout.value not in data or data[readout.value].isnull().all():
            assert not len(rows), readout.name  # of a posterior, or of several models
            continue
        assert len(rows), readout.name
        per_level = readout.levels in data[readout.value].dims
        levels = set(data[readout.levels].values.tolist()) if per_level else set()
        assert set(rows["noise"].dropna()) == levels
        assert rows["noise"].notna().all() == per_level
        assert not rows["statistic"].str.contains("noise=").any()


def test_rows_of_the_decoder_are_read_at_their_noise(frame_and_data):
    frame, data = frame_and_data
    rows = frame.query("measure == 'decoder_log_volume'")
    assert rows["noise"].tolist() == [0.0, 0.5]
    assert rows["value"].tolist() == data["pullback_log_volume_median"].values.tolist()
    assert set(rows["statistic"]) == {""}
