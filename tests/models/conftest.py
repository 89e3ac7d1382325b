import pytest

from latentgeo.models import ModelConfig, build

TINY = {
    "sctc": {"widths": (4, 8, 16)},
    "maxpool": {"widths": (8, 8, 16)},
    "mlp": {"hidden": (64, 32), "latent_dim": 16},
    "acai": {"depth": 4, "scales": 2},
    "wae": {"channels": (8, 16, 32), "latent_dim": 16},
    "text": {"width": 16, "heads": 2, "place_width": 4, "latent_dim": 16},
}
_DISCRIMINATOR = {"discriminator": (16, 16)}
TINY_RECIPES = {
    "aae": _DISCRIMINATOR,
    "wae-gan": _DISCRIMINATOR,
    "acai": {"critic_depth": 2},
    "vq-vae": {"codes": 16, "codebook_size": 512, "code_size": 2},
    "swae": {**_DISCRIMINATOR, "stage_hidden": (32,), "stage_dim": 4},
}


@pytest.fixture
def make_tiny():
    """Build a small model of any recipe, backbone and shape."""

    def make(recipe="cae", backbone="sctc", image_shape=(1, 8, 8), **options):
        return build(
            ModelConfig(
                recipe=recipe,
                backbone=backbone,
                image_shape=image_shape,
                options={**TINY[backbone], **TINY_RECIPES.get(recipe, {}), **options},
            )
        )

    return make
