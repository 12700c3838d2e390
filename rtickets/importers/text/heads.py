"""Which head an encoder of another project comes with."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rtickets.data.text.tokenizers import Vocabulary
from rtickets.errors import InputError
from rtickets.importers.tensors import same
from rtickets.importers.text import names
from rtickets.tasks import MaskedTokens, QuestionAnswering, TextClassification, TextRegression

_POOLER = "pooler.dense.weight"
_CLASSES = "single_label_classification"


class Head(NamedTuple):
    """A head.

    Attributes:
        task: what it does.
        about: what it is for, see `Task.about`; {} where there is none.
        width: of the head.
        tensors: names of tensors by our paths, where they are not the usual ones.
        read: names of tensors that are copies of others.
        drawn: beginnings of the paths of leaves that the file lacks, which are drawn.
    """

    task: Any
    about: dict[str, Any]
    width: int
    tensors: Mapping[str, str]
    read: tuple[str, ...]
    drawn: tuple[str, ...]


def head_of(
    tensors: Mapping[str, Any], config: Mapping[str, Any], known: Vocabulary, notes: list[str]
) -> Head:
    """Return the head among tensors, by their bare names; `notes` get a line of what is not there.

    Raises:
        InputError: for the heads of two tasks, or a decoder that is not the embeddings.
    """
    drawn: tuple[str, ...] = ()
    if _POOLER not in tensors:
        drawn = ("pooler/",)
        notes.append("the file has no pooler: one is drawn, for tasks on whole texts to train")
    heads = {
        "cls.predictions": names.PREDICTION_BIAS, "classifier": names.CLASSIFIER,
        "qa_outputs": names.SPANS,
    }  # fmt: skip
    there = [name for name, tensor in heads.items() if tensor in tensors]
    if len(there) > 1:
        raise InputError(f"holds {len(there)} heads, {' and '.join(there)}; --ignore one of them")
    if there == ["cls.predictions"]:
        _check_tied(tensors)
        task = MaskedTokens(vocabulary=known)
        copies = tuple(n for n in (names.DECODER, names.DECODER_BIAS) if n in tensors)
        about = {"vocabulary": known.digest, "tokens": known.size}
        return Head(task, about, known.size, {"head/bias": names.PREDICTION_BIAS}, copies, drawn)
    if there == ["qa_outputs"]:
        answering = QuestionAnswering(vocabulary=known)
        return Head(answering, {"scores": ["first", "last"]}, 2, {}, (), drawn)
    if there:
        return _of_classes(tensors, config, known, notes, drawn)
    notes.append("the file has no head: transfer it to a task first")
    return _without(known, (), drawn)


def _of_classes(
    tensors: Mapping[str, Any],
    config: Mapping[str, Any],
    known: Vocabulary,
    notes: list[str],
    drawn: tuple[str, ...],
) -> Head:
    width, kinds = tensors[names.CLASSIFIER].shape[0], config.get("architectures")
    kind = str(kinds[0]) if isinstance(kinds, list) and kinds else ""
    if not kind.endswith("ForSequenceClassification"):
        notes.append(
            f"its classifier is left out: config.json says {kind or 'nothing'} of what it is for, "
            "and BertForSequenceClassification is what can be taken"
        )
        return _without(known, (names.CLASSIFIER, "classifier.bias"), drawn)
    if width == 1:
        return Head(TextRegression(vocabulary=known), {"numbers": 1}, 1, {}, (), drawn)
    if (problem := config.get("problem_type")) not in (None, _CLASSES):
        raise InputError(
            f"its classifier of {width} is for problem_type={problem!r}, and not {_CLASSES!r}; "
            "leave it out by --ignore='classifier.*'"
        )
    labels = config.get("id2label")
    said = isinstance(labels, Mapping) and {str(n) for n in range(width)} == set(labels)
    found = [str(labels[str(n)]) for n in range(width)] if said and labels else []
    if len(set(found)) < width:
        found = [f"class_{n}" for n in range(width)]
        notes.append(f"its {width} classes have no names: class_0, class_1, ...")
    return Head(TextClassification(vocabulary=known), {"class_names": found}, width, {}, (), drawn)


def _without(known: Vocabulary, read: tuple[str, ...], drawn: tuple[str, ...]) -> Head:
    return Head(TextClassification(vocabulary=known), {}, 2, {}, read, ("head/", *drawn))


def _check_tied(tensors: Mapping[str, Any]) -> None:
    pairs = ((names.DECODER, names.WORDS), (names.DECODER_BIAS, names.PREDICTION_BIAS))
    for copy, own in pairs:
        if copy in tensors and not same(tensors[copy], tensors[own]):
            raise InputError(f"{copy} is not {own}, as BERT has them; its head cannot be taken")
