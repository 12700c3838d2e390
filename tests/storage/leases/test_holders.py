"""What a claim says of who has it, and for how long."""

import pytest

from rtickets.errors import InputError
from rtickets.storage import holders

pytest.importorskip("obstore")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"owner": 1}', b"[" * 10**5, b"\xff"])
def test_a_claim_that_somebody_made_up_is_held_by_nobody_known(data):
    found = holders.read_holder(data)
    assert (found.owner, found.seconds) == ("?", holders.SECONDS)


@pytest.mark.parametrize("text", ["x", "0", "-1", "1e9", "nan"])
def test_seconds_that_make_no_sense_are_refused(text, monkeypatch):
    monkeypatch.setenv(holders.VARIABLE, text)
    with pytest.raises(InputError, match=holders.VARIABLE):
        holders.seconds_of_claims()
