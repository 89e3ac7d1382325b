"""Share a trained model with what was measured of it: export, push to a hub, fetch from it."""

from latentgeo.sharing.exporting import export
from latentgeo.sharing.hub import from_hub, push_to_hub

__all__ = ["export", "from_hub", "push_to_hub"]
