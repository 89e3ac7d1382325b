"""Wrap a network that was written and trained elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from latentgeo.errors import InputError, reason_of
from latentgeo.models.autoencoder import Autoencoder
from latentgeo.models.bottlenecks import Bottleneck
from latentgeo.models.config import ModelConfig
from latentgeo.models.device import device_of
from latentgeo.models.functions import Function, as_module, behaviour, run_net
from latentgeo.models.layouts import PosteriorLayout, as_given, describe, read_image
from latentgeo.models.nets import Shape
from latentgeo.models.preprocessing import Preprocessing
from latentgeo.objectives import Posterior

M = TypeVar("M", bound=nn.Module)

_HALF = (torch.float16, torch.bfloat16)
_AS_IT_IS = Preprocessing()
_SIZES = (28, 32, 64, 96, 128, 224, 256)  # of images that networks are trained on
_FOUND = PosteriorLayout()


class LatentOfWrapped(Bottleneck):
    """The latent, or mean and log-variance, that a foreign encoder returns.

    Parameters
    ----------
    layout : PosteriorLayout
        Where they are.
    stochastic : bool
        Whether there is a log-variance.
    """

    def __init__(self, layout: PosteriorLayout, *, stochastic: bool) -> None:
        super().__init__()
        self.layout = layout
        self.stochastic = stochastic  # type: ignore[misc] # of the foreign encoder, not of a class

    def forward(self, features: Any) -> Posterior:
        """Return the posterior, in single precision where the net computes in half."""
        alone = isinstance(features, _OfOneTwice)
        found = self.layout.read(features.output if alone else features)
        parts = [None if one is None else _single(one) for one in (found.mean, found.log_variance)]
        mean, spread = (one[:1] if alone and one is not None else one for one in parts)
        assert mean is not None  # for the type checker: only the spread may be
        return Posterior(mean, spread)


class _OfOneTwice(NamedTuple):
    """What an encoder gave for one image, given twice: many drop the axis of a batch of one."""

    output: Any


class PreprocessedEncoder(nn.Module):
    """An encoder with its preprocessing: takes images in [0, 1].

    Parameters
    ----------
    encoder : torch.nn.Module
        The encoder.
    preprocessing : Preprocessing
        What it wants of images.
    form : Form
        In which form it takes them.
    """

    def __init__(self, encoder: nn.Module, preprocessing: Preprocessing, form: "Form") -> None:
        super().__init__()
        self.net = encoder
        self.preprocessing = preprocessing
        self.form = form

    def forward(self, images: Tensor) -> Any:
        """Return the output of the encoder for images in [0, 1]."""
        return self.encode(self.preprocessing.normalise(self.preprocessing.see(images)))

    def encode(self, normalised: Tensor) -> Any:
        """Return the output of the encoder for preprocessed images."""
        if len(normalised) == 1:
            return _OfOneTwice(run_net(self.net, self.form.given(normalised.repeat(2, 1, 1, 1))))
        return run_net(self.net, self.form.given(normalised))


class PostprocessedDecoder(nn.Module):
    """A decoder that takes latents (b, C, H, W): it gets them in the form the encoder returned.

    Parameters
    ----------
    decoder : torch.nn.Module
        The decoder.
    latent_shape : tuple of int
        Shape of a latent as the encoder returned it.
    image_shape : tuple of int
        (C, H, W) of the images that come out.
    dtype : torch.dtype
        In which numbers it takes latents.
    channels_first : bool
        Whether of two axes the first one holds the channels.
    """

    def __init__(
        self,
        decoder: nn.Module,
        latent_shape: Sequence[int],
        image_shape: Shape,
        dtype: torch.dtype,
        *,
        channels_first: bool,
    ) -> None:
        super().__init__()
        self.net = decoder
        self.latent_shape = latent_shape
        self.image_shape = image_shape
        self.dtype = dtype
        self.channels_first = channels_first

    def forward(self, latents: Tensor) -> Any:
        """Return the images (b, C, H, W) of latents (b, C, H, W)."""
        given = as_given(latents, self.latent_shape, channels_first=self.channels_first)
        images = read_image(run_net(self.net, given.to(self.dtype)))
        if not isinstance(images, Tensor):
            return images
        if (
            images.ndim != 4
            and images.numel() == len(latents) * torch.Size(self.image_shape).numel()
        ):
            images = images.reshape(-1, *self.image_shape)
        return _single(images)


_AXES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "images": lambda images, _: images,
    "vectors": lambda images, _: images.flatten(1),
    "signals": lambda images, _: images.squeeze(2),
    "rows": lambda images, _: images.squeeze(1),
    "frames": lambda images, _: images.unsqueeze(2),
    "volumes": lambda images, channels: images.reshape(
        len(images), channels, -1, *images.shape[2:]
    ),
}


class Form(NamedTuple):
    """In which form a net takes images (b, C, H, W).

    Attributes
    ----------
    dtype : torch.dtype
        The type of numbers.
    axes : {"images", "vectors", "signals", "rows", "frames", "volumes"}
        As they are; flattened (b, C·H·W); of one row as signals (b, C, W); of one channel with
        their rows as the channels of signals (b, H, W); as videos of one frame (b, C, 1, H, W);
        with their channels as the slices of volumes (b, c, C / c, H, W).
    channels : int
        Those of a volume, c.
    """

    dtype: torch.dtype = torch.float32
    axes: str = "images"
    channels: int = 1

    def given(self, images: Tensor) -> Tensor:
        """Return images (b, C, H, W) as the net takes them."""
        return _AXES[self.axes](images.to(self.dtype), self.channels)

    def described(self) -> str:
        """Return what provenance calls it."""
        return self.axes if self.channels == 1 else f"{self.axes} of {self.channels} channels"


def wrap(
    encoder: nn.Module | Callable[[Any], Any],
    decoder: nn.Module | Callable[[Any], Any] | None,
    *,
    image_shape: Shape,
    name: str = "custom",
    preprocessing: Preprocessing = _AS_IT_IS,
    posterior: PosteriorLayout = _FOUND,
    channels_last: bool = False,
) -> Autoencoder:
    """Make an `Autoencoder` of an encoder and a decoder of your own, for `encode` and `analyze`.

    Parameters
    ----------
    encoder : torch.nn.Module or callable
        Images (b, C, H, W), preprocessed, to latents, (b, C, H, W), vectors (b, D) or tokens
        (b, T, D); or to mean and log-variance of a Gaussian posterior. Where it takes images
        only in another `Form` (flattened, as signals or volumes, in half precision), they are
        given so, and `identity` tells.
        A function that is no module, nor a method of one, is of any framework: it is given
        NumPy arrays in single precision, and gives what NumPy can read.
    decoder : torch.nn.Module, callable or None
        Latents, in the form that the encoder gives them, to images, in any form of as many
        numbers; None where there is none.
    image_shape : tuple of int
        (C, H, W) of the data's images, before preprocessing.
    name : str, default="custom"
        What tables and provenance call the model.
    preprocessing : Preprocessing
        What the encoder wants of images in [0, 1]; by default they go in as they are, and the
        decoder gives images in [0, 1]. Values beyond are cut off.
    posterior : PosteriorLayout
        Where mean and spread are; by default a pair of tensors of one shape is taken for them.
    channels_last : bool, default=False
        Whether functions take and give what has rows and columns as (b, H, W, C).

    Returns
    -------
    Autoencoder
        In evaluation mode, sharing the weights of the two modules.

    Raises
    ------
    InputError
        When a batch of two grey images does not go through, or comes out with another shape.

    Examples
    --------
    >>> from torch import nn
    >>> import latentgeo
    >>> encoder, decoder = nn.Conv2d(1, 4, 2, stride=2), nn.ConvTranspose2d(4, 1, 2, stride=2)
    >>> latentgeo.wrap(encoder, decoder, image_shape=(1, 8, 8)).latent_shape
    (4, 4, 4)
    """
    seen = preprocessing.shape(image_shape)
    encoder = as_module(encoder, channels_last=channels_last)
    decoder = None if decoder is None else as_module(decoder, channels_last=channels_last)
    _check_values(encoder, decoder)
    images = torch.full((2, *image_shape), 0.5)
    forms = forms_for(encoder, seen)
    seeings = [PreprocessedEncoder(encoder.eval(), preprocessing, form) for form in forms]
    try:
        seeing, output = _first("encoder", encoder, seeings, images)
    except InputError as error:
        raise _with_other_size(error, encoder, preprocessing, image_shape) from error
    if posterior.channels == "auto":
        channels = "first" if seeing.form.axes in ("signals", "rows") else "last"
        posterior = posterior.model_copy(update={"channels": channels})
    raw, found = posterior.parts(output)[0], posterior.read(output)
    if len(found.mean) != 2 or not found.mean.is_floating_point():
        whole = not found.mean.is_floating_point() and not found.mean.is_complex()
        codes = "; if these are places in a codebook, name what comes before it (--encode encoder)"
        raise InputError(
            f"encoder {name_of(encoder)} gives {describe(found.mean)} of "
            f"{found.mean.dtype} for two images; expected one latent of real numbers for each"
            f"{codes if whole else ''}"
        )
    decoding = None
    if decoder is not None:
        try:
            decoding = _decoding(decoder.eval(), posterior, output, seen)
        except InputError as error:
            raise _with_other_layout(error, decoder, posterior, output, seen) from error
    model = Autoencoder(
        seeing,
        LatentOfWrapped(posterior, stochastic=found.log_variance is not None),
        decoding,
        # A model of your own is in no table, so there is nothing to check the names against.
        config=ModelConfig.model_construct(
            recipe=name, backbone="custom", image_shape=image_shape, options={}
        ),
        latent_shape=tuple(found.mean.shape[1:]),
        to_image=preprocessing.to_image,
        to_signed=preprocessing.to_signed,
        target=preprocessing.see,
    ).eval()
    model.identity = _identity(model, seeing, posterior, raw)
    return model


def _with_other_size(
    error: InputError, encoder: nn.Module, preprocessing: Preprocessing, image_shape: Shape
) -> InputError:
    """Say of an encoder that does not take images of which other size it does."""
    if isinstance(encoder, Function) or preprocessing.size is not None:
        return error
    for size in _SIZES:
        resized = preprocessing.model_copy(update={"size": size})
        forms = forms_for(encoder, resized.shape(image_shape))
        seeings = [PreprocessedEncoder(encoder, resized, form) for form in forms]
        try:
            _first("encoder", encoder, seeings, torch.full((2, *image_shape), 0.5))
        except InputError:
            continue
        return InputError(
            f"{error}; it takes images of {size}×{size}: say so with preprocessing "
            f"{{'size': {size}}} (--input-size {size})"
        )
    return error


def _decoding(
    decoder: nn.Module, posterior: PosteriorLayout, output: Any, seen: Shape
) -> PostprocessedDecoder:
    """Return the decoder of the means in what an encoder gave, having tried it."""
    raw, mean = posterior.parts(output)[0], posterior.read(output).mean
    first = posterior.channels == "first"
    decodings = [
        PostprocessedDecoder(decoder, raw.shape[1:], seen, dtype, channels_first=first)
        for dtype in dict.fromkeys([raw.dtype, *_dtypes(decoder)])
    ]
    decoding, decoded = _first("decoder", decoder, decodings, _single(mean))
    _check_images(decoder, decoded, seen)
    return decoding


def _with_other_layout(
    error: InputError, decoder: nn.Module, posterior: PosteriorLayout, output: Any, seen: Shape
) -> InputError:
    """Say of a decoder that does not fit with which layouts of the posterior it would."""
    fitting = []
    for layout in ("halves", "interleaved"):
        try:
            _decoding(decoder, posterior.model_copy(update={"layout": layout}), output, seen)
        except InputError:
            continue
        fitting.append(layout)
    if not fitting:
        return error
    said = " or ".join(f"--posterior {layout}" for layout in fitting)
    return InputError(
        f"the encoder gives {describe(output)}, and the decoder takes half of its channels: most "
        f"likely mean and log-variance in one tensor; say so with {said}. As it is, {error}"
    )


def _identity(
    model: Autoencoder, seeing: PreprocessedEncoder, posterior: PosteriorLayout, raw: Tensor
) -> dict[str, Any]:
    """Return what decides the latents beside the weights."""
    found = {
        "preprocessing": seeing.preprocessing.model_dump(mode="json"),
        "posterior": posterior.model_dump(mode="json"),
        "dtype": _computed_in(seeing.net, raw),
    }
    if seeing.form.axes != "images":
        found["input_form"] = seeing.form.described()
    if isinstance(seeing.net, Function):
        found["behaviour_sha256"] = behaviour(model.encode, model.config.image_shape)
    return found


def name_of(module: nn.Module) -> str:
    """Return what messages call a module: its class, or the member of one that it stands for."""
    return str(getattr(module, "described", type(module).__name__))


def forms_for(net: nn.Module, shape: Shape) -> list[Form]:
    """List the forms in which a net may want images of a shape, the likeliest first."""
    axes: tuple[str, ...] = ("images", "vectors", "frames")
    if shape[1] == 1:
        # A layer that mixes the last axis takes any form, and means vectors by a single row.
        axes = ("vectors", "signals", *axes)
    elif shape[0] == 1:
        axes = (*axes, "rows")
    forms = [Form(dtype, one) for one in axes for dtype in _dtypes(net)]
    return forms + [
        Form(dtype, "volumes", channels)
        for channels in _volume_channels(net)
        if shape[0] % channels == 0
        for dtype in _dtypes(net)
    ]


def _volume_channels(net: nn.Module) -> list[int]:
    """List the numbers of channels that volumes may have: one, or what a net's layers take."""
    taken = [part.in_channels for part in net.modules() if isinstance(part, nn.Conv3d)]
    stated = [one for part in net.modules() for one in getattr(part, "volume_channels", ())]
    return list(dict.fromkeys([1, *taken, *stated]))


