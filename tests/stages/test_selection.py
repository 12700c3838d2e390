"""Which validation chooses the weights of an adversarial training."""

import pytest

from rtickets import stages
from rtickets.config import (
    AttackConfig,
    EvaluateConfig,
    ObjectiveConfig,
    TransferConfig,
)
from rtickets.platform import parallel

ATTACK = AttackConfig(eps=0.2, num_steps=2, random_start=False)


@pytest.mark.parametrize("select", ["best", "best_clean"])
def test_the_validation_is_under_attack_or_of_clean_images(bench, select):
    objective = ObjectiveConfig(name="pgd", attack=ATTACK)
    train = bench.train(objective=objective, select=select, validate_every="1it")
    config = TransferConfig(data=bench.tasks["down"], train=train)
    taken = parallel.local_devices(1)
    moved = stages.transfer(config, bench.source, bench.workdir, "x", taken)
    asked = EvaluateConfig(split="validation", attacks={"pgd": ATTACK}, honesty_examples=0)
    found = stages.evaluate(asked, moved.source, bench.workdir, "x", taken).result()
    clean, attacked = found["clean"]["value"], found["attacks"]["pgd"]["value"]
    assert clean != attacked  # or this says nothing
    expected = clean if select == "best_clean" else attacked
    assert moved.result()["validation"] == pytest.approx(expected)
