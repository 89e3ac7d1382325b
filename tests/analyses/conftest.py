import sys
from pathlib import Path

import pytest

ANALYSES = Path(__file__).parents[2] / "analyses"


@pytest.fixture(scope="session", autouse=True)
def analyses():
    """Make the studies importable: they are scripts, not a package."""
    sys.path.insert(0, str(ANALYSES))
    yield
    sys.path.remove(str(ANALYSES))
