"""The words on the machine that a benchmark ran on."""

import os
from collections.abc import Mapping
from typing import Any


def describe_machine(
    facts: Mapping[str, Any], before: tuple[float, ...], settings: str = ""
) -> str:
    """Return where was measured, and how busy it was.

    Parameters
    ----------
    facts : mapping
        From `latentgeo.provenance.provenance`.
    before : tuple of three float
        Load averages at the start; those of the end are taken now.
    settings : str, default=""
        What torch was set to.

    Returns
    -------
    str
        Two sentences.
    """
    loads = [", ".join(f"{each:.2f}" for each in loads) for loads in (before, os.getloadavg())]
    machine, versions = facts["machine"], facts["versions"]
    return (
        f"Machine: {machine['cores']} cores, {machine['architecture']}; torch {versions['torch']}"
        f"{settings}, Python {versions['python']}. "
        f"Load average {loads[0]} at the start, {loads[1]} at the end."
    )
