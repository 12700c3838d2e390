"""Tickets through a hub on loopback that speaks what `huggingface_hub` asks."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from rtickets import Ticket, cli
from rtickets.config import EvaluateConfig
from rtickets.errors import InputError
from rtickets.runs.folders import find_ticket, folder_of, run_once
from rtickets.storage.files import write_json
from rtickets.tickets import exchange, hub

pytest.importorskip("huggingface_hub")
HOME = "hf://me/my-ticket"


class Hub:
    """Repositories as commits, each a dictionary of files."""

    def __init__(self):
        self.commits: dict[str, dict[str, bytes]] = {}
        self.heads: dict[str, str] = {}
        self.asked: list[str] = []
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
                    names = [{"rfilename": name} for name in outer.commits[sha]]
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


@pytest.fixture
def loopback(tmp_path, monkeypatch):
    from huggingface_hub import constants

    server = Hub()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture
def folder(tmp_path):
    params = {"body": {"kernel": np.arange(1.0, 7).reshape(2, 3)}}
    mask = {"body": {"kernel": np.arange(6).reshape(2, 3) % 2 == 0}}
    meta = {"history": [{"stage": "import", "source": {"file": "/home/me/```x.pth"}}]}
    Ticket(mask, params, {}, meta).save(tmp_path / "mine")
    return tmp_path / "mine"


def test_what_is_pushed_comes_back_bit_for_bit(folder, loopback, tmp_path, capsys):
    assert cli.main(["push", str(folder), HOME, "--license=apache-2.0"]) == 0
    said = capsys.readouterr()
    assert "/home/me" in said.err
    digest = hashlib.sha256((folder / "ticket.json").read_bytes()).hexdigest()
    assert f"sha256: {digest}" in said.out
    address = re.search(r"done: (hf://\S+)", said.out)[1]
    (sent,) = loopback.commits.values()
    assert set(sent) == {*hub.FILES, "README.md"}
    words = ["pull", address, f"--out={tmp_path / 'theirs'}", f"--sha256={digest}"]
    assert cli.main(words) == 0
    for name in hub.FILES:
        assert (tmp_path / "theirs" / name).read_bytes() == (folder / name).read_bytes()
    loaded = Ticket.load(address)
    np.testing.assert_array_equal(loaded.params["body"]["kernel"][0], [1, 0, 3])
    assert Ticket.load(HOME).meta == loaded.meta  # the main branch
    assert find_ticket(HOME).digest == find_ticket(str(folder)).digest


def test_the_card_says_how_it_came_about_and_nothing_of_it_is_markup(folder):
    parcel = exchange.pack(folder, HOME, "mit", {"evaluate-x": ["clean: 81.0 [79.0, 83.0]"]})
    text = parcel.files["README.md"].decode()
    assert text.startswith("---\nlibrary_name: rtickets\nlicense: mit\n")
    assert "3 of 6 live (sparsity 0.5)" in text
    assert "clean: 81.0 [79.0, 83.0]" in text
    assert parcel.digest in text
    assert text.count("```") % 2 == 0
    assert "'''x.pth" in text


@pytest.mark.parametrize("name", hub.FILES)
def test_what_was_changed_on_the_way_is_refused(name, folder, loopback, tmp_path):
    files = {each: (folder / each).read_bytes() for each in hub.FILES}
    digest = hashlib.sha256(files["ticket.json"]).hexdigest()
    place = len(files[name]) // 2
    files[name] = files[name][:place] + bytes([files[name][place] ^ 1]) + files[name][place + 1 :]
    loopback.commit("me/my-ticket", files)
    with pytest.raises(InputError, match="digest" if name == "ticket.json" else "damaged"):
        exchange.pull(HOME, tmp_path / "theirs", digest)
    assert not (tmp_path / "theirs").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_of_a_repository_three_files_are_taken(folder, loopback, tmp_path):
    files = {each: (folder / each).read_bytes() for each in hub.FILES}
    loopback.commit("me/my-ticket", {**files, "setup.py": b"1/0", "../up": b"x"})
    exchange.pull(HOME, tmp_path / "theirs")
    assert {path.name for path in (tmp_path / "theirs").iterdir()} == set(hub.FILES)
    assert not [path for path in loopback.asked if "setup" in path or "up" in path]


def test_a_missing_file_and_a_missing_repository_are_named(folder, loopback, tmp_path, capsys):
    loopback.commit("me/half", {"ticket.json": (folder / "ticket.json").read_bytes()})
    with pytest.raises(InputError, match=r"mask\.safetensors"):
        exchange.pull("hf://me/half", tmp_path / "theirs")
    for words in (["pull", "hf://me/nothing", f"--out={tmp_path / 'x'}"],
                  ["ticket", "show", "hf://me/nothing"]):  # fmt: skip
        assert cli.main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "hf://me/nothing" in line


@pytest.mark.parametrize("text", ["hf://", "hf://me", "hf://me/../x", "hf://me/a@", "hf://m e/x"])
def test_what_is_no_address_is_refused_before_anybody_is_asked(text, folder, tmp_path):
    with pytest.raises(InputError, match="OWNER/NAME"):
        Ticket.load(text)
    with pytest.raises(InputError, match="OWNER/NAME"):
        exchange.pack(folder, text, "mit")


def test_an_existing_folder_and_another_digest_are_refused(folder, loopback, tmp_path):
    exchange.push(exchange.pack(folder, HOME, "mit"))
    with pytest.raises(InputError, match="exists"):
        exchange.pull(HOME, folder)
    with pytest.raises(InputError, match="f" * 64):
        exchange.pull(HOME, tmp_path / "theirs", "f" * 64)


def test_an_evaluation_of_another_network_is_refused(folder, tmp_path, capsys):
    run = tmp_path / "evaluate-x-0123456789"
    run.mkdir()
    (run / "config.json").write_text("{}")
    (run / "COMPLETE").write_text("0123456789\n")
    words = ["push", str(folder), HOME, "--license=mit", f"--evaluation={run}", "--dry-run"]
    assert cli.main(words) == 2
    assert "another network" in capsys.readouterr().err
    assert cli.main([*words[:4], "--dry-run"]) == 0
    assert "nothing was sent" in capsys.readouterr().out


def test_an_evaluation_of_this_ticket_stands_in_the_card(folder, tmp_path, capsys):
    run = folder_of(tmp_path, "evaluate", "mine", EvaluateConfig(), find_ticket(str(folder)))
    clean = {"correct": 81, "examples": 100, "value": 0.81, "low": 0.72, "high": 0.88}
    run = run_once(run, lambda _: {"clean": clean, "attacks": {}, "notes": ["**said**"]})
    write_json(run.path / "network.json", {"history": ["import: x.pth"], "sparsity": 0.5})
    words = ["push", str(folder), HOME, "--license=mit", f"--evaluation={run.path}", "--dry-run"]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert run.path.name in said
    assert "81.0" in said
    assert said.index("```text\nimport: x.pth") < said.index("**said**")
