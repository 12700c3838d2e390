"""A public set of a few pictures."""

import dataclasses

import pytest

from rtickets.config import DataConfig
from rtickets.data.images.views import View
from rtickets.data.sources.prepared_sets import load_prepared
from rtickets.data.sources.public import PUBLIC_SETS

VIEW = View((8, 8), 9)


def quiet(text):
    pass


@pytest.fixture
def pets(tmp_path, save_image):
    """Two breeds with 12 training and 4 test images, unpacked, and our description of them."""
    root = tmp_path / "originals"
    for part, numbers in (("trainval", range(6)), ("test", range(6, 8))):
        rows = []
        for label, breed in enumerate(("Bengal", "yorkshire_terrier"), 1):
            rows += [f"{breed}_{number} {label} 1 1" for number in numbers]
        for row in rows:
            name, label = row.split()[:2]
            value = 100 * int(label) - 10 * int(name.rsplit("_", 1)[1])
            save_image(root / "images" / f"{name}.jpg", value, (14, 11))
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"{part}.txt").write_text("\n".join(rows))
    public = dataclasses.replace(PUBLIC_SETS["oxford_iiit_pet"], classes=2, train=12, test=4)
    return public, root


def load(public, folder, **options):
    return load_prepared(public, DataConfig(source=public.name, path=str(folder), **options), VIEW)
