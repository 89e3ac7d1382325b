"""How a checkpoint that others made is opened."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, PositiveInt, model_validator

from latentgeo.settings.base import Settings

Side = Annotated[int, Field(ge=1, le=4096)]
Layout = Literal["auto", "point", "pair", "halves", "interleaved"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
Channels = tuple[float, ...]


class PreprocessingSettings(Settings):
    """What happens to images in [0, 1] before a net, and to its output afterwards.

    Noise is added before all of this, to the images of the data: models that want other sizes
    and ranges still see the same noisy images.
    """

    size: Side | tuple[Side, Side] | None = Field(
        default=None,
        description="Size that the model resizes its input to, after the noise: one number, or "
        "rows and columns; unchanged by default.",
    )
    interpolation: Literal["bilinear", "bicubic", "nearest"] = Field(
        default="bilinear",
        description="Interpolation of that resizing; the first two antialiased, as in Pillow.",
    )
    grey_to_rgb: bool = Field(
        default=False, description="Repeat the single channel of grey-scale images three times."
    )
    range: tuple[float, float] = Field(
        default=(0.0, 1.0), description="The range that [0, 1] is mapped to, as in --range=-1,1."
    )
    mean: Channels | None = Field(
        default=None,
        description="Instead of a range: mean of images in [0, 1], per channel or one for all.",
    )
    std: Channels | None = Field(
        default=None, description="The standard deviation that goes with the mean."
    )
    output: Literal["same", "unit", "logits"] = Field(
        default="same",
        description="What the decoder returns: images coded as the input, images in [0, 1] (unit), "
        "or their logits.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.range
        if not low < high:
            raise ValueError(f"range is {low:g} to {high:g}, expected the lower end first")
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together; give both or neither")
        if self.mean is not None and self.range != (0.0, 1.0):
            raise ValueError("a range and mean with std exclude each other; give one of them")
        if self.std is not None and not all(value > 0 for value in self.std):
            raise ValueError(f"std holds {min(self.std):g}, expected positive numbers")
        return self


class PosteriorSettings(Settings):
    """How a foreign encoder gives the parameters of its posterior."""

    layout: Layout = Field(
        default="auto",
        description="point: a latent. pair: mean and spread, two tensors of one shape. halves: one "
        "tensor, the first half of its channels the mean. interleaved: one tensor, mean and "
        "spread alternate along the channels. auto: a single tensor is a point, two of one shape "
        "are a "
        "pair; torch.distributions and the usual names (mu, logvar, last_hidden_state) are known.",
    )
    items: tuple[int | str, ...] | None = Field(
        default=None,
        description="Where an encoder returns several outputs: where the mean and the spread are, "
        "or the latent alone, by place from 0 or by name, with dots within what is "
        "nested, as in 1.codes.",
    )
    spread: Literal["log-variance", "variance", "log-std", "std"] = Field(
        default="log-variance", description="What is returned beside the mean."
    )
    channels: Literal["auto", "first", "last"] = Field(
        default="auto",
        description="Which axis of latents of two axes holds the channels: the first, as where "
        "signals are convolved, or the last, as of tokens; auto: the first where the network "
        "takes signals.",
    )

    @model_validator(mode="after")
    def _one_or_two_items(self) -> Self:
        if self.items is not None and len(self.items) not in (1, 2):
            raise ValueError(f"items holds {len(self.items)} places, expected one or two")
        return self


class CardSettings(Settings):
    """How to open a checkpoint that others made."""

    latentgeo: int = Field(default=1, description="Version of the format of cards.")
    name: str | None = Field(
        default=None, description="Name of the model in tables; by default that of its folder."
    )
    model: str | None = Field(
        default=None,
        description="The code that builds the network, package.module:name or file.py:name, the "
        "file relative to the card. It runs, once you have named it yourself.",
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="Arguments of that code, such as latent_dim=10."
    )
    weights: str | None = Field(
        default=None, description="The weights file, relative to the folder where one is given."
    )
    decoder: str | None = Field(
        default=None,
        description="The decoder's file, where encoder and decoder are separate files.",
    )
    encode: str | None = Field(
        default=None,
        description="The method or submodule that encodes; for an ONNX network, the output that is "
        "the latent.",
    )
    encode_arguments: dict[str, Any] = Field(
        default_factory=dict, description="Arguments of the encoding call, such as mask_ratio=0."
    )
    decode: str | None = Field(
        default=None, description="The method or submodule that decodes, or none."
    )
    decode_arguments: dict[str, Any] = Field(
        default_factory=dict,
        description="Arguments of the decoding call, such as return_dict=false.",
    )
    layers: tuple[str, ...] = Field(
        default=(), description="Modules, by name, whose outputs are the latents; all in one pass."
    )
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        default=None,
        description="Channels, rows and columns of the images that the network requires, where it "
        "takes no other.",
    )
    preprocessing: PreprocessingSettings = Field(
        default=PreprocessingSettings(),
        description="Preprocessing that the model expects, of images in [0, 1].",
    )
    posterior: PosteriorSettings = Field(
        default=PosteriorSettings(), description="Where mean and spread of the posterior are."
    )
    ema: bool = Field(
        default=False, description="Use the averaged (EMA) weights where a checkpoint holds both."
    )
    prefix: str | None = Field(
        default=None,
        description="Prefix of the network's weights in the file, such as model_ema, where several "
        "would fit.",
    )
    strict: bool = Field(
        default=True,
        description="Refuse weights with missing or unexpected keys; otherwise warn and go on.",
    )
    trust_code: bool = Field(
        default=False,
        description="Run a checkpoint that is a program (TorchScript, torch.export), which can do "
        "whatever you can; remembered for this file as it is. A card beside a checkpoint cannot "
        "say so.",
    )
