"""The options of AAE, WAE and SWAE, their nets, and samples of them."""

import pytest
import torch

from latentgeo.errors import InputError
from latentgeo.models import ModelConfig, build, objective, sample, sample_latents
from latentgeo.objectives import Batch
from latentgeo.settings import parse

MLP = {"hidden": (16,), "latent_dim": 14}
DISCRIMINATED = {"discriminator": (8,)}


def make(recipe="aae", backbone="mlp", image_shape=(1, 8, 8), **options):
    sizes = {"mlp": MLP, "sctc": {"widths": (4, 8, 8)}, "wae": {"channels": (4, 8, 16)}}[backbone]
    known = DISCRIMINATED if recipe in ("aae", "wae-gan") else {}
    if recipe == "swae":
        known = {**DISCRIMINATED, "stage_hidden": (8,), "stage_dim": 3}
    values = {
        "recipe": recipe,
        "backbone": backbone,
        "image_shape": image_shape,
        "options": {**sizes, **known, **options},
    }
    return build(parse(ModelConfig, values, "setting"))


def names(model):
    return [term.name for term in objective(model)]


VARIANTS = {
    "basic": ({}, ["adversarial_latent"]),
    "label-regularised": ({"prior": "mixture", "latent_dim": 2}, ["adversarial_latent"]),
    "supervised": ({}, ["adversarial_style"]),
    "semi-supervised": (
        {"labels": 100},
        ["adversarial_category", "adversarial_style", "classification"],
    ),
    "clustering": ({"categories": 6}, ["adversarial_category", "adversarial_style"]),
    "dimensionality-reduction": (
        {"latent_dim": 2},
        ["adversarial_category", "adversarial_style", "head_distance"],
    ),
}


