"""The names that training and its wrappers give weights, and those that a network has."""

import re
from difflib import get_close_matches
from typing import Any, NamedTuple

from torch import Tensor

from latentgeo.errors import InputError

_EMA = re.compile(r"(^|[._])ema([._]|$)", re.IGNORECASE)
# What torch.compile, FSDP and activation checkpointing put before the names of what they wrap,
# the whole or a part.
_INSERTED = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
_PARALLEL = "module."  # of DataParallel; many networks have a module of this name as well
# What trains an autoencoder and lies beside it in a file, by the first part of the names.
_OTHERS = re.compile(
    r"(^|_)(disc|discriminators?|critics?|adversary|netd|loss|losses|loss_fn|criterion|perceptual|"
    r"lpips|vgg\d*|optim|optimi[sz]ers?|schedulers?|scaler|ema|teacher|metrics?)(_|\d*$)",
    re.IGNORECASE,
)
WRAPPERS = ("module.", "model.", "net.", "network.")
COUNTER = "num_batches_tracked"
_SHOWN = 3
_DEEPEST = 4

Tensors = dict[str, Tensor]


class View(NamedTuple):
    """One way to name the tensors."""

    tensors: Tensors
    notes: tuple[str, ...] = ()
    prefix: str = ""


def choose(expected: Tensors, tensors: Tensors, path: str, prefix: str | None) -> View:
    """Choose the names under which the tensors fit."""
    if prefix is not None:
        view = without_prefix(tensors, (), prefix)
        if not view.tensors:
            raise InputError(
                f"no tensor of {path!r} has the prefix {prefix!r}; its names are {listed(tensors)}"
            )
        return view
    views = [_set_aside(expected, view) for view in (View(tensors), bare_names(tensors))]
    for view in views:  # names as they are, but for what was put in between
        if _fits(expected, view.tensors) and set(view.tensors) <= set(expected):
            return view
    bare = bare_names(tensors)
    views += [
        _set_aside(expected, without_prefix(*bare[:2], prefix))
        for prefix in _prefixes(expected, bare.tensors)
    ]
    whole = [view for view in views[2:] if _fits(expected, view.tensors)]
    exact = [view for view in whole if set(view.tensors) <= set(expected)]
    for fitting in (exact, whole):
        plain = [view for view in fitting if not _EMA.search(view.prefix)] or fitting
        if len(plain) > 1:
            raise InputError(
                f"{path!r} fits {len(plain)} times, with the prefixes "
                f"{listed(view.prefix for view in plain)}; name one with prefix=…"
            )
        if plain:
            return plain[0]
    parallel = _set_aside(expected, bare_names(*bare[:2], (_PARALLEL,)))  # around a part
    if _fits(expected, parallel.tensors) and set(parallel.tensors) <= set(expected):
        return parallel
    known = [view for view in views if view.prefix in ("", *WRAPPERS)]
    return max(known, key=lambda view: sum(name in expected for name in view.tensors))


def renamed(expected: Tensors, tensors: Tensors) -> View | None:
    """Name the parts of a file (`enc`, `G`, `0`) as the modules that they alone fit, by shapes.

    Returns
    -------
    View or None
        None where not all modules are found so, where more than one part would do, or where
        something is left that does not belong to training.
    """
    held, wanted = _parts(tensors), _parts(expected)
    given = {part: held.pop(part) for part in wanted if _same(held.get(part), wanted[part])}
    notes = []
    for part in [part for part in wanted if part not in given]:
        fitting = [name for name, tensors in held.items() if _same(tensors, wanted[part])]
        if len(fitting) != 1:
            return None
        given[part] = held.pop(fitting[0])
        notes.append(f"took {fitting[0]!r} for {part!r}, which it alone fits")
    if not all(map(_OTHERS.search, held)) or not notes:
        return None
    named = {
        f"{part}.{rest}" if rest else part: tensor
        for part, inside in given.items()
        for rest, tensor in inside.items()
    }
    return View(named, (*notes, *([f"left aside {listed(held)}"] if held else ())))


