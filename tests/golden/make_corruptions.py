"""Write corruptions.npz: pictures corrupted by imagecorruptions 1.1.2.

    pip install --no-deps imagecorruptions==1.1.2
    pip install opencv-python-headless scikit-image scipy pillow
    python tests/golden/make_corruptions.py

The package is older than what it imports; what has been renamed since is put back here. Its random
draws come from seeds, counts of photons from quantiles of uniform draws, and textures of frost are
made up. Pictures are what its functions return, before they are cut to 8 bits, in 1/256 of a step.

For the table of CIFAR-10-C its functions run with other constants. Where that is not enough, for
the corners of the elastic transform and the size of frost, the same libraries are called here.
"""

import ast
import importlib.util
import inspect
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy.ndimage
import scipy.stats
import skimage
from corruption_pictures import SHAPES, picture, places, seed_of, textures
from PIL import Image

CIFAR = {
    "gaussian_noise": [0.04, 0.06, 0.08, 0.09, 0.10],
    "shot_noise": [500, 250, 100, 75, 50],
    "impulse_noise": [0.01, 0.02, 0.03, 0.05, 0.07],
    "defocus_blur": [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
    "glass_blur": [(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)],
    "motion_blur": [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)],
    "zoom_blur": [1.06, 1.11, 1.16, 1.21, 1.26],
    "snow": [
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ],
    "frost": [(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)],
    "fog": [(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)],
    "brightness": [0.05, 0.1, 0.15, 0.2, 0.3],
    "contrast": [0.75, 0.5, 0.4, 0.3, 0.15],
    "jpeg_compression": [80, 65, 58, 50, 40],
    "pixelate": [0.95, 0.9, 0.85, 0.75, 0.65],
}
CIFAR_ELASTIC = [(0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6)]
CIFAR_ELASTIC += [(3.2, 0.96, 0.96)]


def original() -> types.ModuleType:
    """Import the package's module under today's libraries."""
    resources = types.ModuleType("pkg_resources")
    resources.resource_filename = lambda package, name: name
    sys.modules["pkg_resources"] = resources
    sys.modules["scipy.ndimage.interpolation"] = scipy.ndimage
    vars(np)["float_"] = np.float64
    spec = importlib.util.find_spec("imagecorruptions")
    path = Path(spec.submodule_search_locations[0]) / "corruptions.py"
    spec = importlib.util.spec_from_file_location("original_corruptions", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)

    def gaussian(
        image: np.ndarray, sigma: Any = 1, *, multichannel: bool = False, **options: Any
    ) -> np.ndarray:
        axis = -1 if multichannel else None
        return skimage.filters.gaussian(image, sigma, channel_axis=axis, **options)

    module.gaussian = gaussian
    files = dict(enumerate(textures(), 1))
    module.cv2 = types.SimpleNamespace(**vars(cv2))
    module.cv2.imread = lambda name: files[int(name[-5])][..., ::-1]
    return module


def seeded(module: types.ModuleType, seed: int) -> None:
    """Set where random draws come from."""
    np.random.seed(seed)  # noqa: NPY002, the package draws from it
    generator = np.random.Generator(np.random.MT19937(seed))
    util = types.SimpleNamespace(
        random_noise=lambda image, **options: skimage.util.random_noise(
            image, rng=generator, **options
        )
    )
    module.sk = types.SimpleNamespace(util=util, color=skimage.color)
    uniform = np.random.uniform
    np.random.poisson = lambda mean: scipy.stats.poisson.ppf(uniform(size=mean.shape), mean)


def with_constants(module: types.ModuleType, name: str, constants: list[Any]) -> Callable[..., Any]:
    """Return a function of the package whose list of constants is another."""
    if name == "zoom_blur":
        constants = [np.arange(1, end, 0.01) for end in constants]
    tree = ast.parse(inspect.getsource(getattr(module, name)))
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id == "c":
            node.value.value = ast.Name("CONSTANTS", ast.Load())
    namespace = {**vars(module), "CONSTANTS": constants}
    exec(compile(ast.fix_missing_locations(tree), name, "exec"), namespace)
    return namespace[name]


def small_frost(module: types.ModuleType) -> Callable[..., Any]:
    """Return frost of CIFAR-10-C: its textures are a fifth of their size."""
    changed = types.SimpleNamespace(**vars(module))
    changed.cv2 = types.SimpleNamespace(**vars(module.cv2))
    changed.cv2.resize = lambda texture, **ignored: cv2.resize(texture, (0, 0), fx=0.2, fy=0.2)
    function = with_constants(module, "frost", CIFAR["frost"])
    return types.FunctionType(function.__code__, {**function.__globals__, "cv2": changed.cv2})


def cornered(image: Image.Image, severity: int) -> np.ndarray:
    """Return the elastic transform of CIFAR-10-C, written after its description."""
    strength, sigma, corners = CIFAR_ELASTIC[severity - 1]
    x = np.array(image, np.float32) / 255
    height, width, _ = x.shape
    centre, size = np.array([width // 2, height // 2]), min(height, width) // 3
    before = np.float32(centre + size * np.array([[1, 1], [1, -1], [-1, -1]]))
    uniform = np.random.uniform
    after = before + uniform(-corners, corners, (3, 2)).astype(np.float32)
    affine = cv2.getAffineTransform(before, after)
    x = cv2.warpAffine(x, affine, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    across, down = (
        strength
        * scipy.ndimage.gaussian_filter(
            uniform(-1, 1, (height, width)), sigma, mode="reflect", truncate=3
        )
        for _ in range(2)
    )
    rows, columns = np.mgrid[:height, :width]
    channels = [
        scipy.ndimage.map_coordinates(
            x[..., channel], (rows + down, columns + across), order=1, mode="reflect"
        )
        for channel in range(3)
    ]
    return np.stack(channels, -1) * 255


def corrupted(
    function: Callable[..., Any], image: np.ndarray, name: str, severity: int
) -> np.ndarray:
    """Corrupt a picture; grey is three equal channels, but for noise and frost."""
    if image.shape[-1] == 3:
        return np.asarray(function(Image.fromarray(image), severity), np.float64)
    if name in ("gaussian_noise", "shot_noise", "impulse_noise", "frost"):
        result = function(Image.fromarray(image[..., 0]), severity)
        return np.asarray(result, np.float64)[..., None]
    colour = function(Image.fromarray(np.repeat(image, 3, -1)), severity)
    return np.asarray(colour, np.float64)[..., :1]


def main() -> None:
    module, arrays = original(), {}
    elastic = "elastic_transform"
    for name in (*CIFAR, elastic):
        runs = [("imagenet", shape, getattr(module, name)) for shape in SHAPES]
        if name == elastic:
            runs.append(("cifar", SHAPES[1], cornered))
        elif name == "frost":
            runs.append(("cifar", SHAPES[1], small_frost(module)))
        else:
            runs.append(("cifar", SHAPES[1], None))
        for table, shape, function in runs:
            values = []
            for severity in (1, 2, 3, 4, 5):
                seeded(module, seed_of(name, severity, shape))
                used = function or with_constants(module, name, CIFAR[name])
                result = corrupted(used, picture(shape), name, severity)
                values.append(np.rint(result.ravel()[places(shape)] * 256).astype(np.uint16))
            arrays[f"{name} {table} {shape[0]}"] = np.stack(values)
    np.savez_compressed(Path(__file__).parent / "corruptions.npz", **arrays)


if __name__ == "__main__":
    main()
