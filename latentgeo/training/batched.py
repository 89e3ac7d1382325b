"""Runs that share nets and terms, trained as one batched model."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from latentgeo.errors import InputError, TrainingDivergedError, reason_of
from latentgeo.objectives import Batch, Pass, Posterior
from latentgeo.training.data import Images
from latentgeo.training.draws import MemberDraws, RandomState
from latentgeo.training.loop import Loop, OnStep
from latentgeo.training.memory import freed_memory_kept
from latentgeo.training.micro_batches import keeps_more_than_weights
from latentgeo.training.progress import Progress, Row
from latentgeo.training.run_folder import Facts
from latentgeo.training.stacks import Stack

Weights = dict[str, Tensor]
#: What is measured in a step, by name.
Losses = dict[str, Tensor]


class Member(Loop):
    """A run whose steps are made together with those of others; all else is its own.

    Takes what `Loop` does. Its draws continue torch's global ones as they stand.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.random = RandomState(self.fabric.device)

    def restore(self, state: Facts, progress: Progress) -> None:
        """Take up a saved state; see `Loop`."""
        with self.random.drawing():
            super().restore(state, progress)

    def prepare(self) -> None:
        """Descend what comes before the first epoch, unless it is done."""
        if self.progress.prepared:
            return
        with self.random.drawing(), self.clock():
            self._pretrain()
        self.save()

    def save(self) -> None:
        """Save the state."""
        with self.random.drawing():
            self._save_state()

    def close_epoch(self) -> None:
        """Validate and keep the best, where the epoch is at its end."""
        with self.random.drawing():
            self._close_epoch()

    @property
    def epoch_is_done(self) -> bool:
        """Whether no batch of the present epoch is left."""
        return self.progress.batch == self.steps_per_epoch

    @property
    def saves_now(self) -> bool:
        """Whether the state is to be saved at the present step, within the epoch."""
        return not self.epoch_is_done and self.progress.step % self.config.checkpoint_steps == 0

    def positions_left(self) -> list[NDArray[np.int64]]:
        """Give the positions of each batch that is left in the present epoch."""
        return list(self._batches(self.progress.epoch, self.progress.batch))

    def batch(self, images: Images, positions: NDArray[np.int64]) -> Batch:
        """Give a batch of images of the present epoch, with the labels for the probe."""
        return self._show_to_probe(self._batch(images, positions), self.splits.train, positions)

    def corrupted(self, images: Tensor) -> Tensor:
        """Give what the encoder sees."""
        if self.corruption is None:
            return images
        with self.random.drawing():
            return self._corrupt(images)

    def pass_and_terms(self, seen: Tensor, images: Tensor) -> tuple[Pass, Losses]:
        """Pass what the encoder sees, and measure every term, unweighted."""
        pass_: Pass = self._run_model(seen, None)
        return pass_, self._measure_terms(pass_, Batch(images))

    def weights_of_terms(self) -> list[float]:
        """Give the weight of every term at the present step."""
        return [term.weight_at(self.progress.step / self.total_steps) for term in self.terms]

    def adversaries_losses(self, pass_: Pass, images: Tensor) -> Losses:
        """Measure what each adversary descends."""
        return {
            f"{term.name}_adversary": term.adversary_loss(pass_, Batch(images))
            for term in self.adversaries
        }

    def descend_probe(self, mean: Tensor, batch: Batch) -> Row:
        """Take a step of the probe, if there is one, on the posterior's mean."""
        return self._descend_probe(Pass(Posterior(mean), mean, mean), batch)

    def _diverged(self, what: str) -> TrainingDivergedError:
        alone = super()._diverged(what)
        return TrainingDivergedError(f"{self.folder.path.name}: {alone}; all runs have stopped")


