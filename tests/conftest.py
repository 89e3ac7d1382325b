"""Fixtures that more than one folder of tests uses."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

# The problems here are small: threads that wait for each other make them many times slower on a
# busy machine. It has to be said before torch and numpy load, and subprocesses inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch


def pytest_collection_modifyitems(items):
    """Skip tests on real files where there are none; LATENTGEO_NO_SKIP=1 lets them fail."""
    _skip_without_pythae(items)
    _skip_without_gpu(items)
    if _data_folder() is not None or os.environ.get("LATENTGEO_NO_SKIP") == "1":
        return
    skip = pytest.mark.skip(reason="LATENTGEO_DATA does not name a folder with mnist/ in it")
    for item in items:
        if "real_data" in item.keywords:
            item.add_marker(skip)


def _skip_without_gpu(items):
    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="no GPU that speaks CUDA here")
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real data files; only for tests marked `real_data`."""
    folder = _data_folder()
    assert folder is not None, "LATENTGEO_DATA does not name a folder with mnist/ in it"
    return folder


@pytest.fixture(scope="session")
def foreign_checkpoints() -> Path:
    """Return the folder of checkpoints that others trained; only for tests marked `real_data`.

    LATENTGEO_CHECKPOINTS names it; it lies beside the data if that is not set.
    """
    named = os.environ.get("LATENTGEO_CHECKPOINTS")
    data = _data_folder()
    folder = Path(named) if named else data.parent / "checkpoints" if data is not None else None
    if folder is None or not folder.is_dir():
        say = pytest.fail if os.environ.get("LATENTGEO_NO_SKIP") == "1" else pytest.skip
        say("LATENTGEO_CHECKPOINTS does not name a folder of checkpoints")
    return folder


@pytest.fixture(scope="session")
def two_processes():
    """Return a function that runs a script, with arguments, in two processes under torchrun."""

    def run(*arguments):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", "2", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture
def two_threads():
    """Let torch have two threads in the test, whatever it has elsewhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _skip_without_pythae(items):
    # It asks for a backport of a part of Python, so CI installs it last, and alone for these.
    if importlib.util.find_spec("pythae") is not None:
        return
    skip = pytest.mark.skip(reason="pythae is not installed (latentgeo[pythae])")
    for item in items:
        if "pythae" in item.keywords:
            item.add_marker(skip)


def _data_folder() -> Path | None:
    named = os.environ.get("LATENTGEO_DATA")
    if named and (Path(named) / "mnist").is_dir():
        return Path(named)
    return None


@pytest.fixture
def run_cli(capsys):
    """Return a function that runs a command: its exit code, and what it printed."""
    from latentgeo.cli import main

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return left.value.code, output.out, output.err

    return run
