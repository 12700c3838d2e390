"""The study of the soaks: every kind of stage, on a network and data that take seconds."""

import sys
from pathlib import Path
from typing import Any

TINY = "RTICKETS_SOAK"  # in the environment: the command is to train a network of one block


def write_task(
    folder: Path,
    name: str,
    classes: int,
    sizes: tuple[int, int] = (60, 24),
    *,
    seed: int | None = None,
    side: int = 8,
    noise: int = 100,
    **arrays: Any,
) -> str:
    """Write grey images that are the brighter the higher their class, and return their file.

    Args:
        sizes: examples to train and to test on.
        seed: of the noise; None for the number of classes.
        side: of images, in pixels.
        noise: the largest, of 255.
        arrays: others of the file.
    """
    import numpy as np

    generator = np.random.default_rng(classes if seed is None else seed)
    for part, size in zip(("train", "test"), sizes, strict=True):
        labels = np.arange(size) % classes
        pixels = generator.integers(0, noise, (size, side, side))
        arrays[f"x_{part}"] = (pixels + (150 // classes) * labels[:, None, None]).astype(np.uint8)
        arrays[f"y_{part}"] = labels
    np.savez(folder / f"{name}.npz", **arrays)
    return str(folder / f"{name}.npz")


def study_of(folder: Path) -> Any:
    """Return a study of every kind of stage on the data in a folder."""
    from rtickets import config
    from rtickets.settings import config_files

    train = config.TrainConfig(
        optimizer=config.OptimizerConfig(learning_rate=0.05),
        duration="3ep",
        batch_size=8,
        checkpoint_every="4it",
        keep_best_checkpoints=1,
    )
    attack = config.AttackConfig(norm="l2", eps=0.3, num_steps=2)
    robust = config.ObjectiveConfig(name="pgd", attack=attack)
    adversarial = config_files.replace(train, objective=robust)
    source, target = (
        config.DataConfig(source="npz", path=str(folder / f"{name}.npz"))
        for name in ("source", "target")
    )
    return config.StudyConfig(
        name="soak",
        pretrain=config.PretrainConfig(data=source, train=train),
        objectives={"natural": config.ObjectiveConfig()},
        draws={
            "synflow": config.DrawConfig(criterion="synflow", rounds=3),
            "aimp": config.DrawConfig(
                method=config.ImpConfig(rewind="2it", optimizer="keep"),
                train=adversarial,
            ),
            "lmp": config.DrawConfig(method="lmp", scope="uniform", train=train),
        },
        sparsities=(0.36,),
        transfers={"finetune": config.TransferConfig(data=target, train=train)},
        evaluate=config.EvaluateConfig(
            attacks={"pgd": config_files.replace(attack, num_steps=4, restarts=2)},
            batch_size=8,
            honesty_examples=4,
            smoothing=config.SmoothingConfig(
                selection_samples=8, samples=64, alpha=0.1, examples=4, batch_size=16
            ),
        ),
    )


def write_inputs(folder: Path) -> Path:
    """Write the data of the study and its configuration file, and return the latter."""
    write_task(folder, "source", 3)
    write_task(folder, "target", 2)
    file = folder / "study.py"
    file.write_text(
        "import importlib.util\n"
        "import os\n"
        "from pathlib import Path\n"
        "from rtickets.settings import config_files; from rtickets.tickets import provenance\n"
        f"spec = importlib.util.spec_from_file_location('soak', {__file__!r})\n"
        "soak = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(soak)\n"
        f"if {TINY!r} in os.environ:\n"
        "    provenance.build_model = soak.tiny_network\n"
        "def get_config():\n"
        f"    return config_files.editable(soak.study_of(Path({str(folder)!r})))\n"
    )
    return file


def tiny_network(meta: Any) -> Any:
    """Return a network of one block, in the place of `provenance.build_model`."""
    from rtickets.models.resnet import BasicBlock, ResNet

    classes, pixels = len(meta["class_names"]), {"mean": (0.4,), "std": (0.3,)}
    return ResNet((1,), BasicBlock, classes, width=4, stem="small", **pixels)


def command(folder: Path, workdir: Path, *words: str) -> list[str]:
    """Return the words that run the study."""
    where = [f"--config={folder / 'study.py'}", "--devices=1", "--cpu-devices=1"]
    return [sys.executable, "-m", "rtickets", "study", *where, f"--workdir={workdir}", *words]


def settings(folder: Path) -> dict[str, str]:
    """Return the environment that it needs: what is compiled once is kept."""
    return {
        TINY: "yes",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