class BatchedLoop:
    """Trains members as one batched model.

    Each member gives its images, draws, validation and state as its own run would; the step is
    made for all at once, by `torch.vmap` over stacked weights.

    Parameters
    ----------
    members : sequence of Member
        Alike in nets and terms; images, of which there are equally many, draws, weights of terms
        and learning rates are each member's own.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members

    @freed_memory_kept()
    def run(self, on_step: OnStep, on_epoch: Callable[[Member], None]) -> None:
        """Train all members from where they stand to the end.

        Those that are behind (a kill came between the states of two members) go first, until
        they are where the next one is.

        Parameters
        ----------
        on_step : callable
            Called after each step with the progress of one member and the mean losses.
        on_epoch : callable
            Called for each member after its epoch, before its state is saved.

        Raises
        ------
        TrainingDivergedError
            When a loss or a weight of a member is no longer finite: it says of which run. The
            earlier checkpoints of all are whole.
        """
        for member in self.members:
            member.prepare()
        while left := [member for member in self.members if not member.progress.finished]:
            steps = sorted({member.progress.step for member in left})
            group = [member for member in left if member.progress.step == steps[0]]
            with ExitStack() as clocks:
                for member in group:
                    clocks.enter_context(member.clock())
                self._descend(group, steps[1] if len(steps) > 1 else None, on_step)
                closing = [member for member in group if member.epoch_is_done]
                for member in closing:
                    member.close_epoch()
            for member in closing:
                on_epoch(member)
                member.save()

    def _descend(self, group: Sequence[Member], until: int | None, on_step: OnStep) -> None:
        """Descend to the end of the epoch, or to the step `until`."""
        stacked, first = StackedStep(group), group[0]
        images = [member.splits.train.at_epoch(member.progress.epoch) for member in group]
        for positions in zip(*(member.positions_left() for member in group), strict=True):
            batches = [
                member.batch(own, chosen)
                for member, own, chosen in zip(group, images, positions, strict=True)
            ]
            losses = stacked.descend(batches)
            for member, own, batch in zip(group, losses, batches, strict=True):
                member.progress.add(own, len(batch.images))
            on_step(first.progress, _means(losses))
            if first.progress.step == until:
                break
            if first.saves_now:
                stacked.write_back()
                for member in group:
                    member.save()
        stacked.write_back()


class StackedStep:
    """The step of several members at once.

    Parameters
    ----------
    members : sequence of Member
        All at the same step.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        for member in members:
            member.set_mode(training=True)
        self._members = members
        # The code of the first is run for all, with the weights of each in its nets.
        self._first = members[0]
        self._nets = _Nets(self._first)
        self._model = Stack(
            [member.model for member in members], [member.optimiser for member in members]
        )
        self._adversaries = [
            Stack([term.adversary for term in terms], [term.optimiser for term in terms])
            for terms in zip(*(member.adversaries for member in members), strict=True)
        ]

    def descend(self, batches: Sequence[Batch]) -> list[Row]:
        """Take a step of the autoencoders, the adversaries and the probes.

        Parameters
        ----------
        batches : sequence of Batch
            One of each member, of equally many images.

        Returns
        -------
        list of dict
            Each member's losses, before the step.
        """
        stacks = [self._model, *self._adversaries]
        for stack in stacks:
            stack.zero_grad()
        losses, adversaries_losses, means = self.measure(batches)
        rows = _values(losses | adversaries_losses)
        for member, row in zip(self._members, rows, strict=True):
            member.check_finite(row)
        # Members and adversaries share no weight, so that each one's gradient is that of its own.
        total = torch.stack([losses["loss"], *adversaries_losses.values()]).sum()
        weights = [weight for stack in stacks for weight in stack.weights.values()]
        self._first.fabric.backward(total, inputs=weights)
        self._step()
        probed = [
            member.descend_probe(mean, batch)
            for member, mean, batch in zip(self._members, means.detach(), batches, strict=True)
        ]
        return [row | more for row, more in zip(rows, probed, strict=True)]

    def measure(self, batches: Sequence[Batch]) -> tuple[Losses, Losses, Tensor]:
        """Pass the batches.

        Returns
        -------
        losses, adversaries_losses : dict of str to torch.Tensor of shape (members,)
            What the autoencoders and the adversaries descend. The adversaries' are of the weights
            before the step: what they look at was decoded before it.
        means : torch.Tensor of shape (members, b, C, H, W)
            The posteriors' means.
        """
        adversaries = [stack.weights for stack in self._adversaries]
        members = torch.arange(len(self._members), device=self._first.fabric.device)
        given = [batch.images for batch in batches]
        images = seen = _stack_images(given)
        if any(member.corruption is not None for member in self._members):
            pairs = zip(self._members, given, strict=True)
            seen = _stack_images([member.corrupted(own) for member, own in pairs])
        terms, adversaries_losses, means = torch.vmap(self._measure_one)(
            self._model.weights, adversaries, seen, images, members
        )
        return {"loss": self._weigh(terms), **terms}, adversaries_losses, means

    def _weigh(self, terms: Losses) -> Tensor:
        """Give the sum of each member's terms, at its own weights."""
        values = torch.stack(list(terms.values()), dim=1)
        weights = [member.weights_of_terms() for member in self._members]
        return (values * torch.tensor(weights, device=values.device)).sum(dim=1)

    def write_back(self) -> None:
        """Give each member its weights and its optimisers' states."""
        for stack in (self._model, *self._adversaries):
            stack.write_back()

    def _measure_one(
        self,
        model: Weights,
        adversaries: list[Weights],
        seen: Tensor,
        images: Tensor,
        member: Tensor,
    ) -> tuple[Losses, Losses, Tensor]:
        first = self._first
        with MemberDraws([each.random for each in self._members], member):
            fixed = [_detached(weights) for weights in adversaries]
            pass_, terms = self._nets.call(first.pass_and_terms, model, fixed, seen, images)
            own = self._nets.call(
                first.adversaries_losses, _detached(model), adversaries, pass_.detached(), images
            )
        return terms, own, pass_.posterior.mean

    def _step(self) -> None:
        clips = [member.config.gradient_clip for member in self._members]
        self._model.step([member.learning_rate() for member in self._members], clips)
        factors = [member.learning_rate_factor() for member in self._members]
        for place, stack in enumerate(self._adversaries):
            own = [member.adversaries[place].learning_rate for member in self._members]
            stack.step([rate * factor for rate, factor in zip(own, factors, strict=True)], clips)


