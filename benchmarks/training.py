"""Is training as fast as the machine? Our loop, a bare loop by hand, and pythae's trainer.

    python benchmarks/training.py [--turns 40] [--pythae PYTHON] [--out FOLDER]
    python benchmarks/training.py --device cuda [--turns 10] [--out FOLDER]

All train the same nets on the same images of MNIST from memory, with Adam at the same rate, in one
process each; these take turns of a few steps, and are compared within a round. All compute in
float32; ours does so once more in bfloat16 with float32 weights. The bare loop is the limit: it has
the images ready as floating point, knows its nets, and does nothing that the weights do not need. A
step is timed from the end of the one before, with all that is done for it; validation and saving
are left out. On a GPU our loop is timed with its step recorded as a CUDA graph, in each precision,
beside the same loop that launches kernel by kernel. pythae has no ACAI. Where it is not installed
beside latentgeo (it asks for a backport of a part of Python), --pythae names the Python of an
environment that has both, and without one its column stays empty. How much of the machine is used
is the floating-point operations of a step, counted by torch, over those that one more process makes
of products of large float32 matrices.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from card import SIZES, product_rate
from machine import describe_machine
from scipy.stats import quantile_test
from short_runs import one_epoch, seeded_model
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Adam
from torch.utils.flop_counter import FlopCounterMode
from turns import TurnTaker, measure_in_turns

from latentgeo.datasets import ImageDataset, load
from latentgeo.files import write_text
from latentgeo.models import Autoencoder, objective
from latentgeo.objectives import AdversarialPrior, AdversarialTerm, InterpolationCritic
from latentgeo.provenance import provenance
from latentgeo.training import RunFolder, TrainConfig
from latentgeo.training.data import Splits
from latentgeo.training.display import training_bar
from latentgeo.training.loop import Loop
from latentgeo.training.run import Run

FLOAT32 = "32-true"
SEED = 0
RATE = 1e-3
# Enough for a step to be recorded on a GPU.
WARMUP = 8
AIMS = {"bare": 0.97, "pythae": 1.3}
#: How many times as fast as the loop that launches kernel by kernel, on a GPU.
GPU_AIMS = {"sctc": 3.0, "aae": 5.0, "acai": 5.0}
TURNS = {"cpu": 40, "cuda": 10}
_IMAGES = 55_000
# Rows of a matrix whose products use a device as far as it goes, and take no seconds.
MATRIX = 1536

Nets = tuple[nn.Module, nn.Module]
Step = Callable[[Tensor], None]
#: Called after each step, with whatever a trainer gives to those whom it tells.
OnStep = Callable[..., None]
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """A net and how it is trained; so many steps are a turn, which takes tenths of a second."""

    title: str
    recipe: str
    backbone: str
    batch: int
    steps: int
    options: Mapping[str, Any] = field(default_factory=dict)


_PLAIN = {"likelihood": "squared", "latent_activation": "linear"}
_AAE = {"hidden": (1000, 1000), "latent_dim": 8}

CASES = {
    "mlp": Case("MLP 512/256, latent 32", "cae", "mlp", 128, 10, _PLAIN),
    "sctc": Case("SCTC 32/64/128", "cae", "sctc", 128, 1, _PLAIN),
    "aae": Case("AAE 1000/1000, latent 8", "aae", "mlp", 100, 5, _AAE),
    "acai-net": Case("net of ACAI, reconstruction alone", "cae", "acai", 64, 4, _PLAIN),
    "acai": Case("ACAI with its critic", "acai", "acai", 64, 2),
}


def main() -> None:
    """Measure all and write one table, or, given a side, be the process that is measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--pythae", metavar="PYTHON", default=sys.executable)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    device, turns = chosen.device, chosen.turns or TURNS[chosen.device]
    if chosen.side is not None:
        be_measured(chosen.side, case_on(device, chosen.cases[0], turns), turns, device)
        return
    before, images = os.getloadavg(), load("mnist", "train")
    write = to_table if device == "cpu" else to_gpu_table
    found: dict[str, dict[str, list[float]]] = {}
    for name in chosen.cases:
        found[name] = compare(name, turns, chosen.pythae, device)
        work = {name: work_per_image(CASES[name], images) for name in found}
        # Written after each net: a machine that is lent may be taken away.
        table = write(found, turns, before, work, device)
        write_text(chosen.out / f"training-{device}.md", table)
    print(table)


