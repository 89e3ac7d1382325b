import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session", autouse=True)
def benchmarks():
    """Make what benchmarks share importable: they are scripts, not a package."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def load_benchmark():
    """Return a function that loads a script, under a name that no other module has."""
    loaded = []

    def load(script):
        spec = importlib.util.spec_from_file_location(
            f"{script}_benchmark", BENCHMARKS / f"{script}.py"
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        loaded.append(spec.name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in loaded:
        del sys.modules[name]
