"""The settings of a training run."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from latentgeo.models import resolve_options

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TrainConfig(BaseModel):
    """All that decides what a run trains, with defaults filled in.

    Attributes
    ----------
    recipe, backbone : str
        Names in `latentgeo.models.RECIPES` and `BACKBONES`.
    options : dict
        Options of the recipe and of the backbone.
    data : str
        Name of the data set.
    size : int or None
        Rows and columns to which its images are resized.
    train_samples : int or None
        Train on so many images, chosen by `seed`.
    epochs, batch_size : int
        Passes over the images, and images per step.
    learning_rate : float
        Adam's step size at its highest.
    beta1 : float
        Adam's memory of the gradient; 0.5 is usual with an adversary.
    schedule : {"constant", "cosine", "steps"}
        The course of the learning rate after the warm-up; cosine ends at 0, steps halves it at
        30 % of the training and divides it by 5 at 50 %.
    warmup_steps : int
        Steps in which the learning rate rises linearly.
    gradient_clip : float or None
        Largest norm of the gradient.
    patience : int or None
        Stop after so many epochs without a lower validation loss.
    seed : int
        Seeds weights, order of images, and every draw.
    device : {"auto", "cpu", "cuda"}
        Where to compute.
    precision : {"32-true", "bf16-mixed", "16-mixed"}
        Arithmetic of the passes; weights are float32.
    probe : bool
        Train a probe of the labels beside the model.
    probe_rate : float
        Adam's step size for the probe.
    checkpoint_steps : int
        Save the state every so many steps, and at the end of each epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    backbone: str = "sctc"
    options: dict[str, Any] = Field(default_factory=dict)
    data: str
    size: PositiveInt | None = None
    train_samples: PositiveInt | None = None
    epochs: PositiveInt = 30
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 1e-3
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    schedule: Literal["constant", "cosine", "steps"] = "constant"
    warmup_steps: NonNegativeInt = 0
    gradient_clip: PositiveFloat | None = None
    patience: PositiveInt | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    probe: bool = False
    probe_rate: PositiveFloat = 1e-4
    checkpoint_steps: PositiveInt = 200

    @model_validator(mode="before")
    @classmethod
    def _fill_in_options(cls, values: dict[str, Any]) -> dict[str, Any]:
        if "recipe" not in values:
            return values
        backbone = values.get("backbone", "sctc")
        options = resolve_options(values["recipe"], backbone, values.get("options") or {})
        return {**values, "options": options}
