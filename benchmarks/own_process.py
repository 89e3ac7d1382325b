"""Work that is measured in a process of its own."""

import json
import resource
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any


def run_alone(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Any:
    """Run a command to its end and give what its last line says in JSON.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    environment : mapping, optional
        Its environment variables; those of this process by default.

    Returns
    -------
    object
        What was printed.
    """
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def peak_bytes() -> int:
    """Return the largest memory that this process has had (maximum resident set)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
