"""The command line: each command parses, calls one library function, prints where the result is.

A command is a module; its options are made of the settings' fields. Libraries are imported inside
the commands, so that `latentgeo --help` answers at once.
"""

from latentgeo.cli.running import main

__all__ = ["main"]
