"""Networks that have the names and shapes of ours and compute something else.

A state dict says nothing about strides, pools, activations or constants. What a file says besides
its tensors is held against what is known to be published; what cannot be told apart is said.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

from rtickets.errors import InputError
from rtickets.importers.hints import Hint
from rtickets.importers.tensors import Tensor
from rtickets.models.settings import Arch, ModelConfig, variants_of

_NAME = r"(?<![a-z])"


class Alike(NamedTuple):
    """A kind of network with the names and shapes of another.

    Attributes:
        what: it is.
        pattern: regular expression of hints, in lower case, that tell it.
        option: what imports it; '' if nothing does.
    """

    what: str
    pattern: str
    option: str = ""


class Judgement(NamedTuple):
    """What is known about which network a file holds.

    Attributes:
        said: all that the file says about its architecture, in words.
        said_by: that of it which names the architecture, or ''.
        alike: kinds that nothing tells apart from what was chosen.
    """

    said: tuple[str, ...]
    said_by: str
    alike: tuple[str, ...]


_ANTI_ALIASED = Alike(
    "timm's resnetaa and resnetblur, which blur before they stride",
    r"resnet-?aa|resnet-?blur|blur-?pool|anti-?_?alias|aa_layer=(?!none|false)",
)
_CAFFE = Alike(
    "Caffe's and MSRA's, which stride in the first convolution of a block",
    rf"{_NAME}(caffe|msra|detectron)|style=caffe",
    "--variant=caffe",
)
_NOT_CAFFE = Alike("the usual network, which strides in its 3x3 convolutions", r"style=pytorch")
_SILU = Alike(
    "networks with SiLU (Swish) instead of ReLU",
    rf"{_NAME}(silu|swish)(?![a-z])",
    "--activation=silu",
)
_RELU = Alike(
    "networks with ReLU instead of SiLU",
    rf"(act\w*|nonlinearity|file)=(.*{_NAME})?relu(?![a-z])",
    "--activation=relu",
)
_OTHERS = Alike(
    "networks with another activation (GELU, LeakyReLU, ...)",
    rf"{_NAME}(gelu|celu|selu|elu|mish|softplus|prelu|rrelu|leaky_?relu|pssilu|hard_?swish)(?![a-z])",
)
_DILATED = Alike(
    "backbones of segmentation, which dilate instead of striding",
    r"dilat\w*=(?!(false|none|0|1)(, (false|none|0|1))*$)|output_stride=(8|16)(?!\d)|deeplab"
    rf"|pspnet|{_NAME}fcn(?![a-z])|{_NAME}os(8|16)(?!\d)",
)
_EPSILON = Alike(
    "networks from TensorFlow or Keras, whose normalisation adds another epsilon",
    rf"{_NAME}(tf|keras|tensorflow)(?![a-z])|eps=(?!none|1e-05$|1e-5$|0\.00001$)",
    "--epsilon",
)
_POOL = Alike(
    "stems with another stride or pool",
    r"no_?max_?pool|no_?first_?pool|remove_?max_?pool",
)
_TIMM_LITE = Alike(
    "timm's efficientnet_lite0, which pads as PyTorch does and adds 1e-5",
    r"^(?!file).*=(.*/)?efficientnet_lite0|^file=efficientnet_lite0_ra",
)
_PER_IMAGE = Alike(
    "networks that normalise every image by its own mean (Ding et al. 2020)",
    rf"{_NAME}mma(?![a-z])|per_?image",
)
_WONG = Alike(
    "those of Wong et al. 2020, whose shortcut starts from the input of a block",
    rf"{_NAME}(wong|andriushchenko)",
    "--variant=wong",
)
_KUANGLIU = Alike(
    "those of pytorch-cifar, whose shortcut starts from the activated input",
    r"kuangliu|pytorch-cifar",
    "--variant=kuangliu",
)


def alikes_of(config: ModelConfig, layout: str, activation: str) -> tuple[Alike, ...]:
    """Return the kinds of networks that have the names and shapes of a network of ours."""
    if config.arch == "efficientnet_lite0":
        return (_TIMM_LITE,) if layout == "timm" else ()
    activations = (_SILU, _OTHERS) if activation == "relu" else (_RELU, _OTHERS)
    if config.arch.startswith("preact"):
        own = {"wong": (_KUANGLIU,), "kuangliu": (_WONG,)}.get(config.variant or "", ())
        return (*own, *activations)
    if "deepmind" in variants_of(config.arch):
        return activations if layout == "deepmind" else (*activations, _PER_IMAGE)
    caffe: tuple[Alike, ...] = ()
    if "caffe" in variants_of(config.arch):
        caffe = (_NOT_CAFFE,) if config.variant == "caffe" else (_CAFFE,)
    return (*caffe, _ANTI_ALIASED, _DILATED, _EPSILON, *activations, _POOL)


def judge(
    config: ModelConfig,
    layout: str,
    activation: str,
    hints: Sequence[Hint],
    *,
    chosen: Sequence[str] = (),
    proven: bool = False,
) -> Judgement:
    """Say which network a file holds, as far as its words go.

    Args:
        config: what it is imported as.
        layout: name of the layout that its tensors have.
        activation: of our network.
        hints: its words.
        chosen: options that were given, such as '--epsilon'; they settle what they are about.
        proven: whether logits of the original are compared with ours, which settles everything.

    Raises:
        InputError: if a hint names a kind that computes something else, unless it is settled.
    """
    # The file's name proves nothing, as anybody may have given it; below it may contradict.
    said = [hint for hint in hints if hint.place != "file name"]
    by = next((str(hint) for hint in said if _names(hint, config.arch)), "")
    words = tuple(dict.fromkeys(map(str, said)))
    if proven:
        return Judgement(words, by, ())
    left = []
    for alike in alikes_of(config, layout, activation):
        if any(alike.option and alike.option.startswith(option) for option in chosen):
            continue
        for hint in hints:
            if re.search(alike.pattern, hint.text):
                remedy = f"give {alike.option}, or" if alike.option else "it cannot be imported;"
                raise InputError(
                    f"{hint} tells of {alike.what}; as {config.arch} it has the same names and "
                    f"shapes and other outputs; {remedy} prove that it is one by --reference"
                )
        left.append(f"{alike.what} ({alike.option})" if alike.option else alike.what)
    return Judgement(words, by, () if by else tuple(left))


def contradiction(config: ModelConfig, layout: str, activation: str, hint: Hint) -> str:
    """Return what else than our network a hint tells of, '' if nothing is known; see `judge`."""
    for alike in alikes_of(config, layout, activation):
        if re.search(alike.pattern, hint.text):
            return alike.what
    others = (arch for arch in get_args(Arch) if arch != config.arch and _names(hint, arch))
    return next(others, "")


def features(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return what the names of tensors tell that no network of ours has."""
    kinds = {
        "a deep stem (timm's resnet50c, d, s and t)": r"(.*\.)?conv1\.[1-9]\.weight",
        "squeeze-and-excitation": r".*\.(se|se_module|attn)\..*",
        "selective kernels (SimCLR v2's sk1)": r".*\.mixing_conv\..*",
        "split normalisation": r".*\.bn\d\.(aux_bn|split_bn)\..*",
    }
    found = [kind for kind, name in kinds.items() if any(re.fullmatch(name, n) for n in tensors)]
    pooled = r".*\.downsample\.1\.weight"
    if any(re.fullmatch(pooled, n) and len(t.shape) == 4 for n, t in tensors.items()):
        found.append("shortcuts that pool before they convolve (avg_down)")
    return found


def _names(hint: Hint, arch: str) -> bool:
    """Return whether a hint is the name of an architecture, as torchvision or timm spell it."""
    name = str(hint.value).lower().rpartition("/")[2].partition(".")[0]
    theirs = "tf_efficientnet_lite0" if arch == "efficientnet_lite0" else arch
    return name.replace("-", "_") == theirs
