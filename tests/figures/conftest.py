"""Fixtures of the figures' tests."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def synthetic():
    """Return the module that makes synthetic analyses."""
    spec = importlib.util.spec_from_file_location(
        "synthetic_analysis", Path(__file__).with_name("make_tree.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", params=[1, 3, 8], ids=lambda count: f"{count}-models")
def tree(request, synthetic):
    """Return analyses of one, three and eight models; the fourth has vector latents."""
    return synthetic.make_tree(request.param)


@pytest.fixture(scope="session")
def three(synthetic):
    """Return an analysis of three models."""
    return synthetic.make_tree(3)


@pytest.fixture(scope="session")
def vectors(synthetic):
    """Return an analysis of one model with vector latents."""
    return synthetic.make_tree(8, only=["CAE-MLP"])
