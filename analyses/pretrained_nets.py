"""Networks of public checkpoints whose files hold weights alone."""

import torch
from torch import Tensor, nn


class Burgess(nn.Module):
    """The network of YannDubs/disentangling-vae for images of 32×32 pixels.

    The encoder gives 2·`latent_dim` numbers, mean and log-variance taking turns.
    """

    def __init__(self, latent_dim: int = 10) -> None:
        super().__init__()
        self.encoder = _Encoder(latent_dim)
        self.decoder = _Decoder(latent_dim)


class _Encoder(nn.Module):
    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 4, 2, 1)
        self.conv2 = nn.Conv2d(32, 32, 4, 2, 1)
        self.conv3 = nn.Conv2d(32, 32, 4, 2, 1)
        self.lin1 = nn.Linear(512, 256)
        self.lin2 = nn.Linear(256, 256)
        self.mu_logvar_gen = nn.Linear(256, 2 * latent_dim)

    def forward(self, images: Tensor) -> Tensor:
        values = images
        for layer in (self.conv1, self.conv2, self.conv3):
            values = torch.relu(layer(values))
        values = torch.relu(self.lin1(values.flatten(1)))
        moments: Tensor = self.mu_logvar_gen(torch.relu(self.lin2(values)))
        return moments


class _Decoder(nn.Module):
    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(latent_dim, 256)
        self.lin2 = nn.Linear(256, 256)
        self.lin3 = nn.Linear(256, 512)
        self.convT1 = nn.ConvTranspose2d(32, 32, 4, 2, 1)
        self.convT2 = nn.ConvTranspose2d(32, 32, 4, 2, 1)
        self.convT3 = nn.ConvTranspose2d(32, 1, 4, 2, 1)

    def forward(self, latents: Tensor) -> Tensor:
        values = latents
        for layer in (self.lin1, self.lin2, self.lin3):
            values = torch.relu(layer(values))
        values = torch.relu(self.convT1(values.view(-1, 32, 4, 4)))
        return torch.sigmoid(self.convT3(torch.relu(self.convT2(values))))
