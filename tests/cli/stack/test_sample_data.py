"""Sample data of another release of the stand-ins is set aside once, and never lost."""

from pathlib import Path

from app.cli.stack.sample_data import LOCK, MADE_BY, set_aside


def test_a_new_folder_is_only_marked(tmp_path: Path) -> None:
    assert set_aside(tmp_path) is None
    assert set_aside(tmp_path) is None
    assert [each.name for each in tmp_path.iterdir()] == [MADE_BY]


def test_what_another_release_made_is_set_aside_once(tmp_path: Path) -> None:
    for name in ("sandbox", "postgres"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").write_text(name)
    (tmp_path / LOCK).write_text("7")
    (tmp_path / MADE_BY).write_text("an earlier release")

    aside = set_aside(tmp_path)

    assert aside is not None
    assert (aside / "postgres" / "data").read_text() == "postgres"
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([LOCK, MADE_BY, aside.name])
    (tmp_path / "sandbox").mkdir()
    assert set_aside(tmp_path) is None


def test_what_this_release_made_stays(tmp_path: Path) -> None:
    set_aside(tmp_path)
    (tmp_path / "sandbox").mkdir()

    assert set_aside(tmp_path) is None
    assert (tmp_path / "sandbox").exists()
