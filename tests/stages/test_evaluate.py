"""The evaluation as a stage and as a verb, on a network of two blocks that compiles quickly."""

import json

import jax
import numpy as np
import pytest

from rtickets import cli, evaluation, models, stages
from rtickets.attacks.ensemble import legs
from rtickets.config import AttackConfig, EvaluateConfig, SmoothingConfig
from rtickets.draw import Ticket
from rtickets.evaluation import robustness
from rtickets.platform import parallel
from rtickets.runs import run_identity
from rtickets.runs.folders import find_ticket, run_at
from rtickets.settings import config_files
from rtickets.stages import results
from rtickets.tickets import provenance

PGD = AttackConfig(eps=0.05, num_steps=3)
CLEAN = ["headline", "clean", "measures"]
FEW = {"attack_examples": 12, "batch_size": 32, "honesty_examples": 0}


@pytest.fixture(scope="module")
def network(tiny, tmp_path_factory):
    """A ticket of the tiny network, trained a little, on a task whose test images are new."""
    folder = tmp_path_factory.mktemp("network")
    generator = np.random.default_rng(1)
    noise = generator.integers(-40, 40, tiny.split.images.shape)
    test = np.clip(tiny.split.images.astype(int) + noise, 0, 255).astype(np.uint8)
    np.savez(
        folder / "task.npz",
        x_train=tiny.split.images, y_train=tiny.split.labels,
        x_test=test[:30], y_test=tiny.split.labels[:30],
    )  # fmt: skip
    state, _ = tiny.steps(tiny.program(), 20)
    meta = {
        "model": {}, "class_names": ["0", "1", "2"], "mean": [0.4], "std": [0.3],
        "image_shape": [8, 8, 1], "task": {"source": "npz", "path": str(folder / "task.npz")},
        "seed": 0,
    }  # fmt: skip
    params = jax.device_get(state.params)
    Ticket(tiny.mask, params, jax.device_get(state.batch_stats), meta).save(folder / "ticket")
    return folder / "ticket"


@pytest.fixture(autouse=True)
def build_tiny(tiny, monkeypatch):
    monkeypatch.setattr(provenance, "build_model", lambda meta: tiny.model)


@pytest.fixture
def evaluate(network, tmp_path):
    def run(config, where="runs"):
        devices = parallel.local_devices(2)
        return stages.evaluate(config, find_ticket(str(network)), tmp_path / where, "x", devices)

    return run


