"""A hub on loopback: as much of the Hugging Face Hub as `huggingface_hub` asks for."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


class Hub:
    """Repositories as commits, each a dictionary of files."""

    def __init__(self):
        self.commits: dict[str, dict[str, bytes]] = {}
        self.heads: dict[str, str] = {}
        self.asked: list[str] = []
        self.sizes: dict[str, int] = {}  # that are told, in the place of the true ones
        handler = type("HandlerOfHub", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def commit(self, repository, files):
        sha = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[sha], self.heads[repository] = files, sha
        return sha


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body=b"{}", status=200, **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.hub.asked.append(self.path)
        if self.path == "/api/repos/create":
            asked = json.loads(data)
            owner = asked["organization"] or "me"
            self.answer({"url": f"{self.hub.url}/{owner}/{asked['name']}"})
        elif "/preupload/" in self.path:
            paths = [file["path"] for file in json.loads(data)["files"]]
            told = {"uploadMode": "regular", "shouldIgnore": False}
            self.answer({"files": [{"path": path, **told} for path in paths]})
        elif "/commit/" in self.path:
            self.commit([json.loads(line) for line in data.splitlines()])
        else:
            self.answer({"valid": True})

    def commit(self, lines):
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"])
            for line in lines
            if line["key"] == "file"
        }
        sha = self.hub.commit("/".join(self.path.split("/")[3:5]), files)
        url = f"{self.hub.url}/me/my-ticket/commit/{sha}"
        self.answer({"commitUrl": url, "commitOid": sha, "commitMessage": "x"})

    def do_GET(self):
        self.hub.asked.append(self.path)
        for pattern, answer in self.PLACES.items():
            if found := re.fullmatch(pattern, self.path):
                return answer(self, *found.groups())
        return self.answer({"error": "no"}, 404)

    do_HEAD = do_GET

    def revision(self, repository, name):
        sha = self.hub.heads.get(repository, "") if name == "main" else name
        if sha not in self.hub.commits:
            why = {"X_Error_Code": "RepoNotFound", "X_Error_Message": "no"}
            return self.answer({"error": "no"}, 404, **why)
        files = [
            {"rfilename": name, "size": self.hub.sizes.get(name, len(data))}
            for name, data in self.hub.commits[sha].items()
        ]
        return self.answer({"id": repository, "sha": sha, "siblings": files})

    def tree(self, sha):
        files = self.hub.commits[sha].items()
        self.answer(
            [{"type": "file", "oid": name, "size": len(data), "path": name} for name, data in files]
        )

    def resolve(self, sha, name):
        data = self.hub.commits[sha][name]
        self.answer(data, X_Repo_Commit=sha, ETag=f'"{hashlib.sha256(data).hexdigest()}"')

    PLACES: ClassVar = {
        r"/api/models/([^/]+/[^/]+)/revision/([^?]+).*": revision,
        r"/api/models/[^/]+/[^/]+/tree/(\w+)\?.*": tree,
        r"/[^/]+/[^/]+/resolve/([^/]+)/(.+)": resolve,
    }


@contextmanager
def serving(monkeypatch, cache):
    """Serve while the block runs, to this process alone, which fetched nothing yet."""
    from huggingface_hub import constants

    hub = Hub()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()
