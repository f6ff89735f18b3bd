"""The run directory: one owner, recipes kept, stages rebuilt beside the old and renamed into place."""

import subprocess
import sys

import pytest

from tracegen import rundir
from tracegen.records import UsageError


def build(folder, inputs, text):
    with rundir.rebuilt(folder, inputs) as new:
        (new / "file").write_text(text)


def test_equal_inputs_skip_a_stage_and_others_rebuild_it(tmp_path):
    folder = tmp_path / "corpus"
    assert not rundir.up_to_date(folder, {"n": 1})
    build(folder, {"n": 1}, "one")
    assert rundir.up_to_date(folder, {"n": 1})
    assert not rundir.up_to_date(folder, {"n": 2})
    build(folder, {"n": 2}, "two")
    assert (folder / "file").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_failed_rebuild_leaves_the_old_stage(tmp_path):
    folder = tmp_path / "corpus"
    build(folder, {"n": 1}, "one")
    with pytest.raises(IsADirectoryError), rundir.rebuilt(folder, {"n": 2}) as new:
        new.write_text("half")
    assert rundir.up_to_date(folder, {"n": 1})
    assert (folder / "file").read_text() == "one"


@pytest.mark.parametrize("crash", ["between the renames", "before the new one was complete"])
def test_a_crash_while_renaming_is_mended(tmp_path, crash):
    folder = tmp_path / "corpus"
    build(tmp_path / "elsewhere", {"n": 1}, "one")
    build(folder, {"n": 2}, "two")
    (tmp_path / "elsewhere").rename(tmp_path / "corpus.old")
    folder.rename(tmp_path / "corpus.new")
    if crash == "before the new one was complete":
        (tmp_path / "corpus.new" / "stage.json").unlink()
        assert rundir.up_to_date(folder, {"n": 1})
    else:
        assert rundir.up_to_date(folder, {"n": 2})
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".old")] == []


def test_a_changed_recipe_is_kept_beside_the_earlier_ones(tmp_path):
    for text in ["a", "a", "b", "c"]:
        rundir.keep_recipe(tmp_path, text)
    assert [path.name for path in rundir.recipes(tmp_path)] == ["recipe.yaml", "recipe.2.yaml", "recipe.3.yaml"]


def test_a_second_process_is_refused_and_told_who_owns_the_run(tmp_path):
    code = f"import pathlib; from tracegen import rundir\nwith rundir.owned(pathlib.Path({str(tmp_path)!r})): pass"
    with rundir.owned(tmp_path):
        second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "is in use by process" in second.stderr
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_run_directory_that_cannot_be_written_is_the_users_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to the run directory"), rundir.owned(tmp_path / "file" / "run"):
        pass


def test_a_hash_takes_half_a_surrogate_pair_and_that_of_ordinary_text_stays():
    assert rundir.fingerprint("\ud800") != rundir.fingerprint("\ud801")
    assert (
        rundir.fingerprint({"b": "ä", "a": [1, None]})
        == "fad634130efff3d1ac62456e24cd521510a4c43d913b745ae2b6a3e8c68f2ad0"
    )