def strict_json(path):
    """Read a result, which must also pass for one of the stage where others read it."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    results.read_evaluation(run_at(path.parent, "evaluate"))
    return json.loads(path.read_text(), parse_constant=refuse)


ATTACKS = {
    "pgd": PGD,
    "fgsm": AttackConfig(name="fgsm", eps=0.05),
    "fgsm_rs": AttackConfig(name="fgsm_rs", eps=0.05),
    "segpgd": config_files.replace(AttackConfig(name="segpgd", eps=0.05), num_steps=PGD.num_steps),
    "apgd_ce": AttackConfig(name="apgd_ce", eps=0.05, num_steps=5),
    "apgd_dlr": AttackConfig(name="apgd_dlr", norm="l2", eps=0.5, num_steps=5),
    "apgd_t": AttackConfig(name="apgd_t", norm="l1", eps=2.0, num_steps=5),
    "pgd_t": AttackConfig(name="pgd_t", eps=0.05, num_steps=3, num_targets=2),
    "fab": AttackConfig(name="fab", eps=0.05, num_steps=5, restarts=2),
    "fab_t": AttackConfig(name="fab_t", eps=0.05, num_steps=5),
    "square": AttackConfig(name="square", eps=0.05, num_steps=30),
    "autoattack": AttackConfig(name="autoattack", eps=0.6),
}
RUN_AS = {"fgsm": ["pgd"], "fgsm_rs": ["pgd"], "segpgd": ["pgd"]}
RUN_AS["autoattack"] = ["apgd_ce", "apgd_t", "fab_t", "square"]


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_can_be_evaluated(name, evaluate):
    assert set(ATTACKS) == set(AttackConfig.entries)
    run = evaluate(EvaluateConfig(attacks={"mine": ATTACKS[name]}, **FEW))
    result = strict_json(run.path / "result.json")
    assert list(result) == [*CLEAN, "attacks", "honesty"]
    assert result["clean"]["examples"] == 30
    measured = result["attacks"]["mine"]
    assert measured["examples"] == 12
    rows = measured["runs"]
    assert [row["attack"] for row in rows] == RUN_AS.get(name, [name])
    clean = rows[0]["attacked"]
    assert clean >= 8
    assert measured["correct"] == clean - sum(row["fooled"] for row in rows) < clean
    assert measured["recomputed"]["correct"] == measured["correct"]
    assert [point["eps"] for point in measured["curve"]] == [ATTACKS[name].eps]
    bad = [each["check"] for each in result["honesty"]["findings"] if not each["passed"]]
    assert bad == (["weak attack"] if name in ("fgsm", "fgsm_rs", "square") else [])
    assert result["honesty"]["passed"] is (False if bad else None)  # no verdict was asked for
    assert sorted(path.name for path in run.path.iterdir()) == [
        "COMPLETE",
        "config.json",
        "environment.json",
        "network.json",
        "outcomes",
        "result.json",
    ]


def test_everything_in_one_evaluation(evaluate, network, tiny):
    config = EvaluateConfig(
        attacks={
            "pgd": config_files.replace(PGD, radii=(0.0, 0.1)),
            "larger": config_files.replace(PGD, eps=0.1),
        },
        smoothing=SmoothingConfig(
            sigma=0.1, selection_samples=16, samples=128, alpha=0.01, examples=10, batch_size=64
        ),
        save_images=True,
        batch_size=32,
        honesty_examples=16,
    )
    run = evaluate(config)
    result = strict_json(run.path / "result.json")
    assert list(result) == [*CLEAN, "attacks", "honesty", "certified"]
    curve = [point["value"] for point in result["attacks"]["pgd"]["curve"]]
    assert curve[0] == result["clean"]["value"]
    assert curve == sorted(curve, reverse=True)
    assert curve[1] == result["attacks"]["pgd"]["value"] < curve[0]
    about = {finding["about"] for finding in result["honesty"]["findings"]}
    assert about == {"pgd", "larger", "model, linf"}
    assert result["attacks"]["larger"]["value"] == curve[2]
    certified = [point["value"] for point in result["certified"]["curve"]]
    assert certified == sorted(certified, reverse=True)
    assert certified[0] > 0.5 > certified[-1]
    assert result["certified"]["curve"][0]["examples"] == 10
    with np.load(run.path / "adversarial_pgd.npz") as saved:
        x_adv, labels = saved["x_adv"], saved["labels"]
    with np.load(network.parent / "task.npz") as task:
        x = task["x_test"].astype(np.float32) / 255
    assert np.abs(x_adv - x).max() <= PGD.eps + 1e-6
    ticket = Ticket.load(network)
    logits = models.logits(tiny.model, ticket.params, ticket.batch_stats, x_adv)
    right = evaluation.is_correct(np.asarray(logits), labels)
    recomputed = evaluation.measure("accuracy", right, labels)
    assert recomputed._asdict().items() <= result["attacks"]["pgd"].items()
    assert (run.path / "adversarial_larger.npz").is_file()


def test_a_killed_evaluation_goes_on_where_it_was(evaluate, tmp_path, monkeypatch):
    smoothing = SmoothingConfig(
        selection_samples=8, samples=32, alpha=0.1, examples=4, batch_size=64
    )
    attacks = {"pgd": PGD, "fab": ATTACKS["fab_t"]}
    config = EvaluateConfig(attacks=attacks, smoothing=smoothing, **FEW)
    expected = evaluate(config, "whole").result()
    evaluations = []
    work = legs.work

    def kill(*arguments, **options):
        raise KeyboardInterrupt

    def counted(*arguments):
        evaluations.append(None)
        return work(*arguments)

    for killed_in in ("_findings", "measure_certified"):
        with monkeypatch.context() as patch:
            patch.setattr(robustness, killed_in, kill)
            with pytest.raises(KeyboardInterrupt):
                evaluate(config)
        (folder,) = (tmp_path / "runs").iterdir()
        assert not (folder / "COMPLETE").exists()
        states = [path.name for path in sorted((folder / "attacks").glob("*/attack.npz"))]
        assert len(states) == {"_findings": 1, "measure_certified": 2}[killed_in]
    monkeypatch.setattr(legs, "work", counted)
    run = evaluate(config)
    assert evaluations == []
    assert run.result() == expected
    assert not (run.path / "attacks").exists()


def test_a_kill_between_the_result_and_the_clearing_up_leaves_nothing(evaluate):
    run = evaluate(EvaluateConfig())
    (run.path / "attacks" / "pgd-0.1").mkdir(parents=True)
    assert evaluate(EvaluateConfig()) == run
    assert not (run.path / "attacks").exists()


def test_new_fields_leave_the_names_of_old_runs(evaluate):
    assert run_identity.digest(EvaluateConfig()) == run_identity.digest(
        EvaluateConfig(honesty_examples=64, save_images=False, smoothing=None)
    )
    run = evaluate(EvaluateConfig())
    assert list(run.result()) == [*CLEAN, "attacks"]


# --- the verb -------------------------------------------------------------------------------------


@pytest.fixture
def rtickets(tmp_path, capsys):
    path = tmp_path / "evaluate.py"
    path.write_text(
        "from rtickets.settings import config_files\n"
        "from rtickets.config import *\n"
        "def get_config():\n"
        "    attacks = {'pgd': AttackConfig(eps=0.05, num_steps=3)}\n"
        "    config = EvaluateConfig(attacks=attacks, batch_size=32, honesty_examples=16)\n"
        "    return config_files.editable(config)\n"
    )

    def run(ticket, *overrides):
        words = [f"--config={path}", f"--config.ticket={ticket}", f"--workdir={tmp_path / 'runs'}"]
        status = cli.main(["evaluate", *words, "--devices=2", *overrides])
        return status, *capsys.readouterr()

    return run


def test_the_verdict_is_printed_as_lines(rtickets, network):
    status, printed, _ = rtickets(network)
    assert status == 0
    measured = json.loads(printed[: printed.rindex("}") + 1])
    assert list(measured) == [*CLEAN, "attacks"]
    verdict, *findings, done = printed[printed.rindex("}") + 2 :].splitlines()
    assert verdict == "trust: yes"
    assert len(findings) == 17
    assert all(line.startswith("ok   ") for line in findings)
    assert done.startswith("done: ")


def test_a_network_that_should_not_be_trusted_is_named_as_such(rtickets, network, tmp_path):
    ticket = Ticket.load(network)
    head = {"head": jax.tree.map(lambda leaf: 1e5 * leaf, ticket.params["head"])}
    loud = {**ticket.params, **head}
    Ticket(ticket.mask, loud, ticket.batch_stats, ticket.meta).save(tmp_path / "loud")
    status, printed, _ = rtickets(tmp_path / "loud")
    assert status == 0
    lines = printed.splitlines()
    (verdict,) = (line for line in lines if line.startswith("trust: "))
    assert verdict.startswith("trust: NO - ")
    assert "saturated logits (model, linf)" in verdict
    assert any(line.startswith("FAIL model, linf: saturated logits: ") for line in lines)
    assert lines[-1].startswith("done: ")


def test_radii_and_attacks_are_set_on_the_command_line(rtickets, network):
    status, printed, errors = rtickets(
        network, "--config.attacks.pgd.radii=(0.0,0.1)", "--config.attacks.pgd.eps=2/255",
        "--config.attacks.pgd.loss=margin", "--config.honesty_examples=0",
    )  # fmt: skip
    assert (status, errors) == (0, "")
    measured = json.loads(printed[: printed.rindex("}") + 1])
    radii = [point["eps"] for point in measured["attacks"]["pgd"]["curve"]]
    assert radii == [0.0, 2 / 255, 0.1]


def test_a_random_network_is_measured_printed_and_reported(rtickets, network, capsys):
    """What is right of it is a mean over draws, so no whole number."""
    status, printed, errors = rtickets(
        network, "--config.attacks.pgd.input_noise=0.3", "--config.attacks.pgd.samples=7",
        "--config.honesty_examples=0",
    )  # fmt: skip
    assert status == 0
    assert "rtickets:" not in errors  # a slow machine says how far it is
    correct = json.loads(printed[: printed.rindex("}") + 1])["attacks"]["pgd"]["correct"]
    assert correct != int(correct)
    done = printed.splitlines()[-1].removeprefix("done: ")
    assert cli.main(["report", done]) == 0
    assert "pgd: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("--config.attacks.pgd.name=apgd",), "attacks.pgd.name='apgd'"),
        (
            ("--config.attacks.pgd.name=fgsm", "--config.attacks.pgd.num_steps=5"),
            "attacks.pgd.num_steps",
        ),
        (
            ("--config.attacks.pgd.name=autoattack", "--config.attacks.pgd.restarts=2"),
            "attacks.pgd.restarts",
        ),
        (("--config.attacks.pgd.version=plus",), "attacks.pgd.version"),
        (("--config.attacks.pgd.radii=(0.1,-1.0)",), "attacks.pgd.radii.1=-1.0"),
        (
            ("--config.attacks.pgd.restarts=2", "--config.attacks.pgd.random_start=false"),
            "restarts=2 are all alike without random_start",
        ),
        (("--config.honesty_examples=-1",), "honesty_examples=-1"),
    ],
)
def test_what_an_attack_does_not_use_is_refused_in_one_line(rtickets, network, overrides, message):
    status, printed, errors = rtickets(network, *overrides)
    assert (status, printed) == (2, "")
    assert message in errors
    assert len(errors.splitlines()) == 1
