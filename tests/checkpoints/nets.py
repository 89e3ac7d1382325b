"""Networks as other people write them; a factory file for the tests, too."""

import torch
from torch import nn


class Burgess(nn.Module):
    """The network of the disentangling-vae checkpoints: mean and log-variance take turns."""

    def __init__(self, latent_dim=10):
        super().__init__()
        self.encoder = BurgessEncoder(latent_dim)
        self.decoder = BurgessDecoder(latent_dim)


class BurgessEncoder(nn.Module):
    def __init__(self, latent_dim):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 4, 2, 1)
        self.conv2 = nn.Conv2d(32, 32, 4, 2, 1)
        self.conv3 = nn.Conv2d(32, 32, 4, 2, 1)
        self.lin1 = nn.Linear(512, 256)
        self.lin2 = nn.Linear(256, 256)
        self.mu_logvar_gen = nn.Linear(256, 2 * latent_dim)

    def forward(self, x):
        for layer in (self.conv1, self.conv2, self.conv3):
            x = torch.relu(layer(x))
        x = torch.relu(self.lin1(x.flatten(1)))
        return self.mu_logvar_gen(torch.relu(self.lin2(x)))


class BurgessDecoder(nn.Module):
    def __init__(self, latent_dim):
        super().__init__()
        self.lin1 = nn.Linear(latent_dim, 256)
        self.lin2 = nn.Linear(256, 256)
        self.lin3 = nn.Linear(256, 512)
        self.convT1 = nn.ConvTranspose2d(32, 32, 4, 2, 1)
        self.convT2 = nn.ConvTranspose2d(32, 32, 4, 2, 1)
        self.convT3 = nn.ConvTranspose2d(32, 1, 4, 2, 1)

    def forward(self, z):
        for layer in (self.lin1, self.lin2, self.lin3):
            z = torch.relu(layer(z))
        z = torch.relu(self.convT1(z.view(-1, 32, 4, 4)))
        return torch.sigmoid(self.convT3(torch.relu(self.convT2(z))))


class Small(nn.Module):
    """Methods instead of submodules, and a classifier's head beside them."""

    def __init__(self, channels=3, code=4):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.ReLU())
        self.bottleneck = nn.Conv2d(8, code, 3, 2, 1)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(code, 8, 2, 2),
            nn.ReLU(),
            nn.ConvTranspose2d(8, channels, 2, 2),
            nn.Sigmoid(),
        )
        self.head = nn.Linear(code, 2)
        self.unused = nn.Linear(2, 2)

    def encode(self, images):
        return self.bottleneck(self.down(images))

    def decode(self, latents):
        return self.up(latents)

    def forward(self, images):
        latents = self.encode(images)
        return self.decode(latents), self.head(latents.mean(dim=(2, 3)))


def small():
    torch.manual_seed(0)
    return Small()


def grey():
    torch.manual_seed(0)
    return Small(channels=1)


def fails():
    raise RuntimeError("no such luck\nsecond line")


NUMBER = 3


def number():
    return NUMBER
