"""From images in [0, 1] to what a foreign net was trained on, and back."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from latentgeo.errors import InputError
from latentgeo.models.nets import Shape, shape_of
from latentgeo.settings import PreprocessingSettings

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Preprocessing(PreprocessingSettings):
    """What happens to images in [0, 1] before a net, and to its output afterwards."""

    def shape(self, data: Shape) -> Shape:
        """Return the shape that the net sees.

        Parameters
        ----------
        data : tuple of int
            (C, H, W) of the data's images.

        Returns
        -------
        tuple of int
            (C, H, W) after resizing and colouring.

        Raises
        ------
        InputError
            When grey images were expected and there are more channels, or mean and standard
            deviation are of another number of channels.
        """
        channels, rows, columns = data
        if self.grey_to_rgb and channels not in (1, 3):
            raise InputError(
                f"grey_to_rgb takes images of 1 channel, the data has {channels}; leave it out"
            )
        channels = 3 if self.grey_to_rgb else channels
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) not in (1, channels):
                raise InputError(
                    f"{name} holds {len(values)} numbers for images of {channels} channels; give "
                    "one, or one for each channel"
                )
        if self.size is not None:
            rows, columns = (self.size, self.size) if isinstance(self.size, int) else self.size
        return channels, rows, columns

    def see(self, images: Tensor) -> Tensor:
        """Resize and colour, still in [0, 1].

        Parameters
        ----------
        images : torch.Tensor of shape (b, C, H, W)
            In [0, 1], or with noise.

        Returns
        -------
        torch.Tensor
            The same values, at the net's size and with its channels.
        """
        _, rows, columns = self.shape(shape_of(images))
        if images.shape[-2:] != (rows, columns):
            smooth = self.interpolation != "nearest"
            mode = self.interpolation if smooth else "nearest-exact"
            images = interpolate(images, size=(rows, columns), mode=mode, antialias=smooth)
        return images.expand(-1, 3, -1, -1) if self.grey_to_rgb else images

    def normalise(self, images: Tensor) -> Tensor:
        """Map [0, 1] to what the net takes: (b, C, H, W), same shape."""
        shift, scale = self._code(images)
        return (images - shift) / scale

    def to_image(self, decoded: Tensor) -> Tensor:
        """Map the output of the decoder to [0, 1]; values beyond are cut off."""
        return self._unit(decoded).clamp(0, 1)

    def to_signed(self, decoded: Tensor) -> Tensor:
        """Map the output of the decoder to [-1, 1]; values beyond are kept."""
        return 2 * self._unit(decoded) - 1

    def _unit(self, decoded: Tensor) -> Tensor:
        if self.output == "logits":
            return torch.sigmoid(decoded)
        if self.output == "same":
            shift, scale = self._code(decoded)
            return decoded * scale + shift
        return decoded

    def _code(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return (shift, scale) with input = (image - shift) / scale."""
        low, high = self.range
        mean = self.mean if self.mean is not None else (-low / (high - low),)
        std = self.std if self.std is not None else (1 / (high - low),)
        shift, scale = (like.new_tensor(values)[:, None, None] for values in (mean, std))
        return shift, scale
