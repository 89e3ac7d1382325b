"""Weights that others saved: read, renamed and fitted to a module."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from latentgeo.checkpoints.untrusted import MAX_BYTES, Program, Weights, read_untrusted
from latentgeo.errors import InputError

_EMA = re.compile(r"(^|[._])ema([._]|$)", re.IGNORECASE)
# What torch.compile, FSDP and activation checkpointing put before the names of what they wrap,
# the whole or a part.
_INSERTED = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
# What trains an autoencoder and lies beside it in a file, by the first part of the names.
_OTHERS = re.compile(
    r"(^|_)(disc|discriminators?|critics?|adversary|netd|loss|losses|loss_fn|criterion|perceptual|"
    r"lpips|vgg\d*|optim|optimi[sz]ers?|schedulers?|scaler|ema|teacher|metrics?)(_|\d*$)",
    re.IGNORECASE,
)
_WRAPPERS = ("module.", "model.", "net.", "network.")
_COUNTER = "num_batches_tracked"
_SHOWN = 3
_MOST, _LONGEST = 20, 60  # settings that are told, and letters of each
_DEEPEST = 4

Tensors = dict[str, Tensor]


class Fit(NamedTuple):
    """How weights went into a module.

    Attributes
    ----------
    missing : tuple of str
        Tensors of the module that the weights do not hold; they kept their values.
    unexpected : tuple of str
        Tensors that the module has no place for.
    notes : tuple of str
        What was done: prefixes that were taken off, numbers that were converted.
    strict : bool
        Whether it went as torch's own strict loading would: nothing was let through.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    notes: tuple[str, ...]
    strict: bool = True

    def facts(self) -> dict[str, Any]:
        """Return what the provenance of a model tells of its weights."""
        if self.strict:
            return {"weights": list(self.notes)}
        let_through = {"missing": list(self.missing), "unexpected": list(self.unexpected)}
        return {"weights": list(self.notes), "mismatch": let_through}


def join_fits(fits: Mapping[str, Fit], missing: Sequence[str]) -> Fit:
    """Join how weights went into modules of a network, by the names of these.

    Parameters
    ----------
    fits : mapping of str to Fit
        By module.
    missing : sequence of str
        Tensors of the network outside of them, which kept their values.

    Returns
    -------
    Fit
        Of the whole network.
    """
    return Fit(
        (*(f"{part}.{name}" for part, fit in fits.items() for name in fit.missing), *missing),
        tuple(f"{part}.{name}" for part, fit in fits.items() for name in fit.unexpected),
        tuple(f"{part}: {note}" for part, fit in fits.items() for note in fit.notes),
        strict=not missing and all(fit.strict for fit in fits.values()),
    )


def read_weights(
    path: str | Path, *, max_bytes: int = MAX_BYTES, ema: bool | None = None
) -> Weights:
    """Read a file of weights; takes and raises what `read_untrusted` does, and refuses programs."""
    found = read_untrusted(path, max_bytes=max_bytes, ema=ema)
    if isinstance(found, Program):
        name = {"torchscript": "TorchScript"}.get(found.kind, "torch.export (.pt2)")
        raise InputError(
            f"{str(path)!r} is an archive of {name}, which is a whole model; open it as such, not "
            "as weights (without model, --model)"
        )
    return found


