"""A hub on loopback: as much of the Hugging Face Hub as `huggingface_hub` asks for."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub:
    """Repositories as commits, each a dictionary of files."""

    def __init__(self):
        self.commits: dict[str, dict[str, bytes]] = {}
        self.heads: dict[str, str] = {}
        self.asked: list[str] = []
        self.sizes: dict[str, int] = {}  # that are told, in the place of the true ones
        outer = self

        class Handler(BaseHTTPRequestHandler):
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
                outer.asked.append(self.path)
                if self.path == "/api/repos/create":
                    repo = json.loads(data)["organization"] or "me"
                    self.answer({"url": f"{outer.url}/{repo}/{json.loads(data)['name']}"})
                elif "/preupload/" in self.path:
                    files = [
                        {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for file in json.loads(data)["files"]
                    ]
                    self.answer({"files": files})
                elif "/commit/" in self.path:
                    lines = [json.loads(line) for line in data.splitlines()]
                    files = {
                        line["value"]["path"]: base64.b64decode(line["value"]["content"])
                        for line in lines
                        if line["key"] == "file"
                    }
                    sha = outer.commit(
                        self.path.split("/")[3] + "/" + self.path.split("/")[4], files
                    )
                    about = {
                        "commitUrl": f"{outer.url}/me/my-ticket/commit/{sha}",
                        "commitOid": sha,
                    }
                    self.answer({**about, "commitMessage": "x"})
                else:
                    self.answer({"valid": True})

            def do_GET(self):
                outer.asked.append(self.path)
                if found := re.fullmatch(
                    r"/api/models/([^/]+/[^/]+)/revision/([^?]+).*", self.path
                ):
                    sha = outer.heads.get(found[1], "") if found[2] == "main" else found[2]
                    if sha not in outer.commits:
                        return self.answer(
                            {"error": "no"}, 404, X_Error_Code="RepoNotFound", X_Error_Message="no"
                        )
                    names = [
                        {"rfilename": name, "size": outer.sizes.get(name, len(data))}
                        for name, data in outer.commits[sha].items()
                    ]
                    return self.answer({"id": found[1], "sha": sha, "siblings": names})
                if found := re.fullmatch(r"/api/models/[^/]+/[^/]+/tree/(\w+)\?.*", self.path):
                    listed = [
                        {"type": "file", "oid": name, "size": len(data), "path": name}
                        for name, data in outer.commits[found[1]].items()
                    ]
                    return self.answer(listed)
                if found := re.fullmatch(r"/[^/]+/[^/]+/resolve/([^/]+)/(.+)", self.path):
                    data = outer.commits[found[1]][found[2]]
                    etag = f'"{hashlib.sha256(data).hexdigest()}"'
                    return self.answer(data, X_Repo_Commit=found[1], ETag=etag)
                return self.answer({"error": "no"}, 404)

            do_HEAD = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def commit(self, repository, files):
        sha = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[sha], self.heads[repository] = files, sha
        return sha


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
