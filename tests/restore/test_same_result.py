"""Precision, threads and device are a matter of speed: the result stays the same."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import for_scan
from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.metrics.fidelity import psnr
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.restore.running import Running
from medsr.volume.nifti import read_nifti

REFERENCE = Path(__file__).parents[2] / "sample_data" / "head_T1w_reference.nii.gz"


@pytest.fixture(scope="module")
def block():
    """The middle of the sample head, and its thick slices."""
    head = read_nifti(REFERENCE)
    middle = tuple(slice(n // 2 - 32, n // 2 + 32) for n in head.shape)
    fine = dataclasses.replace(head, voxels=np.ascontiguousarray(head.voxels[middle]))
    spacing = [float(mm) for mm in fine.spacing_mm]
    plan = plan_degradation(
        fine.shape,
        spacing,
        slice_axis=2,
        slice_spacing_mm=4 * spacing[2],
        slice_thickness_mm=None,
        profile="gaussian",
    )
    return fine, degrade(fine, plan, slice_axis=2)


@pytest.fixture(scope="module")
def enhancer():
    return Enhancer.from_pretrained("mr-head", device="cpu")


def run(block, enhancer, *, steps, half):
    fine, low = block
    plan = for_scan(low, [float(mm) for mm in fine.spacing_mm])
    running = Running(dtype=torch.bfloat16 if half else torch.float32)
    plan = Plan(low, plan, Options(steps=steps))
    out = restore(plan, enhancer.denoiser, enhancer.card, running)
    return np.asarray(out.volume.voxels)


@pytest.mark.parametrize("steps", [1, 3])
def test_half_precision_costs_less_than_two_hundredths_of_a_decibel(block, enhancer, steps):
    fine = np.asarray(block[0].voxels)
    found = [
        psnr(fine, run(block, enhancer, steps=steps, half=half), data_range=float(fine.max()))
        for half in (False, True)
    ]
    assert abs(found[0] - found[1]) < 0.02


def test_threads_do_not_matter(block, enhancer):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = run(block, enhancer, steps=3, half=False)
        torch.set_num_threads(2)
        two = run(block, enhancer, steps=3, half=False)
    finally:
        torch.set_num_threads(before)
    assert np.abs(one - two).max() < 1e-3 * np.ptp(one)
