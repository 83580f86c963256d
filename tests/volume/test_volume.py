"""A volume is valid or not made at all."""

import numpy as np
import pytest

from medsr.errors import Refused
from medsr.volume.volume import Volume


@pytest.mark.parametrize("value", [1.8e19, -2e9, 3e38])
def test_intensities_that_no_scanner_measures_are_refused(value):
    """Padding read with the wrong sign, or bytes of floats in the wrong order."""
    voxels = np.ones((4, 4, 4), np.float32)
    voxels[1, 2, 3] = value
    with pytest.raises(Refused, match="not plausible"):
        Volume(voxels, np.eye(4))


def test_large_units_are_none_of_our_business():
    voxels = np.full((4, 4, 4), 9e8, np.float32)
    assert Volume(voxels, np.eye(4)).voxels.max() == np.float32(9e8)
