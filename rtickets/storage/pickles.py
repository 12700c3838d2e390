"""Reading pickles without running them.

A pickle is a program that may call anything. Here it can build numbers, strings, lists and
dictionaries, and call what its reader names; every other name that it mentions becomes an inert
stand-in that swallows what is done to it, or is refused. A file that asks for what no checkpoint
needs is refused, and so is one whose words would make far more of them than they are.
"""

import io
import pickle
import pickletools
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, ClassVar, NamedTuple, NoReturn

from rtickets.errors import InputError

_MAX_BYTES = 1 << 26  # of a pickle; the weights lie outside of it
_FREE, _RATIO = 1 << 26, 10  # bytes that objects may take: any number to this, of a byte this many
# About what an opcode makes takes in memory, of those that make much of a byte or two.
_COST = {
    "EMPTY_SET": 216, "EMPTY_DICT": 232, "DICT": 232, "EMPTY_LIST": 88, "LIST": 88, "MARK": 88,
    "FROZENSET": 216, "MEMOIZE": 104, "PUT": 104, "BINPUT": 104, "LONG_BINPUT": 104,
    "REDUCE": 256, "NEWOBJ": 256, "NEWOBJ_EX": 256, "OBJ": 256, "BUILD": 64,
    "BININT1": 8, "BINGET": 8, "NONE": 8, "NEWTRUE": 8, "NEWFALSE": 8,
    "GLOBAL": 1500, "STACK_GLOBAL": 1500, "INST": 1500,
}  # fmt: skip
_USUAL_COST = 24
_MEMO_WRITES = {"PUT", "BINPUT", "LONG_BINPUT"}
_MAX_KEY = 4096  # characters of a key
_MAX_PARTS = 16  # of a key that is a tuple
# Where keys and members of sets lie; on what there is since the last mark, but for the first.
_HASHING = {
    pickle.SETITEM: slice(-2, -1), pickle.SETITEMS: slice(None, None, 2),
    pickle.DICT: slice(None, None, 2), pickle.ADDITEMS: slice(None), pickle.FROZENSET: slice(None),
}  # fmt: skip
_REFUSED_OPCODES = {"EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}

_HOSTILE_MODULES = {
    "_posixsubprocess", "_winapi", "asyncio", "bdb", "cgi", "code", "codeop", "commands", "ctypes",
    "distutils", "ensurepip", "ftplib", "http", "httplib", "imp", "importlib", "marshal",
    "multiprocessing", "nt", "os", "pdb", "pip", "pkgutil", "popen2", "posix", "profile", "pty",
    "pydoc", "requests", "runpy", "shutil", "signal", "smtplib", "socket", "ssl", "subprocess",
    "sys", "tempfile", "thread", "threading", "timeit", "trace", "urllib", "urllib2", "venv",
    "webbrowser", "zipimport",
}  # fmt: skip
# getattr and setattr are not among them: dill uses both for functions in honest checkpoints
_HOSTILE_BUILTINS = {
    "__import__", "breakpoint", "compile", "eval", "exec", "execfile", "exit", "input", "open",
    "quit", "raw_input",
}  # fmt: skip


class Unpickled(NamedTuple):
    """The object that a pickle holds, and how often each name was replaced by a stand-in."""

    value: Any
    inert: dict[str, int]


class InertType(type):
    """The type of stand-ins, which makes a class behave as its own instance.

    Attributes:
        path: the name that it stands for.
    """

    path = ""

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        """Return the stand-in: what it would make is as inert as it is."""
        return cls

    def __setitem__(cls, key: Any, value: Any) -> None: ...


class Inert(metaclass=InertType):
    """Stands for a class, a function or an object, and ignores whatever is done to it.

    It is a class, because a pickle may make objects from what a call returned, as dill does.
    """

    def __new__(cls, *arguments: Any, **named: Any) -> Any:  # noqa: D102
        return cls

    @staticmethod
    def _ignore(*arguments: Any) -> None: ...

    __setstate__ = append = extend = add = _ignore


class Table(dict):
    """A dictionary of any kind; what a pickle says about it beyond its items is ignored."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__()
        items = arguments[-1] if arguments else ()
        items = list(items.items()) if isinstance(items, dict) else items
        for key, value in items if isinstance(items, list | tuple) else ():
            _check_keys([key])
            self[key] = value

    def __setstate__(self, state: Any) -> None: ...


class Record(Table):
    """An object that holds arguments by name; what sets its state fills the dictionary."""

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                _check_keys(part)
                self.update(part)


class Known:
    """A name that a pickle may call, or mention as the name of an element type."""

    __slots__ = ("_function", "name")

    def __init__(self, name: str, function: Callable[..., Any] | None = None) -> None:
        self.name = name
        self._function = function

    def __call__(self, *arguments: Any) -> Any:  # noqa: D102
        if self._function is None:
            raise TypeError(f"{self.name} is no function")
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> NoReturn:
        raise TypeError("a pickle may not change a function")


def _check_keys(keys: Iterable[Any]) -> None:
    """Check keys before they are hashed: of tuples in tuples, that takes time without end."""
    for key in keys:
        parts = key if type(key) is tuple else (key,)
        if len(parts) > _MAX_PARTS or not all(map(_is_short, parts)):
            raise InputError(
                f"refused: its pickle has a {type(key).__name__} for a key; expected short text, "
                "numbers, or flat tuples of them"
            )


def _is_short(part: Any) -> bool:
    if isinstance(part, str | bytes):
        return len(part) <= _MAX_KEY
    if isinstance(part, int):
        return part.bit_length() <= 64
    return part is None or isinstance(part, float | Known | InertType)


def _checked(opcode: bytes, keys: slice) -> Callable[[Any], None]:
    """Return how an opcode that hashes some of what lies on the stack is read."""
    read = pickle._Unpickler.dispatch[opcode[0]]

    def checked(reader: Any) -> None:
        _check_keys(reader.stack[keys])
        read(reader)

    return checked


class _Reader(pickle._Unpickler):
    """Python's own reader: that in C does not show keys before it hashes them."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **pickle._Unpickler.dispatch,
        **{opcode[0]: _checked(opcode, keys) for opcode, keys in _HASHING.items()},
    }

    def __init__(
        self, data: bytes, known: Mapping[str, Any], persistent: Callable[[Any], Any], strict: bool
    ) -> None:
        # strings of Python 2 are bytes
        super().__init__(io.BytesIO(data), encoding="utf-8", errors="surrogateescape")
        self._known = known
        self._persistent = persistent
        self._strict = strict
        self._stubs: dict[str, type[Inert]] = {}
        self.inert: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        path = f"{module}.{name}"
        if path in self._known:
            return self._known[path]
        _refuse_hostile(module, name)
        if self._strict:
            raise InputError(f"refused: it asks for {path}, which nothing in it should need")
        self.inert[path] = self.inert.get(path, 0) + 1
        if path not in self._stubs:
            self._stubs[path] = type("Inert", (Inert,), {"path": path})
        return self._stubs[path]

    def persistent_load(self, pid: Any) -> Any:
        return self._persistent(pid)


