"""Opening and creating studies: ordinary Optuna studies, with the space among their attributes.

Storage is a URL: sqlite:///FILE, postgresql://..., mysql://..., grpc://HOST:PORT (Optuna's storage proxy), or
journal:///FILE (Optuna's journal). SQLite runs in write-ahead mode: readers never wait, and a killed writer
loses nothing.
"""

import contextlib
import json
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, GrpcStorageProxy, JournalStorage, RDBStorage, get_storage
from optuna.storages._rdb import models
from optuna.study import StudyDirection

import cost_models
from codesign.errors import StudyError
from codesign.front import signs
from codesign.search.bulk import BulkStorage
from codesign.search.journal import Journal
from search_spaces import Space, restore

BUSY_SECONDS = 60  # how long to wait for another writer of an SQLite file
HEARTBEAT_SECONDS = 15  # of trials on databases that several hosts share
PROXY_SECONDS = 20  # how long to wait for an answer of a storage proxy
GRACE_SECONDS = 90  # a trial without a heartbeat for so long is lost
_RECONNECTS = (2, 5, 10, 20, 40)  # seconds between tries while a database server is away
_BEING_SET_UP = "being set up by another process; try again"
T = TypeVar("T")


def create(
    url: str, name: str, space: Space, attributes: dict[str, Any], resume: bool = False
) -> optuna.Study:
    """A new study for a space; with `resume` the one of that name, if there is one.

    Raises StudyError where the name is taken (and not `resume`), or its study belongs to another space.
    """
    directions = [
        StudyDirection.MAXIMIZE if sign < 0 else StudyDirection.MINIMIZE for sign in signs(space.objectives)
    ]
    with storage_errors(url):
        storage = open_storage(url, create=True)
        try:
            study = optuna.create_study(storage=storage, study_name=name, directions=directions)
        except optuna.exceptions.DuplicatedStudyError:
            study = optuna.load_study(storage=storage, study_name=name)
            # without the space and without trials: its creator was killed at birth
            if "space" in study.user_attrs or study.get_trials(deepcopy=False):
                if not resume:
                    raise StudyError(
                        f"{_shown(url)}: study {name!r} is already there; "
                        "go on with --resume or choose another --study"
                    ) from None
                if space_of(study, url) != space:
                    raise StudyError(
                        f"{url}: study {name!r} was made for another space or another state of {space.file}; "
                        "choose another --study, or give the same --quality, --fidelity and --text"
                    ) from None
                return study
        stored = space.stored()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(space.objectives))
        for key, value in attributes.items():
            study.set_user_attr(key, value)
        study.set_user_attr("space_file", stored["file"])
        study.set_user_attr("base_model", stored["base"])
        if stored["bases"]:
            study.set_user_attr("base_models", stored["bases"])
        study.set_user_attr("quality", stored["quality"])
        study.set_user_attr("space", stored["text"])  # last: with it the study is complete
        return study


def load(url: str, name: str) -> optuna.Study:
    """An existing study. Raises StudyError where database or study is missing, or another program's."""
    with storage_errors(url):
        storage = open_storage(url, create=False)
        try:
            study = optuna.load_study(storage=storage, study_name=name)
        except KeyError:
            names = optuna.get_all_study_names(storage)
            there = f"it holds {', '.join(names[:10])}" if names else "it holds no study yet"
            raise StudyError(f"{url}: no study {name!r}; {there}") from None
        if "space" not in study.user_attrs:
            raise StudyError(f"{url}: study {name!r} was not made by codesign: it has no attribute `space`")
        return study


def space_of(study: optuna.Study, url: str = "") -> Space:
    """The space that a study was made for."""
    attributes = study.user_attrs
    if "space" not in attributes:
        raise StudyError(
            f"{url}: study {study.study_name!r} was not made by codesign: it has no attribute `space`"
        )
    return restore(
        {
            "text": attributes["space"],
            "file": attributes["space_file"],
            "base": attributes["base_model"],
            "bases": attributes.get("base_models"),
            "quality": attributes.get("quality"),
        }
    )


