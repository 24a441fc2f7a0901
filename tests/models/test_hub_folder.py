import pytest

from models import hub_folder


def _model(folder):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()


def test_highest_complete_version_is_taken(tmp_path):
    for version in ("9", "10"):
        _model(tmp_path / version)
    (tmp_path / "11").mkdir()  # Half-written.
    (tmp_path / "notes").mkdir()
    assert hub_folder.version_folder(str(tmp_path)) == str(tmp_path / "10")


def test_a_version_is_itself(tmp_path):
    _model(tmp_path / "1")
    assert hub_folder.version_folder(str(tmp_path / "1")) == str(tmp_path / "1")


def test_addresses_are_left_to_those_who_load_them():
    assert hub_folder.version_folder("https://hub/model/1") == "https://hub/model/1"


@pytest.mark.parametrize("name", ["", "missing"])
def test_folder_without_a_model_is_one_clear_error(tmp_path, name):
    with pytest.raises(ValueError, match="holds no pushed model: give the folder of a version"):
        hub_folder.version_folder(str(tmp_path / name))
