"""Tables of what others' files hold."""

from rtickets.tickets.tables import as_text


def test_names_cannot_write_on_a_terminal():
    rows = [{"leaf": "conv\x1b[2J\nforged", "weights": 3}, {"leaf": "\u202eb", "weights": 4}]
    text = as_text({"rows\x07": rows})
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text.splitlines()) == 3
    assert r"conv\x1b[2J\nforged" in text


def test_tables_are_aligned_text():
    rows = [
        {"path": "a", "shape": [3, 3], "weights": 12345, "share_of_it": 0.123456, "rest": None},
        {"path": "longer", "shape": [1], "weights": 7, "share_of_it": 1.0, "rest": 2},
    ]
    assert as_text({"rows": rows, "no_rows": []}) == (
        "path    shape   weights  share of it  rest\n"
        "a       [3, 3]   12,345      0.12346     -\n"
        "longer  [1]           7            1     2\n"
        "\n"
        "no rows: none"
    )
