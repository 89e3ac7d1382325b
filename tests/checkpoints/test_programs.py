import json
import pickle
import random
import zipfile

import pytest
import torch
from torch import nn

from latentgeo.checkpoints._expressions import check_guard, check_size
from latentgeo.checkpoints.weights import check_export_archive, check_torchscript, kind_of
from latentgeo.errors import InputError

from .hostile import Payload, call, instructions, sizes, state_dict, storage, text, write_archive

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning")


class Net(nn.Module):
    """Uses what encoders use: convolution, normalisation, attention, sampling, shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.SiLU())
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.up = nn.Upsample(scale_factor=2)
        self.register_buffer("scale", torch.ones(4, 1, 1))
        self.shift = torch.arange(4.0)

    def forward(self, images):
        features = self.convolution(images) * self.scale
        b, c, h, w = features.shape
        tokens = features.flatten(2).transpose(1, 2) + self.shift
        tokens = tokens + self.attention(tokens, tokens, tokens)[0]
        latent = tokens.transpose(1, 2).reshape(b, c, h, w)
        mean, log_variance = latent.chunk(2, dim=1)
        drawn = mean + torch.randn_like(mean) * log_variance.exp()
        return {"latent": drawn, "up": self.up(latent), "height": h // 2 + 1}


IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
ANY = torch.export.Dim.DYNAMIC
SHAPES = {"fixed": None, "batch": ({0: ANY},), "all": ({0: ANY, 2: ANY, 3: ANY},)}


def export(path, *, shapes=None, decomposed=False):
    program = torch.export.export(Net().eval(), (IMAGES,), dynamic_shapes=shapes)
    torch.export.save(program.run_decompositions() if decomposed else program, path)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(tmp_path_factory.mktemp("exported") / "net.pt2", shapes=SHAPES["all"])


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    path = tmp_path_factory.mktemp("scripted") / "net.pt"
    torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))), path)
    return path


@pytest.fixture
def proof(tmp_path):
    """Name the file that a payload would make, and check that none did."""
    path = tmp_path / "it ran"
    yield path
    assert not path.exists()


def read_entries(path):
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def changed(path, to, entries):
    """Write an archive with some entries replaced or added."""
    return write_archive(to, {**read_entries(path), **entries})


def changed_model(path, to, change):
    """Write an archive whose graph was changed."""
    program = json.loads(read_entries(path)["models/model.json"])
    change(program)
    return changed(path, to, {"models/model.json": json.dumps(program).encode()})


def refused(check, path, *words, **options):
    with pytest.raises(InputError) as caught:
        check(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), *words):
        assert word in message


# torch.export


@pytest.mark.parametrize("decomposed", [False, True], ids=["", "decomposed"])
@pytest.mark.parametrize("shapes", SHAPES)
def test_true_archives_pass_and_open(tmp_path, shapes, decomposed):
    path = export(tmp_path / "net.pt2", shapes=SHAPES[shapes], decomposed=decomposed)
    assert kind_of(path) == "torch-export"
    check_export_archive(path)
    given = torch.export.load(path).module()(IMAGES)
    assert given["latent"].shape == (4, 2, 4, 4)


def test_an_archive_written_anew_passes_and_opens(tmp_path, exported):
    path = changed(exported, tmp_path / "net.pt2", {})
    check_export_archive(path)
    assert torch.export.load(path).module()(IMAGES)["height"] == 3


@pytest.mark.parametrize(
    "entry",
    [
        "data/aotinductor/model/a.so",
        "data/aotinductor/model/a.cubin",
        "data/constants/custom_obj_0",
        "data/constants/opaque_obj_0",
        "data/constants/model.pt",
        "data/weights/model.pt",
        "executorch/a.pte",
        "models/../a.json",
        "other",
    ],
)
def test_refuses_entries_that_bring_code(tmp_path, exported, entry):
    path = changed(exported, tmp_path / "net.pt2", {entry: b"1"})
    refused(check_export_archive, path, "a.json" if ".." in entry else entry)


def test_refuses_payloads_among_the_sample_inputs(tmp_path, exported, proof):
    place = "data/sample_inputs/model.pt"
    torch.save(((Payload(proof),), {}), tmp_path / "inputs")
    for content, word in [
        ((tmp_path / "inputs").read_bytes(), "builtins.eval"),
        (pickle.dumps(Payload(proof)), "zip archive"),
    ]:
        path = changed(exported, tmp_path / "net.pt2", {place: content})
        refused(check_export_archive, path, word)
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), tmp_path / "inputs")
    path = changed(exported, tmp_path / "net.pt2", {place: (tmp_path / "inputs").read_bytes()})
    refused(check_export_archive, path)
    other = write_archive(tmp_path / "inputs", {"a": b"1"}).read_bytes()
    path = changed(exported, tmp_path / "net.pt2", {place: other})
    refused(check_export_archive, path, "sample inputs")


@pytest.mark.parametrize("kind", ["weights", "constants"])
def test_refuses_pickled_tensors(tmp_path, exported, kind):
    name = f"data/{kind}/model_{kind}_config.json"
    config = json.loads(read_entries(exported)[name])
    tensor = next(iter(config["config"].values()))
    for changes, word in [
        ({"use_pickle": True}, "unpickled without limits"),
        ({"path_name": "opaque_obj_0"}, "opaque_obj_0"),
        ({"path_name": "../weight_0"}, "../weight_0"),
    ]:
        entries = {"a": {**tensor, **changes}}
        content = json.dumps({"config": entries}).encode()
        path = changed(exported, tmp_path / "net.pt2", {name: content})
        refused(check_export_archive, path, word)
    for content in (b"", b"{", b"[]", b'{"config": []}', b"[" * 100_000):
        refused(check_export_archive, changed(exported, tmp_path / "net.pt2", {name: content}))


def node(program, **changes):
    program["graph_module"]["graph"]["nodes"][0].update(changes)


def first_spec(program):
    return program["graph_module"]["module_call_graph"][0]["signature"]


def size(program, text):
    values = program["graph_module"]["graph"]["sym_int_values"]
    next(iter(values.values()))["as_expr"]["expr_str"] = text


def spec(kind, context="null"):
    return json.dumps([1, {"type": kind, "context": context, "children_spec": []}])


CODE = "__import__('os').system('true')"
FACTORY = {
    "default_factory_module": "os",
    "default_factory_name": "abort",
    "dict_context": [],
}
HOSTILE = {
    "operator of os": lambda p: node(p, target="torch.os.system"),
    "operator that writes": lambda p: node(p, target="torch.ops.aten.from_file.default"),
    "operator that saves": lambda p: node(p, target="torch.ops.aten.save.default"),
    "operator that loads": lambda p: node(p, target="torch.ops.load_library"),
    "operator of Python": lambda p: node(p, target="_operator.methodcaller"),
    "operator of a library": lambda p: node(p, target="torch.ops.mine.run.default"),
    "operator through a class": lambda p: node(p, target="torch.ops.aten.__class__.add"),
    "extension": lambda p: node(p, target="#mine:run"),
    "name": lambda p: node(p, name=f"x = {CODE}"),
    "name of an argument": lambda p: node(p, inputs=[{"name": "a=b, c", "arg": {"as_int": 1}}]),
    "operator as argument": lambda p: node(
        p, inputs=[{"name": "a", "arg": {"as_operator": "torch.os.system"}}]
    ),
    "object": lambda p: node(
        p, inputs=[{"name": "a", "arg": {"as_custom_obj": {"name": "a", "class_fqn": "b"}}}]
    ),
    "text": lambda p: node(p, inputs=[{"name": "a", "arg": {"as_string": "a'\n"}}]),
    "key": lambda p: p["graph_module"]["graph"]["tensor_values"].update({f"a\n{CODE}": {}}),
    "size": lambda p: size(p, CODE),
    "guard": lambda p: p.update(guards_code=[f"{CODE} == 1"]),
    "guard that closes the call": lambda p: p.update(guards_code=[f"1), ({CODE}"]),
    "name of a parameter": lambda p: p["graph_module"]["signature"]["input_specs"].append(
        {"parameter": {"arg": {"name": "a"}, "parameter_name": f'a.b") + {CODE} + ("'}}
    ),
    "name of an input": lambda p: first_spec(p).update(forward_arg_names=["a, b"]),
    "factory": lambda p: first_spec(p).update(
        in_spec=spec("collections.defaultdict", json.dumps(FACTORY))
    ),
    "type of outputs": lambda p: first_spec(p).update(out_spec=spec("mine.Type")),
    "key of outputs": lambda p: first_spec(p).update(
        out_spec=spec("builtins.dict", json.dumps(['a"b']))
    ),
    "no spec": lambda p: first_spec(p).update(out_spec="{"),
    "no graph": lambda p: p.pop("graph_module"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_refuses_graphs_that_would_run_code(tmp_path, exported, case):
    path = changed_model(exported, tmp_path / "net.pt2", HOSTILE[case])
    refused(check_export_archive, path, "is not opened", "--model")


def test_names_the_operator(tmp_path, exported):
    path = changed_model(exported, tmp_path / "net.pt2", HOSTILE["operator of os"])
    refused(check_export_archive, path, "operator 'torch.os.system'")


@pytest.mark.parametrize(
    "expression",
    [
        "Symbol('s77', positive=True, integer=True)",
        "Add(FloorDiv(Add(Symbol('s16'), Integer(-1)), Integer(2)), Integer(1))",
        "2*s0 + Max(1, s1//2) - u0**2",
        "Pow(Symbol('s0'), Integer(-1))",
        "Eq(Mod(Symbol('s0'), Integer(2)), Integer(0))",
    ],
)
def test_sizes_are_arithmetic(expression):
    assert check_size(expression)


@pytest.mark.parametrize(
    "expression",
    [
        CODE,
        "",
        "s0; s1",
        "lambda: 1",
        "().__class__",
        "s0.__class__",
        "sympify('1')",
        "Max('open(1)')",
        "Max('print')(1)",
        "Symbol('s0').name",
        "[s0 for s0 in (1,)]",
        "9**9**9**9",
        "9**99",
        "Pow(9, s0)",
        "2**2 + 2**2 + 2**2 + 2**2 + 2**2",
        "1 << 9999",
        "Integer(1, **{})",
        "s0, s1",
        "s0 if s1 else s2",
        "os",
        "(" * 5000 + ")" * 5000,
        "s0\n",
        "f's0'",
        "b's0'",
        "1 # 2",
        "s0" * 20_000,
    ],
)
def test_sizes_are_nothing_else(expression):
    assert not check_size(expression)


@pytest.mark.parametrize(
    "guard",
    [
        "(1 + (((-1) + L['input'].size()[2]) // 2)) != 1",
        "L['args'][0].size()[0] <= 64 and not L['x'].stride()[1] == 2",
        "math.isnan(L['x'])",
        "L['x'] == math.inf",
        "L['x'] == None",
        "L['x'] == 'zeros'",
    ],
)
def test_guards_compare_sizes(guard):
    assert check_guard(guard)


@pytest.mark.parametrize(
    "guard",
    [
        CODE,
        "torch.os.system('true')",
        "math.__loader__",
        "L['x'].save('a')",
        "L['x'].size.__self__",
        "L['x'].size()[0] == 1), (2",
        "L['x'].size()[0] == 1 # ",
        'L["x"].size()[0] == 1',
        "L['x\\'']",
        "globals()['a']",
        "print(1)",
    ],
)
def test_guards_do_nothing_else(guard):
    assert not check_guard(guard)


# TorchScript


def test_true_scripts_pass_and_open(tmp_path, scripted):
    check_torchscript(scripted)
    torch.jit.trace(nn.Sequential(nn.Linear(2, 2), nn.GRU(2, 2)), torch.ones(1, 2)).save(
        tmp_path / "net.pt"
    )
    assert kind_of(tmp_path / "net.pt") == "torchscript"
    check_torchscript(tmp_path / "net.pt")
    torch.jit.save(
        torch.jit.freeze(torch.jit.script(nn.Conv2d(1, 1, 3)).eval()), tmp_path / "net.pt"
    )
    check_torchscript(tmp_path / "net.pt")
    path = changed(scripted, tmp_path / "again.pt", {})
    check_torchscript(path)
    assert torch.jit.load(path)(IMAGES).shape == (4, 2, 6, 6)


class Writes(nn.Module):
    def forward(self, images):
        torch.save(images, "it ran")
        return images


class Maps(nn.Module):
    def forward(self, images):
        return images + torch.from_file("it ran", True, 4)


@pytest.mark.parametrize(("module", "word"), [(Writes, "torch.save"), (Maps, "torch.from_file")])
def test_refuses_code_that_uses_files(tmp_path, monkeypatch, module, word):
    monkeypatch.chdir(tmp_path)
    torch.jit.save(torch.jit.script(module()), tmp_path / "net.pt")
    refused(check_torchscript, tmp_path / "net.pt", f"operator {word!r}", "uses files")
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("def f(x):\n  return ops.mine.run(x)\n", "'ops.mine.run', of another library"),
        ("def f(x):\n  return ops . prim . rpc_sync(x)\n", "ops.prim.rpc_sync"),
        ("def f(x):\n  g = torch.save\n", "torch.save"),
        ("def f(:\n", "cannot be read"),
        ("\0", "cannot be read"),
    ],
)
def test_refuses_code_of_other_libraries(tmp_path, scripted, code, word):
    path = changed(scripted, tmp_path / "net.pt", {"code/__torch__/extra.py": code.encode()})
    refused(check_torchscript, path, word)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (instructions(call("posix", "system", text("true"))), "posix.system"),
        (
            instructions(call("__torch__.torch.classes.mine", "Run", text("a"))),
            "torch.classes.mine",
        ),
        (state_dict(storage(10**6)), "should have 4000000 bytes"),
        (
            state_dict(
                call(
                    "torch._utils",
                    "_rebuild_tensor_v2",
                    storage(18),
                    b"K\x05",
                    sizes(18),
                    sizes(1),
                    b"\x89N",
                )
            ),
            "does not fit",
        ),
    ],
)
def test_refuses_pickles_that_lie(tmp_path, scripted, content, word):
    refused(check_torchscript, changed(scripted, tmp_path / "w", {"data.pkl": content}), word)


def test_refuses_other_entries_and_bombs(tmp_path, scripted):
    path = changed(scripted, tmp_path / "w", {"libs/a.so": b"1"})
    refused(check_torchscript, path, "entry 'libs/a.so'")
    entries = {**read_entries(scripted), "code/__torch__/a.py": b" " * (1 << 24)}
    path = write_archive(tmp_path / "w", entries, compression=zipfile.ZIP_DEFLATED)
    refused(check_torchscript, path, "as a zip bomb does")
    refused(check_torchscript, scripted, "expected at most 100", max_bytes=100)


# Harm by chance


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")
@pytest.mark.parametrize("kind", ["exported", "scripted"])
def test_harmed_archives_pass_or_are_refused(tmp_path, request, kind):
    check = {"exported": check_export_archive, "scripted": check_torchscript}[kind]
    raw = request.getfixturevalue(kind).read_bytes()
    rng = random.Random(2)
    refusals = 0
    for turn in range(120):
        damaged = bytearray(raw)
        if turn % 4:
            damaged[rng.randrange(len(raw))] ^= rng.randrange(1, 256)
        else:
            del damaged[rng.randrange(len(raw)) :]
        (tmp_path / "w").write_bytes(damaged)
        try:
            check(tmp_path / "w")
        except InputError:
            refusals += 1
    assert refusals >= 30
