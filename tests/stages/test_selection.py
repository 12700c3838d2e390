"""Which validation chooses the weights of an adversarial training."""

import pytest

from rtickets import stages
from rtickets.config import AttackConfig, ObjectiveConfig, TransferConfig
from rtickets.platform import parallel
from rtickets.stages import train as training_stage
from rtickets.tasks import Measured

ATTACK = AttackConfig(eps=0.2, num_steps=1, random_start=False)
CLEAN, ATTACKED = (0.1, 0.9, 0.2), (0.8, 0.3, 0.1)  # of three validations


@pytest.mark.parametrize(
    ("select", "step", "value"), [("best", 1, 0.8), ("best_clean", 2, 0.9), ("last", 3, 0.1)]
)
def test_weights_are_chosen_under_attack_or_by_clean_images(
    bench, monkeypatch, select, step, value
):
    seen = []

    def judge(network, split, *, attack, **options):
        found = (CLEAN if attack is None else ATTACKED)[len(seen)]
        seen.append(attack)
        return {"accuracy": Measured(found, found, found, "share")}

    monkeypatch.setattr(training_stage.evaluation, "judge", judge)
    objective = ObjectiveConfig(name="pgd", attack=ATTACK)
    train = bench.train(objective=objective, select=select, validate_every="1it", duration="3it")
    config = TransferConfig(data=bench.tasks["down"], train=train)
    one = parallel.local_devices(1)
    result = stages.transfer(config, bench.source, bench.workdir, "x", one).result()
    assert seen == [None if select == "best_clean" else ATTACK] * 3
    assert (result["step"], result["validation"]) == (step, pytest.approx(value))
