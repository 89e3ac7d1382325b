"""Every setting is reachable from the command line, Python and YAML, and arrives where saved."""

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import typer
import yaml
from typer.testing import CliRunner

from latentgeo import InputError, analyze, encode, train
from latentgeo.checkpoints import Card
from latentgeo.cli.analyze import ANALYSIS
from latentgeo.cli.app import OPENING
from latentgeo.cli.encode import ENCODING
from latentgeo.cli.features import CLASSIFIER
from latentgeo.cli.interpolate import INTERPOLATION
from latentgeo.cli.lines import LINES
from latentgeo.cli.options import command, complete, entries_of
from latentgeo.cli.train import TRAINING
from latentgeo.datasets import load
from latentgeo.features import train_classifier
from latentgeo.interpolation import interpolate_images, line_scores, score_lines
from latentgeo.models import ModelConfig, build
from latentgeo.settings import (
    AnalysisSettings,
    EncodingSettings,
    LinesSettings,
    Settings,
    described,
    resolve,
)
from latentgeo.training import train_together

FORMS = {
    "train": TRAINING,
    "features": CLASSIFIER,
    "encode": ENCODING,
    "analyze": ANALYSIS,
    "interpolate": INTERPOLATION,
    "lines": LINES,
}
FUNCTIONS = {
    "train": (train, train_together),
    "features": (train_classifier,),
    "encode": (encode,),
    "analyze": (analyze,),
    "interpolate": (interpolate_images,),
    "lines": (score_lines, line_scores),
}
CALLS = {
    train: {"recipe": "vae", "data": "digits", "out": "x", "backbone": "mlp"},
    train_together: {"recipe": "vae", "data": "digits", "out": "x", "backbone": "mlp"},
    train_classifier: {"data": "digits", "out": "x"},
    encode: {"model": "x", "data": "digits"},
    analyze: {"checkpoints": "x", "data": "digits"},
    interpolate_images: {"checkpoints": "x", "data": "digits"},
    score_lines: {"checkpoints": "x"},
    line_scores: {"model": None},
}
# Which models there are: a new one has to have a form here.
MODELS = {form.load() for form in FORMS.values()}

# Another value than the default, where the type does not give one.
OTHERS = {
    "recipe": "vae",
    "data": "digits",
    "backbone": "mlp",
    "options": {"latent_dim": 5},
    "perturbation": "blur",
    "samples": 12,
    "split": "all",
    "noise": [0.0, 0.25],
    "tolerances": [0.001, 0.1],
    "tsne_seeds": [4, 7],
    "angle_share": 0.5,
    "beta1": 0.5,
}
FIELDS = [
    pytest.param(name, field, id=f"{name}-{field}")
    for name, form in FORMS.items()
    for field in form.load().model_fields
]
REQUIRED = {"recipe": "cae", "data": "digits"}


def other(model, name):
    """Return a value of a field that is not its default."""
    if name in OTHERS:
        return OTHERS[name]
    field = model.model_fields[name]
    if get_origin(field.annotation) is Literal:
        return next(one for one in get_args(field.annotation) if one != field.default)
    if field.annotation is bool:
        return not field.default
    return (
        (field.default or 1) * 2 if isinstance(field.default, float) else (field.default or 8) + 1
    )


def written(value):
    """Write a value as the command line takes it, more than once where it may be repeated."""
    if isinstance(value, dict):
        return [f"{name}={json.dumps(inner)}" for name, inner in value.items()]
    return [",".join(map(str, value)) if isinstance(value, list) else str(value)]


def arguments_for(form, name, value):
    """Write a field as words of the command line, by its own parameter."""
    (entry,) = (one for one in entries_of(form, form.load()) if one.path == (name,))
    info = entry.parameter.annotation.__metadata__[0]
    if isinstance(info, typer.models.ArgumentInfo):
        return [str(value)]
    option = info.default if isinstance(info.default, str) else info.param_decls[0]
    if isinstance(value, bool):
        return [option.split("/")[0 if value else 1]]
    return [word for text in written(value) for word in (option, text)]


def said_to(form, *arguments):
    """Return the object that a command with such a form receives."""
    handed = []

    def probe(**objects):
        handed.append(objects[form.argument])

    probe.__signature__ = inspect.Signature(
        [inspect.Parameter(form.argument, inspect.Parameter.KEYWORD_ONLY)]
    )
    complete("probe", probe, [form])(args=list(arguments), standalone_mode=False)
    return handed[0]


def plain(value):
    return json.loads(json.dumps(value))