def fit_weights(
    module: nn.Module,
    weights: Weights,
    *,
    strict: bool = True,
    prefix: str | None = None,
    path: str | Path | None = None,
) -> Fit:
    """Load weights into a module, whatever training wrapped around their names.

    Prefixes such as "module." (DataParallel), "_orig_mod." (torch.compile) or "net." (Lightning)
    are taken off where the names fit then, and the notes say so. Numbers are converted to the
    module's type. The module is changed only when everything fits.

    Parameters
    ----------
    module : torch.nn.Module
        Where they go.
    weights : Weights
        What `read_weights` gives.
    strict : bool, default=True
        Refuse weights that miss tensors of the module or hold others. If false, those are left
        as they are, with a warning.
    prefix : str, optional
        Take the tensors whose names begin so, and take that off.
    path : str or pathlib.Path, optional
        What messages call the weights; their file if None.

    Returns
    -------
    Fit
        Names that are missing and that are unexpected, and what was done.

    Raises
    ------
    InputError
        When names or shapes do not fit.
    """
    name = str(path or weights.path)
    with telling_settings(weights):
        fit = _fit(module, weights.tensors, name, strict=strict, prefix=prefix)
    return fit._replace(notes=(*weights.notes, *fit.notes))


@contextmanager
def telling_settings(weights: Weights | None) -> Iterator[None]:
    """Add the settings that training saved beside the weights to an `InputError` of the block."""
    try:
        yield
    except InputError as error:
        if weights is None or not weights.settings:
            raise
        told = [f"{name}={value!r}"[:_LONGEST] for name, value in weights.settings.items()]
        more = f" and {len(told) - _MOST} more" if len(told) > _MOST else ""
        raise InputError(
            f"{error}. It was saved with the settings {', '.join(told[:_MOST])}{more}"
        ) from None


def _fit(
    module: nn.Module, tensors: Tensors, path: str, *, strict: bool, prefix: str | None
) -> Fit:
    expected = _expected(module, path)
    view = _choose(expected, tensors, path, prefix)
    tied = _tied(expected, view.tensors)
    missing = [name for name in expected if name not in view.tensors and name not in tied]
    unexpected = [name for name in view.tensors if name not in expected]
    lacking = [name for name in missing if not name.endswith(_COUNTER)]
    if lacking or unexpected:
        if (own := _by_own_loading(module, tensors, prefix)) is not None:
            return own
        if strict:
            raise InputError(_misfit(path, module, expected, view.tensors, lacking, unexpected))
    taken = {name: value for name, value in view.tensors.items() if name in expected}
    if not taken:
        raise InputError(_misfit(path, module, expected, view.tensors, lacking, unexpected))
    notes = [*view.notes, *_converted(expected, taken, path)]
    notes += [f"{name!r} is the same tensor as {other!r}" for name, other in tied.items()]
    if missing:
        notes.append(f"{_count(missing)} missing and left as they were: {_list(missing)}")
    if unexpected:
        notes.append(f"{_count(unexpected)} not used: {_list(unexpected)}")
    _load(module, expected, taken, path)
    if lacking or unexpected:
        warnings.warn(
            _misfit(path, module, expected, view.tensors, lacking, unexpected), stacklevel=3
        )
    return Fit(tuple(missing), tuple(unexpected), tuple(notes), not (lacking or unexpected))


def _by_own_loading(module: nn.Module, tensors: Tensors, prefix: str | None) -> Fit | None:
    """Load as torch's strict loading does where a module renames tensors; or change nothing.

    Weight normalisation and many projects keep old files readable by hooks that rename what is
    loaded, which only the loading itself can run.
    """
    if not any(_loads_itself(part) for part in module.modules()):
        return None
    plain = _View(tensors) if prefix is None else _without(tensors, (), prefix)
    bare = _bare(plain.tensors, plain.notes)
    stripped = [_without(*bare[:2], wrapper) for wrapper in _WRAPPERS]
    views = [plain, bare, *(view for view in stripped if len(view.tensors) == len(tensors))]
    before = {name: value.detach().clone() for name, value in _tensors(module).items()}
    for view in views:
        try:
            module.load_state_dict(dict(view.tensors), strict=True)
        except Exception:  # noqa: S112 - a module's hooks may raise anything; then it is not this
            continue
        if all(map(_is_finite, _tensors(module).values())):
            return Fit((), (), (*view.notes, "renamed by the module's own loading"))
    with torch.no_grad():
        for name, value in _tensors(module).items():
            value.copy_(before[name])
    return None


