"""Is training as fast as the machine? Our loop, a bare loop by hand, and pythae's trainer.

    python benchmarks/training.py [--repeats 5] [--pythae PYTHON] [--out benchmarks/results]

All three train the same nets on the same images of MNIST from memory, with Adam at the same rate,
in one process each; a repeat runs the three one after another, and the best of each counts. The
bare loop is the limit: it has the images ready as floating point, knows its nets, and does nothing
that the weights do not need. A step is timed from the end of the one before, with all that is done
for it; validation and saving are left out. pythae has no ACAI. Where it is not installed beside
latentgeo (it asks for a backport of a part of Python), --pythae names the Python of an environment
that has both, and without one its column stays empty.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from machine import say_machine
from short_runs import one_epoch, seeded_model
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Adam

from latentgeo.datasets import ImageDataset, load
from latentgeo.files import write_text
from latentgeo.models import Autoencoder, objective
from latentgeo.objectives import AdversarialPrior, AdversarialTerm, InterpolationCritic
from latentgeo.provenance import provenance
from latentgeo.training import RunFolder, TrainConfig
from latentgeo.training.data import Parts
from latentgeo.training.display import training_bar
from latentgeo.training.loop import Loop

SEED = 0
RATE = 1e-3
WARMUP = 5
AIMS = {"bare": 0.97, "pythae": 1.3}

Nets = tuple[nn.Module, nn.Module]
Step = Callable[[Tensor], None]


@dataclass(frozen=True)
class Case:
    """A net and how it is trained; `steps` are timed, after the warm-up."""

    title: str
    recipe: str
    backbone: str
    batch: int
    steps: int
    options: Mapping[str, Any] = field(default_factory=dict)


_PLAIN = {"likelihood": "squared", "latent_activation": "linear"}
_AAE = {"hidden": (1000, 1000), "latent_dim": 8}

CASES = {
    "mlp": Case("MLP 512/256, latent 32", "cae", "mlp", 128, 300, _PLAIN),
    "sctc": Case("SCTC 32/64/128", "cae", "sctc", 128, 10, _PLAIN),
    "aae": Case("AAE 1000/1000, latent 8", "aae", "mlp", 100, 100, _AAE),
    "acai-net": Case("net of ACAI, reconstruction alone", "cae", "acai", 64, 60, _PLAIN),
    "acai": Case("ACAI with its critic", "acai", "acai", 64, 30),
}


@dataclass(frozen=True)
class Trained:
    """Images per second after the warm-up, and the weights that the steps led to."""

    speed: float
    weights: dict[str, Tensor]


class Stamps:
    """When each step ended."""

    def __init__(self, case: Case) -> None:
        self.batch = case.batch
        self.times: list[float] = []

    def __call__(self, *given: Any, **named: Any) -> None:
        """Take the time."""
        self.times.append(perf_counter())

    def trained(self, model: nn.Module) -> Trained:
        """Give the speed after the warm-up with the model's weights."""
        timed = self.times[min(WARMUP, len(self.times) - 2) :]
        speed = self.batch * (len(timed) - 1) / (timed[-1] - timed[0])
        return Trained(speed, model.state_dict())


