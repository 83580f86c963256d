"""Runs a batch again and again and kills its whole process group at random moments.

`python -m tests.batch.killer IN OUT MODEL KILLS WORKERS`, in a process of its own: every attempt
is a fork with a process group of its own, so that it starts at once. Prints a JSON report.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from medsr.batch import cluster, engine
from medsr.restore.options import Options
from tests.batch.studies import make_plan, stub_restore

#: So that each scan has two outputs, the second of which is the spread.
OPTIONS = Options(samples=2)

#: An attempt is killed after so many new outputs: 0 falls into start, planning or the first scan.
OUTPUTS = (0, 1, 2, 4)

#: And so long after them at most, s: with the outputs above, ten attempts finish under 60 scans.
LONGEST_S = 0.05


def slow_restore(volume, job):
    """Stands for the model: slow enough that an attempt ends in the middle of the work."""
    time.sleep(0.03)
    return stub_restore(volume, job)


def attempt(source, out, model, workers):
    """One run of the command, in a process group of its own."""
    os.setsid()
    plan = make_plan(source, out, model=model, options=OPTIONS)
    if not workers:
        engine.run(plan, restore=slow_restore)
        return
    with cluster.local(workers) as client:
        engine.run(plan, client, restore=slow_restore)


def start(*words):
    child = os.fork()
    if child:
        return child
    try:
        attempt(*words)
        os._exit(0)
    except BaseException as fault:
        print(f"attempt failed: {fault!r}", file=sys.stderr)
        os._exit(1)


def finished(out):
    """Output -> what would change if it were written again. Folders may vanish during the walk."""
    return {
        str(path.relative_to(out)): [path.stat().st_ino, path.stat().st_mtime_ns]
        for folder, _, names in os.walk(out)
        for path in (Path(folder) / name for name in names)
        if path.name.endswith(".nii.gz") or path.name == "slice_0001.dcm"
        if ".medsr" not in path.parts and "_std" not in str(path.relative_to(out))
    }


def wait_for_outputs(out, enough):
    """However slow the machine is, an attempt is killed in the middle of its work."""
    until = time.monotonic() + 120
    while time.monotonic() < until and len(finished(out)) < enough:
        time.sleep(0.005)


def main(source, out, model, kills, workers):
    moments = random.Random(4)
    history, killed = [], 0
    for outputs, _ in zip(itertools.cycle(OUTPUTS), range(kills), strict=False):
        enough = len(finished(out)) + outputs
        child = start(source, out, model, workers)
        wait_for_outputs(out, enough)
        time.sleep(moments.uniform(0, LONGEST_S))
        os.killpg(child, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        history.append(finished(out))
    left = len(list((out / ".medsr").glob("*")))
    code = os.waitstatus_to_exitcode(os.waitpid(start(source, out, model, workers), 0)[1])
    history.append(finished(out))
    twice = [
        name
        for before, after in itertools.pairwise(history)
        for name, facts in before.items()
        if after.get(name) != facts
    ]
    done = [len(one) for one in history]
    report = {"killed": killed, "done": done, "twice": twice, "left": left, "code": code}
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
