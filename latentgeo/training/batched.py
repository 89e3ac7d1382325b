"""Runs that share nets and terms, whose steps are taken as one batched model."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from latentgeo.errors import InputError, reason_of
from latentgeo.objectives import Batch, Pass
from latentgeo.training.draws import OwnDraws, StackedDraws
from latentgeo.training.losses import Losses, Measured, TermWeights, measured, total
from latentgeo.training.micro_batches import keeps_more_than_weights
from latentgeo.training.run import Run
from latentgeo.training.stacks import Stack
from latentgeo.training.step import Steps, descend_probe, follow, set_rates, weights_of

Weights = dict[str, Tensor]


class StackedStep(Steps):
    """Takes the steps of several runs at once, by `torch.vmap` over stacked weights.

    Parameters
    ----------
    runs : sequence of Run
        All at the same step, alike in nets and terms; images, of which there are equally many,
        draws, weights of terms and learning rates are each run's own.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        # The code of the first is run for all, with the weights of each in its nets.
        self._first = runs[0].nets
        self._callable = _CallableNets(self._first.model, self._first.adversaries)
        self._model = Stack([run.nets.model for run in runs])
        self._adversaries = [
            Stack([term.adversary for term in terms])
            for terms in zip(*(run.nets.adversaries for run in runs), strict=True)
        ]
        self._weights = TermWeights(weights_of(runs), runs[0].device)

    def prepare(self) -> None:
        """Set the learning rates and the weights of terms for the next `take`; see `Steps`."""
        for run in self.runs:
            set_rates(run)
        self._weights.write(weights_of(self.runs))

    def take(self, batches: Sequence[Batch]) -> Measured:
        """Take a step of the autoencoders, the adversaries and the probes; see `Steps`."""
        stacks = [self._model, *self._adversaries]
        for stack in stacks:
            stack.zero_grad()
        losses, adversaries, probed = self.measure(batches)
        # Runs and adversaries share no weight, so that each one's gradient is that of its own.
        everything = torch.stack([losses["loss"], *adversaries.values()]).sum()
        weights = [weight for stack in stacks for weight in stack.weights.values()]
        everything.backward(inputs=weights)  # type: ignore[no-untyped-call]
        for stack in stacks:
            stack.share_gradients()
        for run in self.runs:
            follow(run)
            for term in run.nets.adversaries:
                term.step(clip=run.config.gradient_clip)
        probes = [
            descend_probe(run, read, batch)
            for run, read, batch in zip(self.runs, probed.detach(), batches, strict=True)
        ]
        probing = {name: torch.stack([each[name] for each in probes]) for name in probes[0]}
        return measured(losses | adversaries | probing)

    def measure(self, batches: Sequence[Batch]) -> tuple[Losses, Losses, Tensor]:
        """Pass the batches.

        Returns
        -------
        losses, adversaries : dict of str to torch.Tensor of shape (runs,)
            What the autoencoders and the adversaries descend. The adversaries' are of the weights
            before the step: what they look at was decoded before it.
        probed : torch.Tensor of shape (runs, b, ...)
            What probes read.
        """
        given = [batch.images for batch in batches]
        images = seen = _stack_images(given)
        if any(run.batches.corruption is not None for run in self.runs):
            pairs = zip(self.runs, given, strict=True)
            seen = _stack_images([_corrupt(run, own) for run, own in pairs])
        adversaries = [stack.weights for stack in self._adversaries]
        indices = torch.arange(len(self.runs), device=images.device)
        terms, own, probed = torch.vmap(self._measure_one)(
            self._model.weights, adversaries, seen, images, indices
        )
        return total(terms, self._weights.values), own, probed

    def _measure_one(
        self,
        model: Weights,
        adversaries: list[Weights],
        seen: Tensor,
        images: Tensor,
        index: Tensor,
    ) -> tuple[Losses, Losses, Tensor]:
        with StackedDraws([_draws_of(run) for run in self.runs], index):
            fixed = [_detached(weights) for weights in adversaries]
            pass_, terms, probed = self._callable.call(
                self._pass_and_terms, model, fixed, seen, images
            )
            own = self._callable.call(
                self._adversaries_losses, _detached(model), adversaries, pass_.detached(), images
            )
        return terms, own, probed

    def _pass_and_terms(self, seen: Tensor, images: Tensor) -> tuple[Pass, Losses, Tensor]:
        pass_ = self._first.run(seen, None)
        terms = self._first.measure(pass_, Batch(images))
        return pass_, terms, self._first.probed(pass_)

    def _adversaries_losses(self, pass_: Pass, images: Tensor) -> Losses:
        return {
            f"{term.name}_adversary": term.adversary_loss(pass_, Batch(images))
            for term in self._first.adversaries
        }


