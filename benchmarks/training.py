"""Is training as fast as the machine? Our loop, a bare loop by hand, and pythae's trainer.

    python benchmarks/training.py [--repeats 6] [--device cuda] [--pythae PYTHON] [--out FOLDER]

All train the same nets on the same images of MNIST from memory, with Adam at the same rate, in one
process each. A repeat runs them one after another, every second one the other way round, and they
are compared within it: a machine may be faster at one time than at another. All compute in
float32; ours does so once more in bfloat16 with float32 weights. The bare loop is the limit: it has
the images ready as floating point, knows its nets, and does nothing that the weights do not need. A
step is timed from the end of the one before, with all that is done for it; validation and saving
are left out. pythae has no ACAI. Where it is not installed beside latentgeo (it asks for a backport
of a part of Python), --pythae names the Python of an environment that has both, and without one its
column stays empty. How much of the machine is used is the floating-point operations of a step,
counted by torch, over what a product of two large float32 matrices makes in the same time.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from machine import say_machine
from own_process import run_alone
from short_runs import one_epoch, seeded_model
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Adam
from torch.utils.flop_counter import FlopCounterMode

from latentgeo.datasets import ImageDataset, load
from latentgeo.files import write_text
from latentgeo.models import Autoencoder, objective
from latentgeo.objectives import AdversarialPrior, AdversarialTerm, InterpolationCritic
from latentgeo.provenance import provenance
from latentgeo.training import RunFolder, TrainConfig
from latentgeo.training.data import Parts
from latentgeo.training.display import training_bar
from latentgeo.training.loop import Loop

FLOAT32 = "32-true"
SEED = 0
RATE = 1e-3
WARMUP = 5
AIMS = {"bare": 0.97, "pythae": 1.3}
MATRIX = 4096

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

    def __init__(self, case: Case, images: ImageDataset, device: str) -> None:
        self.batch, self._device = case.batch, device
        steps = len(images) // case.batch
        #: Only at these a card is waited for: between them it may run behind the commands.
        self._ends = (min(WARMUP, steps - 2), steps - 1)
        self.times: list[float] = []

    def __call__(self, *given: Any, **named: Any) -> None:
        """Take the time."""
        if self._device == "cuda" and len(self.times) in self._ends:
            torch.cuda.synchronize()
        self.times.append(perf_counter())

    def trained(self, model: nn.Module) -> Trained:
        """Give the speed after the warm-up with the model's weights."""
        first, last = self._ends
        speed = self.batch * (last - first) / (self.times[last] - self.times[first])
        return Trained(speed, model.state_dict())


def main() -> None:
    """Measure all and write one table, or, given a side, be the process that is measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--pythae", metavar="PYTHON", default=sys.executable)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side is not None:
        print(json.dumps(measure(chosen.side, chosen.cases, chosen.device)))
        return
    before = os.getloadavg()
    found = compare(chosen.repeats, chosen.cases, chosen.pythae, chosen.device)
    images = load("mnist", "train")
    work = {name: work_per_image(CASES[name], images) for name in found}
    table = to_table(found, chosen.repeats, before, work, matrix_rate(chosen.device), chosen.device)
    write_text(chosen.out / f"training-{chosen.device}.md", table)
    print(table)


def compare(
    repeats: int, cases: list[str], pythae: str, device: str
) -> dict[str, dict[str, list[float]]]:
    """Give the images per second of each case and side, once per repeat."""
    found: dict[str, dict[str, list[float]]] = {case: {} for case in cases}
    for repeat in range(repeats):
        for case in cases:
            for side in list(SIDES)[:: 1 if repeat % 2 == 0 else -1]:
                python = pythae if side == "pythae" else sys.executable
                command = [python, __file__, "--side", side, "--cases", case, "--device", device]
                for speed in run_alone(command).values():
                    found[case].setdefault(side, []).append(speed)
    return found


def measure(side: str, cases: list[str], device: str) -> dict[str, float]:
    """Give the images per second of one side, for each case that it has."""
    images, found = load("mnist", "train"), {}
    for name in cases:
        case = CASES[name]
        few = images.take(case.batch * (WARMUP + 1 + case.steps), SEED)
        trained = SIDES[side](case, few, device)
        if trained is not None:
            found[name] = trained.speed
    return found


def work_per_image(case: Case, images: ImageDataset) -> float:
    """Count the floating-point operations of a step for each of its images."""
    step = bare_step(case, fresh(case, images))
    batch = images.batch(slice(case.batch))
    with FlopCounterMode(display=False) as counted:
        step(batch)
    return float(counted.get_total_flops()) / case.batch


def matrix_rate(device: str) -> float:
    """Give the floating-point operations per second of a product of large float32 matrices."""
    one = torch.randn(MATRIX, MATRIX, device=device)
    best = float("inf")
    for _ in range(5):
        start = perf_counter()
        product = one @ one
        product[0, 0].item()  # waits for a card
        best = min(best, perf_counter() - start)
    return 2 * MATRIX**3 / best


def settings(
    case: Case, images: ImageDataset, device: str = "cpu", precision: str = FLOAT32
) -> TrainConfig:
    """Give the settings of a run of one epoch."""
    return one_epoch(
        images,
        recipe=case.recipe,
        backbone=case.backbone,
        options=dict(case.options),
        batch_size=case.batch,
        learning_rate=RATE,
        seed=SEED,
        device=device,
        precision=precision,
    )


def fresh(case: Case, images: ImageDataset) -> Autoencoder:
    """Build the model of a case as every side begins with it."""
    return seeded_model(settings(case, images), Parts(images, images))


def ours(case: Case, images: ImageDataset, device: str, precision: str = FLOAT32) -> Trained:
    """Train as `latentgeo train --quiet` does."""
    config = settings(case, images, device, precision)
    model, stamps = fresh(case, images), Stamps(case, images, device)
    parts = Parts(images, images.take(2))
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(config, model, parts, RunFolder(Path(folder)), torch.device(device))
        with training_bar(config.recipe, 1, loop.total_steps, 0, show=False) as on_step:
            loop.run(lambda *given: (on_step(*given), stamps())[0], lambda progress: None)
    return stamps.trained(model)


def ours_bf16(case: Case, images: ImageDataset, device: str) -> Trained:
    """Train as with `--precision bf16-mixed`."""
    return ours(case, images, device, "bf16-mixed")


def bare(case: Case, images: ImageDataset, device: str) -> Trained:
    """Train as one would by hand."""
    model = fresh(case, images).to(device=device, memory_format=torch.channels_last)
    step = bare_step(case, model)
    ready = images.batch(slice(None)).contiguous(memory_format=torch.channels_last).to(device)
    order = torch.from_numpy(np.random.default_rng((SEED, 0)).permutation(len(images))).to(device)
    stamps = Stamps(case, images, device)
    for positions in order.split(case.batch):
        step(ready[positions])
        stamps()
    return stamps.trained(model)


def bare_step(case: Case, model: Autoencoder) -> Step:
    """Give what takes one step of a model."""
    critics = [term for term in objective(model) if isinstance(term, AdversarialTerm)]
    for term in critics:
        term.to(next(model.parameters()).device)
    return BARE_STEPS[case.recipe](nets_of(model), adam(model, RATE, 0.9), *critics)


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
        real, fake = critic(torch.randn_like(codes)), critic(codes.detach())
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
        share = 0.5 * torch.rand(len(latent), device=latent.device)
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


def pythae(case: Case, images: ImageDataset, device: str) -> Trained | None:
    """Train with pythae's trainer, where it is installed and has such a model."""
    if find_spec("pythae") is None or case.recipe == "acai":
        return None
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import training_callbacks

    stamps, model = Stamps(case, images, device), fresh(case, images)
    callback = training_callbacks.TrainingCallback()
    callback.on_train_step_end = stamps
    labels = torch.zeros(len(images))
    with tempfile.TemporaryDirectory() as folder:
        data = BaseDataset(images.batch(slice(None)), labels)
        trainer = _pythae_trainer(case, model, data, folder, callback, device)
        trainer.prepare_training()
        trainer.train_step(1)
    return stamps.trained(model)


