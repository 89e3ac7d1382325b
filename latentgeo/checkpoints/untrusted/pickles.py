"""Pickles, read as text and never run.

`pickletools` lists the instructions of a pickle. Here a machine follows them with stand-ins: where
pickle would import a name or call a function, it writes down which one. Tensors are made from what
was written down, and only where they lie within their storages; what else training left beside them
(numbers of NumPy, paths, optimisers) is passed over by name. Names that only an attack needs refuse
the file, although nothing of it would run.
"""

import pickletools
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

import torch

MOST_BYTES = 64 << 20
_MOST_INSTRUCTIONS = 10_000_000
_MOST_NESTED = 500
_MOST_OF_KEY = 5
_MOST_TENSORS = 100_000
_MOST_ATTRIBUTES = 2000
_NAMESPACES = ("argparse.Namespace", "types.SimpleNamespace")
_MALFORMED = (
    *(ValueError, IndexError, KeyError, OverflowError, EOFError, struct.error),
    *(TypeError, AttributeError, RecursionError, MemoryError, Warning),
)

Value = Any  # None, bool, int, float, str, bytes, or one of the stand-ins below


class UnsafePickleError(Exception):
    """The pickle would import what no weights need. `names` are in the order of the file."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class DamagedPickleError(Exception):
    """The pickle is cut short, makes no sense, or asks for what cannot be."""


class Name(NamedTuple):
    """A function or class that the pickle names."""

    name: str


class Storage(NamedTuple):
    """Numbers that lie outside the pickle, by their key."""

    key: str
    dtype: torch.dtype
    numel: int

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers."""
        return self.dtype.itemsize * self.numel


class Skipped(NamedTuple):
    """What stands in the place of a value that is no weights."""

    name: str


@dataclass(slots=True, eq=False)
class Group:
    """A container or the result of a call."""

    kind: str
    items: list[Value] = field(default_factory=list)
    depth: int = 0
    name: str = ""  # of the class, where it is not known here
    state: Value = None  # attributes of an object of such a class

    def add(self, values: list[Value]) -> None:
        """Add values, checking how deep they are nested."""
        self.items.extend(values)
        inside = max((v.depth for v in values if isinstance(v, Group)), default=0)
        self.depth = max(self.depth, inside + 1)
        if self.depth > _MOST_NESTED:
            raise DamagedPickleError(f"its values are nested over {_MOST_NESTED} deep")


class Outline(NamedTuple):
    """What a pickle holds.

    Attributes
    ----------
    value : Value
        What it would give, with stand-ins.
    storages : dict
        Storages by key.
    skipped : list of str
        Functions and classes that were passed over.
    """

    value: Value
    storages: dict[str, Storage]
    skipped: list[str]


def outline(stream: BytesIO) -> Outline:
    """Follow one pickle up to its end, and leave the stream there.

    Parameters
    ----------
    stream : io.BytesIO
        The bytes, at the start of a pickle.

    Returns
    -------
    Outline
        What it holds.

    Raises
    ------
    UnsafePickleError
        When it names something that weights do not need.
    DamagedPickleError
        When it is no pickle, or makes no sense.
    """
    machine = _Machine()
    machine.run(stream)
    if machine.unsafe:  # says more than what else is wrong
        raise UnsafePickleError(list(machine.unsafe))
    if machine.damage is not None:
        raise DamagedPickleError(machine.damage)
    return Outline(machine.result, machine.storages, list(machine.skipped))


@lru_cache(maxsize=1)
def names_of_weights() -> frozenset[str]:
    """Return the names that a pickle of weights may use: part of what PyTorch's reader allows."""
    dtypes = {str(value) for value in vars(torch).values() if isinstance(value, torch.dtype)}
    return frozenset({*_CALLS, *_TYPES, *_OF_QUANTISED, *_storage_types(), *dtypes})


