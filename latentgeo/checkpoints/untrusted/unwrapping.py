"""What training leaves in a file, unwrapped: the tensors, by name."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from latentgeo.checkpoints.untrusted.pickles import Skipped
from latentgeo.errors import InputError

PLAIN = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "params",
    "module",
    "network",
    "net",
    "weights",
)
AVERAGED = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema_model_state_dict",
    "ema_model",
    "ema",
    "params_ema",
    "shadow",
    "shadow_params",
)
_OPTIMISER = re.compile("optim|sched|scaler", re.IGNORECASE)
_OF_PART = re.compile(r"^(state_dict|model|weights)_|_(model_)?(state_dict|state|weights|params)$")
_SETTINGS = re.compile(r"hyper_?param|hparam|arg|conf|cfg|opt(ion)?s?$", re.IGNORECASE)
_SHOWN = 3
_DEEPEST = 4
_MOST = 100_000

Tensors = dict[str, Tensor]


def unwrap(found: object, path: Path, ema: bool | None) -> tuple[Tensors, tuple[str, ...]]:
    """Find the tensors in what a file holds.

    Parameters
    ----------
    found : object
        A state dict, or a checkpoint of training that holds one.
    path : pathlib.Path
        The file, for messages.
    ema : bool or None
        Which weights to take, as in `read_weights`.

    Returns
    -------
    tensors : dict of str to torch.Tensor
        The tensors.
    notes : tuple of str
        What was taken, and what was left aside.

    Raises
    ------
    InputError
        When it holds none, or not the averaged ones that were asked for.
    """
    if not isinstance(found, Mapping):
        what = found.name if isinstance(found, Skipped) else type(found).__name__
        raise InputError(
            f"{str(path)!r} holds a {what}, expected tensors by name; save model.state_dict()"
        )
    notes: list[str] = []
    tensors = _take(found, path, ema, notes)
    if not tensors:
        raise InputError(
            f"{str(path)!r} holds no tensors by name, only {_list(_names(found)) or 'nothing'}; "
            "save the weights alone: save model.state_dict()"
        )
    return tensors, tuple(notes)


def settings_in(found: object) -> dict[str, Any]:
    """Return the plain values of the settings that training saved beside the weights."""
    held = found if isinstance(found, Mapping) else {}
    return {
        str(key): value
        for name, values in held.items()
        if isinstance(name, str) and _SETTINGS.search(name) and isinstance(values, Mapping)
        for key, value in values.items()
        if isinstance(value, bool | int | float | str)
    }


def _take(
    found: Mapping[Any, Any], path: Path, ema: bool | None, notes: list[str], depth: int = 0
) -> Tensors:
    """Return the weights of a checkpoint, searching its containers."""
    plain = _holders(found, PLAIN)
    averaged = _holders(found, AVERAGED)
    own = {name: value for name, value in found.items() if _is_entry(name, value)}
    if averaged and ema:
        key = averaged[0]
    elif ema and depth == 0:
        raise InputError(
            f"{str(path)!r} holds no averaged (EMA) weights by a name that is known "
            f"({', '.join(AVERAGED)}), only {_list(_names(found))}; leave out ema (--ema)"
        )
    elif plain:
        key = plain[0]
    elif own:
        _note_left(found, own, notes)
        return own
    elif averaged:
        key = averaged[0]
    else:
        return _join(found, path, notes, depth)
    notes.append(f"took {'the EMA weights ' if key in averaged else ''}{key!r}")
    if averaged and key not in averaged:
        notes.append(f"EMA weights are there as well ({averaged[0]!r}; take them with ema)")
    _note_left(found, [key, *averaged], notes)
    # What was asked for is found: within it there is no other choice.
    return _take(found[key], path, None, notes, depth + 1)


def _join(found: Mapping[Any, Any], path: Path, notes: list[str], depth: int) -> Tensors:
    """Join the weights of parts that are saved side by side, under the names of the parts."""
    parts = [
        name
        for name, value in found.items()
        if isinstance(name, str) and _holds_tensors(value) and not _OPTIMISER.search(name)
    ]
    if not parts or depth >= _DEEPEST:
        return {}
    _note_left(found, parts, notes)
    if len(parts) == 1:
        notes.append(f"took {parts[0]!r}")
        return _take(found[parts[0]], path, None, notes, depth + 1)
    notes.append(f"joined {_list(parts)}")
    joined: Tensors = {}
    bare = [_OF_PART.sub("", part) for part in parts]
    names = bare if len({*bare}) == len(parts) and all(bare) else parts
    for part, called in zip(parts, names, strict=True):
        inside = _take(found[part], path, None, notes, depth + 1)
        joined.update({f"{called}.{name}": value for name, value in inside.items()})
        if len(joined) > _MOST:
            raise InputError(f"{str(path)!r} holds over {_MOST} tensors; it is no checkpoint")
    return joined


def _holders(found: Mapping[Any, Any], names: tuple[str, ...]) -> list[str]:
    return [name for name in names if _holds_tensors(found.get(name))]


def _holds_tensors(value: Any, depth: int = 0, seen: set[int] | None = None) -> bool:
    seen = set() if seen is None else seen
    # A pickle can hold one mapping under many names, at every depth.
    if not isinstance(value, Mapping) or depth > _DEEPEST or id(value) in seen:
        return False
    seen.add(id(value))
    if any(_is_entry(name, inside) for name, inside in value.items()):
        return True
    return any(
        _holds_tensors(inside, depth + 1, seen)
        for name, inside in value.items()
        if isinstance(name, str) and not _OPTIMISER.search(name)
    )


def _is_entry(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor)


def _note_left(found: Mapping[Any, Any], taken: Any, notes: list[str]) -> None:
    left = [name for name in _names(found) if name not in taken]
    if left:
        notes.append(f"left aside {_list(left)}")


def _names(found: Mapping[Any, Any]) -> list[str]:
    return [str(name) for name in found]


def _list(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
