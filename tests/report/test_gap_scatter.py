import pytest

from rtickets.report import load_study, show_report, write, write_report
from rtickets.report.charts import gap_chart
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
    section = page.split("<h2>Domain gap against gain</h2>")[1].split("</section>")[0]
    assert section.count('<figure class="chart"') == 2
    assert "<td>a</td><td>1</td><td>+1.0</td><td>-10.0</td><td>+20.0</td>" in section
    assert "<td>b</td><td>2</td><td>+10.0</td><td></td><td>+20.0</td>" in section
    show_report(study)
    lines = [line for line in capsys.readouterr().out.splitlines() if "rank correlation" in line]
    assert len(lines) == 2
    assert "omp 10%: rank correlation +0.50 over 3 targets, p 1" in lines[0]


def test_the_page_prints_what_a_reader_of_distances_must_know(make_study, monkeypatch, capsys):
    monkeypatch.setattr(write, "gap_notes", lambda cells, config: ["near 50 & far 40"])
    study = make_study(gap_readings=[reading()])
    section = write_report(study).read_text().split("<h2>Domain gap against gain</h2>")[1]
    assert '<p class="note">near 50 &amp; far 40.</p>' in section.split("</section>")[0]
    assert "examples, gains" in section
    show_report(study)
    assert "near 50 & far 40" in capsys.readouterr().out


def test_a_chart_has_a_point_a_target_and_its_interval():
    guide, series = gap_chart("t", [reading()], "share")["series"]
    assert guide["guide"]
    assert [point["y"] for point in guide["points"]] == [0, 0]
    assert series["loose"]
    shown = [[point[name] for name in ("x", "y", "low", "high")] for point in series["points"]]
    assert shown == [[1, 1, -10, 20], [2, 10, 10, 10], [5, 5, 0, 20]]
    assert series["points"][0]["text"] == ["a", "distance 1", "gain +1.0 [-10.0, +20.0]%"]


def test_figures_for_papers_have_the_scatter(make_study):
    study = load_study(make_study(gap_readings=[reading()]).path)
    assert "gaps" in study.figures()


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
