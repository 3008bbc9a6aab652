"""Settings: one frozen dataclass a command or function, whose fields say all there is to say.

    @dataclass(frozen=True, kw_only=True)
    class CompareSettings(Settings):
        a: Path = setting("output folder or score table of the first evaluation", positional=True)
        resamples: int = setting("bootstrap resamples", 10_000, least=100)
        protocol: Literal["pdms_v1", "epdms_v2"] | None = setting("which to read of both", None)

A field's type, default, choices and range are checked wherever the object is made: by a command's
arguments, by a Hydra configuration, or in Python. The command line (parser, help, completion,
configuration node) is derived from the same fields by `reworld_agent.cli`. Settings that hold
others are made of sections, see `reworld_agent.core.sections`.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

from reworld_agent.core.errors import UsageError
from reworld_agent.core.setting_paths import (
    FOLDER,
    check_output,
    require,
    require_storable,
    written,
)

_KEY, SECTION = "reworld", "reworld_section"  # of what `setting` and `section` note
Chosen = TypeVar("Chosen", bound="Settings")
Choices = Sequence[str] | Callable[[], Sequence[str]]
Keys = Callable[[], Sequence[str] | None]
_SCALARS = (bool, int, float, str, Path)
# Bounds of every number that has none of its own: beyond, libraries overflow or wait for ever.
MOST_INT, MOST_FLOAT = 2**31 - 1, 1e9
MOST_WORKERS = 1024  # processes


def setting(
    doc: str,
    default: Any = MISSING,
    *,
    choices: Choices = (),
    open: bool = False,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    cap: float | None = None,
    exists: Literal["file", "folder", "any"] | None = None,
    writes: Sequence[str] | Literal["folder"] = (),
    makes: Sequence[str] = (),
    shared: bool = False,
    reads: bool = False,
    positional: bool = False,
    metavar: str = "",
    old_names: Sequence[str] = (),
    collects: Sequence[str] = (),
    group: str = "",
    key: str = "",
    read: Callable[[Any], Any] | None = None,
    keys: Keys | None = None,
) -> Any:
    """A field of a `Settings` dataclass.

    Args:
        doc: one line for `--help`; what the setting is, its unit, what the default means.
        default: MISSING makes the setting required.
        choices: values of a str (or of the items of a tuple); a function is called when they are
            needed. A `Literal` type needs none.
        open: other values than the choices are taken too; what they mean is checked elsewhere.
        least, most: closed range of a number; above: open lower bound.
        cap: of a number without most: what nobody means, and --help does not speak of.
        exists: what must lie at a path before anything is read: the path is an input.
        writes: what is written there: "folder", or the endings of the files; "" is the path as it
            is given, any other ending is put in the place of a table's own (a.csv, a.parquet).
        makes: of a folder that is written, the names in it that are made anew: no input may lie
            there.
        shared: what is written there may be written by several processes at once.
        reads: the path is an input that is looked for elsewhere.
        positional: may be given without its name.
        metavar: what `--help` shows for the value (FILE, N ...).
        old_names: earlier names, which go on working with a notice. `--name` is an option of an
            earlier grammar: its value is the next argument, or true.
        collects: of a list: arguments whose names begin so are items of it, as they are.
        group: heading of `--help` under which it stands.
        key: name in arguments and configurations where it is not the field's own.
        read: makes a value of any type from what was given, or raises UsageError; takes its own
            results as they are.
        keys: names that may stand below it (`key.name=value`), where its value is a table; called
            when they are needed; they may be None: any.
    """
    endings = writes if isinstance(writes, str) else tuple(writes)
    about = _About(
        *(doc, choices, open, least, most, above, cap, exists, endings, tuple(makes), shared),
        *(reads, positional, metavar, tuple(old_names), tuple(collects), group),
        *(key, read, keys),
    )
    return dataclasses.field(default=default, metadata={_KEY: about})


@dataclass(frozen=True)
class _About:
    """The arguments of `setting`; see there."""

    doc: str
    choices: Choices
    open: bool
    least: float | None
    most: float | None
    above: float | None
    cap: float | None
    exists: str | None
    writes: str | tuple[str, ...]
    makes: tuple[str, ...]
    shared: bool
    reads: bool
    positional: bool
    metavar: str
    old_names: tuple[str, ...]
    collects: tuple[str, ...]
    group: str
    key: str
    read: Callable[[Any], Any] | None
    keys: Keys | None


@dataclass(frozen=True)
class Field:
    """One field of a settings class, with its type resolved.

    Attributes:
        name: of the setting.
        word: what one writes before `=`: its key, behind the prefix of its section.
        kind: bool, int, float, str or Path: of the value, or of the items of a tuple.
        optional: None is allowed.
        many: the value is a tuple.
        default: MISSING where the setting is required.
        literals: values of a `Literal` type.
        about: as given to `setting`.
    """

    name: str
    word: str
    kind: type
    optional: bool
    many: bool
    default: Any
    literals: tuple[str, ...]
    about: _About

    @property
    def key(self) -> str:
        """Its name in a configuration, inside of its section."""
        return self.about.key or self.name

    @property
    def named(self) -> str:
        """What a person calls it: `RUN` where it needs no name, else `resamples=`."""
        if not self.about.positional:
            return f"{self.word}="
        return self.about.metavar or self.name.upper()

    @property
    def required(self) -> bool:
        """True where there is no default."""
        return self.default is MISSING

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that are allowed; () where any is."""
        given = self.about.choices
        return self.literals or tuple(given() if callable(given) else given)

    @property
    def wanted(self) -> str:
        """What a value must be, in words: "an integer of at least 1"."""
        if self.choices and not self.about.open:
            text = "one of " + ", ".join(self.choices)
        else:
            text = _KINDS[self.kind] + (f" {self.range}" if self.range else "")
        if self.many:
            text = f"a list [a,b], each {text}"
        return f"{text}, or null" if self.optional else text

    @property
    def range(self) -> str:
        """Which numbers are allowed, in words: "of at least 1"; "" where any is."""
        limits = (self.about.least, self.about.most, self.about.above)
        least, most, above = (None if one is None else as_text(one) for one in limits)
        if least is not None and most is not None:
            return f"from {least} to {most}"
        if above is not None and most is not None:
            return f"above {above}, at most {most}"
        if least is not None:
            return f"of at least {least}"
        if above is not None:
            return f"above {above}"
        return "" if most is None else f"of at most {most}"


