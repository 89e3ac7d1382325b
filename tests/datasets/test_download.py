import errno
import hashlib
import resource
import socket
import stat
from pathlib import Path

import numpy as np
import pooch
import pytest

from latentgeo.datasets import download, idx, load
from latentgeo.datasets.download import RemoteFile, cache_folder, fetch
from latentgeo.errors import InputError

CONTENT = np.random.default_rng(0).bytes(300_000)
NAME = "file.bin"
FAULTS = ["truncated", "unannounced", "wrong", "gone", "missing"]


def remote(*mirrors: str, content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile(NAME, len(content), hashlib.sha256(content).hexdigest(), mirrors)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_right_file_is_put_in_place(serve, tmp_path):
    server = serve(CONTENT)
    path = fetch(remote(server.mirror("good")), tmp_path / "set")
    assert path == tmp_path / "set" / NAME
    assert path.read_bytes() == CONTENT
    assert names_in(tmp_path / "set") == [NAME]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert server.requests == ["good"]


def test_cached_file_is_not_downloaded_again(serve, tmp_path):
    server = serve(CONTENT)
    file = remote(server.mirror("good"))
    fetch(file, tmp_path)
    fetch(file, tmp_path)
    assert server.requests == ["good"]


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_download_leaves_nothing_and_says_why(serve, tmp_path, fault):
    server = serve(CONTENT)
    mirror = server.mirror(fault)
    with pytest.raises(InputError) as caught:
        fetch(remote(mirror), tmp_path / "set")
    why = {
        "truncated": "no connection, or it broke off",
        "unannounced": "wrong checksum",
        "wrong": "wrong checksum",
        "gone": "no connection, or it broke off",
        "missing": "HTTP 404",
    }[fault]
    message = str(caught.value)
    assert "\n" not in message
    assert f"{mirror} ({why})" in message
    assert f"{NAME!r} (0.3 MB)" in message
    assert "LATENTGEO_DATA" in message
    assert f"set/{NAME}" in message
    assert names_in(tmp_path / "set") == []
    assert server.requests == [fault, fault]  # once, and once more after a pause


@pytest.mark.parametrize("fault", FAULTS)
def test_next_mirror_is_tried(serve, tmp_path, fault):
    server = serve(CONTENT)
    path = fetch(remote(server.mirror(fault), server.mirror("good")), tmp_path)
    assert path.read_bytes() == CONTENT
    assert names_in(tmp_path) == [NAME]
    assert server.requests == [fault, "good"]


def test_dead_first_mirror(serve, tmp_path):
    server = serve(CONTENT)
    dead = f"http://127.0.0.1:{closed_port()}/"
    assert fetch(remote(dead, server.mirror("good")), tmp_path).read_bytes() == CONTENT


def test_failure_that_passes_is_retried(serve, tmp_path):
    server = serve(CONTENT)
    assert fetch(remote(server.mirror("flaky")), tmp_path).read_bytes() == CONTENT
    assert server.requests == ["flaky", "flaky"]


def test_mirror_that_never_answers(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.1)
    server = serve(CONTENT)
    with pytest.raises(InputError, match="no answer in time"):
        fetch(remote(server.mirror("silent")), tmp_path)


def test_offline_names_file_mirrors_and_the_way_out(tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.setattr(download, "_PAUSE_S", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    mirrors = [f"http://127.0.0.1:{closed_port()}/{place}/" for place in "ab"]
    with pytest.raises(InputError) as caught:
        fetch(remote(*mirrors), tmp_path / "mnist")
    message = str(caught.value)
    assert message.startswith(f"{NAME!r} (0.3 MB) cannot be downloaded: tried ")
    assert all(f"{mirror} (no connection" in message for mirror in mirrors)
    assert f"put it into {str(tmp_path / 'mnist')!r} by hand" in message
    assert f"LATENTGEO_DATA to a folder that has mnist/{NAME}" in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_log_level_of_pooch_is_given_back(serve, tmp_path):
    before = pooch.get_logger().level
    fetch(remote(serve(CONTENT).mirror("good")), tmp_path)
    assert pooch.get_logger().level == before


def test_cached_file_with_wrong_checksum_is_kept_and_named(tmp_path):
    (tmp_path / NAME).write_bytes(b"my own")
    with pytest.raises(InputError) as caught:
        fetch(remote("http://127.0.0.1:1/"), tmp_path)
    message = str(caught.value)
    assert str(tmp_path / NAME) in message
    assert hashlib.sha256(b"my own").hexdigest() in message
    assert "delete it" in message
    assert (tmp_path / NAME).read_bytes() == b"my own"


def test_cached_path_that_is_a_folder(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        fetch(remote("http://127.0.0.1:1/"), tmp_path)


def test_cache_below_a_file(tmp_path):
    (tmp_path / "plain").write_text("")
    with pytest.raises(InputError, match=r"cannot be written to .*LATENTGEO_DATA"):
        fetch(remote("http://127.0.0.1:1/"), tmp_path / "plain" / "mnist")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_cache_that_may_not_be_made(tmp_path, monkeypatch, code):
    def refuse(*args, **kwargs):
        raise OSError(code, "no")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match=r"cannot be written to .*: no; set LATENTGEO_DATA"):
        fetch(remote("http://127.0.0.1:1/"), tmp_path / "mnist")


def test_cache_that_may_not_be_written(serve, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    # Permissions do not bind the super-user, so they are simulated where pooch probes them.
    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    with pytest.raises(InputError, match=r"cannot be written to .*LATENTGEO_DATA") as caught:
        fetch(remote(serve(CONTENT).mirror("good")), tmp_path)
    assert "\n" not in str(caught.value)


def test_disk_without_room(serve, tmp_path):
    server = serve(CONTENT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(CONTENT) // 2, before[1]))
    try:
        with pytest.raises(InputError, match=r"cannot be written to .*a folder with room"):
            fetch(remote(server.mirror("good")), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names_in(tmp_path) == []


def test_interrupt_leaves_nothing(serve, tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("tqdm.tqdm.update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(remote(serve(CONTENT).mirror("good")), tmp_path)
    assert names_in(tmp_path) == []


def test_cache_folder_is_root_then_variable_then_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTGEO_DATA", str(tmp_path / "named"))
    assert cache_folder(tmp_path / "root") == tmp_path / "root"
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("LATENTGEO_DATA")
    assert cache_folder() == Path(pooch.os_cache("latentgeo"))
    assert cache_folder("~") == Path.home()


def test_mnist_through_the_whole_road(serve, tmp_path, monkeypatch, small_mnist):
    images, labels, contents = small_mnist
    servers = [serve(content) for content in contents]
    files = tuple(
        RemoteFile(name, len(content), hashlib.sha256(content).hexdigest(), (s.mirror("good"),))
        for name, content, s in zip(
            ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
            contents,
            servers,
            strict=True,
        )
    )
    monkeypatch.setitem(idx.MNIST_FILES, "test", files)
    monkeypatch.setenv("LATENTGEO_DATA", str(tmp_path))
    data = load("mnist")
    np.testing.assert_array_equal(data.images[:, 0], images)
    np.testing.assert_array_equal(data.labels, labels)
    assert names_in(tmp_path / "mnist") == [file.name for file in files]
    for server in servers:
        server.content = b"gone"
    assert load("mnist").fingerprint == data.fingerprint  # from the cache now
