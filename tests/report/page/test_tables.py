"""Tables of a page: gains, their colours and intervals, a table a metric and transfer."""

import json

import pytest

from tests.report.page.conftest import TABLE, Reader, configured, render, row, source


def test_the_table_has_a_line_a_ticket_and_columns_for_gains():
    accuracy, _ = Reader(render(TABLE)).tables
    assert accuracy == [
        ["ticket", "remaining", "natural", "robust", "gain of robust"],
        ["dense", "100", "95.0 ± 1.0", "93.0 ± 1.0", "-2.0 [-3.0, -1.0]"],
        ["omp", "10", "80.0 ± 1.0", "85.0 ± 1.0", "+5.0 [+4.0, +6.0]"],
    ]


def test_gains_and_losses_have_their_colours():
    page = render(TABLE)
    assert '<span class="gain"><b>+5.0 [+4.0, +6.0]</b></span>' in page
    assert '<span class="loss"><b>-2.0 [-3.0, -1.0]</b></span>' in page


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, '<span class="gain"><b>+5.0 [+4.0, +6.0]</b></span>'),
        ({"gain_p_holm": 0.06}, '<span class="gain">+5.0 [+4.0, +6.0]</span>'),
        ({"gain_low": -0.01}, "<span>+5.0 [-1.0, +6.0]</span>"),
        ({"gain_low": 0.0}, "<span>+5.0 [+0.0, +6.0]</span>"),
        ({"gain_low": None, "gain_high": None, "gain_p": None}, "<span>+5.0</span>"),
        ({"higher_is_better": False}, '<span class="loss"><b>+5.0 [+4.0, +6.0]</b></span>'),
        ({"higher_is_better": None}, "<span>+5.0 [+4.0, +6.0]</span>"),
    ],
)
def test_a_gain_has_a_colour_where_its_interval_leaves_0_out_and_is_bold_after_holm(changes, shown):
    page = render([row("natural", 0.80), row("robust", 0.85, 0.05, **changes)])
    assert f"<td>{shown}</td>" in page


def test_the_page_says_what_gains_are_and_how_many_are_clear():
    page = render(TABLE)
    assert "difference to natural of the same seed" in page
    assert "2 gains with 95% intervals over seeds; 2 exclude 0, 2 also when adjusted" in page


def test_points_that_were_not_measured_are_left_blank():
    table = [row("natural", 0.8), row("robust", 0.7, sparsity=0.5)]
    accuracy, _ = Reader(render(table)).tables
    assert accuracy[1:] == [
        ["omp", "10", "80.0 ± 1.0", "", ""],
        ["omp", "50", "", "70.0 ± 1.0", ""],
    ]


def test_gains_are_measured_from_the_baseline_that_is_asked_for():
    accuracy, _ = Reader(render(TABLE, config=configured(baseline="robust"))).tables
    assert accuracy[0] == ["ticket", "remaining", "natural", "robust", "gain of natural"]


def test_every_metric_and_transfer_has_a_table_of_its_own():
    table = [
        row("natural", mean, metric=metric, transfer=transfer)
        for metric, transfer, mean in [
            ("clean", "a", 0.1), ("clean", "b", 0.2), ("pgd", "a", 0.3), ("pgd", "b", 0.4),
        ]
    ]  # fmt: skip
    reader = Reader(render(table))
    assert [table[1][2] for table in reader.tables[:4]] == [
        "10.0 ± 1.0",
        "20.0 ± 1.0",
        "30.0 ± 1.0",
        "40.0 ± 1.0",
    ]
    assert {"Clean accuracy", "Accuracy under pgd"} <= set(reader.texts)


def test_source_networks_have_intervals_and_blanks_for_what_was_not_measured():
    sources = [source(), source("robust", 1, pgd=0.5)]
    assert Reader(render(TABLE, sources)).tables[-1] == [
        ["objective", "seed", "clean (%)", "pgd (%)"],
        ["natural", "0", "90.0 [88.0, 91.5]", ""],
        ["robust", "1", "90.0 [88.0, 91.5]", "50.0 [40.0, 60.0]"],
    ]


def test_values_and_gains_over_fewer_seeds_than_the_studys_say_so():
    table = [row("natural", 0.80, seeds=2), row("robust", 0.85, 0.05, gain_seeds=2)]
    page = render(table)
    accuracy, _ = Reader(page).tables
    assert accuracy[1][2:] == [
        "80.0 ± 1.0 (2 of 3 seeds)", "85.0 ± 1.0", "+5.0 [+4.0, +6.0] (2 of 3 seeds)",
    ]  # fmt: skip
    assert "fewer where a value says so" in page
    natural, robust = json.loads(Reader(page).scripts[1])[0]["series"]
    assert natural["points"][0]["text"][1] == "80.0 ± 1.0%, 2 of 3 seeds"
    assert robust["points"][0]["text"][2].endswith("(2 of 3 seeds)")
    assert "fewer where" not in render(TABLE)


def further_row(objective, gain=None, metric="cal.ece", transfer="finetune", **changes):
    about = {"title": metric, "transfer": transfer, "higher_is_better": False, **changes}
    return row(objective, 0.25, gain, metric=metric, **about)


def test_further_measures_have_gains_colours_intervals_and_the_line_on_holm():
    further = [
        further_row("natural"), further_row("robust", -0.05),
        further_row("robust", -0.05, draw="snip", gain_low=-0.2, gain_high=0.1),
        further_row("natural", metric="each.class_0", detail=True),
    ]  # fmt: skip
    page = render(TABLE, further=further)
    section = page.split("<h2>Further measures</h2>")[1].split("</section>")[0]
    assert "<h3>cal.ece (%), lower is better</h3>" in section
    assert "class_0" not in section
    assert '<td><span class="gain"><b>-5.0 [-6.0, -4.0]</b></span></td>' in section
    assert "<td><span>-5.0 [-20.0, +10.0]</span></td>" in section
    assert "cal.ece: 2 gains with 95% intervals over seeds; 1 exclude 0" in section
    assert "Holm" in section
    assert Reader(section).tables[0][0] == [
        "ticket", "remaining", "natural", "robust", "gain of robust",
    ]  # fmt: skip


def test_a_further_measure_of_several_transfers_is_one_table():
    further = [further_row("natural", transfer=name) for name in ("finetune", "linear")]
    section = render(TABLE, further=further).split("<h2>Further measures</h2>")[1]
    (table,) = Reader(section.split("</section>")[0]).tables
    assert [line[0] for line in table] == ["transfer", "finetune", "linear"]