def build(value: Value, storages: Mapping[str, torch.UntypedStorage]) -> object:
    """Build what a pickle holds: tensors, in dictionaries; a stand-in for anything else.

    Parameters
    ----------
    value : Value
        From an `Outline`.
    storages : mapping of str to torch.UntypedStorage
        The numbers, by key, as many as the outline says.

    Returns
    -------
    object
        A tensor, a list or tuple of them, a dictionary (also of a list that holds some, by place),
        a text, a number, None, or `Skipped`.
    """
    if isinstance(value, Group) and _is_several(value):
        several = [_shallow(item, storages, {}) for item in value.items]
        return several if value.kind == "list" else tuple(several)
    if isinstance(value, Group) and value.kind in ("list", "tuple"):
        value = _by_place(value)
    made: dict[int, Any] = {}  # one mapping may lie under many names, and within itself
    whole = _shallow(value, storages, made)
    todo, unpacked = [value], 0
    while todo:
        group = todo.pop()
        if not _is_mapping(group) or made[id(group)]:
            continue
        entries = _entries(group)
        unpacked += len(entries) if _is_module(group) else 0
        if unpacked > _MOST_TENSORS:
            raise ValueError("its modules hold more tensors than can be")
        for key, inside in entries:
            if isinstance(key, str | int | float | bytes | None):
                made[id(group)][key] = _shallow(inside, storages, made)
                todo.append(inside)
    return whole


def _is_several(value: Group) -> bool:
    plain = value.kind in ("list", "tuple") and len(value.items) <= _MOST_TENSORS
    return plain and all(isinstance(v, Group) and v.kind == "tensor" for v in value.items)


def _by_place(several: Group) -> Group:
    """Name by their places what somebody saved in one list: weights, settings, an optimiser."""
    if not any(map(_is_mapping, several.items)):
        return several
    named = Group("dict")
    named.add([entry for place, item in enumerate(several.items) for entry in (str(place), item)])
    return named


def _is_mapping(value: Value) -> bool:
    if not isinstance(value, Group):
        return False
    if _is_dict(value) or (value.kind == "foreign" and value.items):
        return True
    return _is_module(value) or (value.name in _NAMESPACES and _is_dict(value.state))


def _is_module(value: Group) -> bool:
    held = _attributes(value)
    return all(_is_dict(held.get(name)) for name in ("_modules", "_parameters", "_buffers"))


def _entries(value: Value) -> list[tuple[Value, Value]]:
    """Return the entries of what is taken for a mapping."""
    if _is_module(value):
        return _weights_of_module(value)
    return _pairs(value if value.items or value.state is None else value.state)


def _pairs(value: Group) -> list[tuple[Value, Value]]:
    return list(zip(value.items[::2], value.items[1::2], strict=True))


def _weights_of_module(module: Group) -> list[tuple[Value, Value]]:
    """Return the tensors of a pickled torch.nn.Module, named as its state_dict names them."""
    found: list[tuple[Value, Value]] = []
    todo, parts = [("", module, 0)], 0
    while todo:
        prefix, part, depth = todo.pop()
        held, parts = _attributes(part), parts + 1
        if depth > _MOST_NESTED or len(found) + parts > _MOST_TENSORS:
            raise ValueError("a module holds itself, or more tensors than can be")
        passing = held.get("_non_persistent_buffers_set")
        unsaved = passing.items if isinstance(passing, Group) else []
        for kind in ("_parameters", "_buffers"):
            for name, tensor in _pairs(held[kind]):
                if isinstance(tensor, Group) and tensor.kind == "tensor" and name not in unsaved:
                    found.append((f"{prefix}{name}", tensor))
        todo += [
            (f"{prefix}{name}.", inside, depth + 1)
            for name, inside in reversed(_pairs(held["_modules"]))
            if isinstance(inside, Group) and _is_module(inside)
        ]
    return found


def _attributes(value: Group) -> dict[Value, Value]:
    if value.kind != "foreign" or not _is_dict(value.state):
        return {}
    if len(value.state.items) > _MOST_ATTRIBUTES:  # looked at anew wherever the value stands
        return {}
    return {name: held for name, held in _pairs(value.state) if isinstance(name, str)}


