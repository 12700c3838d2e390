"""Whether a vocabulary of word pieces is of texts in lower case, which its file does not say."""

import json
from pathlib import Path

from rtickets.data.text.tokenizers import has_large_letters
from rtickets.errors import InputError

_BESIDE, _SAYS = "tokenizer_config.json", "do_lower_case"
_MOST = 1 << 24  # bytes; added tokens may be many


def reads_lower_case(vocabulary: Path) -> bool:
    """Return what tokenizer_config.json beside a vocabulary says, else what its letters tell.

    A vocabulary with a large letter anywhere but in marks, such as [UNK], is of texts as they are
    written.

    Raises:
        InputError: if the file says something that is no answer.
    """
    beside = vocabulary.with_name(_BESIDE)
    if beside.is_file() and beside.stat().st_size <= _MOST:
        try:
            said = json.loads(beside.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{beside}: is no JSON: {error}; mend it, or take it away") from None
        found = said.get(_SAYS) if isinstance(said, dict) else None
        if isinstance(found, bool):
            return found
        if found is not None:
            raise InputError(f"{beside}: {_SAYS} is {found!r:.40}; expected true or false")
    try:
        tokens = vocabulary.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{vocabulary}: cannot be read as a vocabulary: {error}") from None
    return not any(map(has_large_letters, tokens))
