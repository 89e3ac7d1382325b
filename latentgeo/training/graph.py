"""A step that is recorded once, as a CUDA graph, and then replayed as a whole.

The kernels of small nets take less time than the host needs to launch them one by one.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Generator, Tensor
from torch.optim import Optimizer

from latentgeo import processes
from latentgeo.errors import InputError, reason_of
from latentgeo.objectives import Batch
from latentgeo.training.losses import Measured
from latentgeo.training.profiling import unwatched
from latentgeo.training.run import Run
from latentgeo.training.step import Steps

# Steps before the recording, in which libraries and optimisers allocate what they keep.
_WARMUP = 3

#: Replays what was recorded.
Replay = Callable[[], Any]
#: Records a function that draws from generators, without computing anything.
Record = Callable[[Callable[[], Measured], Sequence[Generator]], tuple[Replay, Measured]]


def record_cuda(
    function: Callable[[], Measured], generators: Sequence[Generator]
) -> tuple[Replay, Measured]:
    """Record a function on the current stream, which must not be the default one."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    with torch.cuda.graph(
        graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"
    ):
        found = function()
    return graph.replay, found


class GraphedStep(Steps):
    """Takes steps of whole batches by replaying one; others, and the first few, kernel by kernel.

    What cannot be recorded is taken kernel by kernel to the end, with a warning.

    Parameters
    ----------
    steps : Steps
        What takes a step.
    record : callable, default=record_cuda
        What records it.
    """

    def __init__(self, steps: Steps, record: Record = record_cuda) -> None:
        self.runs = steps.runs
        self._steps = steps
        self._record = record
        first = self.runs[0]
        self._size = min(first.config.batch_size, len(first.splits.train))
        self._eager: float = _WARMUP
        self._replay: Replay | None = None

    def prepare(self) -> None:
        """Set the learning rates and the weights of terms for the next `take`; see `Steps`."""
        self._steps.prepare()

    def take(self, batches: Sequence[Batch]) -> Measured:
        """Take a step on one batch of each run; see `Steps`."""
        if len(batches[0].images) < self._size:
            return self._steps.take(batches)
        if self._eager:
            self._eager -= 1
            return self._steps.take(batches)
        if self._replay is None and not self._try_to_record(batches):
            return self._steps.take(batches)
        with self.runs[0].phase("replay"):
            return self._replayed(batches)

    def _replayed(self, batches: Sequence[Batch]) -> Measured:
        for static, batch in zip(self._given, batches, strict=True):
            for kept, new in zip(static.tensors(), batch.tensors(), strict=True):
                kept.copy_(new, non_blocking=True)
        for group, rate in self._rates:
            rate.fill_(group["lr"])
        assert self._replay is not None
        self._replay()
        return self._found._replace(values=self._found.values.clone())

    def _try_to_record(self, batches: Sequence[Batch]) -> bool:
        self._given = [batch.cloned() for batch in batches]
        optimisers = [each for run in self.runs for each in run.nets.optimisers()]
        micro_batches = [run.progress.micro_batch for run in self.runs]
        generators = [
            run.draws.generator
            for run in self.runs
            if run.draws is not None and run.draws.generator is not None
        ]
        try:
            with _recordable(optimisers) as self._rates, _unwatched(self.runs):
                self._replay, self._found = self._record(
                    lambda: self._steps.take(self._given), generators
                )
        except (RuntimeError, InputError) as error:
            # A recording that failed leaves the generators in it; one that ends takes them out.
            with suppress(RuntimeError):
                _record_nothing(self.runs[0].device, generators)
            for run, size in zip(self.runs, micro_batches, strict=True):
                run.progress.micro_batch = size
            self._eager = float("inf")
            warnings.warn(
                f"the step of the {self.runs[0].config.recipe} cannot be recorded as a CUDA graph "
                f"({reason_of(error)}); its kernels are launched one by one, which is slower; "
                "graph=False does so from the start",
                stacklevel=2,
            )
            return False
        return True


def can_be_graphed(run: Run) -> bool:
    """Return whether the steps of a run are to be recorded.

    With float16 the host decides which steps count, and several processes exchange gradients
    outside of the graph.
    """
    return (
        run.config.graph
        and run.device.type == "cuda"
        and run.config.precision != "16-mixed"
        and processes.count() == 1
    )


class OwnStream:
    """A stream of a GPU, beside the default one, on which a step can be recorded.

    Parameters
    ----------
    device : torch.device
        Elsewhere than on a GPU it does nothing.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def used(self) -> Iterator[None]:
        """Compute a block on it, after what was launched before and before what comes after."""
        if self._stream is None:
            yield
            return
        before = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(before)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            before.wait_stream(self._stream)


@contextmanager
def _recordable(
    optimisers: Sequence[Optimizer],
) -> Iterator[list[tuple[dict[str, Any], Tensor]]]:
    """Make optimisers read their rates from tensors within a block; yield groups and tensors."""
    groups = [group for optimiser in optimisers for group in optimiser.param_groups]
    before = [(group["lr"], group["capturable"]) for group in groups]
    rates = []
    for group in groups:
        weight = group["params"][0]
        group["capturable"] = weight.is_cuda
        # The fused kernel of a GPU takes float32.
        dtype = torch.float32 if weight.is_cuda else torch.float64
        group["lr"] = torch.tensor(group["lr"], dtype=dtype, device=weight.device)
        rates.append((group, group["lr"]))
    try:
        yield rates
    finally:
        for group, (rate, capturable) in zip(groups, before, strict=True):
            group["lr"], group["capturable"] = rate, capturable


@contextmanager
def _unwatched(runs: Sequence[Run]) -> Iterator[None]:
    """Ignore phases within a block: to time them one would have to wait for the device."""
    before = [run.phase for run in runs]
    for run in runs:
        run.phase = unwatched
    try:
        yield
    finally:
        for run, phase in zip(runs, before, strict=True):
            run.phase = phase


def _record_nothing(device: torch.device, generators: Sequence[Generator]) -> None:
    if device.type == "cuda":
        record_cuda(lambda: Measured((), torch.zeros((), device=device)), generators)
