"""Archives that are programs: nothing of them runs before the user says so."""

import json
import os
import zipfile

import pytest
import torch
from torch import nn

from latentgeo import encode
from latentgeo.checkpoints import Card, consent, info, init_card, open_checkpoint, write_card
from latentgeo.cli import main
from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError

from .nets import small

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning")
SHAPE = (3, 8, 8)
DIGITS = (1, 28, 28)


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    place = tmp_path / "settings"
    monkeypatch.setattr(consent, "user_config_path", lambda _: place)
    return place


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(4)
    return ImageDataset.from_array(torch.rand(6, *SHAPE, generator=generator).numpy(), name="x")


@pytest.fixture
def scripted(tmp_path):
    net = torch.jit.trace_module(
        small().eval(),
        {"encode": torch.rand(2, *SHAPE), "decode": torch.rand(2, 4, 2, 2)},
    )
    net.save(str(tmp_path / "net.ts"))
    return tmp_path / "net.ts"


@pytest.fixture
def exported(tmp_path):
    """Encoder and decoder as two archives, for batches of any size."""
    net = small().eval()
    batch = torch.export.Dim("batch")
    for name, part, example in (
        ("encoder", nn.Sequential(net.down, net.bottleneck), torch.rand(2, *SHAPE)),
        ("decoder", net.up, torch.rand(2, 4, 2, 2)),
    ):
        program = torch.export.export(part, (example,), dynamic_shapes=({0: batch},))
        torch.export.save(program, tmp_path / f"{name}.pt2")
    return tmp_path


def _same_latents(model, images):
    with torch.inference_mode():
        batch = images.batch(slice(None))
        torch.testing.assert_close(model.encode(batch), small().eval().encode(batch))
        torch.testing.assert_close(
            model.decode(model.encode(batch)), small().decode(small().encode(batch))
        )


def test_torch_export_archives(exported, images):
    model = open_checkpoint(
        exported / "encoder.pt2", decoder="decoder.pt2", image_shape=SHAPE, trust_code=True
    )
    _same_latents(model, images)
    assert encode(model, images, noise=(0.0, 0.1))["psnr"].shape == (2, 6)
    alone = open_checkpoint(exported / "encoder.pt2", image_shape=SHAPE)
    assert not alone.decodes


def test_torchscript(scripted, images):
    _same_latents(open_checkpoint(scripted, image_shape=SHAPE, trust_code=True), images)


def test_an_archive_that_cannot_be_read(tmp_path):
    (tmp_path / "net.pt2").write_bytes(b"PK\x03\x04" + os.urandom(200))
    with pytest.raises(InputError) as caught:
        open_checkpoint(tmp_path / "net.pt2", image_shape=SHAPE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["net.ts", "encoder.pt2"])
def test_an_archive_that_was_cut_short_is_told_in_one_line(name, scripted, exported, tmp_path):
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="without its end") as caught:
        open_checkpoint(tmp_path / name, image_shape=SHAPE, trust_code=True)
    assert "\n" not in str(caught.value)


class Mean(nn.Module):
    def encode(self, images):
        return images.mean(dim=[2, 3])

    def forward(self, images):
        return self.encode(images)


@pytest.fixture
def evading(tmp_path):
    """Write an archive that writes AAAA into a file, by an alias that hides torch.from_file."""
    target = tmp_path / "target"
    target.write_bytes(b"....")
    torch.jit.script(Mean()).save(str(tmp_path / "plain.pt"))
    plain = "    return torch.mean(images, [2, 3])"
    harmful = (
        "    t = torch\n"
        f'    y = t.from_file("{target}", True, 4, dtype=0)\n'
        "    z = torch.copy_(y, torch.full([4], 65, dtype=0))\n"
        "    return torch.add(torch.mean(images, [2, 3]), torch.sum(z))"
    )
    archive = tmp_path / "evading.pt"
    with zipfile.ZipFile(tmp_path / "plain.pt") as old, zipfile.ZipFile(archive, "w") as new:
        for entry in old.namelist():
            content = old.read(entry)
            new.writestr(entry, content.replace(plain.encode(), harmful.encode()))
    return archive, target


