"""Images in [0, 1] and sentences, by name, and what perturbs them.

`load` gives an `ImageDataset` of one split, from the files of the dataset in a cache folder (the
environment variable LATENTGEO_DATA, else the user's cache), to which they are downloaded when they
are missing. `perturb` adds noise that is seeded for each image.

Splits are fixed: those that the publisher states where there are three, and else the last 5,000
published training images are "validation". A folder of images is parted by a hash of the file
names. A sentence is an image whose channels are words; see `SentenceDataset`.

Add a dataset
-------------
1. Write a module here with one function `read_<name>(folder, split, size)`. It gives the images
   of the split, uint8 of shape (n, C, H, W), and their labels, int64 of shape (n,) or None; or a
   `SentenceDataset`. Files come from `download.fetch(RemoteFile(name, n_bytes, sha256, mirrors),
   folder)`, which finds them in the cache or downloads and checks them. Read formats strictly: a
   file that is not what it should be raises an `InputError` that names it. Let `load` resize,
   unless whole images would not fit into memory.
2. Add a row to `table.TABLE`: what there is to know of the dataset, and the function.
3. Test it on small files of the same format, which the test writes (`tests/datasets`).
"""

from latentgeo.datasets.endless import ImageStream
from latentgeo.datasets.images import ImageDataset
from latentgeo.datasets.lines import line_angles, line_stream
from latentgeo.datasets.loading import load, name_of_data, training_images
from latentgeo.datasets.perturbations import (
    PERTURBATIONS,
    Perturbation,
    find_perturbation,
    perturb,
    register_perturbation,
)
from latentgeo.datasets.sentences import SentenceDataset, to_sentences
from latentgeo.datasets.sources import ALL, check_memory, without_shortage
from latentgeo.datasets.streams import seeded_normal
from latentgeo.datasets.table import DatasetInfo, names, register_dataset
from latentgeo.metrics.line_images import render_lines

__all__ = [
    "ALL",
    "PERTURBATIONS",
    "DatasetInfo",
    "ImageDataset",
    "ImageStream",
    "Perturbation",
    "SentenceDataset",
    "check_memory",
    "find_perturbation",
    "line_angles",
    "line_stream",
    "load",
    "name_of_data",
    "names",
    "perturb",
    "register_dataset",
    "register_perturbation",
    "render_lines",
    "seeded_normal",
    "to_sentences",
    "training_images",
    "without_shortage",
]
