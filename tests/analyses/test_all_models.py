"""The study of latent spaces with all models: what is trained, and what its page says."""

import copy
import dataclasses
import json

import pytest

from latentgeo.models import load_model

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has not learned"),
    pytest.mark.filterwarnings("ignore:.*ended with a diagnostic"),
]


@pytest.fixture(scope="module")
def study():
    import latent_characterization

    return latent_characterization


EQUAL = {"with_equal_positions": 0.5, "rank_is_of_positions": 0.25}


def level(value):
    return {"0": value, "0.01": value, "0.1": 2 * value, "0.5": 3 * value}


def ranks(third):
    return {"S1": {"7": 5}, "S2": {"7": 5}, "S3": {str(third): 5}}


def summary_of(value, third=16):
    """Make what an analysis says of one model."""
    angles = {str(at): {"mean": angle} for at, angle in level(value).items()}
    each = {noise: ranks(third) for noise in level(0)}
    return {
        "learned": True,
        "latent_shape": [16, 7, 7],
        "psnr_db": {noise: {"mean": 20 - psnr} for noise, psnr in level(value).items()},
        "ranks_with_jitter": {"0.1": ranks(third)},
        "dead_channels": level(0),
        "equal_positions": dict.fromkeys(level(0), EQUAL),
        "strata": {noise: {"7,7,16": 4, "7,7,15": 1} for noise in level(0)},
        "ranks": each,
        "ranks_by_other_rules": {"float32-covariance": each},
        "hilbert_dimension": {
            noise: {"0.95": {"value": 10 * size}} for noise, size in level(value).items()
        },
        "principal_angles_null_deg": {
            "mean_angle_of_a_clean_half_to_itself_noisy": angles,
            "mean_angle_between": {"disjoint clean sets": {"mean": 4 * value}},
        },
    }


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    """Run the study; the analysis of so many models is the pipeline's, and tested there."""

    def analyze(folders, *, out, seed, **settings):
        models = {
            folder.name: summary_of(place + 0.1 * seed + 1) for place, folder in enumerate(folders)
        }
        models["vae"]["sampled"] = copy.deepcopy(models["vae"])
        out.mkdir(parents=True)
        (out / "summary.json").write_text(
            json.dumps({"models": models, "samples": settings["samples"]})
        )

    folder = tmp_path_factory.mktemp("all") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "analyze", analyze)
        patch.setattr(study, "write_page", lambda *_: None)
        patch.setattr(study.statements, "section_of", lambda _: None)
        command = ["--scale", "smoke", "--models", "all", "--seeds", "2", "--out", str(folder)]
        assert study.main(command) == 0
    return folder


def test_all_seven_stand_on_one_net(study, out):
    models = [load_model(out / "runs" / "seed-0" / name) for name in study.ALL_MODELS]
    assert [model.config.recipe for model in models] == [
        *("cae", "dae", "vae", "aae", "wae-mmd", "wae-gan", "swae")
    ]
    assert {model.latent_shape for model in models} == {(16, 7, 7)}
    assert len({sum(w.numel() for w in model.encoder.parameters()) for model in models}) == 1


def test_the_page_orders_all_models_and_says_their_diagnostics(out):
    page = (out / "study" / "study.md").read_text()
    lines = iter(page.splitlines())
    dimensions = next(line for line in lines if line.startswith("- **Hilbert"))
    # 10.5 ± 12.706 × 0.5, Student's interval of 10 and 11; every other of this order is 10 more.
    assert (
        "**Hilbert dimension (95 %) of clean images**: cae 10.5 [4.1, 16.9], dae 20.5" in dimensions
    )
    # 10 and 11 against 30 and 31: Welch's t is 28.3, of 2 degrees of freedom.
    assert next(lines).startswith("  - Told apart from cae: higher: ")
    saved = json.loads((out / "study" / "study.json").read_text())
    assert list(saved["diagnostics"]) == list(saved["models"])
    for name, seeds in saved["diagnostics"].items():
        for seed, lines in enumerate(seeds):
            assert all(f"- {name}, seed {seed}: {line}" in page for line in lines)
    assert (out / "study" / "overview.png").stat().st_size > 10_000


def test_the_page_says_which_ranks_are_those_of_equal_positions(out):
    page = (out / "study" / "study.md").read_text()
    assert "| swae | 50%, 50% | 25%, 25% |" in page


def test_an_adversary_is_set_beside_the_same_net_and_error_without_it(study, out):
    from measures.characterization import orders

    models = json.loads((out / "study" / "study.json").read_text())["models"]
    lines = orders({**models, "cae-squared": copy.deepcopy(models["wae-gan"])})
    beside = next(line for line in lines if line.startswith("  - Told apart from cae-squared: "))
    assert beside.endswith("none.")  # 10 less with two seeds is nothing after Holm's correction
    for model in models.values():
        for seen in model["views"].values():
            seen["hilbert_dimension_95"]["0"] = [1.0, 1.01, 1.0, 1.01]
    models["cae-squared"] = copy.deepcopy(models["cae"])
    models["aae"]["views"]["mean"]["hilbert_dimension_95"]["0"] = [3.0, 3.01, 3.0, 3.01]
    beside = [line for line in orders(models) if line.startswith("  - Told apart from cae-sq")]
    assert beside[1].startswith("  - Told apart from cae-squared: higher: aae (+2.0 [")


@pytest.mark.parametrize(
    ("change", "said"),
    [({"epochs": 3}, "epochs is 1 there and 3 here"), ({"samples": 30}, "is of 24 images, 30 are")],
)
def test_what_is_there_with_other_settings_is_no_part_of_a_study(
    study, out, monkeypatch, capsys, change, said
):
    other = dataclasses.replace(study.SCALES["smoke"], **change)
    monkeypatch.setitem(study.SCALES, "smoke", other)
    command = ["--scale", "smoke", "--models", "all", "--seeds", "2", "--out", str(out)]
    assert study.main(command) == 2
    assert said in capsys.readouterr().err


def test_without_diagnostics_the_page_says_so(study, out):
    from study.render import to_markdown

    saved = json.loads((out / "study" / "study.json").read_text())
    page = to_markdown(study.STUDY, {**saved, "diagnostics": {"cae": [[], []]}})
    assert page.splitlines()[-1] == "None was found."
