"""A server of buckets on this machine: moto's S3, which may fail, be slow or refuse.

To clients of Google Cloud Storage it speaks as much of the XML API of that as they ask for: the
same requests, and conditions by generations, which are kept here as Google's documentation says.

python tests/bucket.py --port=5000      # serves until it is ended
"""

import argparse
import io
import itertools
import os
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rtickets.storage import addresses
from rtickets.storage.objects import Objects

Environ = dict[str, Any]
# Given a request, (status, text) to answer in the place of the server, or None.
Fault = Callable[[Environ], tuple[str, str] | None]
BUCKET, KEY = "runs-of-tests", "good-key"
_AS_S3 = f"AWS4-HMAC-SHA256 Credential={KEY}/20261127/us-east-1/s3/aws4_request"


def _none(_: Environ) -> None:
    return None


class Generations:
    """Every write of an object has a number, and can be made to depend on that of the last."""

    def __init__(self) -> None:
        self._count, self._of = itertools.count(1), dict[str, int]()

    def refuses(self, environ: Environ) -> bool:
        """Whether the object is another than the request expects; 0 expects none."""
        expected = environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH")
        return expected is not None and int(expected) != self._of.get(environ["PATH_INFO"], 0)

    def note(self, environ: Environ, status: str) -> list[tuple[str, str]]:
        """Take note of what was done, and return the header that tells the number."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if status.startswith("2") and method == "PUT":
            self._of[path] = next(self._count)
        elif status.startswith("2") and method == "DELETE":
            self._of.pop(path, None)
        return [("x-goog-generation", str(self._of[path]))] if path in self._of else []


class Bucket:
    """The server.

    Attributes:
        url: its address.
        fault: what is asked of every request; set it to let some fail.
        requests: (method, path) of all that were answered, in order.
    """

    def __init__(self, port: int = 0) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"

            def log(self, *_: Any) -> None:
                pass

        self._app = DomainDispatcherApplication(create_backend_app)
        self._generations = Generations()
        self._one = threading.Lock()  # moto checks a condition and writes in two steps
        self._server = make_server(
            "127.0.0.1", port, self._answer, threaded=True, request_handler=Quiet
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.fault: Fault = _none
        self.requests: list[tuple[str, str]] = []
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _answer(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        found = self.fault(environ)
        if found is not None:
            status, text = found
            start_response(status, [("Content-Type", "application/xml"),
                                    ("Content-Length", str(len(text)))])  # fmt: skip
            return [text.encode()]
        environ["wsgi.input"] = io.BytesIO(body)
        if environ.get("HTTP_AUTHORIZATION", "").startswith("Bearer "):  # moto asks for its own
            environ["HTTP_AUTHORIZATION"] = _AS_S3
            for name in ("RAW_URI", "REQUEST_URI"):  # its client escapes what need not be
                path = urllib.parse.quote(environ["PATH_INFO"])
                environ[name] = f"{path}?{environ.get('QUERY_STRING', '')}"

        def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            more = self._generations.note(environ, status)
            return start_response(status, [*headers, *more], *rest)

        with self._one:
            if self._generations.refuses(environ):
                start_response("412 Precondition Failed", [("Content-Length", "0")])
                answer: list[bytes] = []
            else:
                answer = list(self._app(environ, started))
            self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            return answer

    @property
    def settings(self) -> dict[str, str]:
        """The environment that leads to the server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "GOOGLE_BASE_URL": self.url,
            "GOOGLE_BEARER_TOKEN": "token",
        }

    def start(self) -> None:
        """Serve, and make the bucket."""
        self._thread.start()
        make = urllib.request.Request(f"{self.url}/{BUCKET}", method="PUT")
        make.add_header("Authorization", _AS_S3)
        urllib.request.urlopen(make, timeout=30).read()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def refuse_others(environ: Environ) -> tuple[str, str] | None:
    """A fault: only the right key is let in."""
    if f"Credential={KEY}/" in environ.get("HTTP_AUTHORIZATION", ""):
        return None
    code = "<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>"
    return "403 Forbidden", code


class Sometimes:
    """A fault: of every so many requests one fails, before it is done or after."""

    def __init__(self, every: int, seconds: float = 0.0) -> None:
        self._every, self._seconds, self._count = every, seconds, 0

    def __call__(self, _: Environ) -> tuple[str, str] | None:
        self._count += 1
        if self._count % self._every:
            return None
        time.sleep(self._seconds)
        return "503 Slow Down", "<Error><Code>SlowDown</Code><Message>later</Message></Error>"


@contextmanager
def serving() -> Iterator[Bucket]:
    """Serve while the block runs, and let this process and those that it starts find it."""
    bucket = Bucket()
    bucket.start()
    before = {name: os.environ.get(name) for name in bucket.settings}
    os.environ.update(bucket.settings)
    try:
        yield bucket
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        bucket.stop()


@contextmanager
def emptied(server: Bucket, address: str) -> Iterator[Objects]:
    """Take away faults, and all objects below an address, which are what the block gets."""
    server.fault = _none
    store = Objects(addresses.connect(addresses.read_address(address)), address)
    for entry in store.entries(""):
        store.delete(entry.key)
    server.requests.clear()
    try:
        yield store
    finally:
        server.fault = _none


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=5000)
    one = Bucket(parser.parse_args().port)
    one.start()
    print(one.settings, flush=True)
    threading.Event().wait()
