"""The channels of guides that lie on the fine grid of a scan, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from medsr.acquisition.guided import GUIDE_CHANNELS, REACH, guide_channels
from medsr.restore.chunks import Chunk, chunks_of
from medsr.restore.upsampled import STATE, Upsampled

__all__ = ["OnGrid", "with_guides"]

#: Voxels of a chunk: more than elsewhere, since each takes its surroundings along.
VOXELS = 1_000_000

#: A guide on the fine grid; see `Upsampled.images`.
OnGrid = tuple[Tensor, Tensor]


def with_guides(upsampled: Upsampled, guides: Sequence[OnGrid]) -> Upsampled:
    """An upsampled scan with the channels of its guides; none where there are no guides."""
    if not guides:
        return replace(upsampled, images=(), guides=None)
    shape = upsampled.acquisition.fine_shape
    found = torch.empty((GUIDE_CHANNELS * len(guides), *shape), dtype=STATE)
    for own, (image, valid) in zip(torch.split(found, GUIDE_CHANNELS), guides, strict=True):
        for place, near, inner in _with_margins(upsampled):
            channels = guide_channels(
                image[near].float(),
                valid[near].float(),
                upsampled.scan[near],
                upsampled.acquisition,
            )
            own[(slice(None), *place)] = channels[(slice(None), *inner)]
    images = tuple((own[0], own[1]) for own in torch.split(found, GUIDE_CHANNELS))
    return replace(upsampled, images=images, guides=found)


def _with_margins(upsampled: Upsampled) -> Iterator[tuple[Chunk, Chunk, Chunk]]:
    """Each chunk, the same with what its channels depend on, and where it lies in that."""
    for chunk in chunks_of(upsampled.acquisition, VOXELS):
        near, inner = list(chunk), [slice(None)] * 3
        for k, part in enumerate(chunk):
            if part.start is None:
                continue
            count = upsampled.acquisition.axes[k].fine_count
            first, last = max(0, part.start - REACH), min(count, part.stop + REACH)
            near[k] = slice(first, last)
            inner[k] = slice(part.start - first, part.stop - first)
        yield chunk, (near[0], near[1], near[2]), (inner[0], inner[1], inner[2])
