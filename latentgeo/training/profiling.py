"""Where the time of a run goes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import perf_counter

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from latentgeo.files import write_atomically, write_text

#: Phases of a step, in their order, and what comes beside the steps.
STEP_PHASES = (
    "data",
    "forward and loss",
    "backward",
    "optimiser",
    "adversaries",
    "probe",
    "replay",
)
OTHER_PHASES = ("pre-training", "validation", "saving")

#: Given the name of a phase, the context that it runs in.
Watch = Callable[[str], AbstractContextManager[None]]

_SKIPPED, _TRACED, _WARMUP = 10, 10, 2
_OPERATORS = 5
_NOTHING = nullcontext()


def unwatched(phase: str) -> AbstractContextManager[None]:
    """Ignore a phase: no clock is read."""
    return _NOTHING


class Profile:
    """Times the phases of a run, and traces ten of its steps after ten others.

    On a GPU every phase waits for the device, so that its time is its own; without a profile
    they overlap. A step that is replayed from a CUDA graph is one phase.

    Parameters
    ----------
    folder : pathlib.Path
        Gets `trace.json.gz`, the trace of torch's profiler, and `summary.txt`, five lines.
    device : torch.device
        Where the run computes.
    steps : int
        How many steps it makes.
    """

    def __init__(self, folder: Path, device: torch.device, steps: int) -> None:
        self.trace, self.summary = folder / "trace.json.gz", folder / "summary.txt"
        self.device = device
        self.seconds = dict.fromkeys((*STEP_PHASES, *OTHER_PHASES), 0.0)
        self.operators: dict[str, float] = {}
        self._steps = 0
        self._traced = min(_TRACED, -(-steps // 2))
        self._skipped = min(_SKIPPED, steps - self._traced)
        self._profiler = self._make_profiler()
        self._beside = 0.0

    def __enter__(self) -> "Profile":
        self._profiler.start()
        self._start = perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        total = perf_counter() - self._start - self._beside
        self._profiler.stop()
        if self._steps:
            write_text(self.summary, self._summarise(total))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of a phase."""
        start = perf_counter()
        with record_function(name):
            yield
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
        self.seconds[name] += perf_counter() - start

    def step(self) -> None:
        """Record the end of a step; the time that tracing takes between steps does not count."""
        start = perf_counter()
        self._steps += 1
        self._profiler.step()
        self._beside += perf_counter() - start

    def _make_profiler(self) -> profile:
        activities = [ProfilerActivity.CPU]
        if self.device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        warmup = min(_WARMUP, self._skipped)
        plan = schedule(wait=self._skipped - warmup, warmup=warmup, active=self._traced, repeat=1)
        return profile(activities=activities, schedule=plan, on_trace_ready=self._keep)

    def _keep(self, profiler: profile) -> None:
        write_atomically(self.trace, lambda path: profiler.export_chrome_trace(str(path)))
        kind = "self_device_time_total" if self.device.type == "cuda" else "self_cpu_time_total"
        # Ranges that were named, ours and those of torch ("ProfilerStep#12"), are no operators.
        self.operators = {
            event.key: getattr(event, kind)
            for event in profiler.key_averages()
            if event.key not in self.seconds and "#" not in event.key
        }

    def _summarise(self, total: float) -> str:
        return summarise(
            self.seconds,
            self.operators,
            total=total,
            steps=self._steps,
            traced=(self._skipped + 1, self._skipped + self._traced),
            trace=self.trace,
        )


def summarise(
    seconds: Mapping[str, float],
    operators: Mapping[str, float],
    *,
    total: float,
    steps: int,
    traced: tuple[int, int],
    trace: Path,
) -> str:
    """Return a summary, in five lines, of where the time went.

    Parameters
    ----------
    seconds : mapping of str to float
        Time of each phase.
    operators : mapping of str to float
        Time of each of torch's operators alone, in any unit.
    total : float
        Seconds of the whole run.
    steps : int
        Steps of it.
    traced : tuple of two int
        First and last step of the trace, from 1.
    trace : pathlib.Path
        Where that lies.

    Returns
    -------
    str
        Five lines.
    """
    within = sum(seconds[name] for name in STEP_PHASES)
    rest = {"the rest": total - sum(seconds.values())}
    largest = dict(sorted(operators.items(), key=lambda each: -each[1])[:_OPERATORS])
    lines = {
        "profile": f"{steps} steps in {total:.1f} s, {1e3 * within / steps:.2f} ms a step",
        "steps": _shares({name: seconds[name] for name in STEP_PHASES}, total),
        "beside": _shares({name: seconds[name] for name in OTHER_PHASES} | rest, total),
        "operators": _shares(largest, sum(operators.values())),
        "trace": f"steps {traced[0]} to {traced[1]} in {trace}; open it in ui.perfetto.dev",
    }
    return "".join(f"{name + ':':<10} {text}\n" for name, text in lines.items())


def _shares(parts: Mapping[str, float], total: float) -> str:
    """Return each part in percent, without those that did not occur."""
    shares = [f"{name} {part / total:.1%}" for name, part in parts.items() if part]
    return ", ".join(shares) or "none"
