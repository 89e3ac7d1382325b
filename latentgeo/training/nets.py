"""All that has weights in a run."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from latentgeo.models import Autoencoder, objective
from latentgeo.objectives import AdversarialTerm, Batch, Pass
from latentgeo.training.config import TrainConfig
from latentgeo.training.data import Splits
from latentgeo.training.losses import Losses
from latentgeo.training.precision import Arithmetic
from latentgeo.training.probe import make_probe
from latentgeo.training.sharded import ShardedNets, take_from_rank_zero


class Nets:
    """The model with its terms, the adversaries and the probe, each with its optimiser.

    Parameters
    ----------
    config : TrainConfig
        Rates, precision, and whether there is a probe.
    model : Autoencoder
        Moved to the device.
    splits : Splits
        Their labels say how many classes a probe has.
    device : torch.device
        The device to compute on.
    """

    def __init__(
        self, config: TrainConfig, model: Autoencoder, splits: Splits, device: torch.device
    ) -> None:
        self._config = config
        self.model = model.on(device)
        self.terms = objective(model)
        self.adversaries = [term for term in self.terms if isinstance(term, AdversarialTerm)]
        self.probe = make_probe(model, splits, config.probe_rate) if config.probe else None
        for own in (*self.adversaries, *([self.probe] if self.probe else ())):
            own.to(device)
        self.optimiser = self.adam()
        self.arithmetic = Arithmetic(config.precision, device)
        self.sharded = ShardedNets(model)

    def adam(self) -> Adam:
        """Return a fresh optimiser of the model: one pass over the weights in place of ten."""
        betas = (self._config.beta1, 0.999)
        return Adam(self.model.parameters(), lr=self._config.learning_rate, betas=betas, fused=True)

    def optimisers(self) -> list[Optimizer]:
        """Return the optimisers of all nets."""
        probes = [] if self.probe is None else [self.probe.optimiser]
        return [self.optimiser, *(term.optimiser for term in self.adversaries), *probes]

    def run(self, seen: Tensor, labels: Tensor | None) -> Pass:
        """Return the pass of what the encoder sees."""
        return self.arithmetic.run(self.model, seen, labels)

    def probed(self, pass_: Pass) -> Tensor:
        """Return what a probe reads; the mean where there is none.

        Not what was decoded: into that a recipe may have put the label.
        """
        return pass_.posterior.mean if self.probe is None else pass_.probed

    def measure(self, pass_: Pass, batch: Batch) -> Losses:
        """Return every term, unweighted."""
        return {term.name: term(pass_, batch) for term in self.terms}

    def weights_at(self, done: float) -> list[float]:
        """Return the weight of every term when a share of the training is done."""
        return [term.weight_at(done) for term in self.terms]

    def set_mode(self, *, training: bool) -> None:
        """Set all nets to training mode or to evaluation mode."""
        for net in (self.model, *(term.adversary for term in self.adversaries)):
            net.train(training)

    def agree(self) -> None:
        """Copy the weights of the rank-zero process to all, bit by bit."""
        take_from_rank_zero([each for net in self._all() for each in net.state_dict().values()])

    def are_finite(self) -> bool:
        """Return whether every weight is finite."""
        weights = [weight for net in self._all() for weight in net.parameters()]
        return bool(torch.stack([weight.isfinite().all() for weight in weights]).all())

    def state_dict(self) -> dict[str, Any]:
        """Return all weights and the optimisers' states."""
        adversaries = {term.name: term.state_dict() for term in self.adversaries}
        state = {
            "model": _copied(self.model.state_dict()),
            "optimiser": self.optimiser.state_dict(),
            "adversaries": {
                name: {**each, "adversary": _copied(each["adversary"])}
                for name, each in adversaries.items()
            },
        }
        if self.probe is not None:
            state["probe"] = self.probe.state_dict()
        if self.arithmetic.scaler is not None:
            state["scaler"] = self.arithmetic.scaler.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        for term in self.adversaries:
            term.load_state_dict(state["adversaries"][term.name])
        if self.probe is not None:
            self.probe.load_state_dict(state["probe"])
        if self.arithmetic.scaler is not None and "scaler" in state:
            self.arithmetic.scaler.load_state_dict(state["scaler"])

    def _all(self) -> list[nn.Module]:
        nets = [self.model, *(term.adversary for term in self.adversaries)]
        return nets if self.probe is None else [*nets, self.probe.layer]


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy weights, for of a view of a stack torch.save would write the whole stack."""
    return {name: weight.clone() for name, weight in weights.items()}
