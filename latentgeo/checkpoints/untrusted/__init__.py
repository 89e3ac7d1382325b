"""Files from others: the only place where their bytes are parsed, with one way in.

Nothing here runs what a file holds. Pickles are followed as text, never executed; safetensors are
checked by their header; archives that are programs are named as such and left alone.
"""

from latentgeo.checkpoints.untrusted.reading import MAX_BYTES, Program, Weights, read_untrusted

__all__ = ["MAX_BYTES", "Program", "Weights", "read_untrusted"]
