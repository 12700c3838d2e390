"""Four simulated CPU devices for every test, set before JAX starts, and a tiny network."""

import gc
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image

from rtickets import masks, models, training
from rtickets.config import AttackConfig, ObjectiveConfig, OptimizerConfig
from rtickets.data import Split, labelled
from rtickets.data.images.augment import Transform
from rtickets.draw import draw_omp
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.platform import parallel

# An example takes as long as the machine leaves it: a busy one is no fault.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

jax.config.update("jax_num_cpu_devices", 4)

# Most of a test's time is the compiler's, optimising a program that runs once or twice on tiny
# arrays. The older way to emit fused loops and one part a program take half the time of the newer
# ones; XLA ends a process that names a flag which it no longer has, hence the version.
jax.config.update("jax_disable_most_optimizations", True)
if jax.__version_info__ < (0, 11):
    quick = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {quick}".strip()

# Modules compile the same small programs over and over, so each worker keeps them on disk; not all
# in one folder, as JAX does not write its files atomically.
_COMPILED = tempfile.TemporaryDirectory(prefix="rtickets-tests-")
jax.config.update("jax_compilation_cache_dir", _COMPILED.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)

NATURAL = ObjectiveConfig()
ROBUST = ObjectiveConfig(name="pgd", attack=AttackConfig(eps=0.05, num_steps=2))


class Tiny(NamedTuple):
    """A small network, a half-empty mask and data that it can learn."""

    model: ResNet
    params: Any
    batch_stats: Any
    mask: Any
    split: Split

    def program(self, **changes: Any) -> training.Program:
        fields = {
            "model": self.model,
            "objective": NATURAL,
            "optimizer": OptimizerConfig(learning_rate=0.0, schedule="constant"),
            "transform": Transform(crop_padding=1, flip=True),
            "batch_size": 8,
            "total_steps": 100,
            "steps_per_epoch": 10,
            "trainable": "all",
            "statistics": "batch",
            "devices": parallel.local_devices(1),
        }
        return training.Program(**{**fields, **changes})

    def steps(
        self, program: training.Program, count: int, *, mask: Any = None, rate: float = 0.1
    ) -> tuple[training.TrainState, list[float]]:
        """Run `count` steps of fixed batches and return the state and the losses."""
        mask = self.mask if mask is None else mask
        state = training.init_state(program, self.params, self.batch_stats, mask)
        run = training.RunData(jax.random.key(5), np.float32(rate))
        fixed = (state, mask, run, self.split.arrays)
        state, mask, run, data = parallel.replicate(fixed, program.devices)
        losses = []
        for step in range(count):
            chosen = (np.arange(program.batch_size) + 7 * step) % len(self.split)
            chosen = chosen[None].astype(np.int32)
            indices = parallel.shard(chosen, program.devices, 1, program.accumulate)
            state, totals = training.compiled(program)(state, mask, run, data, indices)
            losses.append(float(totals.loss) / program.batch_size)
        return jax.device_get(state), losses


# Where the files lie that take minutes: they begin first, so that no worker waits at the end.
LONGEST = ("test_soak.py", "test_extending.py", "processes", "stages", "training")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files in front; others keep their order."""

    def place(item: pytest.Item) -> int:
        name = item.path.relative_to(Path(__file__).parent).parts[0]
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Look for garbage more rarely, and not among modules and tests: it is a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands in tests keep what they compile for each other, and not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        yield


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_programs() -> Iterator[None]:
    """Compiled programs of a thousand tests would fill the memory."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    model = ResNet((1, 1), BasicBlock, 3, width=4, stem="small", mean=(0.4,), std=(0.3,))
    params, batch_stats = models.initialise(model, jax.random.key(0), (8, 8, 1))
    generator = np.random.default_rng(0)
    labels = np.arange(48, dtype=np.int32) % 3
    images = generator.integers(0, 120, (48, 8, 8, 1)) + 60 * labels[:, None, None, None]
    split = labelled(images.astype(np.uint8), labels)
    return Tiny(model, params, batch_stats, draw_omp(params, 0.5), split)


@pytest.fixture(scope="session")
def dense_mask(tiny: Tiny) -> Any:
    return masks.full(tiny.params)


@pytest.fixture
def save_image() -> Callable[..., None]:
    """Write a small noisy image with a mean of its own; folders are made."""

    def save(path: Path, value: int = 100, size: tuple[int, int] = (12, 10)) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(value).integers(-3, 4, (size[1], size[0], 3))
        pixels = np.clip(value + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path)

    return save


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip(f"mounting needs root: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Seen(NamedTuple):
    """A kernel and its canonical view, made without the package."""

    roles: str
    kernel: np.ndarray
    canonical: np.ndarray


@st.composite
def any_kernel(draw, smallest=1):
    """Return kernels of any layout with up to five axes, all values different."""
    stack = draw(st.integers(0, 1))
    inputs, outputs = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    space = draw(st.sampled_from(["", "w", "hw", "dhw"]))[: 5 - stack - inputs - outputs]
    ordered = "s" * stack + space + "i" * inputs + "o" * outputs
    shape = tuple(draw(st.integers(1, 4)) * smallest for _ in ordered)
    values = np.random.default_rng(draw(st.integers(0, 99))).permutation(np.prod(shape)) + 1.0
    values = values.reshape(shape).astype(np.float32)
    first = stack + len(space)
    flat = (*shape[:first], np.prod(shape[first : first + inputs]), np.prod(shape[-outputs:]))
    # any order of the axes in which those of one kind keep theirs
    kinds = ["x" if letter in "dhw" else letter for letter in ordered]
    shuffled = draw(st.permutations(kinds))
    left = {kind: [axis for axis, k in enumerate(kinds) if k == kind] for kind in kinds}
    axes = [left[kind].pop(0) for kind in shuffled]
    roles = "".join(ordered[axis] for axis in axes)
    return Seen(roles, values.transpose(axes), values.reshape(flat))


@pytest.fixture(scope="session")
def kernels():
    """Return the strategy that makes kernels of any layout."""
    return any_kernel
