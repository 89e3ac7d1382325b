"""The settings of a training run, with the options of the model that it trains."""

from typing import Any

from pydantic import model_validator

from latentgeo.models import resolve_options
from latentgeo.settings import TrainSettings


class TrainConfig(TrainSettings):
    """All that decides what a run trains, with every option filled in."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_options(cls, values: dict[str, Any]) -> dict[str, Any]:
        if "recipe" not in values:
            return values
        backbone = values.get("backbone", "sctc")
        options = resolve_options(values["recipe"], backbone, values.get("options") or {})
        return {**values, "options": options}