def catalogue_of(study: optuna.Study) -> cost_models.Catalogue:
    """The catalogue with the prices that the study was made with."""
    attributes = study.user_attrs
    return cost_models.load_catalogue(attributes.get("scenario"), attributes.get("overrides") or None)


def open_storage(url: str, create: bool) -> BaseStorage:
    """The storage behind a URL. With `create` an empty one is made where none is."""
    scheme, path = _split(url)
    if scheme == "journal":
        if not create and not path.exists():
            raise StudyError(f"{path}: no such journal; start a search first, or name another with --storage")
        _check_journal(path)
        return JournalStorage(Journal(str(path)))
    if scheme == "sqlite":
        if not create and not path.exists():
            raise StudyError(
                f"{path}: no such database; start a search first, or name another with --storage"
            )
        if create and not path.parent.is_dir():
            raise StudyError(f"{path}: its folder does not exist; create it, or name another with --storage")
        _check_sqlite(path, create)
        storage = _set_up(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": BUSY_SECONDS}})
        sqlalchemy.event.listen(storage.engine, "connect", _on_sqlite_connect)
        storage.engine.dispose()  # the connections made so far have not heard of it
        return get_storage(storage)
    if scheme == "grpc":
        return _proxy(url)
    if scheme in ("postgresql", "postgres"):
        # the driver that the extra `postgresql` installs; SQLAlchemy's default depends on its version
        url = "postgresql+psycopg2" + url.removeprefix(scheme)
    storage = _set_up(
        url,
        engine_kwargs={"pool_pre_ping": True},
        heartbeat_interval=HEARTBEAT_SECONDS,
        grace_period=GRACE_SECONDS,
    )
    return get_storage(storage)


def _proxy(url: str) -> BaseStorage:
    """A client of Optuna's gRPC storage proxy, which keeps few connections to the database for many workers."""
    address = urlsplit(url)
    if not address.hostname or not address.port:
        raise StudyError(f"{url}: must read grpc://HOST:PORT")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            proxy = GrpcStorageProxy(host=address.hostname, port=address.port)
        proxy.wait_server_ready(timeout=PROXY_SECONDS)
    except ImportError:
        raise StudyError(f"{url}: needs gRPC; pip install 'codesign[grpc]'") from None
    except ConnectionError:
        raise StudyError(f"{url}: no storage proxy answers there; is it running?") from None
    return proxy


def _set_up(url: str, **options: Any) -> RDBStorage:
    """The storage with its tables, which another process may be making at this moment."""
    for _ in range(30):
        try:
            return BulkStorage(url, **options)
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            if _meaning(error) != _BEING_SET_UP:
                raise
            time.sleep(1)
    return BulkStorage(url, **options)


def patiently(url: str, act: Callable[[], T]) -> T:
    """Do it, again and again while a database server is away; everything done here may be done twice."""
    for seconds in () if is_local(url) else _RECONNECTS:
        try:
            return act()
        except Exception as error:
            if not is_away(error):
                raise
            time.sleep(seconds)
    return act()


def is_away(error: BaseException) -> bool:
    """Whether a storage did not answer, and may do so later: its server or its proxy is being restarted."""
    known = (sqlalchemy.exc.OperationalError, optuna.exceptions.StorageInternalError)
    return isinstance(error, known) or _is_from_proxy(error)


def _is_from_proxy(error: BaseException) -> bool:
    """Whether a storage proxy failed; what it can answer for, Optuna's client turns into errors of its own."""
    return type(error).__module__.startswith("grpc") and hasattr(error, "code")


def is_local(url: str) -> bool:
    """Whether the storage is a file, which only processes of this host are expected to write."""
    return _split(url)[0] in ("sqlite", "journal")


@contextlib.contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn what databases say into one clear StudyError."""
    place = _shown(url)
    try:
        yield
    except sqlalchemy.exc.ArgumentError:
        raise StudyError(
            f"{place}: not a storage; must read sqlite:///FILE, journal:///FILE or postgresql://USER@HOST/NAME"
        ) from None
    except ImportError:
        raise StudyError(f"{place}: its driver is missing; pip install 'codesign[postgresql]'") from None
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, sqlite3.Error) as error:
        raise StudyError(f"{place}: {_meaning(error)}") from error
    except RuntimeError as error:
        if "table schema" not in str(error) and "compatible" not in str(error):
            raise
        raise StudyError(
            f"{place}: written by another version of Optuna; run `optuna storage upgrade`"
        ) from None
    except Exception as error:
        if not _is_from_proxy(error):
            raise
        raise StudyError(f"{place}: {_meaning_of_proxy(error)}") from error


def _meaning_of_proxy(error: Any) -> str:
    if error.code().name == "UNAVAILABLE":
        return "the storage proxy does not answer; go on with --resume when it is back"
    return f"the storage proxy answers, but its database fails: {_meaning(RuntimeError(error.details()))}"


def _meaning(error: BaseException) -> str:
    text = " ".join(str(e) for e in (error, error.__cause__, getattr(error, "orig", None)) if e).lower()
    for sign, meaning in (
        (
            "locked",
            f"locked by another program for more than {BUSY_SECONDS} s; end it, or use another --storage",
        ),
        ("readonly", "read-only; mend its permissions or name another with --storage"),
        ("disk is full", "no space left; free some, then go on with --resume"),
        ("no space left", "no space left; free some, then go on with --resume"),
        ("disk i/o error", "the disk fails or is full; free some space, then go on with --resume"),
        ("not a database", "not an SQLite database; name another with --storage"),
        ("malformed", "damaged; restore a copy or name another with --storage"),
        ("unable to open", "cannot be opened; does its folder exist, and may you write there?"),
        ("password authentication", "the server refuses this user or password"),
        ("connection refused", "no server answers there; is it running?"),
        ("could not translate host", "unknown host"),
        ("does not exist", "no such database on the server; create it first (createdb)"),
        ("server closed the connection", "the server went away; go on with --resume when it is back"),
        ("duplicate column name", _BEING_SET_UP),
        ("already exists", _BEING_SET_UP),
        ("constraint failed: alembic_version", _BEING_SET_UP),  # both wrote down the schema's version
        ("constraint failed: version_info", _BEING_SET_UP),
    ):
        if sign in text:
            return meaning
    return " ".join((str(getattr(error, "orig", None) or error).splitlines() or ["unknown error"])[0].split())


def _split(url: str) -> tuple[str, Path]:
    for scheme in ("sqlite", "journal"):
        if url.startswith(f"{scheme}:///"):
            return scheme, Path(url.removeprefix(f"{scheme}:///"))
    if "://" not in url:
        raise StudyError(
            f"--storage must be a URL such as sqlite:///codesign.db or postgresql://USER@HOST/NAME, "
            f"got {url!r}"
        )
    return url.split(":", 1)[0], Path()


def _shown(url: str) -> str:
    """The URL without its password."""
    try:
        return sqlalchemy.engine.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return url


def _check_sqlite(path: Path, create: bool) -> None:
    """Refuse a file that is not ours to write, before Optuna puts its tables into it."""
    if path.is_dir():
        raise StudyError(f"{path}: is a folder; name a file with --storage")
    if not path.exists() or path.stat().st_size == 0:
        if create:
            with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
        return
    with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        # Optuna makes its tables one by one: a maker that was killed leaves only some of them
        foreign = tables - set(models.BaseModel.metadata.tables) - {"alembic_version"}
        if foreign and "studies" not in tables:
            raise StudyError(f"{path}: a database of another program; name another with --storage")
        if create:
            with contextlib.suppress(sqlite3.OperationalError):  # another connection is open: it has done it
                connection.execute("PRAGMA journal_mode=WAL")


def _check_journal(path: Path) -> None:
    if path.is_dir():
        raise StudyError(f"{path}: is a folder; name a file with --storage")
    if not path.exists():
        return
    with path.open("rb") as file:
        first = file.readline(1 << 20)
    try:
        ours = not first or "op_code" in json.loads(first)
    except ValueError:
        ours = False
    if not ours:
        raise StudyError(f"{path}: not a journal of Optuna; name another with --storage")


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    # with write-ahead logging a crash of the program loses nothing; a power failure may lose the last commits
    connection.execute("PRAGMA synchronous=NORMAL")