def main() -> None:
    """Measure all and write one table, or, given a side, be the process that is measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pythae", metavar="PYTHON", default=sys.executable)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side is not None:
        print(json.dumps(measure(chosen.side, chosen.cases)))
        return
    before = os.getloadavg()
    found = compare(chosen.repeats, chosen.cases, chosen.pythae)
    table = to_table(found, chosen.repeats, before)
    write_text(chosen.out / "training-cpu.md", table)
    print(table)


def compare(repeats: int, cases: list[str], pythae: str) -> dict[str, dict[str, list[float]]]:
    """Give the images per second of each case and side, once per repeat."""
    found: dict[str, dict[str, list[float]]] = {case: {} for case in cases}
    for _ in range(repeats):
        for side in SIDES:
            python = pythae if side == "pythae" else sys.executable
            command = [python, __file__, "--side", side, "--cases", *cases]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            for case, speed in json.loads(output.splitlines()[-1]).items():
                found[case].setdefault(side, []).append(speed)
    return found


def measure(side: str, cases: list[str]) -> dict[str, float]:
    """Give the images per second of one side, for each case that it has."""
    images, found = load("mnist", "train"), {}
    for name in cases:
        case = CASES[name]
        trained = SIDES[side](case, images.take(case.batch * (WARMUP + 1 + case.steps), SEED))
        if trained is not None:
            found[name] = trained.speed
    return found


def settings(case: Case, images: ImageDataset) -> TrainConfig:
    """Give the settings of a run of one epoch."""
    return one_epoch(
        images,
        recipe=case.recipe,
        backbone=case.backbone,
        options=dict(case.options),
        batch_size=case.batch,
        learning_rate=RATE,
        seed=SEED,
        device="cpu",
    )


def fresh(case: Case, images: ImageDataset) -> Autoencoder:
    """Build the model of a case as every side begins with it."""
    return seeded_model(settings(case, images), Parts(images, images))


def ours(case: Case, images: ImageDataset) -> Trained:
    """Train as `latentgeo train --quiet` does."""
    config, model, stamps = settings(case, images), fresh(case, images), Stamps(case)
    parts = Parts(images, images.take(2))
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(config, model, parts, RunFolder(Path(folder)), torch.device("cpu"))
        with training_bar(config.recipe, 1, loop.total_steps, 0, show=False) as on_step:
            loop.run(lambda *given: (on_step(*given), stamps())[0], lambda progress: None)
    return stamps.trained(model)


def bare(case: Case, images: ImageDataset) -> Trained:
    """Train as one would by hand."""
    model = fresh(case, images).to(memory_format=torch.channels_last)
    critics = [term for term in objective(model) if isinstance(term, AdversarialTerm)]
    step = BARE_STEPS[case.recipe](nets_of(model), adam(model, RATE, 0.9), *critics)
    ready = images.batch(slice(None)).contiguous(memory_format=torch.channels_last)
    order = torch.from_numpy(np.random.default_rng((SEED, 0)).permutation(len(images)))
    stamps = Stamps(case)
    for positions in order.split(case.batch):
        step(ready[positions])
        stamps()
    return stamps.trained(model)


def nets_of(model: Autoencoder) -> Nets:
    """Give encoder and decoder as plain nets."""
    point = model.bottleneck
    return nn.Sequential(model.encoder, point.project, point.activation), model.decoder


def adam(net: nn.Module, rate: float, beta1: float) -> Adam:
    """Give the optimiser."""
    return Adam(net.parameters(), lr=rate, betas=(beta1, 0.999), fused=True)


def descend(optimiser: Adam, loss: Tensor) -> None:
    """Take one step."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def squared(given: Tensor, images: Tensor) -> Tensor:
    """Give the squared error per image, the mean over the batch."""
    return (given - images).square().flatten(1).sum(dim=1).mean()


def bare_reconstruction(nets: Nets, optimiser: Adam) -> Step:
    """Reconstruct."""
    encoder, decoder = nets

    def step(images: Tensor) -> None:
        descend(optimiser, squared(decoder(encoder(images)), images))

    return step


def bare_aae(nets: Nets, optimiser: Adam, term: AdversarialPrior) -> Step:
    """Reconstruct, and learn to tell codes from draws."""
    (encoder, decoder), critic = nets, term.adversary
    own = adam(critic, term.learning_rate, 0.5)

    def step(images: Tensor) -> None:
        latent = encoder(images)
        codes = latent.flatten(1)
        critic.requires_grad_(False)
        fooled = softplus(-critic(codes)).mean()
        descend(optimiser, squared(decoder(latent), images) + fooled)
        critic.requires_grad_(True)
        real, fake = critic(torch.randn(codes.shape)), critic(codes.detach())
        descend(own, softplus(-real).mean() + softplus(fake).mean())

    return step


def bare_acai(nets: Nets, optimiser: Adam, term: InterpolationCritic) -> Step:
    """Reconstruct, and learn how much of one image is in another."""
    (encoder, decoder), critic = nets, term.adversary
    own = adam(critic, term.learning_rate, 0.9)

    def said(images: Tensor) -> Tensor:
        return critic(images).flatten(1).mean(dim=1)

    def step(images: Tensor) -> None:
        latent = encoder(images)
        decoded = decoder(latent)
        share = 0.5 * torch.rand(len(latent))
        part = share[:, None, None, None]
        mixed = decoder(part * latent + (1 - part) * latent.flip(0))
        critic.requires_grad_(False)
        fooled = term.weight * said(mixed).square().mean()
        descend(optimiser, squared((decoded + 1) / 2, images) + fooled)
        critic.requires_grad_(True)
        unmixed = term.gamma * (2 * images - 1) + (1 - term.gamma) * decoded.detach()
        error = said(mixed.detach()) - share
        descend(own, error.square().mean() + said(unmixed).square().mean())

    return step


