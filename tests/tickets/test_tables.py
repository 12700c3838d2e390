"""Tables of what others' files hold."""

from rtickets.tickets.tables import as_text


def test_names_cannot_write_on_a_terminal():
    rows = [{"leaf": "conv\x1b[2J\nforged", "weights": 3}, {"leaf": "\u202eb", "weights": 4}]
    text = as_text({"rows\x07": rows})
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text.splitlines()) == 3
    assert r"conv\x1b[2J\nforged" in text