def _shallow(
    value: Value, storages: Mapping[str, torch.UntypedStorage], made: dict[int, Any]
) -> Any:
    if not isinstance(value, Group):
        return Skipped(value.name) if isinstance(value, Name) else value
    if value.kind == "tensor":
        storage, offset, size, stride, dtype = value.items
        empty = torch.empty(0, dtype=dtype)
        return empty.set_(storages[storage.key], offset, tuple(size), tuple(stride))
    if _is_mapping(value):
        return made.setdefault(id(value), {})
    return Skipped(value.name or value.kind)


@lru_cache(maxsize=1)
def _storage_types() -> dict[str, torch.dtype]:
    """Return the type of a number in each kind of storage."""
    types = {
        "Byte": torch.uint8,
        "Char": torch.int8,
        "Bool": torch.bool,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Short": torch.int16,
        "Float": torch.float32,
        "Int": torch.int32,
        "Double": torch.float64,
        "Long": torch.int64,
        "ComplexFloat": torch.complex64,
        "ComplexDouble": torch.complex128,
    }
    named = {f"torch.{kind}Storage": dtype for kind, dtype in types.items()}
    on_gpu = {f"torch.cuda.{kind}Storage": dtype for kind, dtype in types.items()}
    return {**named, **on_gpu, "torch.storage.UntypedStorage": torch.uint8}


def _is_harmful(name: str) -> bool:
    """Return whether a name runs code or reaches files, which no checkpoint of training needs."""
    root = name.partition(".")[0]
    if root == "builtins":
        return name.removeprefix("builtins.") not in _HARMLESS_BUILTINS
    if root == "torch":
        return not name.startswith(_HARMLESS_OF_TORCH)
    if name in _NAMESPACES:
        return False
    return root in _HARMFUL or not name.replace(".", "").replace("<locals>", "").isidentifier()


_HARMLESS_BUILTINS = {
    *("bool", "bytes", "dict", "float", "frozenset", "int", "list", "object", "range", "slice"),
    *("str", "tuple"),
    *("long", "unicode", "xrange"),  # of Python 2, which pickle still writes
    *("abs", "all", "any", "len", "max", "min", "round", "sorted", "sum"),  # in settings
}
_HARMLESS_OF_TORCH = (
    *("torch.optim.", "torch.nn.", "torch.utils.data.", "torch.distributed."),
    *("torch.amp.", "torch.cuda.amp.", "torch.distributions.", "torch._C.Generator"),
    "torch._C._nn.",  # activations that modules keep
)
_HARMFUL = {
    *(
        "asyncio",
        "bdb",
        "cPickle",
        "cProfile",
        "code",
        "codeop",
        "commands",
        "ctypes",
        "_ctypes",
        "http",
    ),
    *("importlib", "io", "_io", "marshal", "multiprocessing", "nt", "ntpath", "operator"),
    *("_operator", "os", "pdb", "pickle", "_pickle", "pip", "pkgutil", "posix", "posixpath"),
    *("profile", "pty", "pydoc", "requests", "runpy", "shutil", "signal", "socket", "subprocess"),
    *("sys", "tempfile", "threading", "timeit", "types", "urllib", "webbrowser"),
}