def _loads_itself(module: nn.Module) -> bool:
    plain = (nn.Module._load_from_state_dict, nn.Module.load_state_dict)
    return bool(module._load_state_dict_pre_hooks) or plain != (
        type(module)._load_from_state_dict,
        type(module).load_state_dict,
    )


def _tensors(module: nn.Module) -> Tensors:
    state = module.state_dict(keep_vars=True)
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def _is_finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(torch.isfinite(value).all())


class _View(NamedTuple):
    """One way to name the tensors."""

    tensors: Tensors
    notes: tuple[str, ...] = ()
    prefix: str = ""


def _expected(module: nn.Module, path: str) -> Tensors:
    """Return the tensors that a module wants."""
    wanted = _tensors(module)
    lazy = [name for name, value in wanted.items() if is_lazy(value)]
    if lazy:
        raise InputError(
            f"{type(module).__name__} does not know its shapes before its first pass "
            f"({_list(lazy)}), so {path!r} cannot be checked against it; give the shapes when it "
            "is made"
        )
    return wanted


def _choose(expected: Tensors, tensors: Tensors, path: str, prefix: str | None) -> _View:
    """Choose the names under which the tensors fit."""
    if prefix is not None:
        view = _without(tensors, (), prefix)
        if not view.tensors:
            raise InputError(
                f"no tensor of {path!r} has the prefix {prefix!r}; its names are {_list(tensors)}"
            )
        return view
    views = [_set_aside(expected, view) for view in (_View(tensors), _bare(tensors))]
    for view in views:  # names as they are, but for what was put in between
        if _fits(expected, view.tensors) and set(view.tensors) <= set(expected):
            return view
    bare = _bare(tensors)
    views += [
        _set_aside(expected, _without(*bare[:2], prefix))
        for prefix in _prefixes(expected, bare.tensors)
    ]
    whole = [view for view in views[2:] if _fits(expected, view.tensors)]
    exact = [view for view in whole if set(view.tensors) <= set(expected)]
    for fitting in (exact, whole):
        plain = [view for view in fitting if not _EMA.search(view.prefix)] or fitting
        if len(plain) > 1:
            raise InputError(
                f"{path!r} fits {len(plain)} times, with the prefixes "
                f"{_list(view.prefix for view in plain)}; name one with prefix=…"
            )
        if plain:
            return plain[0]
    known = [view for view in views if view.prefix in ("", *_WRAPPERS)]
    return max(known, key=lambda view: sum(name in expected for name in view.tensors))


def _set_aside(expected: Tensors, view: _View) -> _View:
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


def _bare(tensors: Tensors, notes: tuple[str, ...] = ()) -> _View:
    """Strip what wrappers of torch put in between, around the whole or a part."""
    for inserted in _INSERTED:
        if any(inserted in name for name in tensors):
            tensors = {name.replace(inserted, ""): value for name, value in tensors.items()}
            notes = (*notes, f"stripped {inserted!r}")
    return _View(tensors, notes)


def _prefixes(expected: Tensors, tensors: Tensors) -> list[str]:
    """List what stands before names that the module knows."""
    found: dict[str, None] = {}
    for name in tensors:
        steps = name.split(".")
        for length in range(1, min(len(steps), _DEEPEST + 1)):
            if ".".join(steps[length:]) in expected:
                found[".".join(steps[:length]) + "."] = None
    return list(found)


def _without(tensors: Tensors, notes: tuple[str, ...], prefix: str) -> _View:
    """Strip a prefix, leaving aside the tensors without it."""
    kept = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
    left = [name for name in tensors if not name.startswith(prefix)]
    note = f"stripped the prefix {prefix!r}"
    if left:
        note += f" and left aside {_count(left)} without it: {_list(left)}"
    return _View(kept, (*notes, note), prefix)


