"""The processes of one job, where `torchrun` started several; one alone goes through unchanged.

PyTorch is imported when it is needed, for the command line asks here who may speak.
"""

import atexit
import errno
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    redirect_stderr,
    redirect_stdout,
    suppress,
)
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from latentgeo.errors import InputError, ProcessesError, reason_of
from latentgeo.locks import lock

T = TypeVar("T")

# torchrun ends all processes when one dies, so whoever waits for another waits for work.
_PATIENCE = timedelta(days=7)
_LOCK = ".lock"


def count() -> int:
    """Return the number of processes; 1 unless `torchrun` started this one."""
    return int(os.environ["WORLD_SIZE"]) if _launched() else 1


def rank() -> int:
    """Return the rank of this process, from 0."""
    return int(os.environ["RANK"]) if _launched() else 0


def local_count() -> int:
    """Return the number of processes on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if _launched() else 1


def local_rank() -> int:
    """Return the rank of this process among those on this machine."""
    return int(os.environ["LOCAL_RANK"]) if _launched() else 0


def is_rank_zero() -> bool:
    """Return whether this is the rank-zero process, which writes and prints for all."""
    return rank() == 0


def join() -> None:
    """Join the other processes, before anything else here; nothing happens the second time."""
    if count() == 1:
        return
    import torch

    # Its functions keep, as a default, the group that there is when they are imported: were that
    # later, ours would live as long as they do, and so to the end of Python.
    import torch.distributed.nn
    from torch import distributed

    if distributed.is_initialized():
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(local_rank() % torch.cuda.device_count())
    with as_processes_error():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=_PATIENCE)
    # Threads of the group that still run while Python goes can abort a process that is done.
    atexit.register(_leave)


def _leave() -> None:
    """Leave the other processes, whatever their state."""
    from torch import distributed

    if distributed.is_initialized():
        with suppress(RuntimeError):
            distributed.destroy_process_group()


def on_rank_zero(do: Callable[[], T]) -> T:
    """Run a function on the rank-zero process, and return its result in all.

    Parameters
    ----------
    do : callable
        What it returns is pickled.

    Returns
    -------
    object
        What it returned on the rank-zero process.

    Raises
    ------
    InputError, OSError
        What it raised, in every process.
    """
    if count() == 1:
        return do()
    given, error = None, None
    if is_rank_zero():
        try:
            given = do()
        except (InputError, OSError) as caught:
            error = caught
    given, error = from_rank_zero((given, error))
    if error is not None:
        raise error
    return given  # type: ignore[return-value] # rank zero has set it


def from_rank_zero(value: T) -> T:
    """Return the value of the rank-zero process."""
    if count() == 1:
        return value
    from torch import distributed

    carried: list[Any] = [value]
    with as_processes_error():
        distributed.broadcast_object_list(carried, src=0)
    given: T = carried[0]
    return given


def check_same(value: object, what: str) -> None:
    """Raise `InputError` in every process unless all have the same value."""
    values = _from_all(value)
    other = next((each for each in range(count()) if values[each] != values[0]), None)
    if other is not None:
        raise InputError(
            f"process {other} of {count()} has {what} {values[other]!r}, the first one "
            f"{values[0]!r}; give all machines the same"
        )


def wait() -> None:
    """Wait for the other processes to come here."""
    _from_all(None)


def check_visible(folder: Path, way_out: str) -> None:
    """Raise `InputError` in every process unless all see a folder that rank zero made."""
    seen = _from_all(folder.is_dir())
    if not all(seen):
        raise InputError(
            f"process {seen.index(False)} of {count()} does not see the folder {str(folder)!r} of "
            f"the first one; {way_out}"
        )


@contextmanager
def shared_folder(prefix: str) -> Iterator[Path]:
    """Yield one temporary folder to all processes; `InputError` where one does not see it."""
    with ExitStack() as held:
        folder = on_rank_zero(lambda: held.enter_context(_temporary_folder(prefix)))
        check_visible(
            folder, "let the environment variable TMPDIR name one that all machines share"
        )
        yield folder
        wait()


@contextmanager
def _temporary_folder(prefix: str) -> Iterator[Path]:
    """Yield a folder of temporary files; what killed processes left of theirs is removed."""
    place = Path(tempfile.gettempdir())
    for left in place.glob(f"{prefix}*{_LOCK}"):
        with suppress(OSError), lock(left) as free:  # others' are none of ours
            if free:
                shutil.rmtree(left.with_suffix(""), ignore_errors=True)
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=_LOCK)
    os.close(handle)
    folder = Path(name).with_suffix("")
    with lock(Path(name)) as held:
        if not held:
            raise BlockingIOError(errno.EAGAIN, "Another process took it", name)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held_by_rank_zero(make: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Run a block within a context that the rank-zero process enters for all.

    Raises
    ------
    InputError, OSError
        What entering it raised, in every process.
    """
    with ExitStack() as held:
        on_rank_zero(lambda: held.enter_context(make()))
        yield