def _single(values: Tensor) -> Tensor:
    """Return values in single precision at least, with derivatives only where some are wanted."""
    wanted = torch.is_grad_enabled() or torch._C._functorch.is_functorch_wrapped_tensor(values)
    values = values if wanted else values.detach()
    return values.float() if values.dtype in _HALF else values


def _dtypes(module: nn.Module) -> list[torch.dtype]:
    """List the types of numbers that a module may want, single precision first."""
    own = [weight.dtype for weight in module.parameters() if weight.dtype.is_floating_point]
    return list(dict.fromkeys([torch.float32, *own]))


def _computed_in(module: nn.Module, latents: Tensor) -> str:
    """Name the arithmetic that made latents: theirs, or half precision that they were cast from.

    They are kept in single precision, so there is no finer one.
    """
    found = latents.dtype if latents.dtype in _HALF else torch.float32
    for half in set(_dtypes(module)) & set(_HALF):
        if torch.equal(latents, latents.to(half).to(latents.dtype)):
            found = half
    return str(found).removeprefix("torch.")


def _check_values(*modules: nn.Module | None) -> None:
    for module in (module for module in modules if module is not None):
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            if value.is_meta:
                raise InputError(
                    f"{name_of(module)} is on the meta device: {name!r} has no values; give its "
                    "weights, or make it on the CPU"
                )