class _Nets(nn.Module):
    """The nets of a member, into which other weights can be put for a call."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.model = member.model
        self.adversaries = nn.ModuleList(term.adversary for term in member.adversaries)

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
        for place, each in enumerate(adversaries):
            weights |= {f"adversaries.{place}.{name}": weight for name, weight in each.items()}
        # To look for tied weights takes as long as a small net's pass.
        return functional_call(self, weights, (function, *given), tie_weights=False)


def check_batched(members: Sequence[Member]) -> None:
    """Refuse runs that cannot be one batched model; nothing is changed.

    Parameters
    ----------
    members : sequence of Member
        Fresh or restored.

    Raises
    ------
    InputError
        Says what stands in the way.
    """
    reason = _why_not_batched(members[0]) or _why_not_alike(members) or _why_a_try_fails(members)
    if reason is not None:
        raise InputError(
            f"runs of the {members[0].config.recipe} cannot be trained at once, for {reason}; "
            "train them one by one"
        )


def _why_not_batched(member: Member) -> str | None:
    if member.config.precision != "32-true":
        return f"precision {member.config.precision!r} does not reach into torch.vmap"
    if member.supervision is not None:
        return "it learns from labels"
    for net in (member.model, *(term.adversary for term in member.adversaries)):
        for module in net.modules():
            if keeps_more_than_weights(module):
                return f"{type(module).__name__} in its nets keeps more than weights"
        if len(list(net.named_parameters(remove_duplicate=False))) > len(list(net.parameters())):
            return "its nets share weights"
    return None


def _why_not_alike(members: Sequence[Member]) -> str | None:
    names = [[term.name for term in member.terms] for member in members]
    if all(each == names[0] for each in names):
        return None
    some = sorted(set().union(*names) - set(names[0]).intersection(*names))
    return f"only some of them have the term {some[0]!r}, of which one leaves out what weighs 0"


def _why_a_try_fails(members: Sequence[Member]) -> str | None:
    """Pass two images of each member, and leave no trace of it."""
    states = [copy(member.random) for member in members]
    few = np.arange(min(2, len(members[0].splits.train)))
    try:
        StackedStep(members).measure([each.batch(each.splits.train, few) for each in members])
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        sentence = reason_of(error).removeprefix("vmap: ").partition(". ")[0]
        return f"torch.vmap cannot map its terms or nets ({sentence})"
    finally:
        for member, state in zip(members, states, strict=True):
            member.random = state
    return None


def _stack_images(images: Sequence[Tensor]) -> Tensor:
    """Stack images with channels last in each, as a run alone has them: draws follow the memory."""
    return torch.stack([each.movedim(1, -1) for each in images]).movedim(-1, 2)


def _detached(weights: Weights) -> Weights:
    return {name: weight.detach() for name, weight in weights.items()}


def _values(losses: Losses) -> list[Row]:
    """Fetch the losses of all members from the device in one transfer."""
    table = torch.stack([loss.detach().double() for loss in losses.values()], dim=1).tolist()
    return [dict(zip(losses, row, strict=True)) for row in table]


def _means(rows: Sequence[Row]) -> Row:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
