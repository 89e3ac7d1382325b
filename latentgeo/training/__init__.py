"""Training: one loop for every model, run folders, resume."""

from latentgeo.training.config import TrainConfig
from latentgeo.training.probe import load_probe, probe_accuracy
from latentgeo.training.run_folder import RunFolder
from latentgeo.training.start import train
from latentgeo.training.together import train_together

__all__ = ["RunFolder", "TrainConfig", "load_probe", "probe_accuracy", "train", "train_together"]
