"""Texts and arrays on disk that others may have written: read with bounds, shown without effects.

Nothing here runs what a file holds, and nothing takes more time or memory than its bounds say.
Weights have a folder of their own, `latentgeo.checkpoints.untrusted`.
"""

from latentgeo.foreign.printable import printable
from latentgeo.foreign.texts import parse_json, read_json, read_yaml

__all__ = ["parse_json", "printable", "read_json", "read_yaml"]
