"""The figures of each variant of the adversarial autoencoder."""

import numpy as np
import pytest
import torch
from PIL import Image

from latentgeo.datasets import ImageDataset, load
from latentgeo.errors import InputError
from latentgeo.figures import save_figure
from latentgeo.figures.codes import CodesDisplay
from latentgeo.figures.image_grid import ImageGridDisplay
from latentgeo.figures.variants import draw_variant
from latentgeo.models import ModelConfig, build
from latentgeo.settings import parse


@pytest.fixture(scope="module")
def images():
    return load("digits").take(60)


def make(recipe="aae", **options):
    sizes = {"hidden": (16,), "latent_dim": 14}
    known = {"discriminator": (8,)} if recipe == "aae" else {}
    values = {
        "recipe": recipe,
        "backbone": "mlp",
        "image_shape": (1, 28, 28),
        "options": {**sizes, **known, **options},
    }
    torch.manual_seed(0)
    return build(parse(ModelConfig, values, "setting")).eval()


@pytest.mark.parametrize(
    ("options", "drawn"),
    [
        ({}, {"samples"}),
        ({"latent_dim": 2, "prior": "swiss-roll"}, {"codes"}),
        ({"variant": "label-regularised", "latent_dim": 2, "prior": "mixture"}, {"codes"}),
        ({"variant": "supervised"}, {"styles"}),
        ({"variant": "semi-supervised"}, {"styles"}),
        ({"variant": "clustering", "categories": 6}, {"heads"}),
        ({"variant": "dimensionality-reduction", "latent_dim": 2}, {"codes", "heads"}),
        ({"variant": "dimensionality-reduction"}, {"heads"}),
    ],
)
def test_each_variant_has_its_figures(options, drawn, images):
    figures = draw_variant(make(**options), images)
    assert set(figures) == drawn
    for display in figures.values():
        assert display.plot().axes_[0].has_data()


def test_codes_are_those_of_the_encoder(images):
    model = make(latent_dim=2)
    display = draw_variant(model, images)["codes"]
    expected = model.encode(images.batch(np.arange(60))).flatten(1).detach().numpy()
    np.testing.assert_allclose(display.codes, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(display.labels, images.labels)


def test_the_parts_of_a_prior_go_with_their_class(images):
    model = make(variant="label-regularised", latent_dim=2, prior="mixture")
    display = draw_variant(model, images)["codes"].plot()
    turned = np.arctan2(display.prior[:, 1], display.prior[:, 0]) - 2 * np.pi * images.labels / 10
    # Component k lies in the direction 2πk/10; a few draws fall behind the origin.
    assert (np.cos(turned) > 0.9).mean() > 0.9


@pytest.mark.parametrize("variant", ["supervised", "semi-supervised"])
def test_a_row_of_styles_changes_its_class_alone(variant, images):
    model = make(variant=variant)
    seen = []
    compose = model.bottleneck.compose
    model.bottleneck.compose = lambda codes: seen.append(codes) or compose(codes)
    grid = draw_variant(model, images)["styles"].images
    assert grid.shape == (8, 10, 1, 28, 28)
    codes = seen[-1]
    style = codes["style"].reshape(8, 10, 4)
    assert (style == style[:, :1]).all()
    assert not torch.equal(style[0], style[1])
    told = codes["label" if variant == "supervised" else "category"].reshape(8, 10, 10)
    assert (told == torch.eye(10)).all()


def test_heads_are_decoded_without_a_style(images):
    model = make(variant="dimensionality-reduction", latent_dim=2, categories=3)
    display = draw_variant(model, images)["heads"]
    expected = model.decode(model.bottleneck.heads[..., None, None]).detach().numpy()
    np.testing.assert_allclose(display.images[:, 0], expected, rtol=1e-5, atol=1e-6)
    shares = [float(label.split(": ")[1].rstrip("%")) for label in display.row_labels]
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_members_of_a_cluster_are_its_own(images):
    model = make(variant="clustering", categories=4)
    display = draw_variant(model, images)["heads"]
    codes = model.posterior(images.batch(np.arange(60))).codes
    clusters = codes["category"].argmax(1).numpy()
    pixels = images.batch(np.arange(60)).numpy()
    for number, row in enumerate(display.images[:, 1:]):
        own = pixels[clusters == number]
        shown = [image for image in row if not (image == 1).all()]
        assert len(shown) == min(8, len(own))
        assert all((own == image).all(axis=(1, 2, 3)).any() for image in shown)


def test_other_recipes_and_other_shapes_are_one_line(images):
    with pytest.raises(InputError, match="'cae' has no variants to draw"):
        draw_variant(make("cae"), images)
    other = ImageDataset.from_array(np.zeros((3, 1, 8, 8)))
    with pytest.raises(InputError, match="images have shape"):
        draw_variant(make(latent_dim=2), other)
    with pytest.raises(InputError, match=r"codes have shape \(5, 3\)"):
        CodesDisplay(np.zeros((5, 3)), np.zeros((5, 2)))
    with pytest.raises(InputError, match="expected \\(rows, columns"):
        ImageGridDisplay(np.zeros((4, 1, 8, 8)))
    with pytest.raises(InputError, match="row_labels has 1 names, expected 2"):
        ImageGridDisplay(np.zeros((2, 2, 1, 8, 8)), row_labels=["one"])


@pytest.mark.parametrize("shape", [(14, 11), (30, 5), (2, 20)])
def test_names_of_rows_are_whole(shape, tmp_path):
    names = ["swae-normalised"] * shape[0]
    grid = ImageGridDisplay(np.zeros((*shape, 1, 28, 28)), row_labels=names).plot()
    save_figure(grid.figure_, tmp_path / "grid")
    with Image.open(tmp_path / "grid.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    assert all((edge == 255).all() for edge in edges)
    assert (pixels < 255).any()
