from rtickets.report.chosen import chosen_lines, chosen_tables

END = "learning_rate=0.3 is the largest of <it>"


def cell(seed, rate, ends=(), objective="natural", **fields):
    chosen = {"learning_rate": rate, "weight_decay": 0.0005}
    return {
        "seed": seed, "transfer": "t", "draw": "omp", "sparsity": 0.9, "objective": objective,
        "chosen": {**chosen, "ladder_ends": list(ends)} if ends else chosen, **fields,
    }  # fmt: skip


CELLS = [cell(0, 0.1), cell(1, 0.3, [END]), cell(0, 0.1, objective="robust")]


def test_the_terminal_has_how_often_which_value_was_chosen_and_every_end():
    rates, decays, end = chosen_lines(CELLS, "t")
    assert "0.1 (2 of 3), 0.3 (1 of 3)" in rates
    assert "0.0005 (3 of 3)" in decays
    assert "1 of 3" in end
    assert END in end


def test_the_page_has_every_seed_and_no_markup_of_others():
    text = "\n".join(chosen_tables(CELLS, "t"))
    assert "<td>0.1 (0.0005)</td><td><span" in text
    assert "0.3 (0.0005)*" in text
    assert "<it>" not in text
    assert text.count("<tr>") == 3


def test_what_chose_nothing_says_nothing():
    plain = [{**CELLS[0], "transfer": "other"}]
    assert chosen_lines(plain, "t") == chosen_tables(plain, "t") == []
