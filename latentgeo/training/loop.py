"""The loop: descend the terms, then each adversary's; validate, keep the best, save the state."""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam

from latentgeo import processes
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError, TrainingDivergedError
from latentgeo.models import RECIPES, Autoencoder, Pass, objective, save_model, shapes_of
from latentgeo.objectives import UNLABELLED, AdversarialTerm, Batch, Labelled, Term
from latentgeo.training.baseline import psnr_in_decibels
from latentgeo.training.config import TrainConfig
from latentgeo.training.data import Images, Splits
from latentgeo.training.labels import all_labels, known_labels, probe_labels
from latentgeo.training.memory import freed_memory_kept
from latentgeo.training.micro_batches import MicroBatch, join, split, why_not_in_parts
from latentgeo.training.probe import make_probe, save_probe
from latentgeo.training.profiling import Watch, unwatched
from latentgeo.training.progress import Progress, Row
from latentgeo.training.run_folder import Facts, RunFolder
from latentgeo.training.schedule import learning_rate_factor
from latentgeo.training.sharded import ShardedNets, take_from_rank_zero

# Epochs in a row: adversaries and codes need some until they have found each other.
_PATIENCE_WITH_WARNINGS = 3

#: Called after each step with the progress and the step's losses.
OnStep = Callable[[Progress, Row], None]
#: Called after each epoch, before the state is saved.
OnEpoch = Callable[[Progress], None]


def forked(device: torch.device) -> AbstractContextManager[Any]:
    """Give a context that leaves torch's global random states as they were.

    Parameters
    ----------
    device : torch.device
        The device whose generator is restored along with the CPU's.

    Returns
    -------
    context manager
        The context.
    """
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    return torch.random.fork_rng(devices=devices)


