"""Claims: one holder, void only when nobody is behind them."""

import json
import multiprocessing
import os
import subprocess
import sys
import time

import pytest

from medsr.batch import claim as claims
from medsr.batch.claim import acquire, beating, is_mine, release

AGE_S = 600.0


def test_one_holder_at_a_time(tmp_path):
    first = acquire(tmp_path, "k", "run-1", AGE_S)
    assert acquire(tmp_path, "k", "run-2", AGE_S) is None
    assert acquire(tmp_path, "other", "run-2", AGE_S) is not None
    release(first)
    assert acquire(tmp_path, "k", "run-2", AGE_S).number == 0


def test_a_dead_process_holds_nothing(tmp_path):
    code = "from medsr.batch.claim import acquire; from pathlib import Path; import sys; "
    code += "acquire(Path(sys.argv[1]), 'k', 'dead', 600.0)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    taken = acquire(tmp_path, "k", "run", AGE_S)
    assert (taken.number, taken.losses) == (1, 0)
    release(taken)
    assert not list(tmp_path.iterdir())


def test_another_machine_is_trusted_until_the_age_limit(tmp_path):
    theirs = acquire(tmp_path, "k", "theirs", AGE_S)
    facts = {**json.loads(theirs.path.read_text()), "host": "elsewhere"}
    theirs.path.write_text(json.dumps(facts))
    assert acquire(tmp_path, "k", "ours", AGE_S) is None
    old = time.time() - AGE_S - 5
    os.utime(theirs.path, (old, old))
    ours = acquire(tmp_path, "k", "ours", AGE_S)
    assert ours is not None
    assert is_mine(ours)
    assert not is_mine(theirs)  # it wakes up, and must not write
    release(theirs)
    assert is_mine(ours)  # the sleeper gives back its own claim only


def test_a_run_that_asks_again_has_lost_its_worker(tmp_path):
    losses = [acquire(tmp_path, "k", "run", AGE_S).losses for _ in range(4)]
    assert losses == [0, 1, 2, 3]


def test_a_claim_that_was_cut_off_while_written_is_soon_void(tmp_path):
    (tmp_path / "k.0").touch()
    assert acquire(tmp_path, "k", "run", AGE_S) is None
    old = time.time() - claims.NAMELESS_S - 1
    os.utime(tmp_path / "k.0", (old, old))
    assert acquire(tmp_path, "k", "run", AGE_S) is not None


def test_a_holder_gives_signs_of_life(tmp_path):
    claim = acquire(tmp_path, "k", "run", AGE_S)
    os.utime(claim.path, (1, 1))
    with beating(claim, 0.1):
        time.sleep(0.3)
    assert claim.path.stat().st_mtime > 1


def _race(folder, start, over, won):
    start.wait()
    for key in range(50):
        if acquire(folder, str(key), f"run-{os.getpid()}", AGE_S) is not None:
            won.put(key)
    won.put(-1)
    over.wait()  # a dead winner would hold nothing


@pytest.mark.parametrize("void", [False, True])
def test_of_many_that_want_it_one_gets_it(tmp_path, void):
    """Also when all of them find the void claim of a dead process at the same time."""
    if void:
        for key in range(50):
            facts = {**claims._me(), "pid": 2**22 + 7, "run": "dead"}
            (tmp_path / f"{key}.0").write_text(json.dumps(facts))
    context = multiprocessing.get_context("spawn")
    start, over, won = context.Event(), context.Event(), context.Queue()
    words = (tmp_path, start, over, won)
    racers = [context.Process(target=_race, args=words) for _ in range(3)]
    for racer in racers:
        racer.start()
    start.set()
    keys, ended = [], 0
    while ended < len(racers):
        key = won.get(timeout=120)
        ended += key == -1
        keys += [key] if key >= 0 else []
    over.set()
    for racer in racers:
        racer.join()
    assert sorted(keys) == list(range(50))


def test_a_dead_holder_that_nobody_has_waited_for_is_dead(tmp_path):
    child = os.fork()
    if not child:
        acquire(tmp_path, "scan", "first", AGE_S)
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
    try:
        assert acquire(tmp_path, "scan", "second", AGE_S) is not None
    finally:
        os.waitpid(child, 0)
