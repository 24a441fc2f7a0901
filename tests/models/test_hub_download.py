import pytest
import tensorflow_hub

from models import hub_download


def test_a_folder_is_itself_and_an_address_is_where_it_was_downloaded_to(monkeypatch):
    known = {"https://hub.test/s3d/1": "/cache/s3d"}
    monkeypatch.setattr(tensorflow_hub, "resolve", known.__getitem__)
    assert hub_download.downloaded("some/folder") == "some/folder"
    assert hub_download.downloaded("https://hub.test/s3d/1") == "/cache/s3d"


@pytest.mark.parametrize(
    ("error", "said"), [(OSError("no route\nto host"), "no route"), (KeyError(), "KeyError")]
)
def test_what_cannot_be_downloaded_says_why_in_one_line(monkeypatch, error, said):
    def fail(address):
        raise error

    monkeypatch.setattr(tensorflow_hub, "resolve", fail)
    message = f"https://hub.test/s3d/1 cannot be downloaded: {said}; download the module by hand"
    with pytest.raises(ValueError, match=message):
        hub_download.downloaded("https://hub.test/s3d/1")
