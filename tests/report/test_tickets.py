import numpy as np
import pytest

from rtickets import draw_omp
from rtickets.draw import Ticket
from rtickets.report.tickets import picture_tickets, study_tickets


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


@pytest.mark.parametrize(("other", "compared"), [("stem_conv", True), ("another", False)])
def test_only_tickets_with_the_same_layers_are_compared(other, compared):
    pictures = picture_tickets({("natural", "omp"): drawn(), ("robust", "omp"): drawn(path=other)})
    assert ("Overlap of tickets" in pictures) == compared
    assert len(pictures) == 4 + compared
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())


def test_without_tickets_there_is_no_picture():
    assert picture_tickets({}) == {}