class _Machine:
    """Follows the instructions of one pickle."""

    def __init__(self) -> None:
        self.stack: list[Value] = []
        self.below: list[list[Value]] = []
        self.memo: dict[int, Value] = {}
        self.storages: dict[str, Storage] = {}
        self.unsafe: dict[str, None] = {}  # in their order
        self.skipped: dict[str, None] = {}
        self.damage: str | None = None
        self.result: Value = None

    def run(self, stream: BytesIO) -> None:
        """Follow them up to STOP."""
        instructions = pickletools.genops(stream)
        for _ in range(_MOST_INSTRUCTIONS):
            # After a fault too: what it wants to import later is the better message.
            try:
                opcode, argument, _ = next(instructions)
            except StopIteration:
                return
            except _MALFORMED as error:
                self.fault(error)
                return
            try:
                _STEPS[opcode.name](self, argument)
            except (DamagedPickleError, *_MALFORMED) as error:
                self.fault(error)
        self.fault(DamagedPickleError(f"it has over {_MOST_INSTRUCTIONS} instructions"))

    def fault(self, error: Exception) -> None:
        """Note the first fault."""
        self.damage = self.damage or str(error) or type(error).__name__

    def pop(self) -> Value:
        if not self.stack:
            raise DamagedPickleError("it takes from an empty stack")
        return self.stack.pop()

    def top(self) -> Value:
        if not self.stack:
            raise DamagedPickleError("it takes from an empty stack")
        return self.stack[-1]

    def to_mark(self) -> list[Value]:
        if not self.below:
            raise DamagedPickleError("it goes back to a mark that is not there")
        items, self.stack = self.stack, self.below.pop()
        return items

    def group(self, kind: str, items: list[Value]) -> None:
        made = Group(kind)
        made.add(items)
        self.stack.append(made)

    def fill(self, kinds: tuple[str, ...], items: list[Value]) -> None:
        target = self.top()
        if not isinstance(target, Group) or target.kind not in kinds:
            raise DamagedPickleError("it fills what is no container")
        target.add(items)

    def append(self, items: list[Value]) -> None:
        target = self.top()
        if not (isinstance(target, Group) and target.kind == "foreign"):
            self.fill(("list",), items)

    def set_items(self, items: list[Value]) -> None:
        if len(items) % 2:
            raise DamagedPickleError("an entry has no value")
        for key in items[::2]:
            _check_key(key)
        self.fill(("dict", "ordered", "counter", "foreign"), items)

    def name(self, module: Value, name: Value) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            self.refuse("a name that it makes up as it runs")
            self.stack.append(None)
            return
        module = {"__builtin__": "builtins"}.get(module, module)
        full = f"{module}.{name}"
        if full not in names_of_weights():
            if _is_harmful(full):
                self.refuse(full)
            else:
                self.skipped[full] = None
        self.stack.append(Name(full))

    def refuse(self, name: str) -> None:
        self.unsafe[name] = None

    def call(self, function: Value, arguments: Value) -> None:
        if self.unsafe:  # all that is left to do is to list the names
            self.stack.append(None)
            return
        if not isinstance(function, Name):
            raise DamagedPickleError("it calls what is no function")
        if function.name in self.skipped:
            self.stack.append(Group("foreign", name=self.object_of(function, arguments)))
            return
        if not isinstance(arguments, Group) or arguments.kind != "tuple":
            raise DamagedPickleError(f"it calls {function.name} without arguments")
        if function.name not in _CALLS:
            raise DamagedPickleError(f"it calls {function.name}, which weights do not")
        self.stack.append(_CALLS[function.name](*arguments.items))

    def object_of(self, function: Name, arguments: Value) -> str:
        """Return the class of what a call would make, where the class is an argument."""
        first = next(iter(arguments.items), None) if isinstance(arguments, Group) else None
        if function.name.startswith(("copyreg.", "copy_reg.")) and isinstance(first, Name):
            return first.name
        return function.name

    def build(self) -> None:
        state, target = self.pop(), self.top()
        if self.unsafe:
            return
        if isinstance(target, Group) and target.kind == "foreign":
            target.state = state
            return
        kind = target.kind if isinstance(target, Group) else ""
        # An ordered dictionary carries the versions of modules in such a state.
        if kind != "ordered" or not _is_harmless(state, OrderedDict):
            raise DamagedPickleError("it sets the state of an object that weights do not have")

    def persistent(self, identity: Value) -> None:
        if self.unsafe:
            self.stack.append(None)
            return
        if _is_saved_class(identity):
            self.stack.append(identity.items[1])
            return
        storage = _storage(identity)
        known = self.storages.setdefault(storage.key, storage)
        if known != storage:
            raise DamagedPickleError(f"storage {storage.key!r} has two sizes")
        self.stack.append(storage)


def _is_saved_class(identity: Value) -> bool:
    """Return whether torch.save, before PyTorch 1.6, put the class of a module apart."""
    parts = identity.items if isinstance(identity, Group) and identity.kind == "tuple" else []
    return len(parts) == 4 and parts[0] == "module" and isinstance(parts[1], Name)


