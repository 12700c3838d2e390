"""Tokenizers of files, by the library `tokenizers`: what a network reads, and how texts become it.

Texts are encoded without the tokens that mark beginning and end, which rows get from us, see
`rtickets.data.text.rows`.
"""

import hashlib
import json
import lzma
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from rtickets.data.text.settings import GLOSSES, TextConfig
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT
from rtickets.storage.fetched import here

_NAMES = {
    "padding": ("[PAD]", "<pad>"),
    "start": ("[CLS]", "<s>"),
    "end": ("[SEP]", "</s>"),
    "hidden": ("[MASK]", "<mask>"),
    "unknown": ("[UNK]", "<unk>"),
}
SPECIAL = tuple(names[0] for names in _NAMES.values())
_MOST = 1 << 26  # bytes of a tokenizer's file
_MOST_TOKENS = 1 << 24


@dataclass(frozen=True, config=STRICT)
class Vocabulary:
    """What the numbers of tokens mean.

    Attributes:
        size: how many tokens there are.
        padding: the number of the token that fills rows up.
        start: of that which a text begins with.
        end: of that which a text ends with.
        hidden: of that which stands for one that is to be guessed.
        unknown: of that for what the vocabulary lacks.
        digest: what identifies all tokens, their numbers, and how texts become them.
    """

    size: int = 0
    padding: int = 0
    start: int = 0
    end: int = 0
    hidden: int = 0
    unknown: int = 0
    digest: str = ""

    @property
    def special(self) -> tuple[int, ...]:
        """Tokens that stand for no part of a text."""
        return (self.padding, self.start, self.end, self.hidden)


def library() -> Any:
    """Return the library `tokenizers`; raise InputError where it is not installed."""
    try:
        import tokenizers
    except ImportError:
        raise InputError(
            "texts need the library tokenizers; pip install 'rtickets[text]'"
        ) from None
    return tokenizers


def open_tokenizer(config: TextConfig) -> Any:
    """Return the tokenizer that a configuration names.

    Raises:
        InputError: if it is missing or damaged, or lacks one of the marks of rows.
    """
    if config.tokenizer == GLOSSES:
        return _opened(GLOSSES, (), True)
    path = here(config.tokenizer)
    if not path.is_file():
        raise InputError(
            f"data.text.tokenizer={config.tokenizer!r} is no file; expected {GLOSSES!r}, a "
            "tokenizer.json or a vocabulary, one token a line"
        )
    about = path.stat()
    if about.st_size > _MOST:
        raise InputError(f"{path}: {about.st_size:,} bytes are no tokenizer")
    return _opened(str(path), (about.st_size, about.st_mtime_ns), config.lowercase)


def encoded(tokenizer: Any, texts: Sequence[Any], **how: Any) -> list[Any]:
    """Return what a tokenizer makes of texts, or of lists of words, without marks of rows.

    Raises:
        InputError: if a text is none, or the tokenizer lacks what it needs for them.
    """
    try:
        found: list[Any] = tokenizer.encode_batch(list(texts), add_special_tokens=False, **how)
    except BaseException as error:  # the library raises plain exceptions, and panics
        _check_own(error)
        for number, text in enumerate(texts, 1):
            check_unicode("".join(text), f"text {number} of a split")
        raise InputError(f"the tokenizer of the data cannot read its texts: {error}") from None
    return found


def _check_own(error: BaseException) -> None:
    """Raise what is no error of the library, whose panics are no `Exception`."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error


def check_unicode(text: str, name: str) -> None:
    """Raise InputError for characters that no file in UTF-8 can hold, as JSON may write them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{name}: {text!r:.40} has halves of characters (\\ud800 to \\udfff), which are no "
            "Unicode text; clean the file"
        ) from None


