"""What every recipe on every backbone must do. A new row of a table is covered by itself."""

from itertools import product

import pytest
import torch
from torch.nn.functional import pad

from latentgeo.datasets import SentenceDataset, load
from latentgeo.datasets.sentences import SPECIAL
from latentgeo.errors import InputError
from latentgeo.metrics import psnr
from latentgeo.models import BACKBONES, RECIPES, load_model, objective, sample, save_model
from latentgeo.objectives import AdversarialTerm, Batch

TO_MEMORISE = {
    "vae": {"kl_weight": 0.05},
    "dropout-ae": {"keep": 0.9},
    "vq-vae": {"likelihood": "bernoulli", "commitment_weight": 0.02, "codebook_decay": 0.9},
}
SHAPES = [(1, 28, 28), (3, 32, 32)]
SENTENCES = (12, 6, 1)
CASES = [
    (recipe, backbone, shape)
    for recipe, backbone in product(RECIPES, BACKBONES)
    for shape in ([SENTENCES] if backbone == "text" else SHAPES)
]

NAMES = ("recipe", "backbone", "image_shape")
every_model = pytest.mark.parametrize(NAMES, CASES)
# Each pair once, grey or in colour by turns: this takes hundreds of steps.
every_pair = pytest.mark.parametrize(
    NAMES,
    [
        (
            recipe,
            backbone,
            SENTENCES if backbone == "text" else SHAPES[(place + place // len(BACKBONES)) % 2],
        )
        for place, (recipe, backbone) in enumerate(product(RECIPES, BACKBONES))
    ],
)


def eight_images(image_shape):
    if image_shape == SENTENCES:
        lines = [" ".join("abcdefghij"[(i * i + k * i) % 10] for k in range(5)) for i in range(8)]
        words = (*SPECIAL, *"abcdefghij")
        return SentenceDataset.from_sentences(lines, vocabulary=words, length=6).batch(slice(None))
    digits = load("digits", "train").take(8, seed=0).batch(slice(None))
    if image_shape == (1, 28, 28):
        return digits
    colours = torch.tensor([1.0, 0.5, 0.2])[:, None, None]
    return pad(digits, (2, 2, 2, 2)) * colours


def run_through(model, images):
    recipe, options = RECIPES[model.config.recipe], model.config.recipe_options
    corruption = recipe.corruption(options) or (lambda clean: clean)
    return model(corruption(images)), Batch(images)


def adversaries_of(terms):
    return [term for term in terms if isinstance(term, AdversarialTerm)]


def total_loss(model, images):
    pass_, batch = run_through(model, images)
    return sum(term.weight * term(pass_, batch) for term in objective(model))


@every_model
def test_shapes(make_tiny, recipe, backbone, image_shape):
    model, images = make_tiny(recipe, backbone, image_shape), eight_images(image_shape)
    pass_ = model(images)
    assert pass_.latent.shape == pass_.posterior.mean.shape == (8, *model.latent_shape)
    assert pass_.logits.shape == images.shape
    assert model.encode(images).shape == (8, *model.latent_shape)
    decoded = model.decode(model.encode(images))
    assert decoded.shape == images.shape
    assert 0 <= decoded.min() <= decoded.max() <= 1
    assert model.stochastic == (pass_.posterior.log_variance is not None)


@every_model
def test_determinism_under_a_seed(make_tiny, recipe, backbone, image_shape):
    images, losses, weights = eight_images(image_shape), [], []
    for _ in range(2):
        torch.manual_seed(3)
        model = make_tiny(recipe, backbone, image_shape)
        losses.append(total_loss(model, images))
        weights.append(model.weights_sha256())
    assert torch.equal(*losses)
    assert weights[0] == weights[1]


@every_model
def test_evaluation_draws_nothing(make_tiny, recipe, backbone, image_shape):
    model, images = make_tiny(recipe, backbone, image_shape).eval(), eight_images(image_shape)
    assert torch.equal(model(images).logits, model(images).logits)
    assert torch.equal(model(images).latent, model.encode(images))


@every_model
def test_gradients_reach_every_parameter(make_tiny, recipe, backbone, image_shape):
    model, images = make_tiny(recipe, backbone, image_shape), eight_images(image_shape)
    total_loss(model, images).backward()
    unreached = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert unreached == []


@every_pair
def test_overfits_eight_images(make_tiny, recipe, backbone, image_shape):
    # With its full weight the KL divergence keeps a VAE from memorising, which is its purpose; so
    # do dropped numbers, and a codebook that is slow to follow.
    options = TO_MEMORISE.get(recipe, {})
    model, images = make_tiny(recipe, backbone, image_shape, **options), eight_images(image_shape)
    images = images.contiguous(memory_format=torch.channels_last)
    model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    terms = objective(model)
    baseline = psnr(images.mean(dim=0), images, data_range=1.0).mean()
    # While the codebook finds its place, nothing else is learned.
    for step in range(400 if recipe == "vq-vae" else 200):
        pass_, batch = run_through(model, images)
        optimiser.zero_grad()
        sum(term.weight * term(pass_, batch) for term in terms).backward()
        optimiser.step()
        for term in adversaries_of(terms):
            term.descend(pass_, batch)
        if step % 10 == 9 and reached(model, images) > baseline + 3:
            break
    assert reached(model, images) > baseline + 3


@torch.no_grad()
def reached(model, images):
    """Return the mean PSNR of the reconstructions, in evaluation mode."""
    model.eval()
    value = psnr(model.decode(model.encode(images)), images, data_range=1.0).mean()
    model.train()
    return value


@every_model
def test_model_and_adversaries_move_in_their_own_steps_alone(
    make_tiny, recipe, backbone, image_shape
):
    model, images = make_tiny(recipe, backbone, image_shape), eight_images(image_shape)
    terms = objective(model)
    adversaries = [(term.adversary, copied(term.adversary)) for term in adversaries_of(terms)]
    pass_, batch = run_through(model, images)
    sum(term.weight * term(pass_, batch) for term in terms).backward()
    gradients = [weight.grad.clone() for weight in model.parameters()]
    torch.optim.Adam(model.parameters()).step()
    assert all(equal(net.state_dict(), before) for net, before in adversaries)
    weights = copied(model)
    for term in adversaries_of(terms):
        term.descend(pass_, batch)
    assert not any(equal(net.state_dict(), before) for net, before in adversaries)
    assert equal(model.state_dict(), weights)
    found = [weight.grad for weight in model.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(found, gradients, strict=True))


def copied(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


@every_model
def test_samples_of_the_prior_are_images(make_tiny, recipe, backbone, image_shape):
    model = make_tiny(recipe, backbone, image_shape)
    if not RECIPES[recipe].priors(model.config.recipe_options, model.latent_shape):
        with pytest.raises(InputError, match="has no prior, so there is nothing to sample from"):
            sample(model, 3)
        return
    first, again, other = (sample(model, 3, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (3, *image_shape)
    assert 0 <= first.min() <= first.max() <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert model.training


@every_model
def test_saves_and_loads_to_identical_outputs(make_tiny, tmp_path, recipe, backbone, image_shape):
    model, images = make_tiny(recipe, backbone, image_shape).eval(), eight_images(image_shape)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.config == model.config
    assert not loaded.training
    assert loaded.latent_shape == model.latent_shape
    assert torch.equal(loaded.encode(images), model.encode(images))
    assert torch.equal(loaded(images).logits, model(images).logits)
