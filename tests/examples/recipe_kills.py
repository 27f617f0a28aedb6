"""Kills a run again and again, at random moments, until it has been killed often enough; then lets it end.

Where the machine is so fast that the run ends before, the next one begins: `folder/0`, `folder/1`, ...
"""

import os
import random
import signal
import sys
import time

import torch

from examples.recipe import sources
from tests.examples import recipe_run


def main(kills, seed, folder, options, cache):
    torch.set_num_threads(1)
    sources.SCENES = dict.fromkeys(sources.SCENES, 24)
    sources.open_images("digits", "train")  # as a run would; made before the first kill
    rng, killed, runs = random.Random(seed), 0, 0
    while True:
        child = os.fork()
        if child == 0:
            recipe_run.main(f"{folder}/{runs}", options, f"{cache}/{runs}")
            os._exit(0)
        if killed < int(kills):
            time.sleep(rng.uniform(0.05, 0.6))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "the run failed by itself"
            runs += 1
            if killed == int(kills):
                break
        else:
            killed += 1
    sys.stdout.write(f"killed {killed} times in {runs} runs\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
