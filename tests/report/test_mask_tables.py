"""Similarity of masks and zero kernels of a study, at every sparsity."""

import csv
import io

import numpy as np
import pytest

from rtickets.report.mask_tables import as_csv, mask_tables
from rtickets.tickets.ticket import Ticket


def cell(draw, sparsity, objective="natural", seed=0):
    return {"seed": seed, "objective": objective, "draw": draw, "sparsity": sparsity,
            "transfer": "t", "ticket": f"draw-{objective}-{draw}-{sparsity}"}  # fmt: skip


def save(workdir, one, keep):
    mask = {"stage1_block1": {"conv1": {"kernel": keep}}}
    params = {"stage1_block1": {"conv1": {"kernel": np.ones(keep.shape, np.float32)}}}
    Ticket(mask, params).save(workdir / one["ticket"] / "ticket")


@pytest.fixture
def cells(tmp_path):
    listed = [cell("dense", 0.0), cell("omp", 0.5), cell("imp", 0.5), cell("omp", 0.5, "robust")]
    for index, one in enumerate(listed[1:]):
        keep = np.zeros((3, 3, 2, 2), bool)
        keep[:, :, :, 0] = True  # half of all
        if index == 1:
            keep = keep[..., ::-1].copy()
        save(tmp_path, one, keep)
    return listed


def test_every_pair_of_a_sparsity_is_compared_with_chance(tmp_path, cells):
    found = {(r["a"], r["b"]): r for r in mask_tables(tmp_path, cells).similarity}
    assert len(found) == 3
    assert found["natural omp", "natural imp"]["overlap"] == 0.0
    assert found["natural omp", "robust omp"]["overlap"] == 1.0
    # Two random masks of half the weights share a quarter of all, and three quarters are in one.
    assert [row["by_chance"] for row in found.values()] == pytest.approx([1 / 3] * 3)


def test_zero_kernels_of_every_ticket(tmp_path, cells):
    tables = mask_tables(tmp_path, cells)
    assert [(r["stage"], r["kernels"], r["zero"], r["zero_3x3"]) for r in tables.zeros] == [
        ("stage1", 4, 2, 2)
    ] * 3
    lines = list(csv.DictReader(io.StringIO(as_csv(tables.zeros))))
    assert lines[0]["ticket"] == "natural omp"


def test_tickets_of_other_sparsities_or_that_are_gone_are_in_no_pair(tmp_path, cells):
    more = [*cells, cell("omp", 0.8), cell("gone", 0.5)]
    save(tmp_path, more[-2], np.eye(36, dtype=bool)[0].reshape(3, 3, 2, 2))
    tables = mask_tables(tmp_path, more)
    assert len(tables.similarity) == 3
    assert {row["sparsity"] for row in tables.zeros} == {0.5, 0.8}
