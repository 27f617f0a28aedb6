"""The thread pool: alone (a driver in C++), and under Python's threads and forks."""

import subprocess
import sys

from labelassign.ops.native import library
from tests.architecture.source import ROOT

DRIVER = ROOT / "tests" / "kernels" / "pool_test.cpp"


def drive(folder, *flags):
    """Build the driver with these flags and run it."""
    files = ["-I", library.FOLDER, DRIVER, library.FOLDER / "pool.cpp", "-o", folder / "pool"]
    build = ["c++", "-std=c++17", "-O1", "-g", "-pthread", *flags, *files]
    built = subprocess.run([*map(str, build)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([folder / "pool"], capture_output=True, text=True, check=False, timeout=300)
    assert (ran.returncode, ran.stdout) == (0, "ok\n"), ran.stderr


def test_the_pool(tmp_path):
    drive(tmp_path, "-Wall", "-Wextra", "-Werror")


# One op, its arguments packed once: beside and after the fork the library alone runs, not torch.
START = """
import os, signal, sys, threading
import torch
import labelassign as la
from labelassign.ops.native import library
from tests.scenes import ground_truth

torch.set_num_threads(1)
original, seen = library.call, []
library.call = lambda op, packed, threads: seen.append((op, packed)) or original(op, packed, 4)
priors, held = la.Priors.grid(image_size=(640, 800), strides=(8, 16, 32)), []

def prepare(seed):
    gt = ground_truth([60] * 12, seed=seed)
    out = torch.ops.labelassign.match(
        priors.boxes, None, gt.boxes, gt.labels, gt.offsets, gt.ignore, 6, 0, 0.5, False, False)
    held.append(gt)
    return seen[-1], out, [t.clone() for t in out]

def again(prepared):
    (op, packed), out, want = prepared
    for t in out:
        t.fill_(-7)
    assert original(op, packed, 4) == 0
    return all(torch.equal(a, b) for a, b in zip(out, want))

def threads():
    return len(os.listdir("/proc/self/task"))

alone = threads()
first, second = prepare(1), prepare(2)
assert threads() == alone + 3, (alone, threads())
right, over = [], threading.Event()

def repeat(prepared):
    while not over.is_set():
        right.append(again(prepared))
"""
TWO_THREADS = (
    START
    + """
both = [threading.Thread(target=repeat, args=[p]) for p in (first, second)]
for t in both:
    t.start()
over.wait(1.0)
over.set()
for t in both:
    t.join()
print(all(right), len(right) > 20)
"""
)
FORK = (
    START
    + """
busy = threading.Thread(target=repeat, args=[first])
busy.start()
for k in range(30):
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs is ended, and seen
        fine = threads() == 1 and again(second) and threads() == 4 and again(second)
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0, k
over.set()
busy.join()
print(all(right), len(right) > 5)
"""
)


def python(code):
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_two_threads_of_python_at_once():
    assert python(TWO_THREADS) == ["True", "True"]


def test_fork_while_a_thread_is_inside():
    assert python(FORK) == ["True", "True"]
