"""What the machine has."""

import os


def physical_memory() -> float:
    """Return the bytes of memory that the machine has in all; infinite where that is unknown."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return float("inf")
    return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
