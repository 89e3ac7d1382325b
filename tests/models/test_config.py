import json

import pytest

from latentgeo.errors import InputError
from latentgeo.models import BACKBONES, RECIPES, ModelConfig, build
from latentgeo.settings import parse


def configure(**values):
    return parse(ModelConfig, {"recipe": "cae", "image_shape": (1, 8, 8), **values}, "setting")


def test_defaults_are_filled_in():
    assert configure(recipe="dae").options == {
        "critic_weight": 0.0,
        "critic_gamma": 0.2,
        "critic_depth": 16,
        "critic_rate": 1e-4,
        "likelihood": "bernoulli",
        "latent_activation": "relu",
        "noise": (0.0, 0.3),
        "widths": (32, 64, 128),
    }
    vae = configure(recipe="vae", backbone="mlp", options={"latent_dim": 5})
    assert vae.options["kl_weight"] == 1
    assert vae.options["latent_dim"] == 5


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_survives_json(recipe, backbone):
    config = configure(recipe=recipe, backbone=backbone)
    text = json.dumps(config.model_dump(mode="json"))
    assert ModelConfig.model_validate(json.loads(text)) == config


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_no_option_belongs_to_both_recipe_and_backbone(recipe, backbone):
    assert not set(RECIPES[recipe].options.model_fields) & set(
        BACKBONES[backbone].options.model_fields
    )


def test_options_reach_the_terms_and_the_corruption():
    vae = configure(recipe="vae", options={"kl_weight": 0.25}).recipe_options
    assert [term.weight for term in RECIPES["vae"].terms(vae, None)] == [1.0, 0.25]
    dae = configure(recipe="dae", options={"noise": [0.1, 0.2]}).recipe_options
    corruption = RECIPES["dae"].corruption(dae)
    assert (corruption.low, corruption.high) == (0.1, 0.2)
    assert RECIPES["cae"].corruption(configure().recipe_options) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"recipe": "vea"}, "recipe 'vea' is unknown; did you mean 'vae'? expected one of cae, "),
        ({"recipe": 7}, "recipe '7' is unknown"),
        ({"backbone": "stcc"}, "backbone 'stcc' is unknown; did you mean 'sctc'?"),
        ({"options": {"width": 3}}, "option of cae on sctc 'width' is unknown; did you mean"),
        ({"options": {"kl_weight": 1}}, "option of cae on sctc 'kl_weight' is unknown"),
        ({"options": {"widths": [4, 8]}}, "option 'widths.2' is missing; give one"),
        ({"options": {"widths": [4, 8, 0]}}, "option widths.2 is 0: input should be greater"),
        ({"options": {"likelihood": "mse"}}, "option likelihood is 'mse': input should be 'bern"),
        ({"recipe": "vae", "options": {"kl_weight": -1}}, "option kl_weight is -1: input should"),
        ({"recipe": "vae", "options": {"kl_weight": float("nan")}}, "option kl_weight is nan"),
        ({"recipe": "dae", "options": {"noise": [0.3, 0.1]}}, "expected the lower end first"),
        ({"backbone": "mlp", "options": {"hidden": []}}, "option hidden is []"),
        ({"image_shape": (1, 8)}, "setting 'image_shape.2' is missing"),
        ({"image_shape": (0, 8, 8)}, "setting image_shape.0 is 0"),
        ({"channels": 3}, "setting 'channels' is unknown"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(values, message):
    with pytest.raises(InputError) as caught:
        build(configure(**values))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_setting_is_named():
    with pytest.raises(InputError, match="setting 'recipe' is missing"):
        parse(ModelConfig, {"image_shape": (1, 8, 8)}, "setting")