def needed(form, besides=()):
    """Return the text for an option without a default."""
    fields = form.load().model_fields
    return [
        word
        for name, value in REQUIRED.items()
        if name in fields and name not in besides
        for word in arguments_for(form, name, value)
    ]


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_every_field_is_an_option_that_arrives_as_python_has_it(name, field):
    form, model = FORMS[name], FORMS[name].load()
    value = other(model, field)
    found = said_to(form, *arguments_for(form, field, value), *needed(form, [field]))
    required = {one: REQUIRED[one] for one in REQUIRED if one in model.model_fields}
    assert found == model(**{**required, field: value})
    assert plain(found.model_dump(mode="json"))[field] == value
    assert found.model_fields_set == {field, *required}


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_every_field_is_read_from_yaml_and_options_go_before_it(name, field, tmp_path):
    form, model = FORMS[name], FORMS[name].load()
    file, value = tmp_path / "settings.yaml", other(model, field)
    required = {one: REQUIRED[one] for one in REQUIRED if one in model.model_fields}
    file.write_text(yaml.safe_dump({**required, field: value}))
    found = said_to(form, "--config", str(file))
    assert found == model(**{**required, field: value})
    default = model.model_fields[field].default
    if field in REQUIRED or default is None or field == "options":
        return
    again = [plain(default)] if not isinstance(default, tuple) else [list(default)]
    found = said_to(form, "--config", str(file), *arguments_for(form, field, again[0]))
    assert getattr(found, field) == default


class Arrived(Exception):
    """Carries the settings that a function came to."""


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_every_field_is_a_keyword_of_the_functions(name, field, monkeypatch):
    def stop(*arguments, **more):
        raise Arrived(resolve(*arguments, **more))

    value = other(FORMS[name].load(), field)
    for function in FUNCTIONS[name]:
        if function is train_together and field == "seed":
            continue  # it takes seeds
        monkeypatch.setattr(sys.modules[function.__module__], "resolve", stop)
        given = {**CALLS[function], field: value}
        with pytest.raises(Arrived) as stopped:
            function(**given)
        found = stopped.value.args[0].model_dump(mode="json")[field]
        assert found.items() >= value.items() if field == "options" else found == value


@pytest.mark.parametrize("name", FORMS)
def test_the_help_shows_every_field_with_its_default_and_bounds(name):
    form = FORMS[name]
    shown = CliRunner(env={"COLUMNS": "4000", "TERMINAL_WIDTH": "4000"})
    app = typer.Typer(add_completion=False)
    words = {}

    def probe(settings): ...

    command(app, form, name="probe")(probe)
    text = re.sub(r"\s+", " ", shown.invoke(app, ["--help"]).output)
    for entry in entries_of(form, form.load()):
        field = form.load().model_fields[entry.path[0]]
        words[entry.path[0]] = described(field)
        assert words[entry.path[0]] in text
        default = entry.parameter.default
        if isinstance(default, bool):
            option = entry.path[0].replace("_", "-")
            assert f"[default: {'' if default else 'no-'}{option}]" in text
        elif default is not None:
            assert f"[default: {default}]" in text
    assert len(words) == len(form.load().model_fields)
    assert all(words.values())


def test_how_a_checkpoint_is_opened_is_all_on_the_command_line():
    """But the version of files, and the shape of images, which `info` and `card init` ask for."""
    entries = list(entries_of(OPENING, OPENING.load()))
    reached = {entry.path for entry in entries}
    own = {
        (name,)
        for name, field in Card.model_fields.items()
        if name not in ("preprocessing", "posterior")
    }
    inner = {
        (place, name)
        for place in ("preprocessing", "posterior")
        for name in Card.model_fields[place].annotation.model_fields
    }
    missing = {("latentgeo",), ("image_shape",), ("posterior", "items")}
    assert reached == (own | inner) - missing
    found = said_to(
        OPENING,
        "--posterior",
        "1,2",
        "--input-size",
        "32",
        "--allow-mismatch",
        "--range=-1,1",
        "--layer",
        "a",
        "--layer",
        "b",
        "--argument",
        "code=8",
    )
    assert found == Card.of(
        posterior={"items": (1, 2)},
        preprocessing={"size": 32, "range": (-1, 1)},
        strict=False,
        layers=("a", "b"),
        arguments={"code": 8},
    )
    assert said_to(OPENING) == Card()
    assert said_to(OPENING, "--posterior", "halves") == Card.of(posterior={"layout": "halves"})