def _storage(identity: Value) -> Storage:
    """Read the identity that torch.save gives a storage."""
    parts = identity.items if isinstance(identity, Group) and identity.kind == "tuple" else []
    if len(parts) not in (5, 6) or parts[0] != "storage":
        raise DamagedPickleError("it refers to something other than a storage")
    _, kind, key, location, numel = parts[:5]
    if isinstance(kind, Name) and kind.name in _OF_QUANTISED:
        raise DamagedPickleError(_QUANTISED)
    if not isinstance(kind, Name) or kind.name not in _storage_types():
        raise DamagedPickleError("a storage has no type")
    if not isinstance(key, str) or not isinstance(location, str) or not _is_size(numel):
        raise DamagedPickleError("a storage has no key or no size")
    if len(parts) == 6 and parts[5] is not None:
        raise DamagedPickleError("a storage is a part of another one, as in PyTorch before 0.4")
    return Storage(key, _storage_types()[kind.name], numel)


def _tensor(storage: Value, offset: Value, size: Value, stride: Value, *rest: Value) -> Group:
    """Check that a tensor lies within its storage."""
    dtype = storage.dtype if isinstance(storage, Storage) else torch.uint8
    if len(rest) > 2 and isinstance(rest[2], Name):  # storage of bytes, type of number apart
        dtype = _dtype(rest[2].name)
    elif len(rest) > 2 and rest[2] is not None and not _is_empty(rest[2]):
        raise DamagedPickleError("a tensor is conjugated or negated where it is read")
    sizes, strides = _sizes(size), _sizes(stride)
    if not isinstance(storage, Storage) or not _is_size(offset) or len(sizes) != len(strides):
        raise DamagedPickleError("a tensor has no storage or no shape")
    last = sum((n - 1) * step for n, step in zip(sizes, strides, strict=True)) + 1
    if 0 not in sizes and (offset + last) * dtype.itemsize > storage.nbytes:
        raise DamagedPickleError(
            f"a tensor of shape {tuple(sizes)} does not fit into its {storage.nbytes} bytes"
        )
    return Group("tensor", [storage, offset, sizes, strides, dtype])


def _is_empty(value: Value) -> bool:
    return isinstance(value, Group) and not value.items


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name.removeprefix("torch."), None)
    if not isinstance(dtype, torch.dtype):
        raise DamagedPickleError(f"{name} is no type of number")
    return dtype


def _sizes(shape: Value) -> list[int]:
    items = shape.items if isinstance(shape, Group) and shape.kind in ("tuple", "list") else None
    if items is None or not all(_is_size(n) for n in items) or len(items) > 64:
        raise DamagedPickleError("a tensor has no shape")
    return items


def _is_size(value: Value) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _is_dict(value: Value) -> bool:
    return isinstance(value, Group) and value.kind in ("dict", "ordered")


def _check_key(key: Value) -> None:
    # Optimisers name their state by tensors, and configurations have pairs for names.
    if isinstance(key, Group) and (key.kind == "tuple" and key.depth <= _MOST_OF_KEY):
        return
    if not (isinstance(key, Group) and key.kind in ("tensor", "foreign")):
        _check_member(key)


def _check_member(member: Value) -> None:
    if isinstance(member, Group | Storage):
        raise DamagedPickleError("an entry is named by something other than a text or a number")


def _ordered(*pairs: Value) -> Group:
    made = Group("ordered")
    for pair in pairs[0].items if pairs else []:
        key, value = pair.items
        _check_key(key)
        made.add([key, value])
    return made


def _counter(*counts: Value) -> Group:
    if len(counts) > 1 or not all(_is_dict(count) for count in counts):
        raise DamagedPickleError("a counter counts something other than a dictionary")
    return Group("counter")


def _parameter(
    data: Value, requires_grad: Value = True, hooks: Value = None, state: Value = None
) -> Value:
    if not _is_harmless(state, torch.Tensor):
        raise DamagedPickleError("a parameter has a state that replaces parts of itself")
    return data


