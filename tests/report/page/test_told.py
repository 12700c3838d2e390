"""What a page tells beside its numbers: what they are of, and whether they can be trusted."""

import pytest

from tests.report.page.conftest import (
    TABLE,
    Reader,
    cell,
    configured,
    finding,
    honesty,
    render,
    row,
    source,
)


@pytest.mark.parametrize(
    ("mode", "statistics", "said", "unsaid"),
    [
        ("linear", "batch", ["head alone of all weights", "re-estimated on the target"], []),
        ("linear", "frozen", ["head alone of all weights", "stay the ticket"], ["re-estimated"]),
        ("finetune", "batch", ["every surviving weight", "re-estimated on the target"], ["head"]),
    ],
)
def test_what_a_transfer_moves_is_told_above_its_table(mode, statistics, said, unsaid):
    config = configured()
    finetune = config["transfers"]["finetune"]
    train = {**finetune["train"], "statistics": statistics}
    config["transfers"] = {"finetune": {**finetune, "mode": mode, "train": train}}
    page = render(TABLE, config=config)
    told = page.split("<h3>finetune</h3>")[1].split("<table>")[0]
    assert all(words in told for words in said)
    assert not any(words in told for words in unsaid)


@pytest.mark.parametrize(("seeds", "text"), [(1, "over 1 seed."), (3, "over 3 seeds.")])
def test_the_number_of_seeds_is_told(seeds, text):
    assert text in render([row("natural", 0.5, seeds=seeds, seeds_asked=seeds)])


def facts_under(page, heading):
    after = page.split(f"<h2>{heading}</h2>")[1]
    texts = Reader(f"<p>{after.split('</dl>')[0]}</dl></p>").texts
    return dict(zip(texts[1::2], texts[2::2], strict=False))


def test_every_heading_says_what_its_numbers_are_of():
    evaluate = configured()["evaluate"]
    attack = {"name": "pgd", "norm": "linf", "eps": 8 / 255, "num_steps": 5, "restarts": 1}
    config = configured(seeds=[0, 4], evaluate={**evaluate, "attacks": {"pgd": attack}})
    table = [row("natural", 0.5), row("natural", 0.25, metric="pgd")]
    measured = cell(clean={"value": 0.5, "low": 0.4, "high": 0.6, "examples": 1000})
    page = render(table, config=config, cells=[measured])
    assert facts_under(page, "Clean accuracy") == {
        "data": "mnist5k", "split": "test", "examples": "1,000", "threat": "no attack",
        "statistics": "adapt", "seeds": "0, 4", "commit": "c0ffee", "device": "abacus",
        "date": "2026-01-02",
    }  # fmt: skip
    under = facts_under(page, "Accuracy under pgd")
    assert under["threat"] == "pgd, L\N{INFINITY}, eps 8/255, 5 steps"
    every = ("All cells", "Source networks", "Can values under attack be trusted?")
    for heading in every:
        known = facts_under(page, heading)
        assert {
            "data",
            "split",
            "threat",
            "statistics",
            "seeds",
            "commit",
            "device",
            "date",
        } <= set(known)


def test_all_cells_are_in_a_table_with_all_digits_and_links():
    page = render(TABLE, cells=[cell(finding(passed=True))])
    head, line = Reader(page).tables[1]
    assert head == [
        "transfer",
        "ticket",
        "remaining",
        "objective",
        "seed",
        "accuracy (%)",
        "folders",
    ]
    assert line[:6] == ["linear", "omp", "10%", "robust", "1", "90.0 [88.0, 91.5]"]
    assert 'data-v="0.9"' in page
    assert 'href="../draw-x/ticket/ticket.json"' in page


def test_rates_that_were_chosen_stand_beside_the_cells_and_ends_of_ladders_are_told_first():
    chosen = {"learning_rate": 0.5, "weight_decay": 0.0005}
    at_end = {**chosen, "ladder_ends": ["learning_rate 0.5 is the largest"]}
    page = render(TABLE, cells=[cell(chosen=chosen), cell(chosen=at_end)])
    tables = [table for table in Reader(page).tables if table[0][:2] == ["transfer", "ticket"]]
    rates = [line[tables[0][0].index("learning rate")] for line in tables[0][1:]]
    assert rates == ["0.5", "0.5*"]
    assert "learning_rate 0.5 is the largest" in page[: page.index("<section")]


def test_what_a_reader_must_know_comes_first():
    failed = [{"seed": 0, "objective": "natural", "reason": "loss is nan"}]
    page = render(TABLE, cells=[cell(finding())], failed=failed)
    first = page[: page.index("<section")]
    assert "1 network(s) could not be measured" in first
    assert "1 of 1 evaluations under attack" in first


def test_nothing_is_said_about_trust_where_nothing_was_checked():
    assert "trusted" not in render(TABLE)


def test_a_study_without_doubts_says_so_in_one_sentence():
    reader = Reader(render(TABLE, cells=[cell(finding(passed=True)), cell()]))
    assert "2 of 2 evaluations passed every check." in reader.texts
    assert len(reader.tables) == 3


def test_doubts_are_listed_with_what_was_found_and_about_which_attack():
    failed = cell(finding(), finding(passed=True), finding("model, l2", "steps", message="more"))
    network = {**source("natural", 3), "honesty": honesty(finding(message="1 < 2"))}
    page = render(TABLE, [network, source()], cells=[cell(finding(passed=True)), failed])
    reader = Reader(page)
    assert "1 of 3 evaluations passed every check." in reader.texts
    assert reader.tables[-1] == [
        ["transfer", "objective", "ticket", "sparsity", "seed", "found"],
        ["source network", "natural", "", "", "3", "pgd: eps: 1 < 2"],
        ["linear", "robust", "omp", "0.9", "1", "pgd: eps: seen; model, l2: steps: more"],
    ]
    assert page.index("<h2>Source networks") < page.index("<h2>Can values under attack")


def test_the_page_says_how_strong_the_attacks_are():
    strength = finding(check="weak attack", passed=True, message="6 < 7 evaluations")
    reader = Reader(render(TABLE, cells=[cell(strength)]))
    assert "pgd: 6 < 7 evaluations." in reader.texts