def _parts(tensors: Tensors) -> dict[str, Tensors]:
    parts: dict[str, Tensors] = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        parts.setdefault(first, {})[rest] = tensor
    return parts


def _same(held: Tensors | None, wanted: Tensors) -> bool:
    return held is not None and set(held) <= set(wanted) and _fits(wanted, held)


def _set_aside(expected: Tensors, view: View) -> View:
    """Leave out what plainly belongs to training: discriminators, losses, averaged copies."""
    own = {_first_part(name) for name in expected}
    counts: dict[str, int] = {}
    for name in view.tensors:
        first = _first_part(name)
        if first not in own and _OTHERS.search(first):
            counts[first] = counts.get(first, 0) + 1
    if not counts:
        return view
    kept = {n: value for n, value in view.tensors.items() if _first_part(n) not in counts}
    said = ", ".join(f"{first} ({count})" for first, count in counts.items())
    note = f"set aside what belongs to training and not to the network: {said}"
    return view._replace(tensors=kept, notes=(*view.notes, note))


def _first_part(name: str) -> str:
    return name.partition(".")[0]


def bare_names(
    tensors: Tensors, notes: tuple[str, ...] = (), inserted_names: tuple[str, ...] = _INSERTED
) -> View:
    """Strip what wrappers of torch put in between, around the whole or a part."""
    for inserted in inserted_names:
        if any(inserted in name for name in tensors):
            tensors = {name.replace(inserted, ""): value for name, value in tensors.items()}
            notes = (*notes, f"stripped {inserted!r}")
    return View(tensors, notes)


def _prefixes(expected: Tensors, tensors: Tensors) -> list[str]:
    """List what stands before names that the module knows."""
    found: dict[str, None] = {}
    for name in tensors:
        steps = name.split(".")
        for length in range(1, min(len(steps), _DEEPEST + 1)):
            if ".".join(steps[length:]) in expected:
                found[".".join(steps[:length]) + "."] = None
    return list(found)


def without_prefix(tensors: Tensors, notes: tuple[str, ...], prefix: str) -> View:
    """Strip a prefix, leaving aside the tensors without it."""
    kept = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
    left = [name for name in tensors if not name.startswith(prefix)]
    note = f"stripped the prefix {prefix!r}"
    if left:
        note += f" and left aside {count_of(left)} without it: {listed(left)}"
    return View(kept, (*notes, note), prefix)


def _fits(expected: Tensors, found: Tensors) -> bool:
    """Return whether every tensor that the module wants is there, in its shape."""
    tied = tied_names(expected, found)
    return all(
        found[name].shape == value.shape
        if name in found
        else name.endswith(COUNTER) or name in tied
        for name, value in expected.items()
    )


def tied_names(expected: Tensors, found: Tensors) -> dict[str, str]:
    """Find tensors that are not there under their own name, but are under that of their twin."""
    there = {_identity(value): name for name, value in expected.items() if name in found}
    return {
        name: there[_identity(value)]
        for name, value in expected.items()
        if name not in found and value.numel() and _identity(value) in there
    }


def _identity(value: Tensor) -> tuple[Any, ...]:
    place = id(value) if value.is_meta else value.data_ptr()
    return value.device, place, value.shape, value.stride(), value.dtype


def count_of(names: list[str]) -> str:
    """Say how many tensors there are."""
    return "1 tensor" if len(names) == 1 else f"{len(names)} tensors"


def listed(names: Any, near: list[str] | None = None) -> str:
    """List the first names, each with the one that it may be meant to be."""
    names = list(names)
    shown = ", ".join(_with_nearest(name, near or []) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _with_nearest(name: str, near: list[str]) -> str:
    found = get_close_matches(name, near[:1000], n=1)
    return f"{name!r} (nearest: {found[0]!r})" if found else repr(name)
