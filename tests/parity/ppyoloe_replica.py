"""What PaddleDetection 2.6's TaskAlignedAssigner computes, object by object and prior by prior in NumPy.

Written from what it does. It agreed with PaddleDetection 2.6.0 itself, run on PaddlePaddle 3.3.1, in every prior of the
scenes in tests/parity/test_ppyoloe.py; PaddlePaddle is no dependency of the tests.
"""

import numpy as np

f32 = np.float32


def overlap(a, b):
    """IoU of two boxes, with 1e-10 in the union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, f32(0)) * max(height, f32(0))
    sizes = [max(x[2] - x[0], f32(0)) * max(x[3] - x[1], f32(0)) for x in (a, b)]
    return both / (sizes[0] + sizes[1] - both + f32(1e-10))


def assign(points, objects, labels, boxes, scores, topk=13, alpha=1.0, beta=6.0, eps=1e-9):
    """Rows `[N]` (-1: background) and soft targets `[N]` of one image; float32 arrays."""
    rows = range(len(objects))
    u = np.array([[overlap(g, p) for p in boxes] for g in objects], f32)
    t = scores[:, labels].T ** f32(alpha) * u ** f32(beta)
    inside = np.array([np.minimum(points - g[:2], g[2:] - points).min(1) > eps for g in objects])
    chosen = np.zeros_like(inside)
    for r in rows:
        best = np.argsort(-(t[r] * inside[r]), kind="stable")[:topk]
        chosen[r, best] = inside[r, best]
    owner = np.full(len(points), -1)
    for n in np.flatnonzero(chosen.any(0)):
        wants = np.flatnonzero(chosen[:, n])
        owner[n] = wants[0] if len(wants) == 1 else u[:, n].argmax()  # of all, whether it lies in them or not
    soft = np.zeros(len(points), f32)
    for r in rows:
        own = owner == r
        if own.any():
            soft[own] = t[r, own] / (t[r, own].max() + f32(eps)) * u[r, own].max()
    return owner, soft