class Loop:
    """Trains one autoencoder; everything random comes from torch's global generator.

    Only the terms know what kind of model it is. Where `torchrun` started several processes, each
    runs the same loop, and they share the work of the nets; the first one writes.

    Parameters
    ----------
    config : TrainConfig
        The settings.
    model : Autoencoder
        The model; it is moved to the device.
    splits : Splits
        The images.
    folder : RunFolder
        Where checkpoints and metrics go.
    device : torch.device
        Where to compute.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: Autoencoder,
        splits: Splits,
        folder: RunFolder,
        device: torch.device,
    ) -> None:
        from lightning_fabric import Fabric  # seconds to import; loading a model needs none of it

        self.config = config
        # Channels last: these nets train 20 to 100 % faster in it on a CPU.
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.splits = splits
        self.folder = folder
        self.progress = Progress()
        self.terms = objective(model)
        self.adversaries = [term for term in self.terms if isinstance(term, AdversarialTerm)]
        for term in self.adversaries:
            term.to(device)
        self.probe = make_probe(model, splits, config.probe_rate) if config.probe else None
        if self.probe is not None:
            self.probe.to(device)
        self._check_patience()
        recipe, options = RECIPES[config.recipe], model.config.recipe_options
        self.corruption = recipe.corruption(options)
        self.supervision = recipe.supervision(options)
        self._known = self._find_known_labels()
        self.pretraining = recipe.pretraining(options, shapes_of(model))
        self.optimiser = self._adam()
        devices = [processes.local_rank()] if device.type == "cuda" else 1
        self.fabric = Fabric(accelerator=device.type, devices=devices, precision=config.precision)
        self._run_model, self._run_optimiser = self.fabric.setup(self.model, self.optimiser)
        self.nets = ShardedNets(self.model)
        self._warn_of_whole_nets()
        self.steps_per_epoch = _steps_per_epoch(len(splits.train), config.batch_size)
        self.total_steps = self.steps_per_epoch * config.epochs
        self._copies = splits.copies_on(self.fabric.device)
        self._saved_step = 0
        #: Told of each phase of the run, to see where the time goes.
        self.phase: Watch = unwatched

    @freed_memory_kept()
    def run(self, on_step: OnStep, on_epoch: OnEpoch) -> None:
        """Train from where the progress stands to the end.

        Parameters
        ----------
        on_step, on_epoch : callable
            For the bar and for records.

        Raises
        ------
        TrainingDivergedError
            When a loss or a weight is no longer finite.
        OSError
            When the disk refuses; the earlier checkpoint is whole.
        """
        self._agree()
        if not self.progress.prepared:
            with self.clock():
                self._pretrain()
            self._save_state()
        while not self.progress.finished:
            with self.clock():
                self._descend_epoch(on_step)
                self._close_epoch()
            on_epoch(self.progress)
            self._save_state()

    def restore(self, state: Facts, progress: Progress) -> None:
        """Take up a saved state.

        Parameters
        ----------
        state : dict
            What `RunFolder.read_state` gave.
        progress : Progress
            Where that run stood.
        """
        self.progress = progress
        self._saved_step = progress.step
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        for term in self.adversaries:
            term.load_state_dict(state["adversaries"][term.name])
        if self.probe is not None:
            self.probe.load_state_dict(state["probe"])
        torch.set_rng_state(state["random"]["cpu"])
        if self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(state["random"]["cuda"], self.fabric.device)

    def _adam(self) -> Adam:
        return Adam(
            self.model.parameters(),
            lr=self.config.learning_rate,
            betas=(self.config.beta1, 0.999),
            # One pass over the weights in place of ten. It unscales gradients itself, though, and
            # then Fabric cannot clip them.
            fused=self.config.precision != "16-mixed",
        )

    def _pretrain(self) -> None:
        """Descend what the encoder learns first, with an optimiser of its own."""
        if self.pretraining is not None:
            term, steps = self.pretraining
            with self.phase("pre-training"):
                self._match(term, steps)
        self.progress.prepared = True

    def _match(self, term: Term, steps: int) -> None:
        optimiser = self._adam()
        self.set_mode(training=True)
        for positions in self._pretraining_batches(steps):
            batch = self._batch(self.splits.train, positions)
            posterior = self.model.posterior(self._corrupt(batch.images))
            loss = term(Pass(posterior, posterior.sample(), batch.images, self.model), batch)
            self.check_finite({term.name: loss.item()})
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.nets.sum_gradients()
            optimiser.step()
        optimiser.zero_grad()

    def _pretraining_batches(self, steps: int) -> Iterator[NDArray[np.int64]]:
        rng = np.random.default_rng((self.config.seed, 0, 2))
        count = len(self.splits.train)
        for _ in range(steps):
            yield rng.choice(count, min(count, self.config.batch_size), replace=False)

    def _check_patience(self) -> None:
        if self.adversaries and self.config.patience is not None:
            raise InputError(
                f"patience is {self.config.patience}, but an adversary's loss cannot be compared "
                f"between epochs, so the {self.config.recipe} is trained to the end; leave it out"
            )

    def _find_known_labels(self) -> NDArray[np.int64] | None:
        """Give the labels of the training images, those hidden that the recipe may not see."""
        if self.supervision is None:
            return None
        all_labels(self.splits.validation, self.supervision)
        return known_labels(self.splits.train, self.supervision, self.config.seed)

    def _descend_epoch(self, on_step: OnStep) -> None:
        self.set_mode(training=True)
        images = self.splits.train.at_epoch(self.progress.epoch)
        for positions in self._batches(self.progress.epoch, self.progress.batch):
            with self.phase("data"):
                batch = self._batch(images, positions)
                batch = self._show_to_probe(batch, self.splits.train, positions)
            losses = self._step(batch)
            self.progress.add(losses, len(batch.images))
            on_step(self.progress, losses)
            within = self.progress.batch < self.steps_per_epoch
            if within and self.progress.step % self.config.checkpoint_steps == 0:
                self._save_state()

    def _batches(self, epoch: int, first: int) -> Iterator[NDArray[np.int64]]:
        """Give the positions of each batch; they depend on seed and epoch alone."""
        order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self.splits.train))
        size = self.config.batch_size
        for batch in range(first, self.steps_per_epoch):
            yield order[batch * size : (batch + 1) * size]

    def set_mode(self, *, training: bool) -> None:
        """Let all nets be as they are while training, or while measured."""
        self._run_model.train(training)
        for term in self.adversaries:
            term.adversary.train(training)

    def _batch(self, dataset: Images, positions: NDArray[np.int64]) -> Batch:
        """Give a batch to train on, with the labels that the recipe may see."""
        images, known = self._images(dataset, positions), self._known
        if known is None or self.supervision is None:
            return Batch(images)
        labels = self._labels(known, positions)
        if not self.supervision.batch:
            return Batch(images, labels)
        # Seeded by the step, so that a resumed run draws the same.
        rng = np.random.default_rng((self.config.seed, self.progress.step, 1))
        chosen = rng.choice(np.flatnonzero(known != UNLABELLED), self.supervision.batch)
        seen = self._corrupt(self._images(dataset, chosen))
        return Batch(images, labels, Labelled(seen, self._labels(known, chosen)))

    def _validation_batch(self, positions: NDArray[np.int64]) -> Batch:
        images = self._images(self.splits.validation, positions)
        if self.supervision is None:
            return Batch(images)
        labels = all_labels(self.splits.validation, self.supervision)
        return Batch(images, self._labels(labels, positions))

    def _show_to_probe(self, batch: Batch, dataset: Images, positions: NDArray[np.int64]) -> Batch:
        """Add the labels that the probe may see, and the terms may not."""
        if self.probe is None:
            return batch
        return batch._replace(probe_labels=self._labels(probe_labels(dataset), positions))

    def _images(self, dataset: Images, positions: NDArray[np.int64]) -> Tensor:
        if isinstance(dataset, ImageDataset) and dataset in self._copies:
            chosen = self.fabric.to_device(torch.from_numpy(positions))
            images = dataset.as_seen(self._copies[dataset][chosen])
        else:
            images = self.fabric.to_device(dataset.batch(positions))
        return images.contiguous(memory_format=torch.channels_last)

    def _labels(self, labels: NDArray[np.int64], positions: NDArray[np.int64]) -> Tensor:
        moved: Tensor = self.fabric.to_device(torch.from_numpy(labels[positions]))
        return moved

    def _corrupt(self, images: Tensor) -> Tensor:
        return images if self.corruption is None else self.corruption(images)

    def _step(self, batch: Batch) -> Row:
        """Descend the autoencoder's terms once, then each adversary's, then the probe's."""
        pass_, losses = self._differentiate(batch)
        values = _values(losses)
        self.check_finite(values)
        with self.phase("optimiser"):
            self._descend()
        return values | self._descend_adversaries(pass_, batch) | self._descend_probe(pass_, batch)

    def _differentiate(self, batch: Batch) -> tuple[Pass, dict[str, Tensor]]:
        """Put the gradients into the weights, in parts of the batch where memory is short."""
        before = self.progress.micro_batch
        while (found := self._try_to_differentiate(batch)) is None:
            self._halve(len(batch.images))
        if self.progress.micro_batch != before:
            self._warn_of_parts()
        self.nets.sum_gradients()
        return found

    def _try_to_differentiate(self, batch: Batch) -> tuple[Pass, dict[str, Tensor]] | None:
        """Give None when the memory of the device is too small."""
        self._run_optimiser.zero_grad()
        try:
            return join(
                [
                    self._differentiate_part(part, len(part.images) / len(batch.images))
                    for part in split(batch, self.progress.micro_batch)
                ]
            )
        except torch.OutOfMemoryError:
            # The next try begins after this error is gone, which holds what filled the memory.
            return None

    def _differentiate_part(self, batch: Batch, share: float) -> MicroBatch:
        done = self.progress.step / self.total_steps
        with self.phase("forward and loss"):
            pass_ = self._pass(batch)
            losses = self._losses(pass_, batch, done)
        with self.phase("backward"):
            self.fabric.backward(losses["loss"] if share == 1 else share * losses["loss"])
        detached = {name: loss.detach() for name, loss in losses.items()}
        return MicroBatch(share, pass_.detached(), detached)

    def _halve(self, images: int) -> None:
        """Let the next try pass half as many images at once."""
        size, place = min(self.progress.micro_batch or images, images), self.fabric.device.type
        if processes.count() > 1:
            # The others did not run out, and wait for this one in the midst of the pass.
            raise InputError(
                f"out of memory on {place!r} with {size} images at once, shared by "
                f"{processes.count()} processes; start more of them, or set a smaller batch_size"
            )
        reason = why_not_in_parts(self.model, self.terms)
        if reason is not None:
            raise InputError(
                f"out of memory on {place!r} with {size} images at once, and the "
                f"{self.config.recipe} cannot take a batch in parts, for {reason}; "
                "set a smaller batch_size"
            )
        if size == 1:
            raise InputError(
                f"out of memory on {place!r} with a single image; use smaller nets or images, "
                "or device 'cpu'"
            )
        self.progress.micro_batch = math.ceil(size / 2)

    def _warn_of_parts(self) -> None:
        warnings.warn(
            f"a batch of {self.config.batch_size} images does not fit into the memory of "
            f"{self.fabric.device.type!r}: from step {self.progress.step + 1} on it is taken in "
            f"parts of {self.progress.micro_batch}, and their gradients are added up, so that it "
            "stays the same batch",
            stacklevel=2,
        )

    def _warn_of_whole_nets(self) -> None:
        if self.nets.whole:
            said = ", ".join(f"{name} ({why})" for name, why in self.nets.whole.items())
            warnings.warn(
                f"each of the {processes.count()} processes computes these nets of the "
                f"{self.config.recipe} for whole batches, which is the same but no faster: {said}",
                stacklevel=2,
            )

    def _pass(self, batch: Batch) -> Pass:
        pass_: Pass = self._run_model(self._corrupt(batch.images), batch.labels)
        return pass_

    def _losses(self, pass_: Pass, batch: Batch, done: float) -> dict[str, Tensor]:
        """Give every term, unweighted, and their sum as "loss", weighted as `done` asks for."""
        terms = self._measure_terms(pass_, batch)
        weighted = [term.weight_at(done) * terms[term.name] for term in self.terms]
        return {"loss": torch.stack(weighted).sum(), **terms}

    def _measure_terms(self, pass_: Pass, batch: Batch) -> dict[str, Tensor]:
        """Give every term, unweighted."""
        return {term.name: term(pass_, batch) for term in self.terms}

    def _descend(self) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        if self.config.gradient_clip is not None:
            self.fabric.clip_gradients(
                self._run_model,
                self._run_optimiser,
                max_norm=self.config.gradient_clip,
                error_if_nonfinite=False,
            )
        self._run_optimiser.step()

    def _descend_adversaries(self, pass_: Pass, batch: Batch) -> Row:
        if not self.adversaries:
            return {}
        factor, clip = self.learning_rate_factor(), self.config.gradient_clip
        with self.phase("adversaries"):
            losses = {
                f"{term.name}_adversary": term.descend(pass_, batch, factor=factor, clip=clip)
                for term in self.adversaries
            }
        values = _values(losses)
        self.check_finite(values)
        return values

    def _descend_probe(self, pass_: Pass, batch: Batch) -> Row:
        if self.probe is None or batch.probe_labels is None:
            return {}
        with self.phase("probe"):
            # The mean, not what was decoded: into that a recipe may have put the label.
            loss = self.probe.descend(pass_.posterior.mean, batch.probe_labels)
        values = _values({"probe": loss})
        self.check_finite(values)
        return values

    def learning_rate(self) -> float:
        """Give the learning rate at the present step."""
        return self.config.learning_rate * self.learning_rate_factor()

    def learning_rate_factor(self) -> float:
        """Give the factor of the learning rate at the present step."""
        return learning_rate_factor(
            self.config.schedule,
            self.progress.step,
            warmup_steps=self.config.warmup_steps,
            total_steps=self.total_steps,
        )

    def _close_epoch(self) -> None:
        row: Row = {
            "epoch": self.progress.epoch + 1,
            "step": self.progress.step,
            "learning_rate": self.optimiser.param_groups[0]["lr"],
        }
        row |= {f"train_{name}": value for name, value in self.progress.means().items()}
        with self.phase("validation"):
            # Of one process: what differs in its last bits could end the run in some of them.
            validation = processes.from_rank_zero(self._validate())
        row |= {f"validation_{name}": value for name, value in validation.items()}
        self._check_weights()
        self._diagnose(validation)
        # An adversary's measure moves with the adversary, so epochs cannot be compared by it.
        better = self.progress.close_epoch(row, always=bool(self.adversaries))
        self.progress.finished = self._is_last()
        with self.phase("saving"):
            if processes.is_rank_zero():
                self._save_epoch(better=better)

    def _save_epoch(self, *, better: bool) -> None:
        self.folder.write_metrics(self.progress.rows)
        if better:
            save_model(self.model, self.folder.path)
            if self.probe is not None:
                save_probe(self.probe, self.folder.path)

    def _diagnose(self, validation: Row) -> None:
        """Diagnose each term; warn where a diagnosis stays."""
        before, now = self.progress.diagnostics_epochs, {}
        self.progress.diagnostics = {}
        for term in self.terms:
            said = term.diagnose(_diagnostics_of(term, validation))
            if said is None:
                continue
            self.progress.diagnostics[term.name] = said
            now[term.name] = before.get(term.name, 0) + 1
            if now[term.name] == _PATIENCE_WITH_WARNINGS:
                self._warn_of(said)
        self.progress.diagnostics_epochs = now

    def _warn_of(self, said: str) -> None:
        warnings.warn(
            f"epoch {self.progress.epoch + 1} of the {self.config.recipe} in "
            f"{str(self.folder.path)!r}: {said}",
            stacklevel=2,
        )

    def _is_last(self) -> bool:
        waited = self.progress.epoch - self.progress.best_epoch
        patience = self.config.patience
        out_of_patience = patience is not None and waited >= patience
        return out_of_patience or self.progress.epoch >= self.config.epochs

    @torch.no_grad()
    def _validate(self) -> Row:
        """Measure the terms and PSNR on the validation images, with the posterior's mean.

        Corrupted inputs get the same noise in every epoch, and training's random state is left
        as it was.
        """
        self.set_mode(training=False)
        sums: Row = {}
        with forked(self.fabric.device):
            torch.manual_seed(self.config.seed)
            for positions in self._walk(self.splits.validation):
                batch = self._validation_batch(positions)
                batch = self._show_to_probe(batch, self.splits.validation, positions)
                for name, value in self._measure(batch).items():
                    sums[name] = sums.get(name, 0.0) + value * len(positions)
        means = {name: value / len(self.splits.validation) for name, value in sums.items()}
        self.check_finite(means)
        return means

    def _walk(self, dataset: ImageDataset) -> list[NDArray[np.int64]]:
        # In parts of nearly one size: a last part of one image would have no spread.
        return np.array_split(
            np.arange(len(dataset)), math.ceil(len(dataset) / self.config.batch_size)
        )

    def _measure(self, batch: Batch) -> Row:
        pass_ = self._pass(batch)
        decibels = psnr_in_decibels(self.model.to_image(pass_.logits), batch.images)
        diagnostics = {
            f"{term.name}_{name}": value
            for term in self.terms
            for name, value in term.diagnostics(pass_, batch).items()
        }
        losses = self._losses(pass_, batch, 1.0)
        probed = self._measure_probe(pass_, batch)
        return _values({**losses, "psnr": decibels.mean(), **diagnostics, **probed})

    def _measure_probe(self, pass_: Pass, batch: Batch) -> dict[str, Tensor]:
        if self.probe is None or batch.probe_labels is None:
            return {}
        return self.probe.measure(pass_.posterior.mean, batch.probe_labels)

    def check_finite(self, values: Row) -> None:
        """Raise `TrainingDivergedError` for a loss that is not finite."""
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            # The sum comes first, but the term behind it says what went wrong.
            name = broken[min(1, len(broken) - 1)]
            raise self._diverged(f"loss term {name!r} is {values[name]}")

    def _all_nets(self) -> list[nn.Module]:
        nets = [self.model, *(term.adversary for term in self.adversaries)]
        return nets if self.probe is None else [*nets, self.probe.layer]

    def _agree(self) -> None:
        """Let the weights be the same in all processes, to the last bit."""
        nets = self._all_nets()
        take_from_rank_zero([each for net in nets for each in net.state_dict().values()])

    def _check_weights(self) -> None:
        weights = [weight for net in self._all_nets() for weight in net.parameters()]
        finite = torch.stack([weight.isfinite().all() for weight in weights])
        if not bool(finite.all()):
            raise self._diverged("a weight is not finite")

    def _diverged(self, what: str) -> TrainingDivergedError:
        return TrainingDivergedError(
            f"training diverged: {what} at step {self.progress.step + 1} "
            f"(epoch {self.progress.epoch + 1}); the last good checkpoint, of step "
            f"{self._saved_step}, is kept in {str(self.folder.path)!r}; {self._advice()}"
        )

    def _advice(self) -> str:
        tries = [f"a learning rate below {self.config.learning_rate:g}"]
        if self.config.gradient_clip is None:
            tries.append("a gradient clip of 1")
        if self.config.precision != "32-true":
            tries.append("precision 32-true")
        return f"try {', or '.join(tries)}"

    def _save_state(self) -> None:
        with self.phase("saving"):
            self._write_state()

    def _write_state(self) -> None:
        self._check_weights()
        self._agree()
        if processes.is_rank_zero():
            self._write_state_here()
        self._saved_step = self.progress.step

    def _write_state_here(self) -> None:
        random = {"cpu": torch.get_rng_state()}
        if self.fabric.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": random,
            "adversaries": {term.name: term.state_dict() for term in self.adversaries},
        }
        if self.probe is not None:
            state["probe"] = self.probe.state_dict()
        self.folder.write_state(state, self.progress)

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Count the time of a block as spent on this run."""
        start = time.monotonic()
        yield
        self.progress.seconds += time.monotonic() - start


def _steps_per_epoch(samples: int, size: int) -> int:
    """Leave out a last batch of one image: batch statistics and kernel estimates need two."""
    alone = samples % size == 1 and samples > 1 < size
    return math.ceil(samples / size) - alone


def _values(losses: dict[str, Tensor]) -> Row:
    """Fetch all losses from the device in one transfer."""
    numbers = torch.stack([loss.detach().double() for loss in losses.values()]).tolist()
    return dict(zip(losses, numbers, strict=True))


def _diagnostics_of(term: Term, validation: Row) -> Row:
    """Pick the diagnostics of a term, by their own names."""
    prefix = f"{term.name}_"
    return {
        name.removeprefix(prefix): value
        for name, value in validation.items()
        if name.startswith(prefix)
    }
