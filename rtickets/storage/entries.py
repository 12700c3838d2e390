"""Objects as a bucket lists them, and what tells their contents from others."""

from typing import Any, NamedTuple

Tag = dict[str, Any]  # what identifies the contents of an object


class Entry(NamedTuple):
    """An object as a list has it.

    Attributes:
        key: its name.
        size: bytes.
        changed: when it was written, seconds since 1970 by the clock of the bucket.
        tag: identifies its contents.
        version: likewise, where buckets number what is written; '' elsewhere.
    """

    key: str
    size: int
    changed: float
    tag: str
    version: str = ""

    @property
    def identity(self) -> Tag:
        """What `Objects.replace` asks for."""
        both = {"e_tag": self.tag if self.tag != self.version else "", "version": self.version}
        return {name: value for name, value in both.items() if value}


def same(one: Tag | None, other: Tag | None) -> bool:
    """Whether two tags are those of the same contents, as far as both say."""
    if not one or not other:
        return False
    both = [name for name in one if name in other]
    return bool(both) and all(one[name] == other[name] for name in both)


def differ(one: Tag, other: Tag) -> bool:
    """Whether two tags are those of different contents, as far as both say."""
    return any(one[name] != other[name] for name in one if name in other)


def tag_of(found: Any) -> Tag:
    """Return the tag in what `obstore` says of an object."""
    both = {name: found.get(name) for name in ("e_tag", "version")}
    return {name: value for name, value in both.items() if value not in (None, "null")}


def entry_of(found: Any) -> Entry:
    """Return what `obstore` says of an object."""
    tag = tag_of(found)
    e_tag, version = tag.get("e_tag", ""), tag.get("version", "")
    changed = found["last_modified"].timestamp()
    return Entry(found["path"], found["size"], changed, e_tag or version, version)
