import pytest

from rtickets.report import show_report, write_report
from rtickets.report.gap_scatter import correlation, gap_lines


def reading(**changes):
    targets = [
        {"transfer": name, "distance": distance, "gain": gain, "gain_low": low, "gain_high": 0.2}
        for name, distance, gain, low in (("a", 1.0, 0.01, -0.1), ("b", 2.0, 0.1, None),
                                          ("c", 5.0, 0.05, 0.0))
    ]  # fmt: skip
    return {
        "gap": "gap.frechet", "mode": "linear", "metric": "clean", "draw": "omp", "sparsity": 0.9,
        "objective": "robust", "targets": targets, "rho": 0.5, "low": None, "high": None, "p": 1.0,
        "p_holm": 1.0, **changes,
    }  # fmt: skip


def test_page_and_terminal_show_the_readings(make_study, capsys):
    read = [reading(), reading(draw="dense", sparsity=0.0, low=-0.9, high=0.97)]
    study = make_study(gap_readings=[*read, reading(metric="pgd20")])
    page = write_report(study).read_text()
    assert "Domain gap against gain" in page
    assert "+0.50 [-0.90, +0.97]" in page
    assert page.count("gap.frechet</td>") == 3
    show_report(study)
    lines = [line for line in capsys.readouterr().out.splitlines() if "rank correlation" in line]
    assert len(lines) == 2
    assert "omp 10%: rank correlation +0.50 over 3 targets, p 1" in lines[0]


def test_a_study_without_readings_has_no_section(make_study, capsys):
    study = make_study()
    assert "Domain gap" not in write_report(study).read_text()
    show_report(study)
    assert "rank correlation" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "shown"),
    [({}, "+0.50"), ({"rho": None}, ""), ({"low": 0.1, "high": 0.9}, "+0.50 [+0.10, +0.90]")],
)
def test_a_correlation_is_shown_with_what_is_known_of_it(changes, shown):
    assert correlation(reading(**changes)) == shown
    assert len(gap_lines({"gap_readings": [reading(**changes)]})) == bool(shown)
