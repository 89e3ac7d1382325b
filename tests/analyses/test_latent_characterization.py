"""The study runs at its smoke scale, goes on when repeated, and sets the paper beside it."""

import json
from dataclasses import asdict

import pytest

SECONDS = {"training_seconds": 2, "seconds_of_this_command": 1}


@pytest.fixture(scope="module")
def study():
    import latent_characterization

    return latent_characterization


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "out"
    assert study.main(["--scale", "smoke", "--out", str(folder)]) == 0
    return folder


def test_leaves_runs_and_a_report(out):
    summary = json.loads((out / "seed-0" / "summary.json").read_text())
    assert list(summary["models"]) == ["cae", "dae", "vae"]
    report = out / "seed-0" / "report.html"
    assert report.stat().st_size > 10_000
    assert '<h2 id="paper">' in report.read_text(encoding="utf-8")


def test_goes_on_where_it_was(study, out):
    weights = out / "runs" / "seed-0" / "cae" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    (out / "seed-0" / "summary.json").rename(out / "kept.json")
    assert study.main(["--scale", "smoke", "--out", str(out)]) == 2  # the folder holds something
    (out / "kept.json").rename(out / "seed-0" / "summary.json")
    assert study.main(["--scale", "smoke", "--out", str(out)]) == 0
    assert weights.stat().st_mtime_ns == before


def test_several_seeds_are_set_beside_the_paper(study, out, tmp_path):
    from claims.paper import CLAIMS
    from measures.characterization import draw, gather
    from study import judge
    from study.render import to_markdown

    from latentgeo.provenance import provenance

    summary = json.loads((out / "seed-0" / "summary.json").read_text())
    gathered = gather([summary["models"], summary["models"]])
    rows = judge(CLAIMS, gathered)
    assert {row["mark"] for row in rows} == {"[P]", "[S]"}
    assert all(row["agrees"].startswith(("yes", "no", "partly")) for row in rows)
    scale = asdict(study.SCALES["smoke"])
    facts = provenance(data="digits", scale="smoke", noise=[0], **SECONDS, **scale)
    found = {"models": gathered, "comparison": rows, "provenance": facts}
    page = to_markdown(study.STUDY, found)
    assert "independent re-implementation" in page
    draw(found, tmp_path)
    assert (tmp_path / "overview.png").stat().st_size > 5_000


def test_the_other_backbone_is_trained_with_a_squared_error(study, tmp_path):
    given = ["--scale", "smoke", "--backbone", "maxpool", "--out", str(tmp_path), "--seeds", "2"]
    assert study.main([*given, "--only", "cae"]) == 0
    said = json.loads((tmp_path / "runs" / "seed-1" / "cae" / "provenance.json").read_text())
    assert (said["backbone"], said["options"]["likelihood"]) == ("maxpool", "gaussian")


def test_unknown_data_is_one_line(study, capsys, tmp_path):
    assert study.main(["--data", "mnits", "--scale", "smoke", "--out", str(tmp_path)]) == 2
    assert "'mnits'" in capsys.readouterr().err
