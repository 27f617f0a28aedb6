"""`import labelassign` is light: nothing optional comes along, and it takes a moment beyond torch."""

import json
import os
import subprocess
import sys

from tests.architecture.source import ROOT

LIMIT_MS, TRIES = 100.0, 5
OPTIONAL = {
    *("triton", "scipy", "sklearn", "matplotlib", "safetensors", "lmdb", "torchvision", "PIL", "rich", "tqdm"),
    *("hypothesis", "pytest", "beartype", "jax", "mmdet", "mmcv", "mmengine", "cv2"),
}
# CPU time, so that another process on the same cores does not count. torch itself may bring triton and others.
PROBE = """
import json, sys, time
import torch
before, start = set(sys.modules), time.process_time()
import labelassign
spent = time.process_time() - start
new = {name for name in sys.modules if name not in before}
print(json.dumps({"ms": spent * 1e3, "new": sorted(new), "file": labelassign.__file__}))
"""


def probe():
    # where Python may not keep what it compiled, every import would be the first one ever
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_import_is_light():
    times = []
    for _ in range(TRIES):
        answer = probe()
        assert answer["file"] == str(ROOT / "labelassign" / "__init__.py")
        assert not OPTIONAL & {name.partition(".")[0] for name in answer["new"]}
        assert not [name for name in answer["new"] if name.startswith(("labelassign.adapters", "labelassign.testing"))]
        times.append(answer["ms"])
        if times[-1] <= LIMIT_MS:
            break
    assert min(times) <= LIMIT_MS, f"import labelassign took {times} ms of CPU time beyond torch"
