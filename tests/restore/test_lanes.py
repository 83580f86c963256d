"""Calls of the network side by side."""

import threading

import pytest
import torch

from medsr.restore.lanes import MOST_LANES, Totals, in_lanes, parts_of
from medsr.restore.slices import Box

CPU = torch.device("cpu")


@pytest.fixture
def threads():
    """Sets the number of threads; afterwards it is as before."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def parts(count):
    return parts_of([Box(slice(0, count), slice(0, 4), slice(0, 4))], 16)


def test_every_part_is_done_once_and_given_in_order(threads):
    threads(3)
    done = []
    assert list(in_lanes(done.append, parts(20), CPU)) == parts(20)
    assert sorted(run.start for _, run in done) == list(range(20))


def test_lanes_work_at_once_each_on_its_share_of_the_threads(threads):
    threads(2)
    meeting, seen = threading.Barrier(2, timeout=20), []

    def work(part):
        meeting.wait()  # a single lane would never pass
        seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled()))

    list(in_lanes(work, parts(2), CPU))
    assert seen == [(1, True)] * 2
    assert torch.get_num_threads() == 2
    started = []
    later = threading.Thread(target=lambda: started.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert started == [2]  # a lane's number is not left behind


def test_many_threads_share_few_lanes(threads):
    threads(2 * MOST_LANES)
    seen = set()
    list(in_lanes(lambda part: seen.add(torch.get_num_threads()), parts(40), CPU))
    assert seen == {2}


@pytest.mark.parametrize(("count", "device"), [(1, "cpu"), (5, "meta")])
def test_one_part_or_another_device_stays_in_this_thread(threads, count, device):
    threads(2)
    seen = set()
    list(
        in_lanes(lambda part: seen.add(threading.get_ident()), parts(count), torch.device(device))
    )
    assert seen == {threading.get_ident()}


def test_a_fault_ends_it(threads):
    threads(2)
    begun = []

    def work(part):
        begun.append(part)
        raise MemoryError("here")

    with pytest.raises(MemoryError, match="here"):
        list(in_lanes(work, parts(1000), CPU))
    assert len(begun) < 1000
    assert torch.get_num_threads() == 2


def test_totals_grow_with_the_channels():
    totals = Totals(torch.ones(2, 3))
    assert [t.sum().item() for t in totals.at_least(2)] == [0.0, 0.0]
    assert len(totals.at_least(1)) == 2
