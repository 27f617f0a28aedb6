"""What the architecture tests read: the files of the repository and the imports in them."""

import ast
import functools
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "labelassign"


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def text_files(*suffixes: str) -> list[Path]:
    """Files of the checkout with these suffixes, those of environments and builds left out."""
    outside = {".venv", ".git", "build", "dist", "_build", "_api"}
    found: list[Path] = []
    for folder, below, names in os.walk(ROOT):
        below[:] = sorted(set(below) - outside)
        found += [Path(folder, name) for name in sorted(names) if name.endswith(suffixes)]
    return found


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: ast.Module, path: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of every import, wherever it stands: top, function or `if TYPE_CHECKING`.

    `from labelassign import checks` gives `labelassign.checks`: the longest name that is a module of the package.
    """
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield node.lineno, full if _is_module(full) else base


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package.pop()
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def _is_module(name: str) -> bool:
    if not name.startswith("labelassign."):
        return False
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or place.is_dir()
