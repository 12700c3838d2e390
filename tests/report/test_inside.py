import io

import numpy as np
import pytest
from PIL import Image

from rtickets.config import EvaluateConfig
from rtickets.errors import InputError
from rtickets.evaluation.pictures import keeper
from rtickets.report import write_evaluation, write_report
from rtickets.report.inside import study_pictures
from rtickets.runs.folders import folder_of, run_once
from tests.report.conftest import example_cells, measured

IMAGES = np.random.default_rng(0).uniform(0, 1, (3, 4, 4, 1))


def evaluation(workdir, seed, found):
    """Leave an evaluation that has kept a row that is its own, and one that all have."""

    def body(folder):
        names = []
        keep = keeper(folder, names)
        keep("mine.target", IMAGES)
        keep("mine.found", found)
        return {"clean": measured(900), "attacks": {}, "pictures": names}

    return run_once(folder_of(workdir, "evaluate", "x", EvaluateConfig(seed=seed)), body)


def cells_with_pictures(workdir):
    cells = example_cells()
    for number, cell in enumerate(cells):
        run = evaluation(workdir, number, IMAGES * number / len(cells))
        cell |= {"evaluation": run.path.name, "pictures": run.result()["pictures"]}
    return cells


def sizes(pictures):
    return {name: Image.open(io.BytesIO(each)).size for name, each in pictures.items()}


def test_rows_stand_beside_each_other_and_what_all_have_is_there_once(tmp_path):
    cells = cells_with_pictures(tmp_path)
    found = sizes(study_pictures(tmp_path, {"cells": cells, "sources": []}))
    assert list(found) == ["finetune: mine.target", "finetune: mine.found"]
    assert found["finetune: mine.found"][0] > 1.5 * found["finetune: mine.target"][0]
    assert found["finetune: mine.found"][1] > 1.5 * found["finetune: mine.target"][1]
    (tmp_path / cells[0]["evaluation"] / "pictures" / "mine.found.png").unlink()
    assert len(study_pictures(tmp_path, {"cells": cells, "sources": []})) == 2
    assert study_pictures(tmp_path, {"cells": example_cells(), "sources": []}) == {}
    assert study_pictures(tmp_path, {"cells": [], "sources": []}) == {}


def test_the_page_of_a_study_shows_them(make_study, tmp_path):
    page = write_report(make_study(cells_with_pictures(tmp_path / "runs"))).read_text()
    assert page.count("finetune: mine.found</h3>") == 1


def test_the_page_of_an_evaluation_shows_its_own(tmp_path):
    text = write_evaluation(evaluation(tmp_path, 0, IMAGES)).read_text()
    assert "mine.target</h2>" in text
    assert text.count("data:image/png") == 2


@pytest.mark.parametrize("name", ["../../secret.x", "mine", "a/b.c", ""])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    def body(_):
        return {"clean": measured(900), "attacks": {}, "pictures": [name]}

    run = run_once(folder_of(tmp_path, "evaluate", "x", EvaluateConfig()), body)
    with pytest.raises(InputError, match="pictures"):
        write_evaluation(run)


def test_a_damaged_picture_is_named(tmp_path):
    run = evaluation(tmp_path, 0, IMAGES)
    (run.path / "pictures" / "mine.found.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(InputError, match=r"mine\.found\.png"):
        write_evaluation(run)
