import os
import re
import sys
import tempfile
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
project = "labelassign"
author = "The labelassign developers"
release = version = metadata.version("labelassign")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.doctest"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"labelassign {release}"

autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
default_role = "code"  # single backticks in docstrings
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes of a record are described once, where the class is
napoleon_attr_annotations = False  # the signature shows them
napoleon_custom_sections = [("Ties", "notes_style"), ("Source", "notes_style"), ("Cost", "notes_style")]

# Every example starts from the same small batch; each public name has a page, so that none sees another's variables.
doctest_global_setup = (HERE / "example_batch.py").read_text(encoding="utf-8")
doctest_test_doctest_blocks = "default"
# Where ultralytics has never run it writes settings when it is imported, and says so among an example's output.
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp())
os.environ.setdefault("YOLO_VERBOSE", "false")

# Where public names live: the face of the package, by the room that defines them, then the modules beside it.
ROOMS = {
    "structures": "Records",
    "coders": "Box coders",
    "assigners": "Assigners",
    "distill": "Distillation",
    "caching": "Distillation",
    "costs": "Costs",
    "mixture": "Mixture",
    "ops": "Operations",
    "auditing": "Audits",
}
MODULES = {
    "labelassign.distill.losses": "Distillation losses",
    "labelassign.geometry": "Geometry",
    "labelassign.draw": "Drawing",
    "labelassign.adapters": "Adapters",
    "labelassign.adapters.torchvision": "Adapters",
    "labelassign.adapters.ultralytics": "Adapters",
    "labelassign.adapters.mmdet": "Adapters",
    "labelassign.adapters.transformers": "Adapters",
    "labelassign.adapters.effdet": "Adapters",
    "labelassign.adapters.monai": "Adapters",
    "labelassign.adapters.yolox": "Adapters",
    "labelassign.adapters.detectron2": "Adapters",
    "labelassign.adapters.rfdetr": "Adapters",
}


def public(module: ModuleType) -> dict[str, Any]:
    """Return what a module offers: the classes and functions of `__all__`, or those that it defines."""
    own = [name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__]
    names = getattr(module, "__all__", [name for name in own if not name.startswith("_")])
    things = {name: getattr(module, name) for name in sorted(names, key=str.lower)}
    return {name: thing for name, thing in things.items() if callable(thing)}


def page(module: str, name: str, thing: Any) -> str:
    """Return the text of the page of one public class or function."""
    head = f"{name}\n{'=' * len(name)}\n\n.. currentmodule:: {module}\n"
    if isinstance(thing, type):
        call = "   :special-members: __call__\n" if "__call__" in vars(thing) else ""
        return f"{head}.. autoclass:: {name}\n   :members:\n   :inherited-members: tuple, int, Module\n{call}"
    return f"{head}.. autofunction:: {name}\n"


def write_pages(_app: object) -> None:
    """Write one page for each public class and function, and the list of them."""
    sections: dict[str, list[str]] = {title: [] for title in [*ROOMS.values(), "Other", *MODULES.values()]}
    pages: dict[str, str] = {}
    for module in ("labelassign", *MODULES):
        for name, thing in public(import_module(module)).items():
            stem = f"{module}.{name}".removeprefix("labelassign.")
            if f"{stem}.rst".lower() in map(str.lower, pages):  # one file where case makes no difference
                stem += "-function"
            pages[f"{stem}.rst"] = page(module, name, thing)
            room = [*thing.__module__.split("."), ""][1]
            title = MODULES.get(module) or ROOMS.get(room, "Other")
            shown, about = stem.removesuffix("-function"), (thing.__doc__ or "").strip().partition("\n")[0]
            sections[title].append(f"- [{shown}]({stem}.rst): {about}")
    lists = "\n\n".join(f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items() if lines)
    toctree = "\n".join(name.removesuffix(".rst") for name in pages)
    pages["index.md"] = f"# Reference\n\n{lists}\n\n```{{toctree}}\n:hidden:\n\n{toctree}\n```\n"
    folder = HERE / "_api"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # an unchanged page is not built again
            path.write_text(text, encoding="utf-8")


def plain_bars(_app: object, _what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    """Let |x| in a docstring be an absolute value, as its reader takes it, instead of a substitution."""
    code = (">>>", "...")
    lines[:] = [
        x if x.lstrip().startswith(code) else re.sub(r"(`[^`]*`)|\|", lambda m: m[1] or r"\|", x) for x in lines
    ]


def setup(app: Any) -> None:
    """Write the reference pages before Sphinx looks for files; let examples import mmdet beside mmcv-lite."""
    sys.path.insert(0, str(HERE.parent))
    import_module("tests.parity.mmdet_stub").module("mmdet.models")
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", plain_bars)
