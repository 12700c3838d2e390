"""What normalisation statistics decide under linear evaluation: the demo's networks, four ways.

    rtickets study --config=configs/studies/statistics.py --workdir=runs

The head alone is trained on 200 digits. The statistics of the network before it are the ticket's
own (*frozen*), estimated anew without labels on images of the source or of the digits, or adapt to
the digits while the head is trained, as in the published code. In the workdir of a demo its
networks and tickets are used again. Time: 2 minutes on two CPU cores then, 5 otherwise. Result:
docs/statistics.md.
"""

from rtickets.evaluation.recalibration import TransferRecalibrateConfig
from rtickets.settings import config_files
from rtickets.stages.demo import demo_study


def get_config():
    demo = demo_study()
    rate = demo.transfers["linear"].train.optimizer.learning_rate
    adapt = config_files.replace(
        demo.transfers["finetune"], mode="linear", train__optimizer__learning_rate=rate
    )
    frozen = config_files.replace(adapt, train__statistics="frozen")
    on_source = TransferRecalibrateConfig(on="source", batches=16)
    on_target = TransferRecalibrateConfig(on="target", batches=5, batch_size=40)
    transfers = {
        "frozen": frozen,
        "recalibrated_source": config_files.replace(frozen, recalibrate=on_source),
        "recalibrated_target": config_files.replace(frozen, recalibrate=on_target),
        "adapted": adapt,
    }
    return config_files.editable(
        config_files.replace(demo, name="statistics", transfers=transfers, evaluate__attacks={})
    )