def _first(what: str, module: nn.Module, calls: Sequence[M], values: Tensor) -> tuple[M, Any]:
    """Return the first form in which a module takes values, and what it gives for them."""
    errors: list[InputError] = []
    odd: list[tuple[M, Any]] = []
    for call in calls:
        try:
            found = _try(what, module, call, values)
        except InputError as error:
            errors.append(error)
            continue
        if _keeps_batch(call, values, found):
            return call, found
        odd.append((call, found))
    if odd:
        return odd[0]
    # The plainest form in the numbers of the module's own weights says best what is wrong.
    raise errors[min(1, len(_dtypes(module)) - 1)]


@torch.no_grad()
def _keeps_batch(call: Callable[[Tensor], Any], values: Tensor, found: Any) -> bool:
    """Return whether the first axis of what is given is the batch.

    A convolution takes the batch for its channels where an axis is missing.
    """
    if (first := _first_tensor(found)) is None:
        return True
    try:
        three = _first_tensor(call(values[[0, 0, 0]].to(first.device)))
    except Exception:  # a foreign module may raise anything
        return False
    return len(first) == len(values) and three is not None and len(three) == 3


def _first_tensor(found: Any) -> Tensor | None:
    if isinstance(found, Tensor):
        return found if found.ndim else None
    several = found.values() if isinstance(found, Mapping) else found
    if not isinstance(found, Mapping | tuple | list):
        return None
    return next((one for one in map(_first_tensor, several) if one is not None), None)


