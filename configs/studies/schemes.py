"""Every way of drawing at the same sparsities: OMP, IMP, A-IMP, LMP, and the controls of OMP.

    rtickets study --config=configs/studies/schemes.py --workdir=runs
    rtickets study --config=configs/studies/schemes.py:small --workdir=runs

IMP, A-IMP and LMP draw on the source task, from the natural and from the robust network alike.
`omp_uniform` is what LMP starts from. Of OMP's ticket `random` keeps the number of survivors of
every layer, `shuffled` the shapes of its kernels, `flipped` 90% of its weights and `reinitialised`
the mask alone; `complement` has the smallest weights instead of the largest. Weights of different
size learn at different effective rates, so the small version finetunes at two of them.

Needs the IDX files of Debian's package dataset-fashion-mnist (or --config.pretrain.data.path=DIR)
and `pip install 'rtickets[demo]'`. The small version needs `rtickets[demo]` alone.

Time: full, about half an hour on one H100 (estimated, not run yet); small, 23 minutes on one CPU
core. Results of the small version: docs/results/schemes_small.md.
"""

from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ImpConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.draw.ladder import imp_ladder
from rtickets.settings import config_files
from rtickets.stages.demo import demo_study

CONTROLS = ("random", "shuffled", "complement", "flipped", "reinitialised")
A_IMP = ObjectiveConfig(name="pgd", attack=AttackConfig(name="fgsm_rs", eps=8 / 255))
STATES = imp_ladder(19)


def last(duration, batch_size, rate, schedule="cosine"):
    return TrainConfig(
        optimizer=OptimizerConfig(learning_rate=rate, schedule=schedule),
        duration=duration,
        batch_size=batch_size,
        select="last",
        validate_every="0ep",
        checkpoint_every="0ep",
    )


def schemes(imp, lmp, rate):
    iterative = DrawConfig(method=ImpConfig(rate=rate), train=imp)
    return {
        "omp": DrawConfig(),
        "omp_uniform": DrawConfig(scope="uniform"),
        "imp": iterative,
        "aimp": config_files.replace(iterative, train__objective=A_IMP),
        "lmp": DrawConfig(method="lmp", scope="uniform", train=lmp),
        **{control: DrawConfig(control=control) for control in CONTROLS},
    }


def full():
    few = {
        f"{source}-{mode}": TransferConfig(
            data=DataConfig(source=source, train_examples=500),
            mode=mode,
            train=last("20ep", 64, 0.05 if mode == "finetune" else 0.2),
        )
        for source in ("mnist5k", "digits")
        for mode in ("finetune", "linear")
    }
    attack = AttackConfig(norm="linf", eps=8 / 255, num_steps=7)
    return StudyConfig(
        name="schemes",
        seeds=(0, 1, 2),
        pretrain=PretrainConfig(
            data=DataConfig(
                source="fashion_mnist", path="/usr/share/datasets/fashion-mnist", image_size=32
            ),
            model=ModelConfig(arch="resnet18", precision="bfloat16"),
            train=TrainConfig(
                optimizer=OptimizerConfig(learning_rate=0.1, warmup="1ep"),
                duration="5ep",
                batch_size=512,
            ),
        ),
        objectives={
            "natural": ObjectiveConfig(),
            "robust": ObjectiveConfig(name="pgd", attack=attack),
        },
        draws=schemes(last("1ep", 512, 0.1, "constant"), last("5ep", 512, 1.0), rate=0.2),
        sparsities=(STATES[6], STATES[12], STATES[16]),
        transfers=few,
        evaluate=EvaluateConfig(batch_size=500),
    )


def small():
    demo = demo_study()
    whole = demo.transfers["finetune"]
    few = {
        "mnist5k-slow": (whole, "mnist5k", 0.1),
        "mnist5k": (whole, "mnist5k", 0.4),
        "mnist5k-linear": (config_files.replace(whole, mode="linear"), "mnist5k", 1.0),
        "digits": (whole, "digits", 0.4),
    }
    return config_files.replace(
        full(),
        name="schemes_small",
        seeds=(0,),
        pretrain=demo.pretrain,
        objectives=demo.objectives,
        draws=schemes(last("60it", 64, 0.1, "constant"), last("150it", 64, 1.0), rate=0.5),
        sparsities=(0.75, 0.9375),  # every second state that halves the survivors
        transfers={
            label: config_files.replace(
                run, data__source=source, train__optimizer__learning_rate=rate
            )
            for label, (run, source, rate) in few.items()
        },
    )


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