def test_a_card_says_of_each_field_what_the_settings_say():
    assert {name for name, field in Card.model_fields.items() if not described(field)} == {
        "preprocessing",
        "posterior",
    }
    for model in (*MODELS, OPENING.load()):
        assert all(described(field) for field in model.model_fields.values())
        assert all(f"\n{name} : " in model.__doc__ for name in model.model_fields)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epoch: 3", "cannot be used: setting 'epoch' is unknown; did you mean 'epochs'?"),
        ("epochs: none", "setting epochs is 'none': input should be a valid integer"),
        ("- 3", "holds no entries"),
        ("a: [", "is not valid YAML"),
        ("a: " + "x" * (1 << 20), "over 65536 bytes"),
        ("!!python/object/apply:os.getcwd []", "is not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_a_line(content, message, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    with pytest.raises(InputError) as caught:
        said_to(TRAINING, "cae", "--data", "digits", "--config", str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_of_a_recipe_are_merged_with_those_of_the_file(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("recipe: vae\ndata: digits\noptions: {kl_weight: 2, widths: [4, 4, 6]}")
    found = said_to(TRAINING, "--config", str(file), "--option", "kl_weight=3")
    assert found.options == {"kl_weight": 3, "widths": [4, 4, 6]}


def test_keywords_go_before_the_object_and_both_before_defaults():
    told = AnalysisSettings(halves=5, jitter=0.5)
    found = resolve(EncodingSettings, told, {"halves": 7, "samples": "all"}, of=analyze)
    assert found == AnalysisSettings(halves=7, jitter=0.5, samples=None)
    assert found.model_fields_set == {"halves", "jitter", "samples"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: analyze("x", data="digits", sampels=3),
            "'sampels' is unknown; did you mean 'samp",
        ),
        (lambda: analyze("x", data="digits", devise="cpu"), "did you mean 'device'"),
        (lambda: encode("x", "digits", noize=[0]), "'noize' is unknown; did you mean 'noise'"),
        (lambda: train("cae", data="digits", out="x", epoch=3), "did you mean 'epochs'"),
        (lambda: interpolate_images("x", data="digits", step=4), "did you mean 'steps'"),
        (lambda: score_lines("x", pair=4), "did you mean 'pairs'"),
        (lambda: train_classifier("digits", out="x", epoch=3), "did you mean 'epochs'"),
        (lambda: train_together("cae", data="digits", out="x", epoch=3), "did you mean 'epochs'"),
        (
            lambda: analyze("x", data="digits", settings=LinesSettings()),
            "settings is a LinesSettings, expected AnalysisSettings",
        ),
    ],
)
def test_a_keyword_that_is_none_is_named_with_the_nearest(call, message):
    with pytest.raises(InputError, match=re.escape(message)):
        call()


def cae(shape=(1, 28, 28), backbone="sctc", **options):
    options = options or {"widths": (2, 3, 4)}
    config = ModelConfig(recipe="cae", backbone=backbone, image_shape=shape, options=options)
    return build(config).eval()


FEW = {"samples": 10, "noise": (0.0, 0.1), "tsne_seeds": (), "halves": 2, "pullback_images": 2}


def test_an_analysis_saves_all_that_decided_it():
    found = analyze({"cae": cae()}, data="digits", **FEW)
    saved = json.loads(found.tree.attrs["provenance"])["settings"]
    told = AnalysisSettings(**FEW)
    assert saved == plain(told.model_dump(mode="json"))
    assert set(saved) == set(AnalysisSettings.model_fields)


def test_latents_save_all_that_decided_them():
    found = encode(cae(), "digits", samples=4, noise=[0, 0.1], seed=3)
    saved = json.loads(found.attrs["provenance"])["settings"]
    assert saved == plain(EncodingSettings(samples=4, noise=(0, 0.1), seed=3).model_dump())


def test_paths_save_all_that_decided_them():
    small = {"pairs": 3, "steps": 3, "geodesics": 0, "real": 20}
    found = interpolate_images({"cae": cae()}, data=load("digits"), **small)
    saved = json.loads(found.tree.attrs["provenance"])["settings"]
    assert saved.items() >= {**small, "path": "linear", "size": None, "seed": 0}.items()
    options = {"depth": 2, "scales": 3, "latent_channels": 2, "likelihood": "squared-signed"}
    found = score_lines({"cae": cae((1, 32, 32), "acai", **options)}, pairs=2, references=20)
    saved = json.loads(found.tree.attrs["provenance"])["settings"]
    assert saved == plain(LinesSettings(pairs=2, references=20).model_dump())


@pytest.mark.filterwarnings("ignore:.*has not learned")
def test_a_run_saves_all_that_decided_it(tmp_path):
    settings = {"epochs": 1, "train_samples": 32, "warmup_steps": 3, "checkpoint_steps": 7}
    options = {"widths": (4, 4, 6)}
    run = train(
        "cae", data="digits", out=tmp_path / "run", options=options, progress=False, **settings
    )
    saved = json.loads((Path(run) / "run.json").read_text())["config"]
    assert saved.items() >= settings.items()
    assert set(saved) == set(TRAINING.load().model_fields)


def test_every_model_of_settings_has_a_form():
    def below(kind):
        return {kind, *(one for sub in kind.__subclasses__() for one in below(sub))}

    elsewhere = {"TrainConfig", "Card", "Preprocessing", "PosteriorLayout"}
    inner = {"CardSettings", "PreprocessingSettings", "PosteriorSettings", "Settings"}
    assert {kind.__name__ for kind in below(Settings)} - elsewhere - inner == {
        model.__name__ for model in MODELS
    }
