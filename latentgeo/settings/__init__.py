"""Every setting, declared once: name, type, default, bounds and what it means.

The command line, the docstrings, the YAML files and the checks are made of these fields. They
import nothing but pydantic, so that `latentgeo train --help` answers at once; what the settings do
is done further up the road.
"""

from latentgeo.settings.analysis import AnalysisSettings, EncodingSettings
from latentgeo.settings.base import (
    Options,
    Settings,
    described,
    parse,
    read_settings,
    resolve,
    unknown,
)
from latentgeo.settings.interpolation import InterpolationSettings, LinesSettings
from latentgeo.settings.opening import (
    LAYOUTS,
    CardSettings,
    PosteriorSettings,
    PreprocessingSettings,
)
from latentgeo.settings.training import ClassifierSettings, TrainSettings

__all__ = [
    "LAYOUTS",
    "AnalysisSettings",
    "CardSettings",
    "ClassifierSettings",
    "EncodingSettings",
    "InterpolationSettings",
    "LinesSettings",
    "Options",
    "PosteriorSettings",
    "PreprocessingSettings",
    "Settings",
    "TrainSettings",
    "described",
    "parse",
    "read_settings",
    "resolve",
    "unknown",
]
