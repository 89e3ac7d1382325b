"""The settings of a training run."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from latentgeo.settings.base import Settings

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Device = Literal["auto", "cpu", "cuda"]


class TrainSettings(Settings):
    """All that decides what a run trains."""

    recipe: str = Field(description="The model to train (see `latentgeo models`).")
    backbone: str = Field(
        default="sctc", description="The encoder and decoder networks (see `latentgeo models`)."
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of the recipe and the backbone, such as widths=[16,32,64].",
    )
    data: str = Field(
        description="A data set's name (see `latentgeo datasets`), a folder of images, a file of "
        "arrays or Parquet, or a text."
    )
    size: PositiveInt | None = Field(
        default=None,
        description="Resize images to this many pixels a side, or truncate sentences to this many "
        "words; unchanged by default.",
    )
    train_samples: PositiveInt | None = Field(
        default=None, description="Number of training images, chosen by the seed; all by default."
    )
    skip_unreadable: bool = Field(
        default=False,
        description="Skip files that cannot be read as images, and list them, instead of "
        "refusing the folder.",
    )
    epochs: PositiveInt = Field(default=30, description="Epochs: passes over the training images.")
    batch_size: PositiveInt = Field(default=128, description="Images per step.")
    learning_rate: PositiveFloat = Field(default=1e-3, description="Peak learning rate of Adam.")
    beta1: float = Field(
        default=0.9, ge=0, lt=1, description="Adam's β1; 0.5 is usual with an adversary."
    )
    schedule: Literal["constant", "cosine", "steps"] = Field(
        default="constant",
        description="Learning-rate schedule after the warm-up: cosine decays to 0, steps halves "
        "the rate at 30 % of training and divides it by 5 at 50 %.",
    )
    warmup_steps: NonNegativeInt = Field(
        default=0, description="Steps of linear learning-rate warm-up."
    )
    gradient_clip: PositiveFloat | None = Field(
        default=None, description="Clip the gradient norm to this value; no clipping by default."
    )
    patience: PositiveInt | None = Field(
        default=None,
        description="Early stopping: epochs without a lower validation loss; never by default.",
    )
    seed: Seed = Field(
        default=0, description="Random seed of the weights, the order of images, and every draw."
    )
    device: Device = Field(default="auto", description="The device to compute on.")
    precision: Literal["32-true", "tf32", "bf16-mixed", "16-mixed"] = Field(
        default="32-true",
        description="Numerical precision of the forward and backward pass; weights stay float32. "
        "tf32 rounds the inputs of matrix products to 10 bits, on a GPU.",
    )
    graph: bool = Field(
        default=True,
        description="On a GPU, record a step as a CUDA graph and replay it, which is faster.",
    )
    probe: bool = Field(
        default=False, description="Train a softmax layer on the latents beside the model."
    )
    probe_rate: PositiveFloat = Field(
        default=1e-4, description="Adam's learning rate for the probe."
    )
    checkpoint_steps: PositiveInt = Field(
        default=200,
        description="Save the state every this many steps, as well as after each epoch.",
    )


class ClassifierSettings(Settings):
    """All that decides what classifier is trained for the quality of samples."""

    epochs: PositiveInt = Field(default=5, description="Epochs: passes over the training images.")
    batch_size: PositiveInt = Field(default=64, description="Images per step.")
    learning_rate: PositiveFloat = Field(
        default=2e-3,
        description="Peak learning rate of Adam; it rises from a 25th and falls to nearly 0.",
    )
    seed: Seed = Field(default=0, description="Seeds weights and order of images.")
    device: Device = Field(default="auto", description="The device to compute on.")