def _pythae_trainer(
    case: Case, model: Autoencoder, data: Any, folder: str, callback: Any, device: str
) -> Any:
    from pythae.models import AE, Adversarial_AE, Adversarial_AE_Config, AEConfig
    from pythae.trainers import (
        AdversarialTrainer,
        AdversarialTrainerConfig,
        BaseTrainer,
        BaseTrainerConfig,
    )

    shape = model.config.image_shape
    encoder, decoder = _pythae_nets(model)
    common = {"num_epochs": 1, "output_dir": folder, "no_cuda": device == "cpu"}
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


SIDES: dict[str, Callable[[Case, ImageDataset, str], Trained | None]] = {
    "ours": ours,
    "bare": bare,
    "pythae": pythae,
    "bf16": ours_bf16,
}


def to_table(
    found: Mapping[str, Mapping[str, list[float]]],
    repeats: int,
    before: tuple[float, ...],
    work: Mapping[str, float],
    rate: float,
    device: str,
) -> str:
    """Write the table with what made it."""
    place = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return "\n".join(
        [
            "# Training beside a bare loop and pythae",
            "",
            f"MNIST from memory, {place}, Adam; images per second, best of {repeats} repeats, "
            "one process each, after a warm-up. A ratio is taken within a repeat, whose processes "
            "run one after another; its median [lowest, highest]. Validation and saving are left "
            "out. The bare loop is hand-written for each net, with the images ready as "
            "floating point. All in float32; bf16 is our loop with `--precision bf16-mixed`.",
            f"{say_machine(provenance(), before, f' with {torch.get_num_threads()} threads')} "
            f"Command: `python benchmarks/training.py --device {device}`.",
            f"Aims: {AIMS['bare']} of the bare loop, {AIMS['pythae']} of pythae.",
            "",
            f"Used: the operations of our float32 step over {rate / 1e9:,.0f} GFLOP/s, which a "
            f"float32 product of {MATRIX}×{MATRIX} matrices makes here.",
            "",
            "| net | batch | ours | bare loop | pythae | ours / bare | ours / pythae | MFLOP an "
            "image | used | bf16 | bf16 / ours |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *(_row(CASES[name], sides, work[name], rate) for name, sides in found.items()),
            "",
        ]
    )


def _row(case: Case, sides: Mapping[str, list[float]], work: float, rate: float) -> str:
    best = {side: max(speeds) for side, speeds in sides.items()}
    speeds = [f"{best[side]:,.0f}" if side in best else "–" for side in ("ours", "bare", "pythae")]
    ratios = [_ratio(sides["ours"], sides[side]) if side in best else "–" for side in AIMS]
    used = [f"{work / 1e6:,.1f}", f"{best['ours'] * work / rate:.0%}"]
    mixed = [f"{best['bf16']:,.0f}", _ratio(sides["bf16"], sides["ours"])]
    return f"| {' | '.join([case.title, str(case.batch), *speeds, *ratios, *used, *mixed])} |"


def _ratio(speeds: list[float], others: list[float]) -> str:
    ratios = [one / other for one, other in zip(speeds, others, strict=True)]
    return f"{median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"


if __name__ == "__main__":
    main()
