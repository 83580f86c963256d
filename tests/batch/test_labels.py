"""Participants and sessions of a BIDS dataset."""

import pytest

from medsr.batch.labels import EVERYBODY, Labels, labels_in
from medsr.errors import InputError


@pytest.fixture
def dataset(tmp_path):
    for folder in ("sub-01/ses-a/anat", "sub-01/ses-b/anat", "sub-02/anat", "code"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("labels", "folder", "enters"),
    [
        (EVERYBODY, "sub-01", True),
        (EVERYBODY, "sub-01/ses-a/anat", True),
        (EVERYBODY, "derivatives/medsr", False),
        (Labels(("01",)), "sub-01/anat", True),
        (Labels(("01",)), "sub-011", False),
        (Labels(("01",)), "sub-02/anat", False),
        (Labels((), ("a",)), "sub-01", True),
        (Labels((), ("a",)), "sub-01/ses-a/anat", True),
        (Labels((), ("a",)), "sub-01/ses-ab", False),
        (Labels((), ("a",)), "sub-02/anat", False),
        (Labels(("02",), ("a",)), "sub-01/ses-a", False),
    ],
)
def test_which_folders_are_entered(labels, folder, enters):
    assert labels.may_enter(folder) is enters


def test_labels_are_taken_with_and_without_their_key(dataset):
    assert labels_in(dataset, ["sub-01", "02", "01"], ["ses-a"]) == Labels(("01", "02"), ("a",))


@pytest.mark.parametrize(
    ("people", "sessions", "words"),
    [
        (["03"], [], "no participant sub-03 in this dataset; it has sub-01, sub-02. Correct"),
        (["*"], [], "no participant sub-\\*"),
        (["../code"], [], "no participant sub-../code"),
        ([], ["c"], "no session ses-c in this dataset; it has ses-a, ses-b. Correct"),
        (["02"], ["a"], "no session ses-a in this dataset; it has none. Correct --session-label"),
    ],
)
def test_a_label_that_is_not_there_is_an_error(dataset, people, sessions, words):
    with pytest.raises(InputError, match=words):
        labels_in(dataset, people, sessions)
