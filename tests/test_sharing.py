"""Sharing: what is exported is the same model, its card says what was measured, and a hub keeps it.

The hub is a small server of the same interface on this machine.
"""

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from safetensors.torch import load_file

import latentgeo
import latentgeo.models
from latentgeo import InputError
from latentgeo.cli import main
from latentgeo.datasets import load
from latentgeo.figures import catalogue
from latentgeo.files import sha256_of_file
from latentgeo.measures import AnalysisSettings, Metric
from latentgeo.report import write_results
from latentgeo.results import Estimate, write_numbers
from latentgeo.sharing import model_card
from latentgeo.sharing.portable import portable


class Hub(ThreadingHTTPServer):
    """What huggingface_hub asks of a hub: repositories of files, with branches and commits."""

    daemon_threads = True
    readers_token = "hf_reads"

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.branches = {}  # (repository, branch): commit
        self.commits = {}  # commit: {path: content}
        self.objects = {}  # hash: content of a large file
        self.private = {}
        self.asked = []

    def add(self, repository, branch, files):
        commit = hashlib.sha1(json.dumps([repository, len(self.commits)]).encode()).hexdigest()
        self.commits[commit] = files
        self.branches[repository, branch] = commit
        return commit

    def files(self, repository, branch="main"):
        return self.commits[self.branches[repository, branch]]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"POST {path}")
        if self.headers.get("Authorization") == f"Bearer {Hub.readers_token}":
            return self.fail(403, "this token may only read")
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if path.endswith("/info/lfs/objects/batch"):
            return self.batch(json.loads(body))
        _, _, user, name, job, branch = path.strip("/").split("/", 5)
        repository = f"{user}/{name}"
        if job == "branch":
            self.server.branches.setdefault(
                (repository, branch), self.server.branches[repository, "main"]
            )
            return self.answer({})
        if job == "preupload":
            return self.preupload(json.loads(body))
        if job == "commit":
            return self.commit(repository, branch, [json.loads(line) for line in body.splitlines()])
        return self.fail(404, path)

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append("PUT")
        oid = self.path.rpartition("/")[2]
        assert hashlib.sha256(content).hexdigest() == oid
        self.server.objects[oid] = content
        self.answer({})

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path).strip("/")
        self.server.asked.append(f"{self.command} /{path}")
        parts = path.split("/")
        if parts[:2] == ["api", "models"]:
            parts = parts[2:]
        if len(parts) < 4:
            return self.fail(404, path)
        user, name, job, revision, *rest = parts
        repository = f"{user}/{name}"
        if (repository, "main") not in self.server.branches:
            return self.fail(401, "Repository not found", code="RepoNotFound")
        commit = self.server.branches.get((repository, revision), revision)
        if commit not in self.server.commits:
            return self.fail(404, f"Invalid rev id: {revision}", code="RevisionNotFound")
        files = self.server.commits[commit]
        if job == "revision":
            return self.answer({"id": repository, "sha": commit, "siblings": []})
        if job == "tree":
            return self.answer([self.entry(name, content) for name, content in files.items()])
        name = "/".join(rest)
        if name not in files:
            return self.fail(404, "Entry not found", code="EntryNotFound")
        digest = hashlib.sha256(files[name]).hexdigest()
        return self.send(200, files[name], {"ETag": f'"{digest}"', "X-Repo-Commit": commit})

    def create(self, asked):
        repository = f"{asked['organization']}/{asked['name']}"
        if (repository, "main") in self.server.branches:
            return self.fail(
                409, "You already created this repo", url=f"{self.server.url}/{repository}"
            )
        self.server.private[repository] = asked.get("private") or asked.get("visibility")
        self.server.add(repository, "main", {".gitattributes": b""})
        return self.answer({"url": f"{self.server.url}/{repository}", "name": repository})

    def preupload(self, asked):
        def mode(file):
            return "lfs" if file["path"].endswith(".safetensors") else "regular"

        files = [
            {"path": file["path"], "uploadMode": mode(file), "shouldIgnore": False}
            for file in asked["files"]
        ]
        return self.answer({"files": files})

    def batch(self, asked):
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        return self.answer({"transfer": "basic", "objects": objects})

    def commit(self, repository, branch, lines):
        files = dict(self.server.files(repository, branch))
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
        commit = self.server.add(repository, branch, files)
        url = f"{self.server.url}/{repository}/commit/{commit}"
        return self.answer({"success": True, "commitOid": commit, "commitUrl": url})

    def entry(self, name, content):
        found = {"type": "file", "path": name, "size": len(content)}
        found["oid"] = hashlib.sha1(content).hexdigest()
        if name.endswith(".safetensors"):
            oid = hashlib.sha256(content).hexdigest()
            found["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 1}
        return found

    def answer(self, value):
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def fail(self, status, message, code=None, **more):
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.send(status, json.dumps({"error": message, **more}).encode(), headers)

    def send(self, status, content, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


TINY = {"epochs": 1, "train_samples": 64, "batch_size": 32, "progress": False, "device": "cpu"}
SETTINGS = AnalysisSettings(tsne_seeds=(), pullback_images=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train a tiny model, too short to have learned."""
    folder = tmp_path_factory.mktemp("runs") / "tiny-vae"
    with pytest.warns(UserWarning, match="has not learned"):
        return latentgeo.train(
            "vae", data="digits", out=folder, options={"widths": (2, 3, 4)}, **TINY
        )


@pytest.fixture(scope="module")
def analysis(run, tmp_path_factory):
    """Measure it; of the figures, one is drawn."""
    folder = tmp_path_factory.mktemp("analysis") / "measured"
    with pytest.MonkeyPatch.context() as patch:
        only = {"noise_curves": catalogue.figure_rows()["noise_curves"]}
        patch.setattr(catalogue, "figure_rows", lambda kind: only)
        latentgeo.analyze(
            run, data="digits", noise=[0, 0.1], samples=10, settings=SETTINGS, out=folder
        )
    return folder


@pytest.fixture(scope="module")
def exported(run, analysis, tmp_path_factory):
    to = tmp_path_factory.mktemp("hub") / "tiny-vae"
    return latentgeo.export(run, to, analysis=analysis, licence="cc-by-4.0")


def read_card(folder):
    _, header, body = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(header), body


def test_what_was_exported_is_the_same_model(run, exported):
    model, original = latentgeo.load(exported), latentgeo.load(run)
    assert model.provenance["weights_sha256"] == original.provenance["weights_sha256"]
    assert model.weights_sha256() == sha256_of_file(run / "model.safetensors")
    images = load("digits", "test").batch(slice(3))
    with torch.inference_mode():
        torch.testing.assert_close(model.encode(images), original.encode(images))
    names = {path.relative_to(exported).as_posix() for path in exported.rglob("*")}
    assert names == {
        "model.safetensors",
        "config.json",
        "README.md",
        "provenance.json",
        "figures",
        "figures/noise_curves.png",
    }


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_may_be_rounded(run, tmp_path, dtype):
    half = getattr(torch, dtype)
    to = latentgeo.export(run, tmp_path / "hub", dtype=dtype)
    assert {tensor.dtype for tensor in load_file(to / "model.safetensors").values()} == {half}
    modes = [(folder / "model.safetensors").stat().st_mode for folder in (to, run)]
    assert modes[0] == modes[1]
    model, original = latentgeo.load(to), latentgeo.load(run)
    for name, tensor in original.state_dict().items():
        found = model.state_dict()[name]
        assert found.dtype == tensor.dtype
        expected = tensor.to(half).to(tensor.dtype) if tensor.is_floating_point() else tensor
        assert torch.equal(found, expected)
    # What was recorded of the training is still known of them.
    assert model.provenance["epochs"] == original.provenance["epochs"]
    assert model.provenance["weights_sha256"] == sha256_of_file(to / "model.safetensors")
    assert f"rounded to `{dtype}`" in read_card(to)[1]

    found = latentgeo.analyze(to, data="digits", noise=(0.0,), samples=40, tsne_seeds=())
    (tmp_path / "analysis").mkdir()
    write_numbers(found, tmp_path / "analysis")
    how = {"dtype": dtype, "figures": False, "force": True}
    again = latentgeo.export(run, to, analysis=tmp_path / "analysis", **how)
    assert latentgeo.load(again).weights_sha256() == model.weights_sha256()
    assert "rank" in read_card(again)[1]
    # An export is exported as it is.
    copied = latentgeo.export(again, tmp_path / "copy", analysis=tmp_path / "analysis")
    files = [(folder / "model.safetensors").read_bytes() for folder in (again, copied)]
    assert files[0] == files[1]
    # The analysis of rounded weights says nothing of the run's.
    with pytest.raises(InputError, match="is of other weights"):
        latentgeo.export(run, tmp_path / "other", analysis=tmp_path / "analysis")


def test_weights_that_do_not_fit_a_dtype_are_refused(run, tmp_path):
    model = latentgeo.load(run)
    next(model.parameters()).data.flatten()[0] = 1e6
    latentgeo.models.save_model(model, tmp_path / "large")
    with pytest.raises(InputError, match=r"values up to 1e\+06, too large for float16"):
        latentgeo.export(tmp_path / "large", tmp_path / "hub", dtype="float16")
    with pytest.raises(InputError, match="dtype is 'int8', expected one of bfloat16, float16"):
        latentgeo.export(run, tmp_path / "hub", dtype="int8")
    assert not (tmp_path / "hub").exists()
    latentgeo.export(tmp_path / "large", tmp_path / "hub", dtype="bfloat16")


def test_texts_from_files_have_no_effect_in_the_card(run, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(run, copied)
    path = copied / "provenance.json"
    facts = json.loads(path.read_text())
    facts["command"] = "x`\n\n# head <script>\x1b[2J"
    facts["data"]["name"] = "a`|\u202eb"
    facts["best_epoch"] = "**1** | [x](javascript:0)"
    facts["diagnostics"] = ["<img src=x>"]
    path.write_text(json.dumps(facts))
    text = (latentgeo.export(copied, tmp_path / "hub") / "README.md").read_text(encoding="utf-8")
    assert "Command: `x' # head <script>\\x1b[2J`" in text
    assert "| Data | `a'/\\u202eb`" in text
    assert "\\*\\*1\\*\\* \\| \\[x\\](javascript:0)" in text
    assert "- Diagnostics: \\<img src=x\\>" in text


def test_the_card_holds_what_was_measured(analysis, exported):
    header, body = read_card(exported)
    summary = json.loads((analysis / "summary.json").read_text())
    (measured,) = summary["models"].values()
    assert header["library_name"] == "latentgeo"
    assert header["license"] == "cc-by-4.0"
    assert header["datasets"] == ["digits"]
    assert "vae" in header["tags"]
    for level in ("0", "0.1"):
        psnr, dimension = measured["psnr_db"][level], measured["hilbert_dimension"][level]["0.95"]
        low, high = psnr["ci95"]
        assert f"| {level} | {psnr['mean']:.1f} [{low:.1f}, {high:.1f}] |" in body
        shown = Estimate(dimension["value"], *dimension["ci95"], settled=dimension["settled"])
        assert shown.settled == "bounded by n"  # of 10 images
        assert f"| ≥ {shown.value:.0f} (bounded by n) |" in body
    assert "Measured on 10 images of `digits`, perturbation `gaussian`" in body
    assert f"seed {summary['seed']}" in body
    assert f"`{summary['provenance']['command']}`" in body
    assert measured["weights_sha256"] in body
    assert "![Hilbert dimension and PSNR against the noise](figures/noise_curves.png)" in body


def test_a_model_that_has_not_learned_is_called_so(exported):
    header, body = read_card(exported)
    assert "**This model has not learned.**" in body
    assert body.index("has not learned") < body.index("## Geometry")
    # Whoever reads the index does not read the warning.
    (entry,) = header["model-index"]
    assert {metric["type"] for metric in entry["results"][0]["metrics"]} == {"psnr"}


def test_the_index_of_a_model_that_has_learned_is_read_by_the_hub(run, analysis, tmp_path):
    learned = tmp_path / "learned"
    shutil.copytree(analysis, learned)
    found = latentgeo.read(learned)
    (label,) = found
    (measured,) = found.summary["models"].values()
    measured["learned"] = True
    found.tree[label].attrs["learned"] = 1
    shutil.rmtree(learned / "analysis.zarr")
    write_numbers(found, learned)
    card = latentgeo.export(run, tmp_path / "hub", analysis=learned) / "README.md"
    assert "has not learned.**" not in card.read_text(encoding="utf-8")
    data = ModelCard.load(card).data
    results = {(r.metric_type, r.metric_args["noise"]): r for r in data.eval_results}
    assert {r.dataset_name for r in data.eval_results} == {"digits"}
    for level in ("0", "0.1"):
        angle = measured["principal_angles_deg"][level]["mean"]
        found = results["principal_angle_mean", float(level)]
        assert found.metric_value == angle["value"]
        assert found.metric_args["ci95"] == angle["ci95"]
        dimension = measured["hilbert_dimension"][level]["0.95"]
        assert results["hilbert_dimension_95", float(level)].metric_value == dimension["value"]
    assert set(data.metrics) == {kind for kind, _ in results}


def test_without_an_analysis_the_card_says_how_to_make_one(run, tmp_path):
    header, body = read_card(latentgeo.export(run, tmp_path / "hub"))
    assert "model-index" not in header
    assert "license" not in header
    assert "Not measured." in body
    assert "No licence was given." in body
    assert "**This model has not learned.**" in body  # as the run itself found
    assert not (tmp_path / "hub" / "figures").exists()


def test_weights_without_a_run_are_exported_too(run, tmp_path):
    bare = tmp_path / "bare"
    latentgeo.models.save_model(latentgeo.load(run), bare)
    header, body = read_card(latentgeo.export(bare, tmp_path / "hub"))
    assert "datasets" not in header
    assert "Nothing was recorded." in body
    assert "was not judged" in body
    assert not (tmp_path / "hub" / "provenance.json").exists()


def test_a_comparison_serves_for_the_card_as_well(run, analysis, tmp_path):
    twin = tmp_path / "twin"
    shutil.copytree(analysis, twin)
    with pytest.warns(UserWarning, match="2 analyses have a model named"):
        both = latentgeo.compare([analysis, twin])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentgeo.report.folder.draw_results", lambda found, folder: None)
        (tmp_path / "both").mkdir()
        write_results(both, tmp_path / "both")
    _, body = read_card(latentgeo.export(run, tmp_path / "hub", analysis=tmp_path / "both"))
    assert "which joined saved analyses" in body


def test_the_analysis_of_other_weights_is_refused(analysis, tmp_path):
    other = latentgeo.models.build(
        latentgeo.models.ModelConfig(recipe="cae", image_shape=(1, 28, 28))
    )
    latentgeo.models.save_model(other, tmp_path / "other")
    with pytest.raises(InputError, match=r"is of other weights: run .*other' has [0-9a-f]{12}…"):
        latentgeo.export(tmp_path / "other", tmp_path / "hub", analysis=analysis)
    assert not (tmp_path / "hub").exists()


def test_nothing_tells_where_it_lay(run, analysis, tmp_path):
    marked = tmp_path / "marked"
    shutil.copytree(run, marked)
    path = marked / "provenance.json"
    facts = json.loads(path.read_text())
    facts["command"] = "latentgeo train vae --data=/home/me/secret/images --out ~/secret/run"
    facts["data"]["name"] = "/home/me/secret/images"
    path.write_text(json.dumps(facts))
    to = latentgeo.export(marked, tmp_path / "hub", analysis=analysis)
    for file in ("README.md", "provenance.json", "config.json"):
        text = (to / file).read_text(encoding="utf-8")
        assert "secret" not in text
        assert str(tmp_path) not in text
        assert str(analysis.parent) not in text
    assert "--data=images --out run" in (to / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("analyze /a/b/run --out=/c/d", "analyze run --out=d"),
        ("~/x/y 'C:\\Users\\me\\run' D:/e/f", "y 'run' f"),
        ("runs/vae ../up/run 1/2", "runs/vae ../up/run 1/2"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("this / that", "this / that"),
        ({"a": ["/b/c", 1, None]}, {"a": ["c", 1, None]}),
    ],
)
def test_absolute_paths_are_cut_down(text, expected):
    assert portable(text) == expected


def test_folders_that_must_not_be_lost(run, analysis, exported):
    with pytest.raises(InputError, match="already holds files"):
        latentgeo.export(run, exported)
    for to in (run, run.parent):
        with pytest.raises(InputError, match="would replace"):
            latentgeo.export(run, to, force=True)
    with pytest.raises(InputError, match="would replace"):
        latentgeo.export(run, analysis, analysis=analysis, force=True)
    assert (run / "run.json").is_file()


def test_figures_may_stay_behind(run, analysis, exported, tmp_path):
    to = latentgeo.export(run, tmp_path / "hub", analysis=analysis, figures=False)
    assert not (to / "figures").exists()
    without, card = (read_card(folder)[1] for folder in (to, exported))
    assert "](figures/" in card
    assert "](figures/" not in without
    assert "## Geometry of the latent space" in without


def test_somebody_elses_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        latentgeo.export(tmp_path / "nothing", tmp_path / "hub")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"_class_name": "AutoencoderTiny"}')
    with pytest.raises(InputError, match="does not describe a latentgeo model"):
        latentgeo.export(tmp_path / "foreign", tmp_path / "hub")


def test_a_folder_that_is_no_export_is_not_pushed(run):
    with pytest.raises(InputError, match=r"has no README.md; expected what `latentgeo export"):
        latentgeo.push_to_hub(run, "me/model")


def test_without_huggingface_hub_the_command_to_install_it_is_said(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for use in (
        lambda: latentgeo.push_to_hub(exported, "me/model"),
        lambda: latentgeo.from_hub("me/model"),
    ):
        with pytest.raises(InputError, match=r"python -m pip install 'latentgeo\[hub\]'"):
            use()


def test_a_folder_in_the_layout_of_the_hub_is_pulled_as_a_repository_is(exported, tmp_path):
    there = shutil.copytree(exported, tmp_path / "there")
    (there / "pickle.pt").write_bytes(b"code")
    (there / "figures" / "run.py").write_text("code")
    to = latentgeo.from_hub(str(there), to=tmp_path / "to")
    found = {path.relative_to(to).as_posix() for path in to.rglob("*") if path.is_file()}
    expected = {path.relative_to(exported).as_posix() for path in exported.rglob("*.*")}
    assert found == expected
    assert latentgeo.from_hub(str(there)) == there
    latentgeo.load(to)


def test_a_folder_without_safetensors_or_with_a_revision_is_refused(exported, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"code")
    with pytest.raises(InputError, match="holds no weights as safetensors"):
        latentgeo.from_hub(str(tmp_path), to=tmp_path / "to")
    assert not (tmp_path / "to").exists()
    with pytest.raises(InputError, match="would replace"):
        latentgeo.from_hub(str(exported), to=exported, force=True)
    assert (exported / "model.safetensors").is_file()
    with pytest.raises(InputError, match="is a folder, which has none"):
        latentgeo.from_hub(str(exported), revision="v1")


@pytest.fixture(scope="module")
def hub():
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def python(hub, home):
    """Run Python in a process of its own: huggingface_hub reads its environment when imported."""

    def run(*arguments, **environment):
        settings = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home),
            "HF_TOKEN": "hf_writes",
            "HF_HUB_DISABLE_XET": "1",  # a protocol of its own, with a server of its own
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**kept, **settings, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout, done.stderr

    return run


TRY = """
import json, sys
from latentgeo import InputError, from_hub, push_to_hub

def attempt(use):
    try:
        return str(use())
    except InputError as error:
        return f"refused: {error}"

folder = sys.argv[1]
"""


@pytest.fixture(scope="module")
def pushed(exported, hub, python):
    (exported / ".secret").write_text("a token")
    code, out, error = python("-m", "latentgeo", "push", exported, "me/model", "--private")
    assert code == 0, error
    (exported / ".secret").unlink()
    return out


def test_a_hub_keeps_all_that_was_exported(pushed, hub, exported):
    files = {
        path.relative_to(exported).as_posix(): path.read_bytes()
        for path in exported.rglob("*")
        if path.is_file()
    }
    assert {k: v for k, v in hub.files("me/model").items() if k != ".gitattributes"} == files
    assert hub.private["me/model"] in (True, "private")
    assert pushed == f"commit: {hub.url}/me/model/commit/{hub.branches['me/model', 'main']}\n"


def test_what_is_pulled_is_the_same_model(pushed, hub, python, run, tmp_path):
    hub.add("me/mixed", "main", {**hub.files("me/model"), "state/last.pt": b"a pickle"})
    to = tmp_path / "pulled"
    code, out, error = python("-m", "latentgeo", "pull", "me/mixed", "--to", to)
    assert (code, out) == (0, f"model: {to}\n"), error
    weights = latentgeo.load(to).provenance["weights_sha256"]
    assert weights == latentgeo.load(run).provenance["weights_sha256"]
    assert not (to / "state").exists()
    assert not any(path.is_symlink() for path in to.rglob("*"))
    with pytest.raises(InputError, match="already holds files"):
        latentgeo.from_hub("me/mixed", to=to)


ONLINE = """
commit = push_to_hub(folder, "me/model", revision="trial")
print(json.dumps({
    "commit": commit,
    "trial": attempt(lambda: from_hub("me/model", revision="trial")),
    "main": attempt(lambda: from_hub("me/model")),
    "absent": attempt(lambda: from_hub("me/absent")),
    "revision": attempt(lambda: from_hub("me/model", revision="v9")),
    "name": attempt(lambda: from_hub("not a name")),
    "pickles": attempt(lambda: from_hub("me/pickles")),
    "reader": attempt(lambda: push_to_hub(folder, "me/model", token="hf_reads")),
}))
"""


@pytest.fixture(scope="module")
def online(pushed, hub, python, exported):
    """Push to a branch, fetch what is there into the cache, and try what must be refused."""
    hub.add("me/pickles", "main", {"model.pt": b"a pickle", "config.json": b"{}"})
    code, out, error = python("-c", TRY + ONLINE, exported)
    assert code == 0, error
    return json.loads(out)


def test_branches_and_refusals(online, hub):
    found, refusals = online, ("absent", "revision", "name", "pickles", "reader")
    assert found["commit"].endswith(hub.branches["me/model", "trial"])
    assert found["trial"].endswith(hub.branches["me/model", "trial"])
    assert found["main"].endswith(hub.branches["me/model", "main"])
    assert "'me/absent' does not exist on the Hugging Face hub, or is private" in found["absent"]
    assert "'me/model' has no revision 'v9'" in found["revision"]
    assert "'not a name' is no name" in found["name"]
    assert "holds no weights as safetensors" in found["pickles"]
    assert "does not let you" in found["reader"]
    for name in refusals:
        assert found[name].startswith("refused: ")
        assert "\n" not in found[name]


OFFLINE = """
print(json.dumps({
    "cached": attempt(lambda: from_hub("me/model")),
    "absent": attempt(lambda: from_hub("me/never")),
    "push": attempt(lambda: push_to_hub(folder, "me/model")),
}))
"""


@pytest.mark.parametrize("how", ["switched off", "unreachable"])
def test_offline_the_cache_serves(how, online, hub, python, exported, run):
    before = len(hub.asked)
    closed = {"HF_HUB_OFFLINE": "1"} if how == "switched off" else {"HF_ENDPOINT": _nowhere()}
    code, out, error = python("-c", TRY + OFFLINE, exported, **closed)
    assert code == 0, error
    found = json.loads(out)
    assert found["cached"] == online["main"]
    weights = latentgeo.load(found["cached"]).provenance["weights_sha256"]
    assert weights == latentgeo.load(run).provenance["weights_sha256"]
    assert "'me/never' is not in the cache" in found["absent"]
    assert found["push"].startswith("refused: ")
    assert ("HF_HUB_OFFLINE" in found["push"]) == (how == "switched off")
    assert len(hub.asked) == before


def _nowhere():
    """Return an address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_the_export_command(run, analysis, tmp_path, capsys):
    to = tmp_path / "hub"
    command = ["export", run, "--to", to, "--analysis", analysis, "--licence", "mit"]
    with pytest.raises(SystemExit) as left:
        main([str(part) for part in command])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"model: {to}\n"
    assert read_card(to)[0]["license"] == "mit"
    with pytest.raises(SystemExit) as left:
        main(["export", str(run), "--to", str(tmp_path / "half"), "--dtype", "int8"])
    assert left.value.code == 2
    assert "expected one of bfloat16, float16" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("estimate", "shown"),
    [
        (Estimate(23.0, 22.0, 24.0, settled="settled"), "23 [22, 24]"),
        (Estimate(23.0, 22.0, 24.0, settled="still rising"), "≥ 23 (still rising)"),
        (Estimate(float("nan")), "–"),
    ],
)
def test_the_card_says_in_words_what_has_not_settled(estimate, shown):
    assert model_card._text(Metric("dimension", "Dimension", estimate, 0)) == shown