def _fits(expected: Tensors, found: Tensors) -> bool:
    """Return whether every tensor that the module wants is there, in its shape."""
    tied = _tied(expected, found)
    return all(
        found[name].shape == value.shape
        if name in found
        else name.endswith(_COUNTER) or name in tied
        for name, value in expected.items()
    )


def _tied(expected: Tensors, found: Tensors) -> dict[str, str]:
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


def _converted(expected: Tensors, taken: Tensors, path: str) -> list[str]:
    """Check shapes and kinds of numbers; say which types are converted."""
    changes: dict[str, int] = {}
    for name, value in taken.items():
        wanted = expected[name]
        if value.shape != wanted.shape:
            raise InputError(
                f"tensor {name!r} in {path!r} has shape {tuple(value.shape)}, the model wants "
                f"{tuple(wanted.shape)}; make the model with the settings that it was trained with"
            )
        if value.dtype == wanted.dtype:
            continue
        if _kind(value) != _kind(wanted):
            raise InputError(
                f"tensor {name!r} in {path!r} is of type {_dtype(value)}, the model wants "
                f"{_dtype(wanted)}; make the model with the settings that it was trained with"
            )
        if not _is_finite(value.to(wanted.dtype)):
            raise InputError(
                f"tensor {name!r} in {path!r} has values too large for {_dtype(wanted)}; make "
                f"the model in {_dtype(value)} (model.to(dtype))"
            )
        change = f"from {_dtype(value)} to {_dtype(wanted)}"
        changes[change] = changes.get(change, 0) + 1
    return [f"converted {count} tensors {change}" for change, count in changes.items()]


def _kind(value: Tensor) -> str:
    if value.is_complex():
        return "complex"
    return "floating" if value.is_floating_point() else "whole"


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _load(module: nn.Module, expected: Tensors, taken: Tensors, path: str) -> None:
    if empty := [name for name, value in expected.items() if value.is_meta]:
        # On the meta device there is nothing to copy into: the tensors themselves are put in.
        if lost := [name for name in empty if name not in taken]:
            raise InputError(
                f"{type(module).__name__} was made on the meta device, and {path!r} has no values "
                f"for {_list(lost)}; make it on the CPU"
            )
        taken = {n: value.to(expected[n].dtype, copy=True) for n, value in taken.items()}
    try:
        module.load_state_dict(taken, strict=False, assign=bool(empty))
    except Exception as error:  # modules may have hooks of their own here
        reason = " ".join(str(error).split())
        raise InputError(f"{type(module).__name__} does not take {path!r}: {reason}") from error


def _misfit(
    path: str,
    module: nn.Module,
    expected: Tensors,
    found: Tensors,
    missing: list[str],
    unexpected: list[str],
) -> str:
    """Describe which names do not fit, and which are nearest."""
    problems = []
    if missing:
        problems.append(f"it lacks {_count(missing)}: {_list(missing, unexpected or list(found))}")
    if unexpected:
        problems.append(f"it holds {_count(unexpected)} too many: {_list(unexpected, missing)}")
    shared = sum(name in expected for name in found)
    return (
        f"{path!r} does not fit {type(module).__name__}, with which it shares {shared} of "
        f"{len(expected)} tensors: {'; '.join(problems)}. Most likely it was saved from another "
        "variant (more blocks, other channels, a head): give the model that it was saved from and "
        "its arguments. Only if you know that what differs does not matter, take what fits with "
        "strict=False (--allow-mismatch)"
    )


def _count(names: list[str]) -> str:
    return "1 tensor" if len(names) == 1 else f"{len(names)} tensors"


def _list(names: Any, near: list[str] | None = None) -> str:
    """List the first names, each with the one that it may be meant to be."""
    names = list(names)
    shown = ", ".join(_with_nearest(name, near or []) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _with_nearest(name: str, near: list[str]) -> str:
    found = get_close_matches(name, near[:1000], n=1)
    return f"{name!r} (nearest: {found[0]!r})" if found else repr(name)
