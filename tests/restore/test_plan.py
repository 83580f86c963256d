"""What is decided about a scan before anything is computed."""

from dataclasses import replace

import pytest

from medsr.errors import NotAnatomy
from medsr.restore.options import Options
from medsr.restore.plan import make_plan
from medsr.volume.anatomy import Kind
from tests.network.test_unet_and_checkpoint import card


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", Kind)
def test_what_is_not_anatomy_is_refused_whatever_is_forced(phantom, kind, force):
    scan = replace(phantom, kind=kind)
    with pytest.raises(NotAnatomy):
        make_plan(scan, Options(force=force), card())
