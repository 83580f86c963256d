"""What is decided about a scan before anything is computed."""

from dataclasses import replace

import pytest

from medsr.errors import NotAnatomy, Refused
from medsr.remarks import Meaning, Remark
from medsr.restore.options import Options
from medsr.restore.plan import check_strict, make_plan
from medsr.volume.anatomy import Kind
from tests.network.test_unet_and_checkpoint import card


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", Kind)
def test_what_is_not_anatomy_is_refused_whatever_is_forced(phantom, kind, force):
    scan = replace(phantom, kind=kind)
    with pytest.raises(NotAnatomy):
        make_plan(scan, Options(force=force), card())


def test_strict_refuses_doubts_and_nothing_else():
    doubt, note = Remark(Meaning.DOUBT, "The slices vary."), Remark(Meaning.NOTE, "It is 1 mm.")
    check_strict([doubt, note], Options(), "scan")
    check_strict([note], Options(strict=True), "scan")
    with pytest.raises(Refused, match=r"^scan: .*--strict.*The slices vary\.$"):
        check_strict([note, doubt], Options(strict=True), "scan")


def test_strict_refuses_a_doubtful_plan_before_anything_is_computed(phantom):
    scan = replace(phantom, remarks=(Remark(Meaning.DOUBT, "A slice is missing."),))
    assert make_plan(scan, Options(), card()).remarks
    with pytest.raises(Refused, match="A slice is missing"):
        make_plan(scan, Options(strict=True), card())
