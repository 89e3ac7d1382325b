"""Small files of the canonical formats, and a server that gives them, well or badly."""

import gzip
import hashlib
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from latentgeo.datasets import download, splits
from latentgeo.datasets.download import RemoteFile


def remote(content: bytes, name: str, *mirrors: str) -> RemoteFile:
    return RemoteFile(name, len(content), hashlib.sha256(content).hexdigest(), mirrors)


def cached(content: bytes, folder: Path, name: str) -> RemoteFile:
    """Write a file into the cache and describe it; no mirror is ever asked."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return remote(content, name)


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes())


class Server(ThreadingHTTPServer):
    """Serves one content under several addresses, each with a fault of its own."""

    daemon_threads = True

    def __init__(self, content: bytes):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.requests: list[str] = []

    def mirror(self, fault: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{fault}/"

    def handle_error(self, request, client_address):
        """Keep quiet: connections break on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        fault = self.path.split("/")[1]
        self.server.requests.append(fault)
        getattr(self, f"_{fault}")(self.server.content)

    def _good(self, content):
        self._send(content, len(content))

    def _wrong(self, content):
        self._send(bytes(reversed(content)), len(content))

    def _truncated(self, content):
        self._send(content[: len(content) // 2], len(content))

    def _unannounced(self, content):
        self._send(content[: len(content) // 2], None)

    def _gone(self, content):
        self._send(content[: len(content) // 2], len(content))
        self.wfile.flush()
        # A reset instead of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _missing(self, content):
        self.send_error(404)

    def _flaky(self, content):
        if self.server.requests.count("flaky") == 1:
            self.send_error(503)
        else:
            self._good(content)

    def _silent(self, content):
        time.sleep(1)

    def _send(self, body, length):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep quiet."""


@pytest.fixture
def serve(monkeypatch):
    """Return a function that starts a server of some content."""
    monkeypatch.setattr(download, "_PAUSE_S", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    servers = []

    def start(content: bytes) -> Server:
        server = Server(content)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def small_mnist():
    """Return 12 images, their labels, and both as the contents of idx files."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (12, 28, 28), dtype=np.uint8)
    labels = generator.integers(0, 10, 12, dtype=np.uint8)
    return images, labels, (idx(images), idx(labels))


@pytest.fixture
def hold_out_two(monkeypatch):
    """Hold out two images for validation instead of 5,000."""
    monkeypatch.setattr(splits, "VALIDATION", 2)


@pytest.fixture(name="cached")
def _cached():
    return cached
