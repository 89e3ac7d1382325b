"""What a model is, in values that can be saved."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from latentgeo.models.backbones import BACKBONES
from latentgeo.models.recipe import RecipeOptions
from latentgeo.models.recipes import RECIPES
from latentgeo.settings import Options, parse, unknown

OptionsKind = TypeVar("OptionsKind", bound=Options)


class ModelConfig(BaseModel):
    """A recipe on a backbone for images of one shape.

    Attributes
    ----------
    recipe : str
        A name in `RECIPES`.
    backbone : str
        A name in `BACKBONES`.
    image_shape : tuple of int
        (C, H, W).
    options : dict
        Options of the recipe and of the backbone; those left out are filled in.
    vocabulary : tuple of str
        The word of each channel, where the images are sentences.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    backbone: str = "sctc"
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    options: dict[str, Any] = Field(default_factory=dict)
    vocabulary: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_options(cls, values: dict[str, Any]) -> dict[str, Any]:
        if "recipe" not in values:
            return values
        backbone = values.get("backbone", "sctc")
        options = resolve_options(values["recipe"], backbone, values.get("options", {}))
        return {**values, "options": options}

    @model_validator(mode="after")
    def _a_word_for_each_channel(self) -> "ModelConfig":
        if self.vocabulary and len(self.vocabulary) != self.image_shape[0]:
            raise ValueError(
                f"the vocabulary has {len(self.vocabulary)} words, but the images "
                f"{self.image_shape[0]} channels; give a word for each channel"
            )
        return self

    @property
    def recipe_options(self) -> RecipeOptions:
        """The options that belong to the recipe."""
        return _own(RECIPES[self.recipe].options, self.options)

    @property
    def backbone_options(self) -> Options:
        """The options that belong to the backbone."""
        return _own(BACKBONES[self.backbone].options, self.options)


def resolve_options(recipe: str, backbone: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options of a recipe on a backbone and fill in those that are left out.

    Parameters
    ----------
    recipe : str
        A name in `RECIPES`.
    backbone : str
        A name in `BACKBONES`.
    options : mapping
        Names and values, of the recipe and of the backbone together.

    Returns
    -------
    dict
        All options, the recipe's first.

    Raises
    ------
    InputError
        For a recipe, backbone, option or value that is unknown.
    """
    for kind, name, table in (("recipe", recipe, RECIPES), ("backbone", backbone, BACKBONES)):
        if name not in table:
            raise unknown(kind, str(name), table)
    likelihood = BACKBONES[backbone].likelihood
    if likelihood is not None:
        options = {"likelihood": likelihood, **options}
    kinds = (RECIPES[recipe].options, BACKBONES[backbone].options)
    known = [name for kind in kinds for name in kind.model_fields]
    for name in options:
        if name not in known:
            raise unknown(f"option of {recipe} on {backbone}", name, known)
    return {name: value for kind in kinds for name, value in _own(kind, options)}


def _own(kind: type[OptionsKind], options: Mapping[str, Any]) -> OptionsKind:
    """Pick the options that `kind` knows."""
    own = {name: value for name, value in options.items() if name in kind.model_fields}
    return parse(kind, own, "option")
