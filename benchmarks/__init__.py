"""Benchmarks: each checks its results before it takes a time, and writes down the machine it ran on."""

import os

# OpenMP reads this when torch loads it. Several OpenMP runtimes share the process (torch's, scikit-learn's), and on few
# cores a runtime whose idle threads spin takes the cores from the others.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
