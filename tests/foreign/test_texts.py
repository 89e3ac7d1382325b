"""JSON and YAML that are hostile, broken, or only unusual."""

import pytest

from latentgeo.errors import InputError
from latentgeo.foreign import printable, read_json, read_yaml

LAUGHS = "a: &a [x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "file"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refused(read, path, said):
    with pytest.raises(InputError) as caught:
        read(path, "restore it")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not valid JSON ("),
        ("", "is not valid JSON ("),
        (b"\xff\xfe{\0}\0", "is not valid JSON ("),
        ('{"a": 1, "a": 2}', "it has 'a' twice"),
        ('{"b": [{"a": 1, "a": 2}]}', "it has 'a' twice"),
        ("[" * 60 + '{"a":' * 10 + "1" + "}" * 10 + "]" * 60, "nested more than 64 deep"),
        ("[" * 200_000 + "]" * 200_000, "nested more than 64 deep"),
        ("9" * 100_000, "is not valid JSON ("),
    ],
)
def test_json_that_cannot_be_used(written, content, reason):
    refused(read_json, written(content), reason)


def test_json_that_is_too_large(written):
    with pytest.raises(InputError, match="has over 10 bytes; restore it"):
        read_json(written(" " * 11), "restore it", most=10)


def test_json_as_editors_save_it(written):
    assert read_json(written(b'\xef\xbb\xbf{"a": [1, {"b": null}]}'), "") == {"a": [1, {"b": None}]}
    assert read_json(written("[" * 64 + "]" * 64), "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LAUGHS, "it refers to a part of itself (*a)"),
        ("a: &x [*x]", "it refers to a part of itself (*x)"),
        ("a: &x {b: 1}\nc: {<<: *x}", "it refers to a part of itself (*x)"),
        ("a: 1\na: 2", "it has 'a' twice"),
        ("a: {b: 1, b: 2}", "it has 'b' twice"),
        ("a: " + "[" * 100 + "]" * 100, "nested more than 64 deep"),
        ("[" * 5_000, "nested more than 64 deep"),
        ("a: 2001-99-99", "is not valid YAML"),
        ("a: !!float x", "is not valid YAML"),
        ("a: !!int ''", "is not valid YAML"),
        ("a: !!timestamp x", "is not valid YAML"),
        ("a: !!bool x", "is not valid YAML"),
        ("a: !!binary ü", "is not valid YAML"),
        ("a: " + "9" * 5000, "is not valid YAML"),
        ("a: 1" + ":59" * 20_000, "a whole number of more than 1024 bits"),
        ("a: !!python/object/apply:os.system ['true']", "is not valid YAML"),
        (b"a: \xff", "is not valid YAML"),
        ("a: \0", "is not valid YAML"),
        ("1: a", "holds no entries"),
        ("? [a]\n: b", "is not valid YAML"),
        ("a: x\n" * 20_000, "has over 65536 bytes"),
    ],
)
def test_yaml_that_cannot_be_used(written, content, reason):
    refused(read_yaml, written(content), reason)


def test_yaml_as_editors_save_it(written):
    assert read_yaml(written(b"\xef\xbb\xbfa: &x 1\nb: [2, {a: 3}]"), "card") == {
        "a": 1,
        "b": [2, {"a": 3}],
    }


def test_what_is_no_file_of_text(tmp_path):
    refused(read_json, tmp_path, "is no regular file")
    refused(read_yaml, tmp_path, "is no regular file")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode\tand\nlines", "plain ünïcode\tand\nlines"),
        ("\x1b[2Jgone\a\r", "\\x1b[2Jgone\\x07\\r"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("\u2066a\u2069\u200f\u061c\ufeff", "\\u2066a\\u2069\\u200f\\u061c\\ufeff"),
        ("a\u2028b\ud800", "a\\u2028b\\ud800"),
        ("नी\u200dसि", "नी\u200dसि"),
    ],
)
def test_what_has_an_effect_is_written_out(text, shown):
    assert printable(text) == shown
