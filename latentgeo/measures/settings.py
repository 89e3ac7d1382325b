"""What an analysis is told: every choice that decides a number, in one place."""

from latentgeo.settings import AnalysisSettings

__all__ = ["SHARES", "AnalysisSettings"]

SHARES = (0.90, 0.95, 0.99)
