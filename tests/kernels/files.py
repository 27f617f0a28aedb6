"""The built library and imitations of it."""

import hashlib
import json

from labelassign.ops.native import library

NAME = json.loads((library.FOLDER / "library.json").read_text())["file"]
BUILT = library.FOLDER / NAME


def write(folder, content):
    """A library of this content, and the manifest that its build would have written."""
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(content)
    built = {"file": NAME, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "library.json").write_text(json.dumps(built))
    return folder
