"""Load the exact geometry, which lies beside."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def exact():
    """Return the module `exact`."""
    spec = importlib.util.spec_from_file_location("exact", Path(__file__).parent / "exact.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