class _CallableNets(nn.Module):
    """The nets of a run, into which other weights can be put for a call."""

    def __init__(self, model: nn.Module, adversaries: Sequence[Any]) -> None:
        super().__init__()
        self.model = model
        self.adversaries = nn.ModuleList(term.adversary for term in adversaries)

    def forward(self, function: Callable[..., Any], *given: Any) -> Any:
        return function(*given)

    def call(
        self,
        function: Callable[..., Any],
        model: Weights,
        adversaries: Sequence[Weights],
        *given: Any,
    ) -> Any:
        """Call a function while the nets have these weights."""
        weights = {f"model.{name}": weight for name, weight in model.items()}
        for index, each in enumerate(adversaries):
            weights |= {f"adversaries.{index}.{name}": weight for name, weight in each.items()}
        # To look for tied weights takes as long as a small net's pass.
        return functional_call(self, weights, (function, *given), tie_weights=False)


def check_batched(runs: Sequence[Run]) -> None:
    """Refuse runs that cannot be one batched model; nothing is changed.

    Parameters
    ----------
    runs : sequence of Run
        Fresh or restored.

    Raises
    ------
    InputError
        Says what stands in the way.
    """
    reason = (
        _reason_against_batching(runs[0]) or _difference_in_terms(runs) or _failure_of_trial(runs)
    )
    if reason is not None:
        raise InputError(
            f"runs of the {runs[0].config.recipe} cannot be trained at once, for {reason}; "
            "train them one by one"
        )


def _reason_against_batching(run: Run) -> str | None:
    if run.config.precision not in ("32-true", "tf32"):
        return f"precision {run.config.precision!r} does not reach into torch.vmap"
    if run.batches.supervision is not None:
        return "it learns from labels"
    for net in (run.nets.model, *(term.adversary for term in run.nets.adversaries)):
        for module in net.modules():
            if keeps_more_than_weights(module):
                return f"{type(module).__name__} in its nets keeps more than weights"
        if len(list(net.named_parameters(remove_duplicate=False))) > len(list(net.parameters())):
            return "its nets share weights"
    return None


def _difference_in_terms(runs: Sequence[Run]) -> str | None:
    names = [[term.name for term in run.nets.terms] for run in runs]
    if all(each == names[0] for each in names):
        return None
    some = sorted(set().union(*names) - set(names[0]).intersection(*names))
    return f"only some of them have the term {some[0]!r}, of which one leaves out what weighs 0"


def _failure_of_trial(runs: Sequence[Run]) -> str | None:
    """Pass two images of each run, and leave no trace of it."""
    before = [run.draws for run in runs]
    for run in runs:
        run.draws = _draws_of(run).copied()
        run.nets.set_mode(training=True)
    few = np.arange(min(2, len(runs[0].splits.train)))
    try:
        StackedStep(runs).measure(
            [run.batches.training(run.splits.train, few, run.progress.step) for run in runs]
        )
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        sentence = reason_of(error).removeprefix("vmap: ").partition(". ")[0]
        return f"torch.vmap cannot map its terms or nets ({sentence})"
    finally:
        for run, draws in zip(runs, before, strict=True):
            run.draws = draws
    return None


def _draws_of(run: Run) -> OwnDraws:
    assert run.draws is not None
    return run.draws


def _corrupt(run: Run, images: Tensor) -> Tensor:
    with run.drawing():
        return run.batches.corrupt(images)


def _stack_images(images: Sequence[Tensor]) -> Tensor:
    """Stack images with channels last in each, as a run alone has them: draws follow the memory."""
    return torch.stack([each.movedim(1, -1) for each in images]).movedim(-1, 2)


def _detached(weights: Weights) -> Weights:
    return {name: weight.detach() for name, weight in weights.items()}