def test_the_evasion_works_once_the_program_runs(evading):
    archive, target = evading
    open_checkpoint(archive, image_shape=SHAPE, trust_code=True)
    assert target.read_bytes() == b"AAAA"


def _run(*arguments):
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code


@pytest.mark.parametrize("command", ["encode", "info", "analyze", "card"])
def test_without_consent_no_command_runs_a_program(command, evading, tmp_path, capsys):
    archive, target = evading
    on_digits = ["--data", "digits", "--samples", "6", "-q", "--out", tmp_path / "out"]
    arguments = {
        "encode": ["encode", archive, *on_digits],
        "info": ["info", archive, "--image-shape", "1,28,28"],
        "analyze": ["analyze", archive, "--no-tsne", *on_digits],
        "card": ["card", "init", archive, "--image-shape", "1,28,28"],
    }[command]
    assert _run(*arguments) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "a TorchScript archive: a program" in error
    assert "nothing of it was run" in error
    assert "--trust-code" in error
    assert target.read_bytes() == b"...."
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "latentgeo.yaml").exists()


def test_consent_is_for_one_file_as_it_is(scripted, evading, settings):
    archive, target = evading
    consented = scripted.read_bytes()
    open_checkpoint(scripted, image_shape=SHAPE, trust_code=True)
    open_checkpoint(scripted, image_shape=SHAPE)
    info(scripted.parent / "net.ts", image_shape=SHAPE)
    moved = scripted.with_name("copy.ts")
    moved.write_bytes(consented)
    for path, content in ((moved, consented), (scripted, archive.read_bytes())):
        path.write_bytes(content)
        with pytest.raises(InputError, match="trust_code=True"):
            open_checkpoint(path, image_shape=SHAPE)
    assert target.read_bytes() == b"...."
    assert [path.name for path in settings.iterdir()] == ["allowed.json"]
    keys = json.loads((settings / "allowed.json").read_text(encoding="utf-8"))
    assert len(keys) == 1


def test_both_archives_need_consent_before_either_runs(exported, evading):
    archive, target = evading
    open_checkpoint(archive.parent / "encoder.pt2", image_shape=SHAPE, trust_code=True)
    for encoder, decoder in ((exported / "encoder.pt2", archive), (archive, "encoder.pt2")):
        with pytest.raises(InputError, match="a TorchScript archive: a program"):
            open_checkpoint(encoder, decoder=str(decoder), image_shape=SHAPE)
    assert target.read_bytes() == b"...."


def test_nothing_beside_a_model_consents_for_the_user(evading):
    archive, target = evading
    folder = archive.parent
    (folder / "allowed.json").write_text("[]", encoding="utf-8")
    (folder / "latentgeo.yaml").write_text(
        f"weights: {archive.name}\nimage_shape: [3, 8, 8]\ntrust_code: true\n", encoding="utf-8"
    )
    with pytest.raises(InputError, match="sets trust_code, which no file can set for you"):
        open_checkpoint(archive)
    card = Card(weights=archive.name, image_shape=SHAPE, trust_code=True)
    written = write_card(folder, card, force=True)
    assert "trust_code" not in written.read_text(encoding="utf-8")
    for path in (folder, archive):
        with pytest.raises(InputError, match="nothing of it was run"):
            open_checkpoint(path)
    assert target.read_bytes() == b"...."


@pytest.mark.parametrize("name", ["net.ts", "encoder.pt2"])
def test_a_card_of_a_program_and_its_provenance_do_not_hold_consent(name, scripted, exported):
    written, _ = init_card(exported / name, image_shape=SHAPE, trust_code=True)
    assert "trust_code" not in written.read_text(encoding="utf-8")
    model = open_checkpoint(exported / name, trust_code=True)
    assert "trust_code" not in model.provenance["card"]


def test_a_list_that_cannot_be_written_is_told(scripted, settings, images):
    settings.write_text("in the way", encoding="utf-8")
    with pytest.warns(UserWarning, match="cannot be remembered"):
        model = open_checkpoint(scripted, image_shape=SHAPE, trust_code=True)
    _same_latents(model, images)
    with pytest.raises(InputError, match="nothing of it was run"):
        open_checkpoint(scripted, image_shape=SHAPE)
