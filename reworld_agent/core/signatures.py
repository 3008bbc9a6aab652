"""Classes and names of their arguments, from sources: to import Lightning takes seconds."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=32)
def argument_names(target: str) -> tuple[str, ...] | None:
    """Names that a class's constructor takes.

    Args:
        target: `package.module.Class`; the package may hand the class on from another module.

    Returns:
        The names, without `self`; None where the source is not found, cannot be read, or takes
        any name.
    """
    module, _, name = target.rpartition(".")
    file = _source(module)
    tree = None if file is None else _parsed(file)
    if file is None or tree is None:
        return None
    for node in _statements(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _constructor_names(node, module)
        if isinstance(node, ast.ImportFrom) and any(
            (alias.asname or alias.name) == name for alias in node.names
        ):
            return argument_names(f"{_absolute(node, module, file)}.{name}")
    return None


def _parsed(file: Path) -> ast.Module | None:
    """A source; None where it cannot be read: the import says more of that."""
    try:
        return ast.parse(file.read_bytes())  # bytes: a file may name its own encoding
    except (SyntaxError, ValueError):
        return None


def absent(target: str) -> tuple[str, tuple[str, ...]]:
    """Why there is no class or function of a name, as far as sources tell.

    Args:
        target: `package.module.Class`.

    Returns:
        In words: "" where it is there, or only an import could tell; and the full names of the
        module's classes.
    """
    module, _, name = target.rpartition(".")
    file = _source(module)
    if file is None:
        first = module.partition(".")[0]
        return ("" if _is_there(first) else f"there is no module {first or target}"), ()
    tree = _parsed(file)
    if tree is None:
        return "", ()
    bound = set(_bound_names(tree))
    if name in bound or {"*", "__getattr__"} & bound or (file.parent / name).is_dir():
        return "", ()
    classes = [node.name for node in _statements(tree) if isinstance(node, ast.ClassDef)]
    return f"{module} has no {name}", tuple(f"{module}.{one}" for one in classes)


def _bound_names(tree: ast.Module) -> Iterator[str]:
    """Every name that a module may have after it is run, and some that only its functions have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _is_there(module: str) -> bool:
    try:
        return bool(module) and importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return True  # `__main__` and the like


def _statements(module: ast.Module) -> Iterator[ast.stmt]:
    """Of a module's top; of an `if`, such as that of TYPE_CHECKING, what it holds."""
    for node in module.body:
        yield from node.body if isinstance(node, ast.If) else [node]


def _constructor_names(node: ast.ClassDef, module: str) -> tuple[str, ...] | None:
    """What a class takes: by its own constructor, its fields as a dataclass, or its base class."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            given = item.args
            if given.kwarg is not None:
                return None
            names = [*given.posonlyargs, *given.args, *given.kwonlyargs][1:]
            return tuple(argument.arg for argument in names)
    found: dict[str, None] = {}
    for base in node.bases:
        known = isinstance(base, ast.Name) and base.id != node.name
        above = argument_names(f"{module}.{ast.unparse(base)}") if known else None
        if above is None or (found and not _is_dataclass(node)):
            return None  # whose constructor it is, only an import tells
        found.update(dict.fromkeys(above))
    if _is_dataclass(node):
        fields = (item for item in node.body if isinstance(item, ast.AnnAssign))
        declared = [item for item in fields if "ClassVar" not in ast.unparse(item.annotation)]
        found.update(dict.fromkeys(ast.unparse(item.target) for item in declared))
    return tuple(found)


def _is_dataclass(node: ast.ClassDef) -> bool:
    said = (ast.unparse(decorator).partition("(")[0] for decorator in node.decorator_list)
    return any(name.rpartition(".")[2] == "dataclass" for name in said)


def _source(module: str) -> Path | None:
    """The file of a module; only the finder of its first package is asked."""
    first, *below = module.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not below:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        place = Path(folder).joinpath(*below)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
    return None


def _absolute(node: ast.ImportFrom, module: str, file: Path) -> str:
    """The module that `from X import name` names, relative ones included."""
    if not node.level:
        return str(node.module)
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, *filter(None, [node.module])])
