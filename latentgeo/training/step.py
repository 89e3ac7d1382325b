"""The step of one run: the autoencoder descends its terms, then each adversary its own."""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from latentgeo import processes
from latentgeo.errors import InputError
from latentgeo.objectives import Batch, Pass, Term
from latentgeo.training.losses import Losses, Measured, TermWeights, measured, total
from latentgeo.training.micro_batches import MicroBatch, join, reason_against_micro_batches, split
from latentgeo.training.run import Run


class Steps(ABC):
    """What takes the steps of some runs that all stand at the same step.

    Attributes
    ----------
    runs : sequence of Run
        The runs.
    """

    runs: Sequence[Run]

    @abstractmethod
    def prepare(self) -> None:
        """Set the learning rates and the weights of terms for the next `take`."""

    @abstractmethod
    def take(self, batches: Sequence[Batch]) -> Measured:
        """Take a step, without waiting for the device.

        Parameters
        ----------
        batches : sequence of Batch
            One of each run, of equally many images.

        Returns
        -------
        Measured
            The losses before the step, on the device.
        """

    def descend(self, batches: Sequence[Batch]) -> Measured:
        """Prepare and take a step; see `take`."""
        self.prepare()
        return self.take(batches)


class Step(Steps):
    """Takes the steps of a run.

    Where `torchrun` started several processes, each takes the same step, and they share the work
    of the nets.

    Parameters
    ----------
    runs : sequence of Run
        The run.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        (self.run,) = runs
        self._weights = TermWeights(weights_of(runs), self.run.device)

    def prepare(self) -> None:
        """Set the learning rates and the weights of terms for the next `take`; see `Steps`."""
        set_rates(self.run)
        self._weights.write(weights_of(self.runs))

    def take(self, batches: Sequence[Batch]) -> Measured:
        """Take a step of the autoencoder, the adversaries and the probe; see `Steps`."""
        (batch,) = batches
        pass_, losses = self._differentiate(batch)
        probe = descend_probe(self.run, self.run.nets.probed(pass_), batch)
        with self.run.phase("optimiser"):
            follow(self.run)
        adversaries = self._descend_adversaries(pass_, batch)
        return measured(losses | adversaries | probe)

    def _differentiate(self, batch: Batch) -> tuple[Pass, Losses]:
        """Compute the gradients of the weights, in micro-batches where memory is short."""
        before = self.run.progress.micro_batch
        while (found := self._try_to_differentiate(batch)) is None:
            self._halve(len(batch.images))
        if self.run.progress.micro_batch != before:
            self._warn_of_micro_batches()
        self.run.nets.sharded.sum_gradients()
        return found

    def _try_to_differentiate(self, batch: Batch) -> tuple[Pass, Losses] | None:
        """Return None when the memory of the device is too small."""
        self.run.nets.optimiser.zero_grad()
        try:
            return join(
                [
                    self._differentiate_part(part, len(part.images) / len(batch.images))
                    for part in split(batch, self.run.progress.micro_batch)
                ]
            )
        except torch.OutOfMemoryError:
            # The next try begins after this error is gone, which holds what filled the memory.
            return None

    def _differentiate_part(self, batch: Batch, share: float) -> MicroBatch:
        with self.run.phase("forward and loss"):
            pass_ = self.run.nets.run(self.run.batches.corrupt(batch.images), batch.labels)
            losses = self._losses(pass_, batch)
        with self.run.phase("backward"):
            loss = losses["loss"] if share == 1 else share * losses["loss"]
            self.run.nets.arithmetic.backward(loss)
        detached = {name: loss.detach() for name, loss in losses.items()}
        return MicroBatch(share, pass_.detached(), detached)

    def _losses(self, pass_: Pass, batch: Batch) -> Losses:
        return total(self.run.nets.measure(pass_, batch), self._weights.values[0])

    def _halve(self, images: int) -> None:
        """Halve the number of images that the next try passes at once."""
        run, device = self.run, self.run.device.type
        size = min(run.progress.micro_batch or images, images)
        if processes.count() > 1:
            # The others did not run out, and wait for this one in the midst of the pass.
            raise InputError(
                f"out of memory on {device!r} with {size} images at once, shared by "
                f"{processes.count()} processes; start more of them, or set a smaller batch_size"
            )
        reason = reason_against_micro_batches(run.nets.model, run.nets.terms)
        if reason is not None:
            raise InputError(
                f"out of memory on {device!r} with {size} images at once, and the "
                f"{run.config.recipe} cannot take a batch in parts, for {reason}; "
                "set a smaller batch_size"
            )
        if size == 1:
            raise InputError(
                f"out of memory on {device!r} with a single image; use smaller nets or images, "
                "or device 'cpu'"
            )
        run.progress.micro_batch = math.ceil(size / 2)

    def _warn_of_micro_batches(self) -> None:
        progress = self.run.progress
        warnings.warn(
            f"a batch of {self.run.config.batch_size} images does not fit into the memory of "
            f"{self.run.device.type!r}: from step {progress.step + 1} on it is taken in "
            f"parts of {progress.micro_batch}, and their gradients are added up, so that it "
            "stays the same batch",
            stacklevel=2,
        )

    def _descend_adversaries(self, pass_: Pass, batch: Batch) -> Losses:
        run, losses = self.run, {}
        for term in run.nets.adversaries:
            with run.phase("adversaries"):
                loss = term.descend(pass_, batch, clip=run.config.gradient_clip)
            losses[f"{term.name}_adversary"] = loss
        return losses


def weights_of(runs: Sequence[Run]) -> list[list[float]]:
    """Return the weight of every term of each run at its present step."""
    return [run.nets.weights_at(run.done) for run in runs]


def set_rates(run: Run) -> None:
    """Set the learning rates of autoencoder and adversaries for the present step."""
    factor = run.learning_rate_factor()
    run.nets.optimiser.param_groups[0]["lr"] = run.config.learning_rate * factor
    for term in run.nets.adversaries:
        term.set_rate(factor)


def follow(run: Run) -> None:
    """Take the step of the autoencoder that its gradients ask for."""
    run.nets.arithmetic.step(run.nets.optimiser, run.config.gradient_clip)


def descend_probe(run: Run, probed: Tensor, batch: Batch) -> Losses:
    """Take a step of the probe, where there is one."""
    if run.nets.probe is None or batch.probe_labels is None:
        return {}
    with run.phase("probe"):
        return {"probe": run.nets.probe.descend(probed, batch.probe_labels)}


def pretrain(run: Run) -> None:
    """Descend what the encoder learns first, with an optimiser of its own."""
    if run.pretraining is not None:
        with run.phase("pre-training"):
            _pretrain(run, *run.pretraining)
    run.progress.prepared = True


def _pretrain(run: Run, term: Term, steps: int) -> None:
    nets, model, optimiser = run.nets, run.nets.model, run.nets.adam()
    nets.set_mode(training=True)
    for batch in run.batches.pretraining(steps):
        posterior = model.posterior(run.batches.corrupt(batch.images))
        loss = term(Pass(posterior, posterior.sample(), batch.images, model), batch)
        (row,) = measured({term.name: loss}).rows()
        run.check_finite(row)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nets.sharded.sum_gradients()
        optimiser.step()
    optimiser.zero_grad()