def _from_type(function: Value, kind: Value, arguments: Value, state: Value) -> Value:
    if not isinstance(function, Name) or not isinstance(kind, Name):
        raise DamagedPickleError("a tensor is of a type of its own")
    if not _is_harmless(state, torch.Tensor):
        raise DamagedPickleError("a tensor has a state that replaces parts of itself")
    if function.name not in _TENSORS or kind.name not in _TYPES:
        raise DamagedPickleError(f"a tensor is of the type {kind.name} of its own")
    return _CALLS[function.name](*arguments.items)


def _is_harmless(state: Value, owner: type) -> bool:
    """Return whether attributes may be set that a pickle carries: none that the type has itself."""
    if state is None:
        return True
    names = state.items[::2] if _is_dict(state) else [None]
    return all(isinstance(name, str) and not hasattr(owner, name) for name in names)


def _simple(*allowed: type) -> Callable[..., Group]:
    """Return a check that accepts calls whose arguments are all of these types."""

    def check(*arguments: Value) -> Group:
        if not all(isinstance(argument, allowed) for argument in arguments):
            raise DamagedPickleError("a value is made from something that it should not be")
        return Group("value")

    return check


def _size(*shape: Value) -> Group:
    made = Group("tuple")
    made.add(list(_sizes(shape[0])) if shape else [])
    return made


def _set(*members: Value) -> Group:
    made = Group("set")
    for member in members[0].items if members else []:
        _check_member(member)
        made.add([member])
    return made


def _bytes(*content: Value) -> Group:
    # From a number it would take that many bytes of memory.
    made = all(isinstance(part, bytes | str | Group) for part in content)
    if not made:
        raise DamagedPickleError("bytes are made from a number")
    return Group("value")


def _encode(text: Value, encoding: Value) -> Group:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise DamagedPickleError("bytes are made from something other than text")
    return Group("value")


def _refused(what: str) -> Callable[..., Group]:
    def refuse(*_: Value) -> Group:
        raise DamagedPickleError(what)

    return refuse


_TENSORS = (
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
)
_QUANTISED = "it holds quantised tensors; save the weights as floating-point numbers"
_OF_QUANTISED = (
    *(f"torch.Q{kind}Storage" for kind in ("UInt8", "Int8", "Int32", "UInt4x2", "UInt2x4")),
    *(f"torch.per_{scheme}" for scheme in ("tensor_affine", "tensor_symmetric")),
    *(f"torch.per_channel_{scheme}" for scheme in ("affine", "symmetric")),
    "torch.per_channel_affine_float_qparams",
)
_SPARSE = "it holds sparse tensors; save the weights as dense ones (to_dense)"
_NO_VALUES = "it holds tensors without values (on the meta device)"
_CALLS: dict[str, Callable[..., Value]] = {
    **dict.fromkeys(_TENSORS, _tensor),
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch._utils._rebuild_qtensor": _refused(_QUANTISED),
    "torch._utils._rebuild_sparse_tensor": _refused(_SPARSE),
    "torch._utils._rebuild_meta_tensor_no_storage": _refused(_NO_VALUES),
    "torch._utils._rebuild_nested_tensor": _refused("it holds nested tensors"),
    "torch.serialization._get_layout": _simple(str),
    "torch.device": _simple(str, int),
    "torch.Size": _size,
    "collections.OrderedDict": _ordered,
    "collections.Counter": _counter,
    "_codecs.encode": _encode,
    "builtins.bytearray": _bytes,
    "builtins.set": _set,
    "builtins.complex": _simple(float),
}
_TYPES = ("torch.Tensor", "torch.nn.parameter.Parameter")

_Step = Callable[[_Machine, Any], None]


def _push(machine: _Machine, argument: Value) -> None:
    machine.stack.append(argument)


def _constant(value: Value) -> _Step:
    return lambda machine, _: machine.stack.append(value)


def _empty(kind: str) -> _Step:
    return lambda machine, _: machine.stack.append(Group(kind))


