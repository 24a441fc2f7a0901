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


@pytest.mark.parametrize("name", ["acme", "mil-nce-s3d", "v1.2", "_x", "7", "x" * 100])
def test_names_that_are_parts_of_a_url(name):
    assert hub_folder.is_name(name)
    hub_folder.check_names(name, name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".git", "-x", "a b", "a%2e", "ä", "a\\b", "a\0", "a\n", "x" * 101]
)
def test_names_that_are_not(name):
    assert not hub_folder.is_name(name)
    with pytest.raises(ValueError, match="cannot be the name of a publisher in a hub folder"):
        hub_folder.check_names(name, "model")
    with pytest.raises(ValueError, match="cannot be the name of a model in a hub folder"):
        hub_folder.check_names("acme", name)


@pytest.mark.parametrize("name", ["", "-1", "1e3", "1.0", "٣", " 1", "1\n", "1" * 19, ".pushing-1"])
def test_versions_are_numbers(name):
    assert not hub_folder.is_version(name)
    assert hub_folder.is_version("1700000000")


def test_the_newest_version_is_the_highest_whole_one():
    names = ["9", "17/", "17.tar.gz", "18", "latest", ".pushing-99"]
    assert hub_folder.newest(names, lambda name: name != "18") == "17"
    assert hub_folder.newest(names, lambda name: False) is None
    assert hub_folder.newest(["latest"], lambda name: True) is None
