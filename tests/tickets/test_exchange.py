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
    assert text.startswith('---\nlibrary_name: rtickets\nlicense: "mit"\n')
    assert "3 of 6 live (sparsity 0.5)" in text
    assert "clean: 81.0 [79.0, 83.0]" in text
    assert parcel.digest in text
    assert text.count("```") % 2 == 0
    assert "'''x.pth" in text


PLACES = (
    "/home/eve/x", "~/x", "C:\\Users\\eve", "d:/data", "\\\\server\\share", "../eve/x", "a/../../x",
    "file:///home/eve", "s3://private/patients.npz", "https://host/x", "read from /home/eve/x",
    "--config.data.path=/home/eve/x", "data/patients.npz,/home/eve/y",
)  # fmt: skip
NO_PLACES = ("transfer/digits", "1/32", "a / b", "10:30", "resnet18", "3 of 4", "and/or")


def described(folder, meta):
    Ticket({"w": np.array([True])}, {"w": np.array([1.0])}, {}, meta).save(folder)
    return folder


@pytest.mark.parametrize("text", [*PLACES, *NO_PLACES])
def test_every_place_that_would_be_published_is_told(text, tmp_path):
    for number, meta in enumerate(({"a": [{"b": text}]}, {text: 1})):
        parcel = exchange.pack(described(tmp_path / str(number), meta), HOME, "mit")
        assert list(parcel.paths) == ([text] if text in PLACES else [])


@pytest.mark.parametrize(
    "text",
    ["https://eve:SECRET@host/x", "s3://SECRET@bucket", "https://host/x?b=1&X-Amz-Signature=SECRET",
     "see http://host/?token=SECRET"],
)  # fmt: skip
def test_what_holds_a_password_is_refused_and_not_repeated(text, tmp_path):
    folder = described(tmp_path / "mine", {"source": {"path": text}})
    with pytest.raises(InputError, match="password") as told:
        exchange.pack(folder, HOME, "mit")
    assert "SECRET" not in str(told.value)
    with pytest.raises(InputError, match="password"):
        exchange.pack(described(tmp_path / "sound", {}), HOME, "mit", {"evaluate-x": [text]})


def test_the_card_names_the_branch_that_it_goes_to(folder):
    text = exchange.pack(folder, f"{HOME}@second", "mit").files["README.md"].decode()
    assert f"rtickets pull {HOME}@second --sha256=" in text
    assert f'Ticket.load("{HOME}@COMMIT")' in text


@pytest.mark.parametrize(
    "name", ["no", "1.0", "null", "mit", "cc-by-4.0", "~", "ß", "a b", "x:y", ""]
)
def test_a_licence_stays_text_or_is_refused(name, folder):
    yaml = pytest.importorskip("yaml")
    if not re.fullmatch(r"[a-z0-9.-]+", name):
        with pytest.raises(InputError, match="licence"):
            exchange.pack(folder, HOME, name)
        return
    text = exchange.pack(folder, HOME, name).files["README.md"].decode()
    assert yaml.safe_load(text.split("---")[1])["license"] == name


@pytest.mark.parametrize("case", ["limit", "mask too large", "mask too small", "description"])
def test_what_is_larger_than_it_may_be_is_refused_before_it_is_fetched(
    case, folder, loopback, tmp_path, monkeypatch
):
    loopback.commit("me/my-ticket", {each: (folder / each).read_bytes() for each in hub.FILES})
    loopback.sizes, named = {
        "limit": ({"weights.safetensors": 9 * 10**9}, "RTICKETS_HUB_GB"),
        "mask too large": ({"mask.safetensors": 10**8}, "mask.safetensors"),
        "mask too small": ({"mask.safetensors": 0}, "mask.safetensors"),
        "description": ({"ticket.json": 10**9}, "ticket.json"),
    }[case]
    with pytest.raises(InputError, match=re.escape(named)):
        exchange.pull(HOME, tmp_path / "theirs")
    assert not [path for path in loopback.asked if "safetensors" in path]
    if case == "limit":
        monkeypatch.setenv("RTICKETS_HUB_GB", "10")
        exchange.pull(HOME, tmp_path / "theirs")
        for wrong in ("x", "0", "-1", "nan", "inf"):
            monkeypatch.setenv("RTICKETS_HUB_GB", wrong)
            with pytest.raises(InputError, match=f"RTICKETS_HUB_GB.*{wrong}"):
                hub.fetch(HOME)


def test_what_was_fetched_is_there_without_a_network(folder, loopback):
    exchange.push(exchange.pack(folder, HOME, "mit"))
    loaded = Ticket.load(HOME)
    loopback.server.shutdown()
    loopback.server.server_close()
    assert repr(Ticket.load(HOME)) == repr(loaded)
    with pytest.raises(InputError, match="hf://me/other"):
        Ticket.load("hf://me/other")


def test_a_repository_does_not_choose_what_its_ticket_is_taken_for(folder, loopback):
    files = {each: (folder / each).read_bytes() for each in hub.FILES}
    loopback.commit("me/my-ticket", files)
    snapshot = hub.fetch(HOME)
    honest = find_ticket(str(folder)).digest
    (snapshot / "ticket").mkdir()  # as of somebody who fetched all of the repository before
    for name, data in files.items():
        (snapshot / "ticket" / name).write_bytes(data)
    (snapshot / "COMPLETE").write_text("0123456789\n")
    found = find_ticket(HOME)
    assert found.digest == honest
    assert found.ticket == snapshot


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
