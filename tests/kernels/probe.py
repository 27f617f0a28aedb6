"""What an installed package is, outside of any checkout: prints its place, the path that an op takes, why the compiled
library is not used (null: it is), and whether it gives the reference's answer.

With an argument, that path is expected and everything else an error: the test of a wheel on the machine that built it.
"""

import json
import sys

import torch

import labelassign as la
from labelassign.ops.dispatch import OPS
from labelassign.ops.native import library

priors = la.Priors.grid(image_size=(64, 64), strides=(8, 16))
gt = la.GroundTruth.from_list([{"boxes": [[3.0, 5, 40, 44]], "labels": [0]}])
arguments = (priors.boxes, None, gt.boxes, gt.labels, gt.offsets, gt.ignore, 1, 0, 0.5, False, False)
path = la.explain("match", *arguments).path
same = all(map(torch.equal, torch.ops.labelassign.match(*arguments), OPS["match"].reference(*arguments)))
print(json.dumps([la.__file__, path, library.why_not(), same]))  # noqa: T201 - read by test_build.py
if sys.argv[1:] not in ([], [path]) or not same:
    sys.exit(1)