def case_on(device: str, name: str, turns: int) -> Case:
    """Return a case, on a GPU with as many steps in a turn as there are images."""
    case = CASES[name]
    if device == "cpu":
        return case
    return replace(case, steps=(_IMAGES // case.batch - WARMUP) // turns)


def compare(case: str, turns: int, pythae: str, device: str) -> dict[str, list[float]]:
    """Return the seconds of each turn of a case, by side."""
    given = ["--cases", case, "--turns", str(turns), "--device", device]
    commands = {
        side: [pythae if side == "pythae" else sys.executable, __file__, "--side", side, *given]
        for side in SIDES_ON[device]
    }
    return measure_in_turns(commands, turns)


def be_measured(side: str, case: Case, turns: int, device: str) -> None:
    """Train one side of a case, in turns with the others."""
    images = load("mnist", "train").take(case.batch * (WARMUP + turns * case.steps), SEED)
    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    SIDES[side](case, images, device, TurnTaker(WARMUP, case.steps, turns, wait))


def work_per_image(case: Case, images: ImageDataset) -> float:
    """Count the floating-point operations of a step for each of its images."""
    step = bare_step(case, fresh(case, images))
    batch = images.batch(slice(case.batch))
    with FlopCounterMode(display=False) as counted:
        step(batch)
    return float(counted.get_total_flops()) / case.batch


def matrix_product(case: Case, images: ImageDataset, device: str, on_step: OnStep) -> None:
    """Multiply large matrices as often as steps are made."""
    one = torch.randn(MATRIX, MATRIX, device=device)
    for _ in range(len(images) // case.batch):
        torch.mm(one, one)
        on_step()


def settings(case: Case, images: ImageDataset, device: str = "cpu", **more: Any) -> TrainConfig:
    """Return the settings of a run of one epoch."""
    return one_epoch(
        images,
        recipe=case.recipe,
        backbone=case.backbone,
        options=dict(case.options),
        batch_size=case.batch,
        learning_rate=RATE,
        seed=SEED,
        device=device,
        **more,
    )


def fresh(case: Case, images: ImageDataset) -> Autoencoder:
    """Build the model of a case as every side begins with it."""
    return seeded_model(settings(case, images), Splits(images, images))


def ours(case: Case, images: ImageDataset, device: str, on_step: OnStep, **more: Any) -> Weights:
    """Train as `latentgeo train --quiet` does."""
    config = settings(case, images, device, **more)
    model, splits = fresh(case, images), Splits(images, images.take(2))
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, model, splits, RunFolder(Path(folder)), torch.device(device))
        with training_bar(config.recipe, 1, run.total_steps, 0, show=False) as show:
            Loop([run]).run(lambda *given: (show(*given), on_step())[0], lambda run: None)
    return model.state_dict()


def ours_bf16(case: Case, images: ImageDataset, device: str, on_step: OnStep) -> Weights:
    """Train as with `--precision bf16-mixed`."""
    return ours(case, images, device, on_step, precision="bf16-mixed")


def ours_tf32(case: Case, images: ImageDataset, device: str, on_step: OnStep) -> Weights:
    """Train as with `--precision tf32`."""
    return ours(case, images, device, on_step, precision="tf32")


def ours_eager(case: Case, images: ImageDataset, device: str, on_step: OnStep) -> Weights:
    """Train as with `--no-graph`: kernel by kernel."""
    return ours(case, images, device, on_step, graph=False)


def bare(case: Case, images: ImageDataset, device: str, on_step: OnStep) -> Weights:
    """Train as one would by hand."""
    model = fresh(case, images).to(device=device, memory_format=torch.channels_last)
    step = bare_step(case, model)
    ready = images.batch(slice(None)).contiguous(memory_format=torch.channels_last).to(device)
    order = torch.from_numpy(np.random.default_rng((SEED, 0)).permutation(len(images))).to(device)
    for positions in order.split(case.batch):
        step(ready[positions])
        on_step()
    return model.state_dict()


def bare_step(case: Case, model: Autoencoder) -> Step:
    """Return what takes one step of a model."""
    critics = [term for term in objective(model) if isinstance(term, AdversarialTerm)]
    for term in critics:
        term.to(next(model.parameters()).device)
    return BARE_STEPS[case.recipe](nets_of(model), adam(model, RATE, 0.9), *critics)


def nets_of(model: Autoencoder) -> Nets:
    """Return encoder and decoder as plain nets."""
    point = model.bottleneck
    return nn.Sequential(model.encoder, point.project, point.activation), model.decoder


def adam(net: nn.Module, rate: float, beta1: float) -> Adam:
    """Return the optimiser."""
    return Adam(net.parameters(), lr=rate, betas=(beta1, 0.999), fused=True)


def descend(optimiser: Adam, loss: Tensor) -> None:
    """Take one step."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def squared(given: Tensor, images: Tensor) -> Tensor:
    """Return the squared error per image, the mean over the batch."""
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

    def score(images: Tensor) -> Tensor:
        return critic(images).flatten(1).mean(dim=1)

    def step(images: Tensor) -> None:
        latent = encoder(images)
        decoded = decoder(latent)
        share = 0.5 * torch.rand(len(latent), device=latent.device)
        part = share[:, None, None, None]
        mixed = decoder(part * latent + (1 - part) * latent.flip(0))
        critic.requires_grad_(False)
        fooled = term.weight * score(mixed).square().mean()
        descend(optimiser, squared((decoded + 1) / 2, images) + fooled)
        critic.requires_grad_(True)
        unmixed = term.gamma * (2 * images - 1) + (1 - term.gamma) * decoded.detach()
        error = score(mixed.detach()) - share
        descend(own, error.square().mean() + score(unmixed).square().mean())

    return step


BARE_STEPS: dict[str, Callable[..., Step]] = {
    "cae": bare_reconstruction,
    "aae": bare_aae,
    "acai": bare_acai,
}


def pythae(case: Case, images: ImageDataset, device: str, on_step: OnStep) -> Weights | None:
    """Train with pythae's trainer, where it is installed and has such a model."""
    if find_spec("pythae") is None or case.recipe == "acai":
        return None
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import training_callbacks

    model = fresh(case, images)
    callback = training_callbacks.TrainingCallback()
    callback.on_train_step_end = on_step
    labels = torch.zeros(len(images))
    with tempfile.TemporaryDirectory() as folder:
        data = BaseDataset(images.batch(slice(None)), labels)
        trainer = _pythae_trainer(case, model, data, folder, callback, device)
        trainer.prepare_training()
        trainer.train_step(1)
    return model.state_dict()


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


SIDES: dict[str, Callable[[Case, ImageDataset, str, OnStep], Weights | None]] = {
    "ours": ours,
    "bare": bare,
    "pythae": pythae,
    "bf16": ours_bf16,
    "matrix": matrix_product,
    "eager": ours_eager,
    "tf32": ours_tf32,
}
SIDES_ON = {
    "cpu": ("ours", "bare", "pythae", "bf16", "matrix"),
    "cuda": ("ours", "eager", "tf32", "bf16", "bare"),
}


def to_table(
    found: Mapping[str, Mapping[str, list[float]]],
    turns: int,
    before: tuple[float, ...],
    work: Mapping[str, float],
    device: str,
) -> str:
    """Write the table with what made it."""
    place = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    size = MATRIX
    return "\n".join(
        [
            "# Training beside a bare loop and pythae",
            "",
            f"MNIST from memory, {place}, Adam; images per second, from the median of {turns} "
            "turns of some steps, after a warm-up. Each side is a process, and these take turns; a "
            "ratio is taken within a round: its median over the rounds [95 % interval]. Validation "
            "and saving are left out. The bare loop is hand-written for each net, with the images "
            "ready as floating point. All in float32; bf16 is our loop with `--precision "
            "bf16-mixed`.",
            f"{describe_machine(provenance(), before, f' with {torch.get_num_threads()} threads')} "
            f"Command: `python benchmarks/training.py --device {device}`.",
            f"Aims: {AIMS['bare']} of the bare loop, {AIMS['pythae']} of pythae.",
            "",
            "Used: the operations of our float32 steps over those of float32 products of "
            f"{size}×{size} matrices in the same time, made in the same rounds; convolutions can "
            "be faster than those.",
            "",
            "| net | batch | ours | bare loop | pythae | ours / bare | ours / pythae | MFLOP an "
            "image | used | bf16 | bf16 / ours |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *(_row(CASES[name], sides, work[name], device) for name, sides in found.items()),
            "",
        ]
    )


def _row(case: Case, sides: Mapping[str, list[float]], work: float, device: str) -> str:
    images = case.batch * case.steps
    speeds = {side: f"{images / np.median(seconds):,.0f}" for side, seconds in sides.items()}
    ratios = {side: _ratio(seconds, sides["ours"]) for side, seconds in sides.items()}
    used = work * images / (2 * MATRIX**3 * case.steps)
    cells = [
        case.title,
        str(case.batch),
        *(speeds.get(side, "–") for side in ("ours", "bare", "pythae")),
        *(ratios.get(side, "–") for side in AIMS),
        f"{work / 1e6:,.1f}",
        f"{used * np.median(np.divide(sides['matrix'], sides['ours'])):.0%}",
        speeds["bf16"],
        _ratio(sides["ours"], sides["bf16"]),
    ]
    return f"| {' | '.join(cells)} |"


def to_gpu_table(
    found: Mapping[str, Mapping[str, list[float]]],
    turns: int,
    before: tuple[float, ...],
    work: Mapping[str, float],
    device: str,
) -> str:
    """Write the table of a GPU with what made it."""
    place, size = torch.cuda.get_device_name(), SIZES[device]
    rates = {
        "float32": product_rate(torch.float32, device),
        "TF32": product_rate(torch.float32, device, "high"),
    }
    aims = ", ".join(f"{name} {aim:g}" for name, aim in GPU_AIMS.items())
    return "\n".join(
        [
            f"# Training on a GPU: {place}",
            "",
            f"MNIST from memory, Adam; images per second, from the median of {turns} turns of some "
            "steps, after a warm-up in which a step is recorded as a CUDA graph. Each side is a "
            "process, and these take turns; a ratio is taken within a round: its median over the "
            "rounds [95 % interval]. Validation and saving are left out. Eager is our float32 loop "
            "that launches kernel by kernel (`--no-graph`), bare a hand-written one.",
            f"{describe_machine(provenance(), before, f' with {torch.get_num_threads()} threads')} "
            f"Command: `python benchmarks/training.py --device {device}`.",
            f"Aims, the fastest precision over eager float32: {aims}.",
            "",
            f"Used: the operations of our steps over those of products of {size}×{size} matrices "
            f"in the same time and precision: {rates['float32'] / 1e12:.0f} TFLOP/s in float32, "
            f"{rates['TF32'] / 1e12:.0f} in TF32.",
            "",
            "| net | batch | eager | bare | float32 | TF32 | bf16 | float32 / eager | TF32 / eager "
            "| bf16 / eager | MFLOP an image | used in float32 | used in TF32 |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
            *(_gpu_row(name, sides, work[name], turns, rates) for name, sides in found.items()),
            "",
        ]
    )


def _gpu_row(
    name: str,
    sides: Mapping[str, list[float]],
    work: float,
    turns: int,
    rates: Mapping[str, float],
) -> str:
    case = case_on("cuda", name, turns)
    images = case.batch * case.steps
    shown = ("eager", "bare", "ours", "tf32", "bf16")
    speeds = [f"{images / np.median(sides[side]):,.0f}" for side in shown]
    ratios = [_ratio(sides["eager"], sides[side]) for side in ("ours", "tf32", "bf16")]
    used = [
        f"{work * images / np.median(sides[side]) / rates[precision]:.1%}"
        for precision, side in (("float32", "ours"), ("TF32", "tf32"))
    ]
    cells = [case.title, str(case.batch), *speeds, *ratios, f"{work / 1e6:,.1f}", *used]
    return f"| {' | '.join(cells)} |"


def _ratio(seconds: list[float], others: list[float]) -> str:
    ratios = np.divide(seconds, others)
    low, high = quantile_test(ratios, p=0.5).confidence_interval(0.95)
    return f"{np.median(ratios):.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