@torch.no_grad()
def _try(what: str, module: nn.Module, call: Callable[[Tensor], Any], values: Tensor) -> Any:
    """Run a foreign module on a blank batch where its weights lie; say an error in words."""
    try:
        return call(values.to(device_of(module)))
    except InputError:
        raise
    except Exception as error:  # a foreign module may raise anything
        raise InputError(
            f"{what} {name_of(module)} does not take {describe(values)}: {reason_of(error)}"
            f"{_hint(what, error, values)}"
        ) from error


def _hint(what: str, error: Exception, values: Tensor) -> str:
    """Return the way out of an error of somebody's encoder or decoder, where one is likely."""
    hints = []
    reason = reason_of(error)
    if isinstance(error, TypeError) and "argument" in reason:
        kind = what.removesuffix("r")
        hints.append(f"give it arguments with {kind}_arguments (--{kind}-argument NAME=VALUE)")
    elif "Float8" in reason:
        hints.append("make the network in float32, to which weights of 8 bits are converted")
    elif what == "encoder" and values.shape[1] == 1 and "3 channels" in reason:
        hints.append("if it takes colour, say grey_to_rgb (--grey-to-rgb)")
    if what == "decoder":
        hints.append(
            "the latents alone are analysed without it, with decode='none' (--decode none)"
        )
    return "".join(f"; {hint}" for hint in hints)


def _check_images(decoder: nn.Module, images: Any, seen: Shape) -> None:
    if not isinstance(images, Tensor) or tuple(images.shape[1:]) != tuple(seen):
        raise InputError(
            f"decoder gives {describe(images)}, expected images (2, {', '.join(map(str, seen))}) "
            f"of {name_of(decoder)}; the latents alone are analysed without it, with "
            "decode='none' (--decode none)"
        )
