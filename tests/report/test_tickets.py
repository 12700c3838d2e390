import numpy as np
import pytest

from rtickets import draw_omp
from rtickets.config import StudyConfig, TransferConfig
from rtickets.draw import Ticket
from rtickets.report.sections import Context
from rtickets.report.tickets import study_tickets, ticket_sections
from rtickets.settings import config_files


def drawn(sparsity=0.5, path="stem_conv"):
    weights = np.random.default_rng(0).standard_normal((3, 3, 1, 4)).astype(np.float32)
    params = {path: {"kernel": weights}}
    return Ticket(draw_omp(params, sparsity), params)


def cell(draw, sparsity, objective="natural", seed=3):
    folder = f"{draw}{sparsity}-{objective}-s{seed}"
    names = {"seed": seed, "objective": objective, "draw": draw, "sparsity": sparsity}
    return {**names, "transfer": "finetune", "ticket": folder}


def save(workdir, cells):
    for one in cells:
        drawn(one["sparsity"]).save(workdir / one["ticket"] / "ticket")
    return cells


def survivors(tickets):
    return {label: int(t.mask["stem_conv"]["kernel"].sum()) for label, t in tickets.items()}


def test_the_largest_sparsity_that_all_have_is_chosen(tmp_path):
    ladders = {"omp": (0.25, 0.5, 0.75), "lmp": (0.25, 0.5)}
    cells = [cell(draw, sparsity) for draw, own in ladders.items() for sparsity in own]
    found = study_tickets(tmp_path, [cell("dense", 0.0), *save(tmp_path, cells)])
    assert survivors(found) == {("natural", "omp"): 18, ("natural", "lmp"): 18}


def test_without_a_shared_sparsity_each_has_its_own_largest(tmp_path):
    cells = save(tmp_path, [cell("omp", 0.25), cell("omp", 0.75), cell("lmp", 0.5)])
    found = study_tickets(tmp_path, cells)
    assert survivors(found) == {("natural", "omp"): 9, ("natural", "lmp"): 18}


def test_other_seeds_dense_networks_and_lost_tickets_are_left_out(tmp_path):
    cells = save(tmp_path, [cell("omp", 0.5), cell("omp", 0.5, seed=4)])
    lost = cell("omp", 0.5, "robust")
    found = study_tickets(tmp_path, [cell("dense", 0.0), *cells, lost])
    assert list(found) == [("natural", "omp")]
    assert study_tickets(tmp_path, [cell("dense", 0.0)]) == {}


def context():
    config = config_files.to_dict(StudyConfig(transfers={"finetune": TransferConfig()}))
    return Context(config, {"cells": [], "sources": []}, [], "2026-01-02", [])


@pytest.mark.parametrize(("other", "compared"), [("stem_conv", True), ("another", False)])
def test_only_tickets_with_the_same_layers_are_compared(other, compared):
    about = context()
    tickets = {("natural", "omp"): drawn(), ("robust", "omp"): drawn(path=other)}
    (section,) = ticket_sections(about, tickets)
    assert ("Overlap of tickets" in section.body) == compared
    assert ("<td>1.00</td>" in section.body) == compared
    assert section.body.count("data:image/png") == 4  # first kernels, and zero ones, of each
    (chart,) = about.charts
    assert [series["name"] for series in chart["series"]] == ["natural omp", "robust omp"]


def test_every_layer_has_its_sparsity_in_chart_and_table():
    about = context()
    (section,) = ticket_sections(about, {("natural", "omp"): drawn(0.75)})
    (point,) = about.charts[0]["series"][0]["points"]
    assert (point["x"], point["y"], point["text"]) == (1, 75, ["stem_conv/kernel", "75.0%"])
    assert "<td>stem_conv/kernel</td><td>75.0</td>" in section.body


def test_names_of_layers_are_text():
    about = context()
    (section,) = ticket_sections(about, {("natural", "omp"): drawn(path="<b>\x1b[2J")})
    assert "<b>" not in section.body
    assert "\x1b" not in section.body


def test_without_tickets_there_is_no_section():
    assert ticket_sections(context(), {}) == []
