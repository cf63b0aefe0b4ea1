"""Several studies in one storage: which is shown, and what the list says."""

from pathlib import Path

import made
import optuna
import pytest
import small_study

from codesign.errors import StudyError
from cost_models.errors import InputError
from dashboard import layout
from dashboard.shelf import Listed, Shelf, of_storage
from dashboard.view import View

TWO = [Listed("second", 3, ("tpot_s",), "demo"), Listed("first", 2, (), "")]


def shelf(found: list[Listed], named: str = "") -> Shelf:
    return Shelf(lambda: found, lambda _: made.MadeSource(40), named)


def test_the_address_wins_over_the_command_line_which_wins_over_the_only_one() -> None:
    assert shelf(TWO, "first").chosen("second") == "second"
    assert shelf(TWO, "first").chosen("") == "first"
    assert shelf(TWO[:1]).chosen("") == "second"
    assert shelf(TWO).chosen("") == "", "several and none named: the list is shown"


def test_a_study_is_opened_once() -> None:
    one = shelf(TWO)
    assert one.desk("first") is one.desk("first")
    assert one.desk("first") is not one.desk("second")


def test_the_address_remembers_the_study() -> None:
    view = View(study="a b&c", theme="dark")
    assert View.parse(view.query()) == view


def test_a_storage_lists_its_studies_the_newest_first(tmp_path: Path) -> None:
    storage = small_study.searched(tmp_path, trials=1)
    optuna.create_study(storage=storage, study_name="<b>foreign</b>")
    found = of_storage(None, storage).listed()
    assert [one.name for one in found] == ["<b>foreign</b>", small_study.STUDY]
    assert found[1].trials > 0 and "tpot_s" in found[1].objectives and found[1].space == "space"
    page = str(layout.studies(found, View()))
    assert "not made by codesign" in page and "study=small" in page and "study=%3Cb%3E" in page


def test_an_empty_storage_and_none_at_all_say_what_to_do(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/empty.db"
    optuna.storages.RDBStorage(storage)
    with pytest.raises(StudyError, match="holds no study yet; start one"):
        of_storage(None, storage).chosen("")
    with pytest.raises(InputError, match="name a storage with --storage"):
        of_storage(None, None).chosen("")