def _refuse_hostile(module: str, name: str) -> None:
    root = module.partition(".")[0]
    builtin = root in ("builtins", "__builtin__") and name.partition(".")[0] in _HOSTILE_BUILTINS
    opening = root in ("io", "_io", "_pyio", "codecs") and name in ("open", "open_code", "FileIO")
    if builtin or opening or root in _HOSTILE_MODULES:
        raise InputError(
            f"refused: it asks for {module}.{name}, which no checkpoint needs and an attack does; "
            "nothing of it was run"
        )


def read(
    file: IO[bytes],
    known: Mapping[str, Any],
    persistent: Callable[[Any], Any],
    *,
    most: int = _MAX_BYTES,
    strict: bool = False,
) -> Unpickled:
    """Read one pickle from a file, up to its end.

    Args:
        file: positioned at the pickle.
        known: what a name 'module.name' stands for; every other is inert.
        persistent: what a persistent id stands for.
        most: bytes that it may have.
        strict: refuse names that are not known.

    Returns:
        The object; strings of Python 2 that are no text hold their bytes by `surrogateescape`.

    Raises:
        InputError: if the pickle is damaged, too large or hostile.
    """
    start = file.tell()
    try:
        end = _scan(file, most)
        file.seek(start)
        reader = _Reader(file.read(end - start), known, persistent, strict)
        return Unpickled(reader.load(), reader.inert)
    except InputError:
        raise
    except Exception as error:  # damage surfaces as whatever the reader trips over
        detail = str(error) or type(error).__name__
        raise InputError(f"its pickle is damaged: {detail.splitlines()[0]}") from None


def _scan(file: IO[bytes], most: int) -> int:
    """Return where the pickle ends, after checking what would cost memory to believe."""
    # Opcode by opcode and without making anything: a few bytes can ask for gigabytes, and once the
    # reader is at it nothing stops it.
    start, cost = file.tell(), 0
    for opcode, argument, position in pickletools.genops(file):
        used = (position or 0) - start
        cost += _COST.get(opcode.name, _USUAL_COST)
        if used > most:
            raise InputError(f"its pickle is larger than {most:,} bytes; a tensor is not")
        if cost > max(_FREE, _RATIO * used):
            raise InputError(
                f"refused: the first {used:,} bytes of its pickle make objects of {cost:,} bytes"
            )
        if opcode.name in _REFUSED_OPCODES:
            raise InputError(f"refused: its pickle uses {opcode.name}, which no checkpoint needs")
        if opcode.name in _MEMO_WRITES and int(argument or 0) > used:
            raise InputError(f"refused: its pickle asks for a memo of {argument:,} entries")
    return file.tell()
