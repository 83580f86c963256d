"""Where real scans lie on a machine that has them; tests that need them skip elsewhere."""

import os
from pathlib import Path

import pytest

REAL_DATA = Path(
    os.environ.get("MEDSR_DATA", Path(__file__).parents[1].parent / "shared" / "data")
)

needs_real_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason="real scans are not here; set MEDSR_DATA to their folder"
)