_KINDS = {
    bool: "true or false",
    int: "an integer",
    float: "a finite number",
    str: "a text",
    Path: "a path",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of every settings dataclass: checks each field when an object is made.

    `class Validation(Settings, prefix="validation")` is a section: its settings are written
    `validation.every=...`.

    Raises:
        UsageError: a value has the wrong type, is out of its range or none of its choices; a path
            that must exist does not, or one that is written cannot be, or is an input.
    """

    prefix: ClassVar[str] = ""

    def __init_subclass__(cls, prefix: str | None = None) -> None:
        """Note where the settings stand among those of a command; None = as those of the base."""
        if prefix is not None:
            cls.prefix = prefix

    def __post_init__(self) -> None:
        """Check every field; paths given as text become `Path`."""
        fields = fields_of(type(self))
        for field in fields:
            value = checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        self.check()
        inputs = self.inputs()
        for field in fields:
            for path in _paths(getattr(self, field.name)) if field.about.writes else []:
                check_output(field.word, path, field.about.writes, inputs, field.about.makes)

    def check(self) -> None:
        """What must hold between fields; raises UsageError. For subclasses."""

    def inputs(self) -> list[tuple[str, Path]]:
        """What is read, with the setting that names it: no file that is written may be one of it.

        Those of its sections too. Subclasses add the files that they read in a folder.
        """
        fields = [one for one in fields_of(type(self)) if one.about.exists or one.about.reads]
        own = [(field.word, path) for field in fields for path in _paths(getattr(self, field.name))]
        values = (getattr(self, field.name) for field in dataclasses.fields(self))
        sections = [value for value in values if isinstance(value, Settings)]
        return [*own, *(item for section in sections for item in section.inputs())]

    def outputs(self) -> list[tuple[Path, str]]:
        """What one process at a time writes: folders with "", or with the name of a file in them.

        Of several files of one name, the first stands for all.
        """
        found = []
        for field in fields_of(type(self)):
            writes = () if field.about.shared else field.about.writes
            for path in _paths(getattr(self, field.name)) if writes else []:
                file = written(path, writes)[0]
                is_folder = writes == FOLDER
                found.append((file, "") if is_folder else (file.absolute().parent, file.name))
        return found

    def replaced(self: Chosen, **changes: Any) -> Chosen:
        """A copy with other values, checked again."""
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name: paths as text, tuples as lists; for records and JSON."""
        names = [field.name for field in dataclasses.fields(self)]
        return {name: _plain(getattr(self, name)) for name in names}


def fields_of(settings: type[Settings]) -> tuple[Field, ...]:
    """The fields of a settings class that are made with `setting`, in order.

    Raises:
        TypeError: a field is made otherwise, or has a type that no argument can have.
    """
    hints = typing.get_type_hints(settings)
    fields = [one for one in dataclasses.fields(settings) if SECTION not in one.metadata]
    return tuple(_field(settings, one, hints[one.name]) for one in fields)


def _field(settings: type[Settings], field: dataclasses.Field[Any], hint: Any) -> Field:
    about = field.metadata.get(_KEY)
    if about is None:
        raise TypeError(f"{settings.__name__}.{field.name} is not made with setting(...)")
    word = ".".join(filter(None, [settings.prefix, about.key or field.name]))
    if about.read is not None:
        many = get_origin(_without_none(hint)[0]) is tuple
        return Field(field.name, word, str, False, many, field.default, (), about)
    hint, optional = _without_none(hint)
    many = get_origin(hint) is tuple
    if many:
        hint = get_args(hint)[0]
    literals: tuple[str, ...] = ()
    if get_origin(hint) is Literal:
        literals, hint = tuple(get_args(hint)), str
    if hint not in _SCALARS:
        raise TypeError(f"{settings.__name__}.{field.name}: {hint} cannot be a setting")
    return Field(field.name, word, hint, optional, many, field.default, literals, about)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    kept = [one for one in get_args(hint) if one is not type(None)]
    if len(kept) != 1:
        raise TypeError(f"{hint} has several types: use one")
    return kept[0], True


def checked(field: Field, value: Any) -> Any:
    """`value` as the field keeps it; raises UsageError."""
    if field.about.read is not None:
        return field.about.read(value)
    if value is None and field.optional:
        return None
    if field.many:
        given = [value] if isinstance(value, str | Path) or not _is_listing(value) else value
        return tuple(_one(field, item) for item in given)
    return _one(field, value)


def _is_listing(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _one(field: Field, value: Any) -> Any:
    value = _typed(field, value)
    if field.choices and not field.about.open and value not in field.choices:
        raise wrong(field, value)
    about = field.about
    if field.kind in (int, float):
        too_low = (about.least is not None and value < about.least) or (
            about.above is not None and value <= about.above
        )
        if too_low or (about.most is not None and value > about.most):
            raise wrong(field, value)
        most = about.cap or (MOST_INT if field.kind is int else MOST_FLOAT)
        if about.most is None and abs(value) > most:
            message = f"{field.word}={as_text(value)} is beyond {as_text(most)}"
            raise UsageError(message, f"it must be {field.wanted}")
    if about.exists is not None:
        require(field.word, value, about.exists)
    return value


def _typed(field: Field, value: Any) -> Any:
    """The value with the field's type, as far as nothing is lost; raises UsageError."""
    kind = field.kind
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and kind in (str, Path):  # Hydra reads stage=3 and output_dir=2026 as numbers
        value = str(value)
    if kind is Path and isinstance(value, str | Path) and str(value):
        require_storable(field.word, value)
        return Path(value).expanduser()
    if kind is float and number:
        if abs(value) <= sys.float_info.max:  # an integer may be larger, and NaN is not
            return float(value)
    elif (kind is int and isinstance(value, int) and not isinstance(value, bool)) or (
        kind in (bool, str) and isinstance(value, kind) and value != ""
    ):
        return value
    raise wrong(field, value)


def wrong(field: Field, value: Any) -> UsageError:
    """The error of a value that the field cannot take."""
    if value is None or value == "":
        return UsageError(f"{field.named} has no value", f"it must be {field.wanted}")
    text, plain = as_text(value), field.about.positional
    if field.required or field.default is None:
        hint = f"see --help for {field.named}"
    else:
        hint = f"the default is {field.word}={as_text(field.default)}"
    hint = did_you_mean(text, field.choices, hint, "{}" if plain else f"{field.word}={{}}")
    return UsageError(f"{field.named}{' ' * plain}{text} must be {field.wanted}", hint)


def did_you_mean(given: str, known: Sequence[str], otherwise: str, pattern: str = "{}") -> str:
    """A hint that names the known word nearest to `given`, or `otherwise`.

    Args:
        given: what is unknown.
        known: what it may be a misspelling of.
        otherwise: the hint where nothing is near.
        pattern: how the word is written, with {} in its place: `{}=`.
    """
    near = get_close_matches(given, known, 1, 0.6)
    return f"did you mean {pattern.format(near[0])}?" if near else otherwise


def as_text(value: Any) -> str:
    """A value as one writes it after `key=`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ",".join(as_text(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.as_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _paths(value: Any) -> list[Path]:
    """The paths of a value that is one, several, or none."""
    if isinstance(value, tuple):
        return [path for path in value if isinstance(path, Path)]
    return [value] if isinstance(value, Path) else []