@pytest.mark.parametrize("encoder", ["deterministic", "universal"])
@pytest.mark.parametrize("backbone", ["mlp", "wae"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_its_terms_and_its_gradients(variant, backbone, encoder):
    options, expected = VARIANTS[variant]
    options = {"latent_dim": 14, **options}
    model = make("aae", backbone, variant=variant, encoder=encoder, **options)
    terms = objective(model)
    assert [term.name for term in terms] == ["reconstruction", *expected]
    batch = Batch(torch.rand(6, 1, 8, 8), torch.arange(6))
    pass_ = model(batch.images, batch.labels)
    sum(term(pass_, batch) for term in terms).backward()
    unreached = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert unreached == []
    assert sample(model, 5).shape == (5, 1, 8, 8)


def test_a_gaussian_encoder_is_stochastic():
    assert make(encoder="gaussian").stochastic
    assert not make(encoder="universal").stochastic


def test_labels_are_all_seen_unless_told():
    def seen(**options):
        return make(**options).config.recipe_options.labels_seen

    assert seen(variant="semi-supervised") == "all"
    assert seen(variant="semi-supervised", labels=100) == 100
    assert seen() is None
    assert seen(variant="dimensionality-reduction", latent_dim=2) is None
    labelled = make(variant="dimensionality-reduction", latent_dim=2, labels=50)
    assert "classification" in names(labelled)


@pytest.mark.parametrize(
    ("recipe", "backbone", "options", "message"),
    [
        ("aae", "mlp", {"prior": "mixtrue"}, "option prior is 'mixtrue': expected one of normal,"),
        ("aae", "mlp", {"prior": "mixture"}, "prior 'mixture' has dimension 2, the code has 14"),
        ("aae", "mlp", {"labels": 9}, "option labels is 9, but the variant 'basic' learns from no"),
        (
            "aae",
            "mlp",
            {"variant": "supervised", "encoder": "gaussian"},
            "option encoder is 'gaussian', but the variant 'supervised' takes a deterministic",
        ),
        (
            "aae",
            "mlp",
            {"variant": "label-regularised", "latent_dim": 2},
            "option prior is 'normal', but the variant 'label-regularised' needs one with a part",
        ),
        (
            "aae",
            "mlp",
            {"variant": "clustering", "categories": 16},
            "latent_dim is 14, but the variant 'clustering' keeps 16 of it for the categories; "
            "expected more, such as latent_dim=26",
        ),
        (
            "aae",
            "sctc",
            {"variant": "semi-supervised"},
            "but the variant 'semi-supervised' needs a vector; use the mlp or the wae backbone",
        ),
        ("aae", "mlp", {"encoder": "gaussian", "latent_norm": True}, "option latent_norm is true"),
        ("aae", "mlp", {"labels": "some", "variant": "semi-supervised"}, "labels"),
        ("wae-mmd", "mlp", {"prior_weight": -1}, "option prior_weight is -1: input should be"),
        ("wae-mmd", "mlp", {"mmd_kernel": "cubic"}, "option mmd_kernel is 'cubic': input should"),
        ("wae-gan", "mlp", {"convention": "code"}, "option convention is 'code': input should be"),
        ("swae", "mlp", {"prior": "mixture"}, "prior 'mixture' has dimension 2, the code has 3"),
        ("swae", "mlp", {"stage_gradients": "none"}, "option stage_gradients is 'none'"),
        ("wae-mmd", "wae", {"image_shape": (1, 30, 28)}, "expected multiples of 4; resize"),
        ("wae-mmd", "wae", {"doublings": 3}, "doublings is 3, expected at most 2"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(recipe, backbone, options, message):
    shape = options.pop("image_shape", (1, 8, 8))
    with pytest.raises(InputError) as caught:
        objective(make(recipe, backbone, shape, **options))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_both_conventions_of_lambda():
    paper = objective(make("wae-mmd", prior_weight=10.0))
    code = objective(make("wae-mmd", prior_weight=10.0, convention="published-code"))
    assert [term.weight for term in paper] == [1.0, 10.0]
    assert [term.weight for term in code] == [0.05, 10.0]


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({}, [1.0, 1.0, 10.0]),
        ({"prior_term": "gan"}, [1.0, 1.0, 1.0]),
        ({"stage_weight": 0.5, "prior_weight": 4.0}, [1.0, 0.5, 2.0]),
    ],
)
def test_weights_of_the_two_stages(options, weights):
    assert [term.weight for term in objective(make("swae", **options))] == weights


class TestWAENets:
    def parameters(self, shape, **options):
        config = ModelConfig(
            recipe="wae-mmd", backbone="wae", image_shape=shape, options=dict(options)
        )
        with torch.device("meta"):
            model = build(config)
        return sum(weight.numel() for weight in model.parameters())

    def test_sizes_are_those_of_the_published_code(self):
        assert self.parameters((1, 28, 28)) == pytest.approx(22.0e6, rel=0.005)
        celeba = self.parameters((3, 64, 64), kernel=5, doublings=3, latent_dim=64)
        assert celeba == pytest.approx(39.7e6, rel=0.005)

    @pytest.mark.parametrize("kernel", [2, 3, 4, 5])
    @pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 20), (1, 4, 12), (1, 64, 64)])
    def test_any_size_that_can_be_doubled_to(self, shape, kernel):
        model = make("wae-mmd", "wae", shape, kernel=kernel, latent_dim=5)
        images = torch.rand(2, *shape)
        assert model(images).logits.shape == images.shape
        assert model.latent_shape == (5, 1, 1)


class TestSampling:
    def test_latents_of_a_basic_one_are_draws_of_the_prior(self):
        model = make(prior="swiss-roll", latent_dim=2)
        labels = torch.full((200,), 9)
        latents = sample_latents(model, 200, seed=0, labels=labels)
        assert latents.shape == (200, 2, 1, 1)
        assert latents.flatten(1).norm(dim=1).min() > 2.8

    def test_a_supervised_one_is_told_the_label(self):
        model = make(variant="supervised")
        latents = sample_latents(model, 3, seed=0, labels=torch.tensor([1, 0, 9]))
        assert latents[:, 4:].flatten(1).argmax(dim=1).tolist() == [1, 0, 9]
        assert latents[:, :4].std() > 0.3

    def test_a_stacked_one_samples_through_both_stages(self):
        model = make("swae")
        code = torch.randn(4, 3, generator=torch.Generator().manual_seed(5))
        expected = model.bottleneck.second_decoder(code)
        found = sample_latents(model, 4, seed=5)
        torch.testing.assert_close(found.flatten(1), expected)
        torch.testing.assert_close(sample(model, 4, seed=5), model.decode(found))

    def test_large_numbers_are_decoded_in_parts(self):
        assert sample(make(), 600).shape == (600, 1, 8, 8)

    def test_bad_requests(self):
        with pytest.raises(InputError, match="n is 0, expected at least 1"):
            sample(make(), 0)
        with pytest.raises(InputError, match=r"labels have shape \(2,\), expected \(3,\)"):
            sample(make(), 3, labels=torch.zeros(2).long())
        with pytest.raises(InputError, match="model 'cae' has no prior"):
            sample(make("cae"), 3)
