"""How well a text answers a question, as the evaluation of SQuAD 1.1 says it.

Before texts are compared they are put into lower case, and punctuation (of ASCII), the articles a,
an and the, and superfluous space are left out. Of several right answers the nearest counts.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def normalised(text: str) -> str:
    """Return a text as it is compared."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, right: Sequence[str]) -> bool:
    """Return whether an answer is one of the right ones."""
    return normalised(answer) in {normalised(each) for each in right}


def overlap_f1(answer: str, right: Sequence[str]) -> float:
    """Return F1 of the words of an answer, as often as each is there: the best over right ones.

    It is 0 where there is no word in common, also of two texts without words.
    """
    return max(_f1(normalised(answer).split(), normalised(each).split()) for each in right)


def _f1(answer: list[str], right: list[str]) -> float:
    common = (Counter(answer) & Counter(right)).total()
    if not common:
        return 0.0
    precision, recall = common / len(answer), common / len(right)
    return 2 * precision * recall / (precision + recall)
