"""What the benchmarks of speed stand on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from torch import nn

from benchmarks.page import read_region
from benchmarks.speed.figures import PAGE
from benchmarks.speed.peers import SynthSRNetwork
from benchmarks.speed.timing import busy, timed

ROOT = Path(__file__).parents[2]


def loads() -> list[psutil.Process]:
    return psutil.Process().children()


@pytest.mark.parametrize("own", [False, True])
def test_loads_are_busy_and_end(own: bool) -> None:
    before = set(loads())  # helpers of other tests may still run
    with busy(2, own_sessions=own):
        found = set(loads()) - before
        assert len(found) == 2
        assert all((os.getsid(p.pid) != os.getsid(0)) == own for p in found)
    assert set(loads()) <= before


def test_a_command_is_timed_with_its_processor_time() -> None:
    work = "import time; e = time.process_time() + 0.3\nwhile time.process_time() < e: pass"
    run = timed([sys.executable, "-c", work])
    assert run.seconds >= 0.3
    assert 0.3 <= run.cpu_s < 2


def test_the_network_of_synthsr_has_the_published_sizes() -> None:
    network = SynthSRNetwork()
    widths = [m.out_channels for m in network.down.modules() if isinstance(m, nn.Conv3d)]
    assert widths == [24, 24, 48, 48, 96, 96, 192, 192, 384, 384]
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 32, 32, 32)).shape == (1, 1, 32, 32, 32)


def test_the_drawers_name_alone_leads_to_the_figures() -> None:
    call = [sys.executable, "-m", "benchmarks", "speed", "--help"]
    run = subprocess.run(call, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "--study" in run.stdout


@pytest.mark.parametrize(
    "part", ["beside", "precision", "start", "batch", "peers", "convolutions"]
)
def test_the_page_has_a_region_for_each_part(part: str) -> None:
    assert read_region(PAGE, f"speed.figures {part}")
