"""Memory that is freed stays with the process: blocks of steps cost no page faults again."""

import os
import subprocess
import sys

import pytest

PROBE = """
import resource
from rtickets.platform.memory import keep_freed
import numpy as np
kept = keep_freed()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(1 << 24, np.uint8).sum()  # 16 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(kept, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
@pytest.mark.parametrize(("chosen", "kept"), [({}, "True"), ({"MALLOC_ARENA_MAX": "2"}, "False")])
def test_blocks_that_were_freed_are_taken_again_unless_the_user_chose(chosen, kept):
    others = {name: value for name, value in os.environ.items() if "MALLOC_" not in name}
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env={**others, **chosen}, capture_output=True, text=True)
    said, faults = done.stdout.split()
    assert said == kept, done.stderr
    if kept == "True":
        assert int(faults) < 100  # of 4,096 pages
