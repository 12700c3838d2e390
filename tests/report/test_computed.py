import json

from rtickets.report import load_study, write_report
from rtickets.report.computed import study_environments


def environment_of(folder, *commits, device="cpu"):
    folder.mkdir(parents=True, exist_ok=True)
    found = [{"commit": commit, "device": device} for commit in commits]
    (folder / "environment.json").write_text(json.dumps({"environments": found}))


def named(cells):
    names = ("ticket", "trained", "evaluation")
    return [
        {**cell, **{name: f"{name}-{number}" for name in names}}
        for number, cell in enumerate(cells[:2])
    ]


def test_commits_of_all_stages_are_named_once(make_study, study_maker):
    study = make_study(named(study_maker[1]()))
    workdir = study.path.parent
    environment_of(study.path, "own")
    for number in (0, 1):
        environment_of(workdir / f"ticket-{number}", "drawn")
        environment_of(workdir / f"trained-{number}", "began", "went_on")
        environment_of(workdir / f"evaluation-{number}", "own", device=["cpu", "abacus"][number])
    found = study_environments(study.path, study.result())
    assert [(one["commit"], one["device"]) for one in found] == [
        ("own", "cpu"), ("drawn", "cpu"), ("began", "cpu"), ("went_on", "cpu"), ("own", "abacus"),
    ]  # fmt: skip
    page = write_report(study).read_text()
    assert "<dt>commit</dt><dd>own, drawn, began, went_on</dd>" in page
    assert "<dt>device</dt><dd>cpu, abacus</dd>" in page
    tables = load_study(study.path).to_latex()
    assert "% commit: own, drawn, began, went\\_on; device: cpu, abacus" in tables


def test_runs_that_are_gone_are_counted(make_study, study_maker):
    study = make_study(named(study_maker[1]()))
    environment_of(study.path, "own")
    environment_of(study.path.parent / "ticket-0", "own")
    *known, last = study_environments(study.path, study.result())
    assert [one["commit"] for one in known] == ["own"]
    assert "5 of 6" in last["commit"]
