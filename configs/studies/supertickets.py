"""Architecture and ticket out of one run, against searching, then pruning, then training again.

    rtickets search-study --config=configs/studies/supertickets.py --workdir=runs
    rtickets search-study --config=configs/studies/supertickets.py:small --workdir=runs

Pixels of stamps_scenes and their objects, cut out to be classified; three paired seeds, 50, 80 and
90% of the weights of living channels removed. Every pipeline begins with a run of the same length:
`two_in_one` (SuperTickets, You et al. 2022) with its three ways of coming back and with all of its
sparsity at once, `pruned` without channels dying, `searched` without pruning, which `magnitude` and
other criteria prune afterwards, and `dense`. `_retrained` goes on under the mask; `rewound` and
`rewound_early` train the mask from the initial weights and from those of an early step,
`random_mask` as many weights a layer at random places from the initial ones. `moved` goes to the
other task, under a fresh head, with the backbone free or `_frozen`; `moved_random` are weights of
the dense run under a random mask with the ticket's layer densities, `moved_dense` all of them.

At full size the supernet has three branches and kernels of 3, 5 and 7, at 64 pixels. Small is
`supernet_nano` at 32 pixels, whose stem is not pruned, as it would die whole, and whose layers keep
a twentieth of their weights in a search and in draws. What is measured has normalisation statistics
that are estimated anew, as running ones are behind. Needs `pip install 'rtickets[scenes]'` and
Debian's packages tuxpaint-stamps-default and mate-backgrounds (docs/data.md).

Time: full, not run, --dry-run estimates it; small, about an hour on two CPU cores, one task each
(docs/results/supertickets_small.md).
"""

from rtickets.config import (
    AveragingConfig,
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    OptimizerConfig,
    PipelineConfig,
    PipelineStudyConfig,
    RecalibrateConfig,
    SearchingConfig,
    TrainConfig,
)
from rtickets.settings import config_files
from rtickets.tasks import Segmentation

CRITERIA = ("magnitude", "snip", "grasp", "synflow", "random")


def scenes(size):
    pixels = Segmentation(decoder="none")
    asked = DataConfig(source="stamps_scenes", path="/usr/share", image_size=size, flip=True)
    return {
        "pixels": config_files.replace(asked, task=pixels),
        "objects": config_files.replace(asked, source="stamps_objects"),
    }


def training(duration, batch_size=32, learning_rate=2e-3):
    return TrainConfig(
        duration=duration, batch_size=batch_size, select="last", validate_every="0ep",
        checkpoint_every="0ep", averaging=AveragingConfig(decay=0.9999 ** (batch_size / 4096)),
        optimizer=OptimizerConfig(name="adamw", learning_rate=learning_rate, weight_decay=1e-5),
    )  # fmt: skip


def pipelines():
    after = {name: PipelineConfig(search="searched", criterion=name) for name in CRITERIA}
    retrained = {
        f"{name}_retrained": config_files.replace(own, then="retrain")
        for name, own in {**after, "two_in_one": PipelineConfig()}.items()
    }
    moved = {
        "moved": PipelineConfig(then="transfer"),
        "moved_random": PipelineConfig(survivors="random", weights="dense", then="transfer"),
        "moved_dense": PipelineConfig(search="dense", then="transfer"),
    }
    frozen = {
        f"{name}_frozen": config_files.replace(own, then="transfer_frozen")
        for name, own in moved.items()
    }
    return {
        "two_in_one": PipelineConfig(),
        "dense": PipelineConfig(search="dense"),
        "searched": PipelineConfig(search="searched"),
        **after,
        "pruned": PipelineConfig(search="pruned"),
        **retrained,
        "two_in_one_explicit": PipelineConfig(reactivation="explicit"),
        "two_in_one_none": PipelineConfig(reactivation="none"),
        "two_in_one_at_once": PipelineConfig(at_once=True),
        "rewound": PipelineConfig(weights="initial", then="train"),
        "rewound_early": PipelineConfig(weights="early", then="train"),
        "random_mask": PipelineConfig(survivors="random", weights="initial", then="train"),
        **moved,
        **frozen,
    }


COMPARED = {
    "two_in_one": (
        *CRITERIA, "pruned", "dense", "two_in_one_explicit", "two_in_one_none",
        "two_in_one_at_once", "rewound", "random_mask",
    ),
    "two_in_one_retrained": tuple(f"{name}_retrained" for name in CRITERIA),
    "two_in_one_explicit": ("two_in_one_none", "magnitude"),
    "two_in_one_none": ("magnitude", "snip"),
    "two_in_one_at_once": ("magnitude", "snip"),
    "rewound": ("random_mask",),
    "rewound_early": ("rewound",),
    "moved": ("moved_random", "moved_dense"),
    "moved_frozen": ("moved_random_frozen", "moved_dense_frozen"),
}  # fmt: skip


def full():
    return PipelineStudyConfig(
        name="supertickets",
        seeds=(0, 1, 2),
        tasks=scenes(64),
        model=ModelConfig(arch="supernet_small", stem="imagenet"),
        searching=SearchingConfig(
            search_every="3ep", prune_every="4ep", penalty_warmup="4ep", penalty=3e-3,
            least_freed=100_000, early="1ep",
        ),
        train=training("60ep"),
        retrain=training("8ep"),
        transfer=training("8ep"),
        pipelines=pipelines(),
        compared=COMPARED,
        evaluate=EvaluateConfig(recalibrate=RecalibrateConfig(8, 128)),
    )  # fmt: skip


def small():
    follows = training("225it", learning_rate=8e-3)
    return config_files.replace(
        full(),
        name="supertickets_small",
        tasks=scenes(32),
        model=ModelConfig(arch="supernet_nano", stem="imagenet"),
        searching=SearchingConfig(
            search_every="150it", prune_every="90it", penalty_warmup="120it", penalty=3e-3,
            least_freed=1, sparsity_step=0.15, floor=0.05, calibration_batches=5, early="45it",
            exclude="stem_.*",
        ),
        train=config_files.replace(
            training("900it", learning_rate=8e-3),
            optimizer__learning_rate_factors=(r".*_depthwise_norm/scale=4",),
        ),
        retrain=follows,
        transfer=follows,
        pipelines=small_pipelines(),
        compared={
            label: tuple(other for other in others if other in small_pipelines())
            for label, others in COMPARED.items()
            if label in small_pipelines()
        },
    )  # fmt: skip


def small_pipelines():
    left_out = {f"{name}_retrained" for name in ("grasp", "synflow", "random")}
    return {name: own for name, own in pipelines().items() if name not in left_out}


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
