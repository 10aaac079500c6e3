"""What a scan takes, ignores and cannot read."""

from pathlib import Path

import pytest

from isp_ns.batch.scan import is_image, scan
from isp_ns.core.errors import SettingsError


@pytest.fixture
def card(tmp_path: Path) -> Path:
    names = "b.DNG a.nef notes.txt a.nef.isp-ns.yaml photo.jpg .hidden.dng sub/c.cr2 sub/.trash/d.dng out/e.dng"
    for name in names.split():
        path = tmp_path / "card" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "card"


def found(card: Path, *inputs: Path, **options) -> list[str]:
    result = scan(inputs or [card], output=card / "out", **options)
    return [str(source.path.relative_to(card)) for source in result.sources]


def test_a_folder_gives_raw_files_in_any_case_sorted_and_no_hidden_ones(card):
    assert found(card) == ["a.nef", "b.DNG"]


def test_subfolders_are_mirrored_and_the_output_folder_is_left_out(card):
    result = scan([card], output=card / "out", recursive=True)
    assert [str(s.mirrored) for s in result.sources] == [".", ".", "sub"]
    assert found(card, recursive=True) == ["a.nef", "b.DNG", "sub/c.cr2"]


def test_other_files_are_ignored_but_sidecars_are_not_even_counted(card):
    result = scan([card], output=card / "out")
    assert sorted(path.name for path in result.ignored) == ["notes.txt", "photo.jpg"]


def test_the_folder_itself_may_be_the_output_folder(card):
    assert [s.path.name for s in scan([card], output=card).sources] == ["a.nef", "b.DNG"]


def test_extensions_replace_the_list_of_raw_extensions(card):
    assert found(card, extensions=["JPG", ".nef"]) == ["a.nef", "photo.jpg"]


def test_a_named_file_is_taken_whatever_its_extension(card):
    assert found(card, card / "notes.txt") == ["notes.txt"]


def test_a_file_found_twice_counts_once(card):
    (card / "again.nef").symlink_to(card / "a.nef")
    assert found(card, card / "a.nef", card) == ["a.nef", "b.DNG"]


def test_links_to_folders_are_not_followed(card, tmp_path):
    (card / "loop").symlink_to(card)
    assert found(card, recursive=True) == ["a.nef", "b.DNG", "sub/c.cr2"]


def test_what_is_not_there_is_said(card):
    result = scan([card / "gone.dng"], output=card / "out")
    assert result.unreadable == ((card / "gone.dng", "there is no such file"),)


def test_no_input_at_all_is_a_mistake():
    with pytest.raises(SettingsError, match="no input"):
        scan([], output=Path("out"))


def test_images_are_known_by_their_first_bytes(tmp_path):
    (tmp_path / "a.dng").write_bytes(b"\xff\xd8\xff\xe0" + bytes(60))
    (tmp_path / "b.dng").write_bytes(b"II*\0" + bytes(60))
    (tmp_path / "c.tif").write_bytes(b"II*\0" + bytes(60))
    assert [is_image(tmp_path / name) for name in ("a.dng", "b.dng", "c.tif", "gone")] == [True, False, True, False]
