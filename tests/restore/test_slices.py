"""Which slices, and which part of them, go through the network."""

from __future__ import annotations

import torch

from medsr.restore.slices import ALIGN, GROUP, MARGIN, anatomy_boxes


def head_in_air() -> torch.Tensor:
    stack = torch.zeros(40, 96, 128)
    stack[16:30, 40:60, 50:70] = 1.0
    return stack


def test_boxes_hold_all_anatomy_with_a_margin() -> None:
    stack = head_in_air()
    covered = torch.zeros_like(stack, dtype=torch.bool)
    for box in anatomy_boxes(stack):
        covered[box.stack, box.rows, box.columns] = True
    assert bool(covered[16:30, 40 - MARGIN : 60 + MARGIN, 50 - MARGIN : 70 + MARGIN].all())


def test_boxes_leave_out_air() -> None:
    boxes = anatomy_boxes(head_in_air())
    assert [box.stack.start for box in boxes] == [2 * GROUP, 3 * GROUP]
    assert all(box.rows == slice(32, 80) and box.columns == slice(32, 80) for box in boxes)


def test_boxes_start_where_the_network_folds() -> None:
    assert all(
        side.start % ALIGN == 0
        for box in anatomy_boxes(head_in_air())
        for side in (box.rows, box.columns)
    )


def test_a_noisy_scan_is_covered_whole() -> None:
    noisy = torch.rand(20, 70, 90, generator=torch.Generator().manual_seed(0))
    boxes = anatomy_boxes(noisy)
    assert sum((b.stack.stop - b.stack.start) * b.voxels for b in boxes) == noisy.numel()


def test_empty_air_needs_no_network() -> None:
    assert anatomy_boxes(torch.zeros(20, 64, 64)) == []
