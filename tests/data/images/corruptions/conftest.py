"""Stands in for the package whose files frost reads."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from rtickets.data.images.corruptions.frost import FILES

sys.path.insert(0, str(Path(__file__).parents[3] / "golden"))  # pictures and draws


@pytest.fixture(scope="module")
def frost_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install a package of made-up textures, and give its folder."""
    from corruption_pictures import textures

    root = tmp_path_factory.mktemp("installed")
    folder = root / "imagecorruptions" / "frost"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    for name, texture in zip(FILES, textures(), strict=True):
        Image.fromarray(texture).save(folder / name, "PNG")  # Pillow goes by what is inside
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        yield folder
