"""The verb: verdicts, radii and attacks of the command line, random networks."""

import json

import jax
import pytest

from rtickets import cli
from rtickets.draw import Ticket
from tests.stages.evaluate.conftest import CLEAN


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
