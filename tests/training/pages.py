"""A configuration on three phantoms, small enough to train in a second."""

import numpy as np
import yaml

from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.conftest import smooth_head

#: Of a model card.
SMALL_NETWORK = {
    "kind": "unet",
    "mean_network": False,
    "context": 2,
    "widths": [8, 8],
    "blocks": [1, 1],
    "strides": [[2, 2]],
    "fold": [1, 4],
    "embedding": 8,
}


def write_scans(folder):
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        voxels = smooth_head((72, 70, 74), seed)
        write_nifti(Volume(voxels=voxels, affine=np.eye(4)), folder / f"{name}.nii")


def small_page(folder):
    return {
        "name": "t",
        "modality": "MR",
        "description": "for tests",
        "out": str(folder / "runs"),
        "crop": 32,
        "scenes": 2,
        "slices": 2,
        "reuse": 2,
        "data": {
            "root": str(folder),
            "cache": str(folder / "cache"),
            "train": [{"path": "a.nii", "person": "a"}, {"path": "b.nii", "person": "b"}],
            "validate": [{"path": "c.nii", "person": "c"}],
        },
        "network": {"widths": [8, 8], "blocks": [1, 1], "strides": [[2, 2]], "embedding": 8},
        "optimizer": {"warmup_steps": 2, "ema_steps": 3},
        "trainer": {
            "steps": 7,
            "checkpoint_every": 3,
            "validate_every": 4,
            "progress": False,
            "accelerator": "cpu",
            "threads": 1,
        },
    }


def write_page(path, page):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(page))
    return path
