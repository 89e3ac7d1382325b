import pytest
import torch

from latentgeo.errors import InputError
from latentgeo.geometry import mode_ranks
from latentgeo.models import Deterministic, Gaussian, ModelConfig, build
from latentgeo.models.sctc import SCTC


@pytest.mark.parametrize(
    ("image_shape", "latent_shape"),
    [((1, 28, 28), (128, 7, 7)), ((3, 32, 32), (128, 8, 8)), ((4, 8, 12), (128, 2, 3))],
)
def test_default_latent_of_sctc_is_a_quarter_wide(image_shape, latent_shape):
    model = build(ModelConfig(recipe="cae", image_shape=image_shape))
    assert model.latent_shape == latent_shape
    assert model.encode(torch.rand(1, *image_shape)).shape == (1, *latent_shape)


class TestMaxPool:
    @pytest.mark.parametrize(
        ("image_shape", "options", "latent_shape"),
        [
            ((1, 28, 28), {}, (128, 7, 7)),
            ((3, 32, 32), {"widths": (8, 16)}, (16, 8, 8)),
            ((1, 24, 8), {"widths": (8, 8, 4), "halvings": 3}, (4, 3, 1)),
            ((1, 5, 6), {"widths": (4,), "halvings": 1}, None),
        ],
    )
    def test_each_halving_halves_the_latent(self, image_shape, options, latent_shape):
        config = ModelConfig(
            recipe="cae", backbone="maxpool", image_shape=image_shape, options=options
        )
        if latent_shape is None:
            with pytest.raises(InputError, match=r"image_shape is .* expected multiples of 2"):
                build(config)
            return
        model, images = build(config), torch.rand(2, *image_shape)
        assert model.encode(images).shape == (2, *latent_shape)
        assert model(images).logits.shape == images.shape

    def test_latent_is_the_maximum_of_rectified_units(self, make_tiny):
        model, images = make_tiny("cae", "maxpool"), torch.rand(4, 1, 8, 8)
        *before, last, _ = model.encoder
        units = last(torch.nn.Sequential(*before)(images)).relu()
        torch.testing.assert_close(
            model.encode(images), torch.nn.functional.max_pool2d(units, 2), rtol=0, atol=0
        )

    def test_more_halvings_than_convolutions_are_refused(self):
        with pytest.raises(InputError, match="halvings is 3, expected at most 2"):
            build(
                ModelConfig(
                    recipe="cae",
                    backbone="maxpool",
                    image_shape=(1, 28, 28),
                    options={"widths": (4, 8), "halvings": 3},
                )
            )


def test_latent_of_mlp_is_a_vector():
    model = build(ModelConfig(recipe="vae", backbone="mlp", image_shape=(2, 5, 7)))
    assert model.latent_shape == (32, 1, 1)


def test_skip_goes_from_the_first_convolution_to_the_third():
    block, images = SCTC(2, 4), torch.randn(3, 2, 6, 6)
    torch.nn.init.zeros_(block.third.weight)
    torch.nn.init.zeros_(block.third.bias)
    torch.testing.assert_close(block(images), torch.relu(block.first(images)))


@pytest.mark.parametrize("image_shape", [(1, 30, 28), (1, 28, 27)])
def test_sctc_says_which_sizes_it_takes(image_shape):
    with pytest.raises(InputError, match=r"image_shape is .* expected multiples of 4"):
        build(ModelConfig(recipe="cae", image_shape=image_shape))


def test_latents_are_rectified_unless_linear(make_tiny):
    images = torch.rand(16, 1, 8, 8)
    assert make_tiny("cae").encode(images).min() == 0
    assert make_tiny("cae", latent_activation="linear").encode(images).min() < 0
    assert make_tiny("cae", "mlp").encode(images).min() == 0
    assert make_tiny("cae", "mlp", latent_activation="linear").encode(images).min() < 0


def test_deterministic_bottleneck_projects_only_where_sizes_differ():
    assert not list(Deterministic(5, 5).parameters())
    assert Deterministic(5, 3)(torch.randn(2, 5, 4, 4)).mean.shape == (2, 3, 4, 4)


@pytest.mark.parametrize("scale", [1e6, -1e6])
def test_log_variance_is_kept_where_its_exponential_is_finite(scale):
    bottleneck = Gaussian(5, 3)
    torch.nn.init.constant_(bottleneck.log_variance[1].weight, scale)
    posterior = bottleneck(torch.ones(2, 5, 4, 4))
    assert posterior.log_variance.unique().item() == (10.0 if scale > 0 else -20.0)
    assert torch.isfinite(posterior.sample()).all()


def test_weights_begin_by_glorots_rule(make_tiny):
    model = build(ModelConfig(recipe="cae", backbone="mlp", image_shape=(1, 28, 28)))
    first = model.encoder[1]
    bound = (6 / (first.in_features + first.out_features)) ** 0.5
    assert 0.99 * bound < first.weight.abs().max() <= bound
    assert not first.bias.any()


@pytest.mark.parametrize("options", [("vae", {}), ("aae", {"encoder": "gaussian"})])
def test_a_code_channel_that_is_never_positive_does_not_cut_the_rank_of_the_mean(options):
    recipe, chosen = options
    sizes = {"depth": 4, "scales": 2, "latent_channels": 4}
    torch.manual_seed(0)
    config = ModelConfig(
        recipe=recipe, backbone="acai", image_shape=(1, 16, 16), options=chosen | sizes
    )
    model = build(config).eval()
    codes = torch.randn(6, 4, 4, 4)
    codes[:, 2] -= 100
    means = model.bottleneck(codes).mean
    assert (mode_ranks(means.detach())[:, -1] == 4).all()
