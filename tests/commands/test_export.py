"""What `export-bundle` and `export-hub` refuse, and that they write all or nothing."""

import errno
from pathlib import Path

import pytest

from medsr.commands import export
from medsr.commands.export import export_bundle, export_hub
from medsr.errors import InputError, OutputError, Refused, UsageError
from medsr.network.checkpoint import save_model
from tests.command_line import call
from tests.network.test_unet_and_checkpoint import card, small_denoiser

both = pytest.mark.parametrize("run", [export_bundle, export_hub])


@pytest.fixture
def model(tmp_path):
    """A small model of somebody's own, with a licence."""
    path = tmp_path / "small.safetensors"
    own = card(licence="CC0-1.0", attributions=("heads of volunteers: CC0 1.0",))
    save_model(small_denoiser(), own, path)
    return str(path)


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@both
def test_the_same_model_gives_the_same_bytes(run, model, tmp_path):
    for name in ("a", "b"):
        run(model, tmp_path / name, "A. Author", overwrite=False)
    assert content(tmp_path / "a") == content(tmp_path / "b")


@both
def test_licence_attributions_and_authors_are_those_of_the_model(run, model, tmp_path):
    run(model, tmp_path / "out", "A. Author", overwrite=False)
    text = (tmp_path / "out" / "LICENSE").read_text(encoding="utf-8")
    for words in ("CC0-1.0", "heads of volunteers: CC0 1.0", "Copyright (c) A. Author"):
        assert words in text


@both
def test_an_earlier_export_is_replaced_only_when_asked(run, model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    run(model, out, "A. Author", overwrite=False)  # an empty folder may be filled
    with pytest.raises(OutputError, match="use --overwrite"):
        run(model, out, "A. Author", overwrite=False)
    run(model, out, "B. Author", overwrite=True)
    assert "B. Author" in (out / "LICENSE").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.glob(".*")] == []


@both
def test_a_folder_with_other_files_is_never_replaced(run, model, tmp_path):
    out = tmp_path / "out"
    run(model, out, "A. Author", overwrite=False)
    (out / "docs").mkdir(exist_ok=True)
    (out / "docs" / "notes.txt").write_text("mine", encoding="utf-8")
    before = content(out)
    with pytest.raises(OutputError, match=r"contains docs/notes\.txt, which no export"):
        run(model, out, "A. Author", overwrite=True)
    assert content(out) == before
    with pytest.raises(OutputError, match="is a file"):
        run(model, out / "LICENSE", "A. Author", overwrite=True)


@pytest.mark.parametrize(
    ("run", "fill"), [(export_bundle, "fill_bundle"), (export_hub, "fill_hub_folder")]
)
def test_a_full_disk_leaves_nothing(run, fill, model, tmp_path, monkeypatch):
    real = getattr(export, fill)

    def fill_and_fail(shared, folder):
        real(shared, folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export, fill, fill_and_fail)
    with pytest.raises(OutputError, match="the disk is full"):
        run(model, tmp_path / "out", "A. Author", overwrite=False)
    assert {path.name for path in tmp_path.iterdir()} == {"small.safetensors", "small.json"}


@both
def test_what_cannot_be_shared_is_refused(run, model, tmp_path):
    with pytest.raises(UsageError, match="add --authors"):
        run(model, tmp_path / "out", None, overwrite=False)
    save_model(small_denoiser(), card(), Path(model))
    with pytest.raises(Refused, match="names no licence"):
        run(model, tmp_path / "out", "A. Author", overwrite=False)
    with pytest.raises(InputError, match="there is no such model"):
        run("mr-hand", tmp_path / "out", None, overwrite=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["export-bundle", "export-hub"])
def test_the_commands_say_where_and_what_next(command, model, tmp_path, capsys):
    words = [command, model, tmp_path / "out", "--authors", "A. Author"]
    assert call(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"written: {tmp_path / 'out'}"
    assert lines[1].startswith("try it: ")
    assert call(*words) == OutputError.exit_code