def vocabulary_of(config: TextConfig) -> Vocabulary:
    """Return the vocabulary of a configuration's tokenizer; errors as of `open_tokenizer`."""
    tokenizer = open_tokenizer(config)
    found: Mapping[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    marks = {kind: found[_mark(kind, found, config.tokenizer)] for kind in _NAMES}
    entries = sorted((number, token) for token, number in found.items())
    size = entries[-1][0] + 1  # numbers may have gaps
    if size > _MOST_TOKENS:
        raise InputError(
            f"{config.tokenizer}: the token {entries[-1][1]!r:.40} has the number {size - 1:,}; "
            f"expected less than {_MOST_TOKENS:,}"
        )
    reads = _before_pieces(tokenizer)
    usual = _before_pieces(word_pieces(SPECIAL, lowercase=True))
    text = repr(entries if reads == usual else [entries, reads])
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
    return Vocabulary(size, **marks, digest=digest)


def never_read(config: TextConfig) -> list[str]:
    """Return a line about tokens with large letters where all texts become lower case."""
    if not config.lowercase or config.tokenizer == GLOSSES or config.tokenizer.endswith(".json"):
        return []
    large = [token for token in open_tokenizer(config).get_vocab() if has_large_letters(token)]
    if not large:
        return []
    return [
        f"{len(large):,} tokens of {config.tokenizer} have large letters, as {min(large)!r}, and "
        "are never read, as texts become lower case; data.text.lowercase=False keeps them"
    ]


def has_large_letters(token: str) -> bool:
    """Return whether a token, which is no mark such as [UNK], changes in lower case."""
    return token != token.lower() and (token[:1], token[-1:]) != ("[", "]")


def _before_pieces(tokenizer: Any) -> list[Any]:
    """Return what a tokenizer does to texts before it looks pieces up, as JSON has it."""
    steps = (tokenizer.normalizer, tokenizer.pre_tokenizer)
    return [None if step is None else json.loads(step.__getstate__()) for step in steps]


def _mark(kind: str, found: Mapping[str, int], name: str) -> str:
    for token in _NAMES[kind]:
        if token in found:
            return token
    raise InputError(
        f"{name}: the vocabulary has no token for {kind}; expected {' or '.join(_NAMES[kind])}"
    )


@lru_cache(maxsize=8)
def _opened(name: str, about: tuple[int, ...], lowercase: bool) -> Any:
    """Return a tokenizer; `about` makes the cache see a change of the file."""
    del about
    if name == GLOSSES:
        packed = resources.files("rtickets.data").joinpath("files/glosses_vocabulary.txt.xz")
        return word_pieces(lzma.decompress(packed.read_bytes()).decode().splitlines(), lowercase)
    path = Path(name)
    try:
        if path.suffix == ".json":
            found = library().Tokenizer.from_file(str(path))
            found.no_truncation()
            found.no_padding()
            found.encode_special_tokens = True  # a '[SEP]' that stands in a text ends nothing
            return found
        lines = path.read_text(encoding="utf-8-sig").split(
            "\n"
        )  # tokens may be signs such as U+2028
    except InputError:
        raise
    except BaseException as error:  # the library raises plain exceptions for damage, and panics
        _check_own(error)
        raise InputError(f"{path}: cannot be read as a tokenizer: {error}") from None
    return word_pieces(lines[:-1] if lines[-1] == "" else lines, lowercase, name)


def word_pieces(tokens: Iterable[str], lowercase: bool, name: str = "tokens") -> Any:
    """Return BERT's tokenizer with a vocabulary of word pieces."""
    tokenizers = library()
    numbers: dict[str, int] = {}
    for number, token in enumerate(tokens):
        if numbers.setdefault(token, number) != number:
            raise InputError(f"{name}: the token {token!r} stands there twice; give each its line")
    unknown = _mark("unknown", numbers, name)
    found = tokenizers.Tokenizer(tokenizers.models.WordPiece(numbers, unk_token=unknown))
    found.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lowercase)
    found.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    found.decoder = tokenizers.decoders.WordPiece()
    return found


def train(texts: Iterable[str], size: int, lowercase: bool = True) -> list[str]:
    """Return a vocabulary of at most `size` word pieces for texts, the marks of rows first.

    Where pieces are equally common the library takes any of them.
    """
    tokenizers = library()
    found = word_pieces(SPECIAL, lowercase)
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=list(SPECIAL), show_progress=False
    )
    found.train_from_iterator(texts, trainer)
    if found.get_vocab_size() > size:
        raise InputError(
            f"{size} tokens do not hold the {found.get_vocab_size() - len(SPECIAL)} letters of the "
            "texts; ask for more"
        )
    return [*SPECIAL, *sorted(found.get_vocab().keys() - set(SPECIAL))]
