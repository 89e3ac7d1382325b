"""Latents that a data set or a loader of torch gives, row by row or in batches."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset

from latentgeo.datasets import check_memory
from latentgeo.datasets.items import LABELS
from latentgeo.errors import InputError, reason_of

_LATENTS = ("z", "latent", "latents", "embedding", "embeddings", "features", "x")


def gives_rows(data: Any) -> bool:
    """Return whether an object is a data set or a loader of torch."""
    return isinstance(data, Dataset | DataLoader)


def rows_of(data: Any, name: str) -> tuple[Tensor, Any]:
    """Put the rows of a data set or a loader together, in the order of the data set.

    Parameters
    ----------
    data : torch.utils.data.Dataset or DataLoader
        Items are latents, or tuples or mappings that hold one ("z", "embedding", …) and, it may
        be, a label. The order of a loader that shuffles is not used, so that clean and noisy
        latents are of the same inputs row by row.
    name : str
        What messages call it.

    Returns
    -------
    latents : torch.Tensor
        (n, ...).
    labels : list or None
        One for each, where all have one.

    Raises
    ------
    InputError
        When there are no rows, they cannot be put together, or are more than memory.
    """
    latents: list[Tensor] = []
    labels: list[Any] = []
    n_bytes = 0
    try:
        for latent, label in _parts(data):
            tensor = torch.as_tensor(latent).detach().cpu()
            n_bytes += tensor.nbytes
            check_memory(2, (n_bytes,), name)  # once here, once put together
            latents.append(tensor)
            labels += [] if label is None else np.ravel(label).tolist()
        found = torch.cat(latents) if latents else torch.empty(0, 0)
    except InputError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise InputError(
            f"latents {name!r} cannot be had from a {type(data).__name__}: {reason_of(error)}; "
            "expected items that are a latent, hold it first in a tuple, or as 'z' in a mapping"
        ) from error
    return found, labels if labels and len(labels) == len(found) else None


def _parts(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield latents (b, ...), and their labels where they have some."""
    batched = isinstance(data, DataLoader) and data.batch_sampler is not None
    held: Any = data.dataset if isinstance(data, DataLoader) else data
    if isinstance(held, IterableDataset):
        batched = isinstance(data, DataLoader) and data.batch_size is not None
        items: Any = data
    elif batched:
        with torch.random.fork_rng([]):  # a sampler that shuffles draws
            places = sorted({place for batch in data.batch_sampler for place in batch})
        items = DataLoader(
            Subset(held, places),
            data.batch_size or len(places),
            collate_fn=data.collate_fn,
            num_workers=data.num_workers,
        )
    else:
        items = (held[place] for place in range(len(held)))
    for item in items:
        latent, label = _split(item)
        yield (latent if batched else torch.as_tensor(latent)[None]), label


def _split(item: Any) -> tuple[Any, Any]:
    if isinstance(item, Mapping):
        latent = next((item[key] for key in _LATENTS if key in item), None)
        if latent is None:
            raise TypeError(f"an item holds {', '.join(map(str, item))}")
        return latent, next((item[key] for key in LABELS if key in item), None)
    if isinstance(item, tuple | list) and item:
        return item[0], item[1] if len(item) > 1 else None
    return item, None