BARE_STEPS: dict[str, Callable[..., Step]] = {
    "cae": bare_reconstruction,
    "aae": bare_aae,
    "acai": bare_acai,
}


def pythae(case: Case, images: ImageDataset) -> Trained | None:
    """Train with pythae's trainer, where it is installed and has such a model."""
    if find_spec("pythae") is None or case.recipe == "acai":
        return None
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import training_callbacks

    stamps, model = Stamps(case), fresh(case, images)
    callback = training_callbacks.TrainingCallback()
    callback.on_train_step_end = stamps
    labels = torch.zeros(len(images))
    with tempfile.TemporaryDirectory() as folder:
        trainer = _pythae_trainer(
            case, model, BaseDataset(images.batch(slice(None)), labels), folder, callback
        )
        trainer.prepare_training()
        trainer.train_step(1)
    return stamps.trained(model)


def _pythae_trainer(case: Case, model: Autoencoder, data: Any, folder: str, callback: Any) -> Any:
    from pythae.models import AE, Adversarial_AE, Adversarial_AE_Config, AEConfig
    from pythae.trainers import (
        AdversarialTrainer,
        AdversarialTrainerConfig,
        BaseTrainer,
        BaseTrainerConfig,
    )

    shape = model.config.image_shape
    encoder, decoder = _pythae_nets(model)
    common = {"num_epochs": 1, "output_dir": folder, "no_cuda": True}
    common["per_device_train_batch_size"] = case.batch
    if case.recipe == "cae":
        net = AE(AEConfig(input_dim=shape, latent_dim=1), encoder, decoder)
        config = BaseTrainerConfig(learning_rate=RATE, **common)
        return BaseTrainer(net, data, training_config=config, callbacks=[callback])
    (critic,) = (term for term in objective(model) if isinstance(term, AdversarialTerm))
    net = Adversarial_AE(
        Adversarial_AE_Config(input_dim=shape, latent_dim=8, deterministic_posterior=True),
        encoder,
        decoder,
        _pythae_discriminator(critic.adversary.requires_grad_(True)),
    )
    config = AdversarialTrainerConfig(
        autoencoder_learning_rate=RATE, discriminator_learning_rate=RATE, **common
    )
    return AdversarialTrainer(net, data, training_config=config, callbacks=[callback])


def _pythae_nets(model: Autoencoder) -> Nets:
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(self, images: Tensor) -> ModelOutput:
            latent = self.net(images)
            return ModelOutput(embedding=latent, log_covariance=torch.zeros_like(latent))

    class Decoder(BaseDecoder):
        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(self, latent: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.net(latent))

    encoder, decoder = nets_of(model)
    return Encoder(encoder), Decoder(decoder)


def _pythae_discriminator(net: nn.Module) -> nn.Module:
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDiscriminator

    class Discriminator(BaseDiscriminator):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, latent: Tensor) -> ModelOutput:
            return ModelOutput(embedding=self.net(latent.flatten(1)).sigmoid())

    return Discriminator()


SIDES: dict[str, Callable[[Case, ImageDataset], Trained | None]] = {
    "ours": ours,
    "bare": bare,
    "pythae": pythae,
}


def to_table(
    found: dict[str, dict[str, list[float]]], repeats: int, before: tuple[float, ...]
) -> str:
    """Write the table with what made it."""
    return "\n".join(
        [
            "# Training beside a bare loop and pythae",
            "",
            f"MNIST from memory, float32, Adam; images per second, best of {repeats} "
            "interleaved repeats, one process each, after a warm-up. Validation and saving are "
            "left out. The bare loop is hand-written for each net, with the images ready as "
            "floating point.",
            f"{say_machine(provenance(), before, f' with {torch.get_num_threads()} threads')} "
            "Command: `python benchmarks/training.py`.",
            f"Aims: {AIMS['bare']} of the bare loop, {AIMS['pythae']} of pythae.",
            "",
            "| net | batch | ours | bare loop | pythae | ours / bare | ours / pythae |",
            "|---|---|---|---|---|---|---|",
            *(_row(CASES[name], sides) for name, sides in found.items()),
            "",
        ]
    )


def _row(case: Case, sides: dict[str, list[float]]) -> str:
    best = {side: max(speeds) for side, speeds in sides.items()}
    speeds = [f"{best[side]:,.0f}" if side in best else "–" for side in SIDES]
    ratios = [f"{best['ours'] / best[side]:.2f}" if side in best else "–" for side in AIMS]
    return f"| {' | '.join([case.title, str(case.batch), *speeds, *ratios])} |"


if __name__ == "__main__":
    main()
