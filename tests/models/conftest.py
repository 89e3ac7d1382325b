import pytest

from latentgeo.models import ModelConfig, build

TINY = {
    "sctc": {"widths": (4, 8, 16)},
    "mlp": {"hidden": (64, 32), "latent_dim": 16},
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
                options={**TINY[backbone], **options},
            )
        )

    return make
