"""Downloads from a server on this machine, and archives."""

import contextlib
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile

import pytest

from rtickets.data.archives import download, unpack, unpack_once
from rtickets.errors import InputError

CONTENT = bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, whole or from where it is asked for."""

    asked: list[str | None]

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        if self.path != "/file.bin":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    handler = type("Fresh", (Handler,), {"asked": []})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}", handler.asked
        served.shutdown()
        thread.join()


def test_a_file_is_downloaded_once(server, tmp_path):
    url, asked = server
    for _ in range(2):
        download(f"{url}/file.bin", tmp_path / "file.bin", MD5)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert asked == [None]


@pytest.mark.parametrize("have", [1, 5000, len(CONTENT)])
def test_an_interrupted_download_goes_on(server, tmp_path, have):
    url, asked = server
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:have])
    said = []
    download(f"{url}/file.bin", tmp_path / "file.bin", MD5, said.append)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert asked == [f"bytes={have}-"]
    assert f"{have:,} bytes are here" in said[0]
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


def test_another_checksum_is_refused_and_forgotten(server, tmp_path):
    with pytest.raises(InputError, match=f"{MD5}, .*0000"):
        download(f"{server[0]}/file.bin", tmp_path / "file.bin", "0000")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["/other.bin", None])
def test_what_cannot_be_had_names_the_way_out(server, tmp_path, path):
    url = f"{server[0]}{path}" if path else "http://127.0.0.1:1/file.bin"
    with pytest.raises(InputError, match=r"file.bin .* --manual"):
        download(url, tmp_path / "file.bin")


def tar_of(path, names, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"data"))


def test_archives_in_archives_are_unpacked(tmp_path):
    tar_of(tmp_path / "inner.tar.gz", ["deep/image.jpg"])
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "inner.tar.gz", "set/inner.tar.gz")
        archive.writestr("__MACOSX/set/._inner.tar.gz", b"\0\5\x16\7 what macOS packs besides")
    root = unpack_once(tmp_path / "outer.zip", tmp_path / "out")
    assert (root / "set" / "deep" / "image.jpg").read_bytes() == b"data"
    assert not (root / "set" / "inner.tar.gz").exists()
    (tmp_path / "outer.zip").write_bytes(b"not read again")
    assert unpack_once(tmp_path / "outer.zip", tmp_path / "out") == root


@pytest.mark.parametrize("name", ["../outside.txt", "{}/outside.txt"])
def test_nothing_is_written_outside(tmp_path, name):
    tar_of(tmp_path / "evil.tar.gz", [name.format(tmp_path)])
    target = tmp_path / "deep" / "out"
    with contextlib.suppress(InputError):
        unpack(tmp_path / "evil.tar.gz", target)
    files = [path for path in tmp_path.rglob("*.txt") if target not in path.parents]
    assert not files


@pytest.mark.parametrize("name", ["broken.zip", "broken.tar", "broken.tgz"])
def test_a_broken_archive_is_named_and_leaves_nothing(tmp_path, name):
    (tmp_path / name).write_bytes(b"nonsense" * 200)
    with pytest.raises(InputError, match=f"{name}: .*unpacked"):
        unpack_once(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out" / name).exists()


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "a/../../outside.txt", "..\\x"])
def test_members_of_a_zip_that_would_lie_outside_are_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(InputError, match=r"evil\.zip: .*'.*' .*outside"):
        unpack(tmp_path / "evil.zip", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def write_tar(path, *members):
    """Write members: their name, contents and whatever else their headers say."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data, header in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field, value in header.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize(
    "header",
    [
        {"type": tarfile.CHRTYPE},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "../../secret"},
    ],
    ids=["device", "pipe", "link", "hard link"],
)
def test_what_is_no_plain_file_is_refused(tmp_path, header):
    write_tar(tmp_path / "evil.tgz", ("x", b"", header))
    with pytest.raises(InputError, match=r"evil\.tgz: .*unpacked"):
        unpack(tmp_path / "evil.tgz", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_an_archive_that_would_fill_the_disk_is_given_up(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr("zeros", bytes(2**26 + 1))
    with pytest.raises(InputError, match=r"bomb\.zip: .*unpack"):
        unpack(tmp_path / "bomb.zip", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    write_tar(tmp_path / "bomb.tgz", ("zeros", bytes(2**26), {}))
    with pytest.raises(InputError, match=r"bomb\.tgz: .*unpack"):
        unpack(tmp_path / "bomb.tgz", tmp_path / "out")


def test_many_empty_files_count_as_what_they_take_on_a_disk(tmp_path):
    members = [(f"{number:06}", b"", {}) for number in range(100)]
    write_tar(tmp_path / "many.tgz", *members)
    with pytest.raises(InputError, match=r"many\.tgz: .*unpack.* 300,000"):
        unpack(tmp_path / "many.tgz", tmp_path / "out", most=300_000)
    assert unpack(tmp_path / "many.tgz", tmp_path / "all") > 100 * 4096


def test_a_long_header_is_not_read_whole(tmp_path):
    """Names and notes of members may be as long as files."""
    with tarfile.open(tmp_path / "bomb.tgz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"comment": "x" * (2**26 + 1)}
        archive.addfile(info)
    with pytest.raises(InputError, match=r"bomb\.tgz: .*unpack"):
        unpack(tmp_path / "bomb.tgz", tmp_path / "out")


def test_archives_in_an_archive_share_its_room(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr("zeros", bytes(2**25))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(3):
            file.writestr(f"{number}.zip", inner.getvalue())
    with pytest.raises(InputError, match=r"\d\.zip: .*unpack"):
        unpack_once(tmp_path / "outer.zip", tmp_path / "out")
    assert not (tmp_path / "out" / "outer.zip").exists()


def test_an_encrypted_archive_is_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "locked.zip", "w") as file:
        file.writestr("a", "x")
    data = bytearray((tmp_path / "locked.zip").read_bytes())
    for place in (6, data.index(b"PK\x01\x02") + 8):
        data[place] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"locked\.zip: .*encrypted"):
        unpack(tmp_path / "locked.zip", tmp_path / "out")
