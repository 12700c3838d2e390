"""Public data sets: their files, splits, metrics and augmentation.

Checksums are those that torchvision publishes; a file without one is counted, not compared. Where a
set has official training and validation images, both are for training here, as the published
transfer results have it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rtickets.data.arrays import Metric, Raw
from rtickets.data.sources.original import cifar_svhn, imagenet, photos
from rtickets.data.sources.original.listing import Listing
from rtickets.data.sources.source import Augmentation

_NATIVE = Augmentation(crop_padding=4, flip=True)
_PHOTOS = Augmentation(flip=True, image_size=224, centre_crop=True, random_resized_crop=True)


class Download(NamedTuple):
    """A file that a set is distributed as.

    Attributes:
        name: its name, which it has in a folder of manual downloads as well.
        url: where it lies, or None if it has to be got by hand.
        md5: its checksum, or None where none is published.
    """

    name: str
    url: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class PublicSet:
    """A public data set.

    Attributes:
        name: what it is called here.
        description: one line.
        classes: number of classes.
        train: number of training images.
        test: number of test images.
        downloads: the files it is distributed as.
        read: reads them, unpacked, from a folder; arrays of small images, or a listing of files.
        augmentation: what `DataConfig` leaves open.
        metric: what accuracies on it are.
        about: its splits, in a few words.
        unpack: unpack the archives first; else `read` takes them as they are.
    """

    name: str
    description: str
    classes: int
    train: int
    test: int
    downloads: tuple[Download, ...]
    read: Callable[[Path], Raw | Listing]
    augmentation: Augmentation
    metric: Metric = "accuracy"
    about: str = "train / test"
    unpack: bool = True

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(H, W, C) of the images, None for photographs of many sizes."""
        return (32, 32, 3) if self.augmentation.image_size is None else None

    @property
    def manual(self) -> tuple[str, ...]:
        """Names of the files that cannot be downloaded from here."""
        return tuple(file.name for file in self.downloads if file.url is None)


def _oxford(path: str, md5: str | None) -> Download:
    url = f"https://www.robots.ox.ac.uk/~vgg/data/{path}"
    return Download(path.rsplit("/", 1)[-1], url, md5)


def _svhn(name: str, md5: str) -> Download:
    return Download(name, f"http://ufldl.stanford.edu/housenumbers/{name}", md5)


def _toronto(name: str, md5: str) -> Download:
    return Download(name, f"https://www.cs.toronto.edu/~kriz/{name}", md5)


_IMAGENET = tuple(
    Download(f"ILSVRC2012_{name}", None, md5)
    for name, md5 in (
        ("img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
        ("img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
        ("devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
    )
)

_SETS = (
    PublicSet(
        "imagenet2012", "ImageNet, 1,000 classes", 1000, 1_281_167, 50_000, _IMAGENET,
        imagenet.read_imagenet, _PHOTOS._replace(color_jitter=0.1, lighting=0.05),
        about="train / official validation", unpack=False,
    ),
    PublicSet(
        "cifar10", "CIFAR-10, 32x32 colour, 10 classes", 10, 50_000, 10_000,
        (_toronto("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),),
        cifar_svhn.read_cifar10, _NATIVE,
    ),
    PublicSet(
        "cifar100", "CIFAR-100, 32x32 colour, 100 classes", 100, 50_000, 10_000,
        (_toronto("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),),
        cifar_svhn.read_cifar100, _NATIVE,
    ),
    PublicSet(
        "svhn_cropped", "Street View House Numbers, 32x32 colour, 10 digits", 10, 73_257, 26_032,
        (
            _svhn("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            _svhn("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        ),
        cifar_svhn.read_svhn, Augmentation(), about="train / test, without extra",
    ),
    PublicSet(
        "caltech101", "Caltech-101, photographs of 101 objects", 101, 3_030, 5_647,
        (
            Download(
                "caltech-101.zip",
                "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                "3138e1922a9193bfa496528edbbc45d0",
            ),
        ),
        photos.read_caltech101, _PHOTOS, "balanced", "first 30 a class / rest, no background",
    ),
    PublicSet(
        "oxford_flowers102", "Oxford Flowers, photographs of 102 flowers", 102, 2_040, 6_149,
        (
            _oxford("flowers/102/102flowers.tgz", "52808999861908f626f3c1f4e79d11fa"),
            _oxford("flowers/102/imagelabels.mat", "e0620be6f572b9609742df49c70aed4d"),
            _oxford("flowers/102/setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c"),
        ),
        photos.read_flowers102, _PHOTOS, "balanced", "train + validation / test",
    ),
    PublicSet(
        "dtd", "Describable Textures, photographs of 47 textures", 47, 3_760, 1_880,
        (_oxford("dtd/download/dtd-r1.0.1.tar.gz", "fff73e5086ae6bdbea199a49dfb8a4c1"),),
        photos.read_dtd, _PHOTOS, about="partition 1, train + validation / test",
    ),
    PublicSet(
        "oxford_iiit_pet", "Oxford-IIIT Pets, photographs of 37 breeds", 37, 3_680, 3_669,
        (
            _oxford("pets/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
            _oxford("pets/data/annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"),
        ),
        photos.read_pets, _PHOTOS, "balanced", "trainval / test",
    ),
    PublicSet(
        "sun397", "SUN397, photographs of 397 scenes", 397, 19_850, 19_850,
        (
            Download(
                "SUN397.tar.gz",
                "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz",
                "8ca2778205c41d23104230ba66911c7a",
            ),
            Download("Partitions.zip"),
        ),
        photos.read_sun397, _PHOTOS, about="partition 1, 50 / 50 a class",
    ),
    PublicSet(
        "cars196", "Stanford Cars, photographs of 196 models", 196, 8_144, 8_041,
        (
            Download("cars_train.tgz"), Download("cars_test.tgz"), Download("car_devkit.tgz"),
            Download("cars_test_annos_withlabels.mat"),
        ),
        photos.read_cars196, _PHOTOS,
    ),
    PublicSet(
        "food101", "Food-101, photographs of 101 dishes", 101, 75_750, 25_250,
        (
            Download(
                "food-101.tar.gz",
                "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
                "85eeb15f3717b99a5da872d97d918f87",
            ),
        ),
        photos.read_food101, _PHOTOS,
    ),
    PublicSet(
        "fgvc-aircraft", "FGVC-Aircraft, photographs of 100 variants", 100, 6_667, 3_333,
        (
            Download(
                "fgvc-aircraft-2013b.tar.gz",
                "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/"
                "fgvc-aircraft-2013b.tar.gz",
            ),
        ),
        photos.read_aircraft, _PHOTOS, "balanced", "trainval / test",
    ),
)  # fmt: skip

PUBLIC_SETS = {one.name: one for one in _SETS}

VOC2012 = Download(
    "VOCtrainval_11-May-2012.tar",
    "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    "6cd6e144f989b92b3379bac3b3de84fd",
)
