"""Image files packed into a few array_record files, which are read at random places."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from rtickets.errors import InputError

INSTALL = "pip install 'rtickets[grain]'"


class Records:
    """Packed image files; workers may share it."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Keep the paths of the packed files; they are opened when they are needed."""
        self.paths = tuple(paths)

    @cached_property
    def _source(self) -> Any:
        try:
            from grain.sources import ArrayRecordDataSource
        except ImportError:
            raise InputError(f"reading {self.paths[0]} needs grain: {INSTALL}") from None
        missing = [path for path in self.paths if not path.is_file()]
        if missing:
            raise InputError(f"{missing[0]}: is missing; prepare the data set again")
        try:
            return ArrayRecordDataSource([str(path) for path in self.paths])
        except Exception as error:  # damage surfaces as whatever the reader trips over
            raise InputError(f"{self.paths[0].parent}: cannot be read: {error}") from None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._source)

    def read(self, index: int) -> bytes:
        """Return the contents of one."""
        try:
            return self._source[index]
        except InputError:
            raise
        except Exception as error:  # damage surfaces as whatever the reader trips over
            raise InputError(f"{self.name(index)}: cannot be read: {error}") from None

    def name(self, index: int) -> str:
        """Return the folder and the number of one."""
        return f"{self.paths[0].parent}, record {index} of {self.paths[0].name} and on"

    def __getstate__(self) -> Any:
        return {"paths": self.paths}  # open files cannot be sent to another process


def write_records(path: Path, contents: Iterable[bytes]) -> int:
    """Write a packed file, which is there whole or not at all, and return how many it holds."""
    try:
        from array_record.python.array_record_module import ArrayRecordWriter
    except ImportError:
        raise InputError(f"writing {path} needs array_record: {INSTALL}") from None
    temporary = path.with_name(f"{path.name}.part")
    writer = ArrayRecordWriter(str(temporary), "group_size:1,uncompressed")
    count = 0
    try:
        for content in contents:
            writer.write(content)
            count += 1
    finally:
        writer.close()
    temporary.rename(path)
    return count
