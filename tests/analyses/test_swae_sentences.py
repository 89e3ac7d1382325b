"""The study of sentences runs at its smoke scale, and goes on when repeated."""

import json

import pytest

pytestmark = pytest.mark.filterwarnings("ignore:.*has not learned", "ignore:.*diagnostic")


@pytest.fixture(scope="module")
def study():
    import swae_sentences

    return swae_sentences


def run(study, out):
    return study.main(["--scale", "smoke", "--workers", "1", "--device", "cpu", "--out", str(out)])


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "out"
    assert run(study, folder) == 0
    return folder


def test_every_model_is_measured_at_every_seed(study, out):
    found = json.loads((out / "study" / "study.json").read_text())
    assert list(found["runs"]) == list(study.MODELS)
    for model, seeds in found["runs"].items():
        assert len(seeds) == 2
        paths = ["latent", "code"] if model == "swae" else ["latent"]
        for measured in seeds:
            assert list(measured["reconstruction"]) == paths
            assert measured["samples"]["reverse_perplexity"]["mean"] > 1
            assert 0 < measured["samples"]["distinct"] <= 1
            assert len(measured["said"]["samples"]) == 8
    real = found["real"]["reverse_perplexity"]["mean"]
    for own in found["models"].values():
        assert "reverse_perplexity" not in own or own["reverse_perplexity"]["mean"] > real


def test_page_holds_every_row(out):
    page = (out / "study" / "study.md").read_text()
    for row in ("ae", "vae", "wae-mmd", "wae-gan", "swae", "swae through z"):
        assert f"\n| {row} | " in page
    assert "reconstruction from the abstract" in page


def test_goes_on_where_it_was(study, out):
    weights = out / "runs" / "seed-0" / "swae" / "model.safetensors"
    measures = weights.with_name(study.MEASURES)
    before, said = weights.stat().st_mtime_ns, measures.read_text()
    measures.unlink()
    assert run(study, out) == 0
    assert weights.stat().st_mtime_ns == before
    assert measures.read_text() == said


def test_samples_of_real_sentences_have_the_perplexity_of_real_ones(study):
    from measures import sentences as measures

    scale = study.SCALES["smoke"]
    texts = measures.texts_of(scale)
    measured = measures.perplexities(texts.train.take(40, seed=0).tokens, texts, 0)
    real = measures.real_perplexities(texts, scale)
    assert measured["reverse_perplexity"] == real["reverse_perplexity"]
    assert not set(texts.train.sentences()) & set(texts.test.sentences())


def test_measures_are_means_over_seeds_and_a_single_one_has_its_interval_over_sentences(study):
    from measures.sentences import gather
    from study.render import format_mean

    def run_with(share):
        number = {"mean": share, "low": share - 0.1, "high": share + 0.1}
        return {
            "reconstruction": {"latent": {"token_accuracy": number, "exact_match": number}},
            "samples": {"reverse_perplexity": number, "perplexity": number, "distinct": share},
        }

    seeds = gather({"ae": [run_with(0.4), run_with(0.5), run_with(0.6)]})["ae"]
    assert format_mean(seeds["token_accuracy"]) == "0.50 [0.25, 0.75]"
    alone = gather({"ae": [run_with(0.4)]})["ae"]
    assert format_mean(alone["token_accuracy"]) == "0.40 [0.30, 0.50]"
    assert format_mean(alone["distinct"]) == "0.40"
