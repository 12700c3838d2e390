"""Tickets that are saved in a bucket by themselves."""

from pathlib import Path

import pytest

from rtickets import Ticket
from rtickets.errors import InputError, StorageError
from rtickets.storage import workdirs
from tests.cli.buckets.conftest import WORKDIR, contents, run, small_ticket, there

pytest.importorskip("obstore")
pytest.importorskip("moto")


def test_a_ticket_is_replaced_only_where_that_is_asked_for_wherever_it_lies(bucket, capsys):
    address = f"{WORKDIR}/group/mine"
    small_ticket(1).save(address)
    assert run("status", WORKDIR) == 0  # beside a ticket
    assert "nothing has been run here" in capsys.readouterr().out
    workdirs.open_workdir(WORKDIR)
    with pytest.raises(InputError, match="exists"):
        small_ticket(2).save(address)
    assert Ticket.load(address).meta == {"mark": 1}
    small_ticket(3).save(address, overwrite=True)
    workdirs.close_all()
    assert Ticket.load(address).meta == {"mark": 3}


def test_a_save_that_was_killed_does_not_keep_its_address(bucket):
    address = f"{WORKDIR}/mine"
    bucket.fault = lambda environ: (
        ("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>")
        if environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith("ticket.json")
        else None
    )
    with pytest.raises(StorageError):
        small_ticket(1).save(address)
    bucket.fault = lambda _: None
    workdirs.close_all()
    assert contents().keys() == {"mine/mask.safetensors", "mine/weights.safetensors"}
    small_ticket(2).save(address)
    there().put("yours/notes.txt", b"mine")
    with pytest.raises(InputError, match="exists"):
        small_ticket(2).save(f"{WORKDIR}/yours", overwrite=True)
    workdirs.close_all()
    assert Ticket.load(address).meta == {"mark": 2}
    assert not there().entries(".claims")


def test_a_ticket_for_another_store_makes_no_folder_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("gcs://b/mine", "S3://b/mine", "hf://me/mine", Path("s3://b/mine")):
        with pytest.raises(InputError, match="s3://"):
            small_ticket(1).save(place)
    assert list(tmp_path.iterdir()) == []