def _marked(kind: str) -> _Step:
    return lambda machine, _: machine.group(kind, machine.to_mark())


def _tuple(length: int) -> _Step:
    def step(machine: _Machine, _: Any) -> None:
        items = [machine.pop() for _ in range(length)]
        machine.group("tuple", items[::-1])

    return step


def _mark(machine: _Machine, _: Any) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _dict(machine: _Machine, _: Any) -> None:
    items = machine.to_mark()
    machine.stack.append(Group("dict"))
    machine.set_items(items)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _add_items(machine: _Machine, _: Any) -> None:
    items = machine.to_mark()
    for item in items:
        _check_member(item)
    machine.fill(("set",), items)


def _memoize(machine: _Machine, _: Any) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _put(machine: _Machine, index: Any) -> None:
    machine.memo[index] = machine.top()


def _get(machine: _Machine, index: Any) -> None:
    if index not in machine.memo:
        raise DamagedPickleError("it refers to a value that is not there")
    machine.stack.append(machine.memo[index])


def _global(machine: _Machine, argument: Any) -> None:
    machine.name(*_split(argument))


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    machine.name(module, name)


def _instance(machine: _Machine, argument: Any) -> None:
    items = machine.to_mark()
    machine.name(*_split(argument))
    function = machine.pop()
    machine.group("tuple", items)
    machine.call(function, machine.pop())


def _object(machine: _Machine, _: Any) -> None:
    function, *items = machine.to_mark()
    machine.group("tuple", items)
    machine.call(function, machine.pop())


def _reduce(machine: _Machine, _: Any) -> None:
    arguments, function = machine.pop(), machine.pop()
    machine.call(function, arguments)


def _new_object_ex(machine: _Machine, _: Any) -> None:
    named, arguments, function = machine.pop(), machine.pop(), machine.pop()
    if not _is_empty(named) and getattr(function, "name", "") not in machine.skipped:
        raise DamagedPickleError("it calls a function with named arguments")
    machine.call(function, arguments)


def _extension(machine: _Machine, code: Any) -> None:
    machine.refuse(f"extension {code} of copyreg")
    machine.stack.append(None)


def _buffer(_: _Machine, __: Any) -> None:
    raise DamagedPickleError("it refers to bytes outside itself")


def _split(argument: str) -> tuple[str, str]:
    """Split what pickletools gives for a module and a name."""
    module, _, name = argument.partition(" ")
    return module, name


def _pop(machine: _Machine, _: Any) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.to_mark()


def _pop_mark(machine: _Machine, _: Any) -> None:
    machine.to_mark()


def _nothing(_: _Machine, __: Any) -> None:
    pass


def _stop(machine: _Machine, _: Any) -> None:
    machine.result = machine.pop()


_LITERALS = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
_STEPS: dict[str, _Step] = {
    **dict.fromkeys(_LITERALS, _push),
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    "EMPTY_LIST": _empty("list"),
    "EMPTY_TUPLE": _empty("tuple"),
    "EMPTY_DICT": _empty("dict"),
    "EMPTY_SET": _empty("set"),
    "LIST": _marked("list"),
    "TUPLE": _marked("tuple"),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "FROZENSET": _marked("value"),
    "DICT": _dict,
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "DUP": lambda machine, _: machine.stack.append(machine.top()),
    "APPEND": lambda machine, _: machine.append([machine.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.to_mark()),
    "ADDITEMS": _add_items,
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.set_items(machine.to_mark()),
    "MEMOIZE": _memoize,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "INST": _instance,
    "OBJ": _object,
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _new_object_ex,
    "REDUCE": _reduce,
    "BUILD": lambda machine, _: machine.build(),
    "PERSID": lambda machine, identity: machine.persistent(identity),
    "BINPERSID": lambda machine, _: machine.persistent(machine.pop()),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _extension),
    **dict.fromkeys(("NEXT_BUFFER", "READONLY_BUFFER"), _buffer),
    **dict.fromkeys(("PROTO", "FRAME"), _nothing),
    "STOP": _stop,
}