@contextmanager
def machine_by_machine() -> Iterator[None]:
    """Run a block on one process of each machine first, so that files are fetched once."""
    if local_rank() != 0:
        wait()
    try:
        yield
    finally:
        if local_rank() == 0:
            wait()


def share(items: Sequence[T]) -> Sequence[T]:
    """Return the items of this process; those of all processes together are all."""
    return items[rank() :: count()]


def do_all(tasks: Sequence[Callable[[], T]], *, at_once: int = 1) -> list[T]:
    """Run tasks, distributed over the processes, and return all results in each.

    Parameters
    ----------
    tasks : sequence of callable
        The same in every process; what they return is pickled.
    at_once : int, default=1
        How many of them one process alone may do at a time, on threads.

    Returns
    -------
    list
        What each returned, in their order.

    Raises
    ------
    Exception
        That of the first task that failed, in every process.
    """
    if count() == 1:
        return _here(tasks, at_once)
    done = _from_all([_tried(task) for task in share(tasks)])
    together = [done[number % count()][number // count()] for number in range(len(tasks))]
    for _, error in together:
        if error is not None:
            raise error
    return [value for value, _ in together]


def do_own(task: Callable[[], None]) -> None:
    """Run a task on every process, and wait for all; raises what `do_all` does."""
    do_all([task] * count())


@contextmanager
def rank_zero_warns() -> Iterator[None]:
    """Show the warnings of the rank-zero process only, for the others have the same."""
    if is_rank_zero():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def rank_zero_prints() -> Iterator[None]:
    """Show what the rank-zero process prints only."""
    if is_rank_zero():
        yield
        return
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def report_to_launcher(message: str) -> None:
    """Leave an error where `torchrun` looks for the reason why a process ended."""
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if _launched() and file:
        content = json.dumps({"message": message, "timestamp": int(time.time())})
        Path(file).write_text(content, encoding="utf-8")


@contextmanager
def as_processes_error() -> Iterator[None]:
    """Raise a `ProcessesError` of one line where another process is gone."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ProcessesError(
            f"process {rank()} of {count()} lost the others ({reason_of(error)}); a training run "
            "continues from its last state with --resume (resume=True)"
        ) from None


def _launched() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def _here(tasks: Sequence[Callable[[], T]], at_once: int) -> list[T]:
    import torch

    from latentgeo.threads import side_by_side

    threads = min(at_once, len(tasks), torch.get_num_threads())
    if threads <= 1:
        return [task() for task in tasks]
    return side_by_side(lambda task: task(), tasks, threads)


def _tried(task: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return task(), None
    except ProcessesError:
        raise
    except Exception as error:  # whatever it is, the others shall not wait for it
        return None, error


def _from_all(value: T) -> list[T]:
    if count() == 1:
        return [value]
    from torch import distributed

    values: list[Any] = [None] * count()
    with as_processes_error():
        distributed.all_gather_object(values, value)
    return values
