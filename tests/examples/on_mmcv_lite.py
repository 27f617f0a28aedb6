"""Run a module that imports mmdet where mmcv has no compiled operators.

`python -m tests.examples.on_mmcv_lite examples.with_mmdet --steps 10`
"""

import runpy
import sys

from tests.parity import mmdet_stub

if __name__ == "__main__":
    mmdet_stub.module("mmdet.models")
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__")
