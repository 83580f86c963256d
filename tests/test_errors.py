"""What is said to a person stands on one line and can be printed."""

from medsr.errors import InputError


def test_a_name_with_control_characters_stays_on_its_line():
    assert str(InputError("a\nb\x1b[31m.dcm: is truncated.")) == r"a\nb\x1b[31m.dcm: is truncated."
