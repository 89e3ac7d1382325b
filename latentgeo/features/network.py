"""The classifier, and its features."""

from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn

from latentgeo.errors import InputError
from latentgeo.models import Shape

_HALVINGS = 2


class ClassifierConfig(BaseModel):
    """Sizes of a classifier.

    Attributes
    ----------
    image_shape : tuple of int
        (C, H, W), at least 4×4 pixels.
    classes : int
        How many classes it tells apart.
    channels : tuple of int
        Channels of its two convolutions.
    features : int
        Width of its last hidden layer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    classes: PositiveInt
    channels: tuple[PositiveInt, PositiveInt] = (16, 32)
    features: PositiveInt = 64


class Classifier(nn.Module):
    """Two convolutions, each with pooling, a hidden layer, and logits of the classes.

    Parameters
    ----------
    config : ClassifierConfig
        Sizes.

    Raises
    ------
    InputError
        When the images are smaller than 4×4.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        colours, rows, columns = config.image_shape
        _check_sides(config.image_shape)
        first, second = config.channels
        pixels = (rows >> _HALVINGS) * (columns >> _HALVINGS)
        self.config = config
        self.features = nn.Sequential(
            nn.Conv2d(colours, first, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(second * pixels, config.features),
            nn.ReLU(),
        )
        self.head = nn.Linear(config.features, config.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (b, classes) of images (b, C, H, W) in [0, 1]."""
        logits: Tensor = self.head(self.features(images))
        return logits


class Features(nn.Module):
    """The last hidden layer of a trained classifier: what `load_features` gives.

    It is frozen, and can stand wherever a feature network is asked for, torchmetrics' included.

    Parameters
    ----------
    classifier : Classifier
        The trained net.
    provenance : dict
        Where it comes from: data, settings, accuracy, hash of the weights.

    Attributes
    ----------
    num_features : int
        Numbers in a feature.
    provenance : dict
        As given.
    """

    def __init__(self, classifier: Classifier, provenance: dict[str, Any]) -> None:
        super().__init__()
        self.config = classifier.config
        self.num_features = classifier.config.features
        self.provenance = provenance
        self._net = classifier.features
        self.requires_grad_(requires_grad=False).eval()

    @property
    def name(self) -> str:
        """What to call a Fréchet distance in these features."""
        return f"{self.provenance['data']['name']}-classifier FD, sha {self.sha256[:8]}"

    @property
    def space(self) -> str:
        """What to call the space that they are in."""
        data = self.provenance["data"]["name"]
        return f"{self.num_features} features of a {data} classifier, sha {self.sha256[:8]}"

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        return str(self.provenance["weights_sha256"])

    @property
    def accuracy(self) -> float:
        """Share of the test images that the classifier names rightly, 0 to 1."""
        return float(self.provenance["accuracy"]["test"])

    def forward(self, images: Tensor) -> Tensor:
        """Return features.

        Parameters
        ----------
        images : torch.Tensor of shape (b, C, H, W)
            In [0, 1], floating point.

        Returns
        -------
        torch.Tensor of shape (b, d)
            Not negative.

        Raises
        ------
        InputError
            When the images have another shape than those that it was trained on, or are not
            floating point.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != self.config.image_shape:
            raise InputError(
                f"images have shape {tuple(images.shape)}, the features are of images (batch, "
                f"{', '.join(map(str, self.config.image_shape))}); train a classifier on images of "
                "that shape"
            )
        if not images.is_floating_point():
            raise InputError(
                f"images have dtype {images.dtype}, expected floating point; divide images of "
                "whole numbers by 255"
            )
        features: Tensor = self._net(images)
        return features


def _check_sides(image_shape: Shape) -> None:
    least = 1 << _HALVINGS
    if min(image_shape[1:]) < least:
        raise InputError(
            f"images have shape {tuple(image_shape)}, a classifier needs at least "
            f"{least}x{least} pixels; resize them"
        )
