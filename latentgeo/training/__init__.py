"""Training: one loop for every model, run folders, resume."""

from latentgeo.training.config import TrainConfig
from latentgeo.training.probe import load_probe, probe_accuracy
from latentgeo.training.run_folder import RunFolder
from latentgeo.training.seeds import train_seeds
from latentgeo.training.start import train

__all__ = ["RunFolder", "TrainConfig", "load_probe", "probe_accuracy", "train", "train_seeds"]
