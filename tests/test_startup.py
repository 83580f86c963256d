"""`medsr enhance` imports little before its first convolution."""

import subprocess
import sys

import numpy as np

from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.conftest import smooth_head

#: Each takes a tenth of a second or more, and nothing of it is needed yet.
SLOW = ("matplotlib", "monai", "skimage", "sklearn", "scipy.signal", "scipy.stats", "SimpleITK")
SLOW += ("distributed", "highdicom", "jinja2", "pydantic", "torch._dynamo", "sympy")

PROGRAM = """
import sys
from medsr.network.unet import UNet

def stop(*given):
    print([name for name in {slow!r} if name in sys.modules])
    sys.exit(0)

UNet._through = stop
from medsr.cli.main import app
app(["enhance", {scan!r}, "-o", {out!r}, "--modality", "MR", "--force", "-q"])
"""


def test_nothing_slow_is_imported_before_the_first_convolution(tmp_path):
    voxels = smooth_head((32, 32, 10)).astype(np.float32)
    scan = tmp_path / "scan.nii"
    write_nifti(Volume(voxels, np.diag([1.0, 1.0, 4.0, 1.0]), modality="MR"), scan, {})
    program = PROGRAM.format(slow=SLOW, scan=str(scan), out=str(tmp_path / "out.nii"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr[-2000:]
