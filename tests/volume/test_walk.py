"""Every file is found, also behind links, and what is not here is named."""

import os

import pytest

from medsr.volume.missing import is_pointer, why_not_here
from medsr.volume.walk import Dangling, Unreadable, walk


def tree(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    return root


def test_links_to_folders_are_followed_and_loops_are_not(tmp_path):
    store = tree(tmp_path / "store", "one/a.dcm", "one/deep/b.dcm")
    study = tree(tmp_path / "study", "sub-02/c.dcm")
    (study / "sub-01").symlink_to(store / "one")
    (study / "sub-02" / "up").symlink_to(study)
    (store / "one" / "self").symlink_to(store / "one")
    (study / "loop").symlink_to("loop")
    assert list(walk(study)) == [
        "loop",
        "sub-01/a.dcm",
        "sub-01/deep/b.dcm",
        "sub-02/c.dcm",
    ]


def test_a_knot_of_links_ends(tmp_path):
    folders = [tmp_path / "root" / f"f{k}" for k in range(6)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "a.dcm").write_text("x")
    for folder in folders:
        for other in folders:
            (folder / f"to_{other.name}").symlink_to(other)
    assert 6 <= len(list(walk(tmp_path / "root"))) < 10_000


def test_links_to_nothing_are_named_where_they_are_named_like_images(tmp_path):
    for name in ("a.nii.gz", "b.dcm", "IM0001", "1.2.840.5", "notes.txt", "table.csv"):
        (tmp_path / name).symlink_to("../.git/annex/objects/x")
    found = list(walk(tmp_path))
    assert found == ["1.2.840.5", "IM0001", "a.nii.gz", "b.dcm"]
    assert all(isinstance(path, Dangling) for path in found)


def test_hidden_folders_and_the_output_are_left_out(tmp_path):
    tree(tmp_path, "a.dcm", ".git/b.dcm", "out/c.dcm", "__MACOSX/d.dcm")
    assert list(walk(tmp_path, tmp_path / "out")) == ["a.dcm"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_closed_folder_is_said(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    assert [type(path) for path in walk(tmp_path)] == [Unreadable]


def test_pointers(tmp_path):
    path = tmp_path / "a.dcm"
    for text in (
        "/annex/objects/SHA256E-s7--x.dcm\n",
        "version https://git-lfs.github.com/spec/v1",
    ):
        path.write_text(text)
        assert is_pointer(path)
        assert "pointer" in why_not_here(path)
    path.write_text("DICM")
    assert not is_pointer(path)
    os.mkfifo(tmp_path / "pipe")
    assert not is_pointer(tmp_path / "pipe")
