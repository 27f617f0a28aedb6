"""Rooms and their direction: a room imports only from its own line and the lines above it."""

import ast
import sys
from fnmatch import fnmatch

import pytest

from tests.architecture.source import PACKAGE, imports, python_files, shown, tree

LINES = (
    ("checks", "geometry", "replicas"),  # tensors and numbers only; records use their overlaps
    ("structures",),
    ("auditing",),  # counts assignments, whoever made them
    ("coders",),
    ("ops",),
    ("costs", "mixture", "solvers"),
    ("assigners",),
    ("distill",),
    ("caching",),
    ("labelassign",),  # the public face, labelassign/__init__.py
    ("draw", "cli", "__main__"),
    ("adapters",),
    ("testing",),
)
HEIGHT = {room: height for height, line in enumerate(LINES) for room in line}

# Who may import what beyond the core dependencies.
CORE = {"torch", "numpy", "jaxtyping"}
FENCED = {
    "triton": ("labelassign/ops/*/triton.py",),
    "scipy": ("labelassign/solvers.py", "labelassign/solvers/*"),
    "safetensors": ("labelassign/structures.py", "labelassign/structures/*"),
    "lmdb": ("labelassign/caching/*",),
    **dict.fromkeys(("matplotlib", "PIL"), ("labelassign/draw.py", "labelassign/draw/*", "labelassign/cli.py")),
    **dict.fromkeys(("rich", "tqdm"), ("labelassign/cli.py", "labelassign/cli/*")),
    **dict.fromkeys(("torchvision", "mmdet", "mmengine", "mmcv", "detectron2"), ("labelassign/adapters/*",)),
    **dict.fromkeys(("transformers", "ultralytics", "effdet", "yolox", "monai", "rfdetr"), ("labelassign/adapters/*",)),
    **dict.fromkeys(("hypothesis", "pytest"), ("labelassign/testing/*",)),
}


def room_of(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def upward(source, path, own):
    """Imports that point from line `own` to a line below it, or to a room that no line names."""
    for line, name in imports(source, path):
        if name.partition(".")[0] == "labelassign" and HEIGHT.get(room_of(name), len(LINES)) > HEIGHT[own]:
            yield f"{shown(path)}:{line} imports {name}"


def foreign(source, path):
    """Imports from outside that no rule lets this file have."""
    for line, name in imports(source, path):
        top = name.partition(".")[0]
        fence = FENCED.get(top, ())
        free = top == "labelassign" or top in CORE or top in sys.stdlib_module_names
        if not free and not any(fnmatch(shown(path), pattern) for pattern in fence):
            yield f"{shown(path)}:{line} imports {name}; allowed in: {', '.join(fence) or 'no file'}"


FILES = python_files("labelassign")


def own_room(path):
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "labelassign" if first == "__init__" else first


def test_every_file_lives_in_a_room():
    assert FILES
    assert not [shown(path) for path in FILES if own_room(path) not in HEIGHT], "give the room a place in LINES"


def test_imports_follow_the_direction_of_the_rooms():
    placed = [path for path in FILES if own_room(path) in HEIGHT]
    assert not [found for path in placed for found in upward(tree(path), path, own_room(path))]


def test_outside_libraries_stay_in_their_room():
    assert not [found for path in FILES for found in foreign(tree(path), path)]


def test_every_folder_is_a_package():
    assert not [shown(path.parent) for path in FILES if not (path.parent / "__init__.py").is_file()]


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ("structures", "from labelassign.ops import match"),
        ("structures", "from ..assigners import base"),
        ("ops", "import labelassign"),
        ("geometry", "if TYPE_CHECKING:\n    from labelassign.structures import Priors"),
        ("assigners", "def f():\n    from labelassign import testing"),
        ("distill", "import labelassign.adapters.mmdet"),
        ("structures", "from labelassign.unheard_of import x"),
    ],
)
def test_the_direction_rule_catches(own, code):
    assert list(upward(ast.parse(code), PACKAGE / "structures" / "example.py", own))


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("ops/match/reference.py", "import triton"),
        ("assigners/hungarian.py", "from scipy.optimize import linear_sum_assignment"),
        ("solvers.py", "import sklearn"),
        ("adapters/mmdet.py", "from sklearn.mixture import GaussianMixture"),
        ("assigners/atss.py", "def f():\n    import torchvision"),
    ],
)
def test_the_library_rule_catches(where, code):
    assert list(foreign(ast.parse(code), PACKAGE / where))
