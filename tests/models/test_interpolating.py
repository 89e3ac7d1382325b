"""The recipes of the ACAI paper, and its critic on the others."""

import pytest
import torch

from latentgeo.datasets import line_stream
from latentgeo.models import RECIPES, ModelConfig, build, objective
from latentgeo.objectives import Batch, InterpolationCritic


def terms_of(model):
    return {term.name: term for term in objective(model)}


def paper(recipe, **options):
    given = {"depth": 4, "scales": 4, **options}
    shape = (1, 32, 32)
    return build(ModelConfig(recipe=recipe, backbone="acai", image_shape=shape, options=given))


def test_acai_is_the_reconstruction_and_the_critic_with_the_weights_of_the_paper():
    model = paper("acai", depth=16, critic_depth=16)
    terms = terms_of(model)
    assert list(terms) == ["reconstruction", "critic"]
    critic = terms["critic"]
    assert (critic.gamma, critic.learning_rate) == (0.2, 1e-4)
    assert sum(weight.numel() for weight in critic.adversary.parameters()) == 627_472
    # On [-1, 1], averaged over pixels, the reconstruction is 4/1024 of ours.
    assert critic.weight * 4 / 1024 == 0.5
    images = line_stream().batch([0, 1, 2, 3])
    pass_ = model(images)
    error = (pass_.logits - (2 * images - 1)).square().mean()
    ours = terms["reconstruction"](pass_, Batch(images)) * 4 / 1024
    torch.testing.assert_close(ours, error)


def test_the_nets_keep_the_weights_of_their_rule():
    torch.manual_seed(0)
    weight = paper("acai", depth=16).encoder[2][-1].weight
    assert weight.std().item() == pytest.approx((1.04 * weight[0].numel()) ** -0.5, rel=0.02)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("backbone", ["mlp", "acai"])
def test_the_critic_goes_on_every_recipe(make_tiny, recipe, backbone):
    model = make_tiny(recipe, backbone, (1, 8, 8), critic_weight=0.5, critic_depth=2)
    term = terms_of(model)["critic"]
    assert isinstance(term, InterpolationCritic)
    batch = Batch(torch.rand(6, 1, 8, 8), torch.arange(6))
    pass_ = model(batch.images)
    term(pass_, batch).backward()
    # Through a clamped output nothing would come back to the encoder.
    assert any(weight.grad.any() for weight in model.encoder.parameters())
    assert torch.isfinite(term.descend(pass_, batch))
    without = make_tiny(recipe, backbone, (1, 8, 8), critic_weight=0.0)
    assert "critic" not in terms_of(without)


def test_dropout_drops_in_training_and_keeps_the_mean():
    model = paper("dropout-ae")
    images = line_stream().batch(range(4))
    latent = model.eval().encode(images)
    dropped = torch.stack([model.train()(images).latent for _ in range(400)])
    assert (dropped == 0).double().mean().item() == pytest.approx(0.5, abs=0.02)
    kept = dropped[dropped != 0] / latent.expand_as(dropped)[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 2.0))


def test_the_code_of_a_vq_vae_is_continuous_and_its_decoder_is_not():
    model = paper("vq-vae", codebook_size=16, codes=2, code_size=3).eval()
    latent = model.encode(line_stream().batch([0]))
    assert latent.shape == (1, 16, 2, 2)
    near = model.decode_logits(latent + 1e-6 * torch.randn_like(latent))
    torch.testing.assert_close(near, model.decode_logits(latent), rtol=1e-4, atol=1e-9)
    terms = terms_of(model)
    assert terms["commitment"].weight * 4 / 1024 == 10
