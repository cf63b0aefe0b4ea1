"""One process at a time asks, counts and recovers in a study: of one host, and where it can be of all hosts.

On a host the kernel keeps the lock. Between hosts it is a lock of the database server's where the study is open on
PostgreSQL or MySQL; through Optuna's storage proxy, which has none, it is a study with a name of its own that exists
as long as the lock is held. Hosts that use the proxy and hosts that use the database itself do not see each other's.
"""

import contextlib
import fcntl
import hashlib
import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, GrpcStorageProxy
from optuna.study import StudyDirection

from codesign.search.study import GRACE_SECONDS, is_away, is_local

# Take and free a lock of the server's, by dialect. It is a session's: it falls with the connection, and the connection
# with its process. MySQL's names hold for the whole server; MariaDB knows no wait without an end, so it is a day's.
_OF_SERVERS = {
    "postgresql": ("SELECT pg_advisory_lock(hashtext(:name))", "SELECT pg_advisory_unlock(hashtext(:name))"),
    "mysql": (
        "SELECT GET_LOCK(SHA1(CONCAT(DATABASE(), :name)), 86400)",
        "SELECT RELEASE_LOCK(SHA1(CONCAT(DATABASE(), :name)))",
    ),
}
_left_behind: set[int] = set()  # studies that are locks of this process, which it could not remove


@contextlib.contextmanager
def lock(url: str, study: optuna.Study | str) -> Iterator[None]:
    """Hold the lock of a study; by its name alone, that of this host only.

    It is free again when its holder dies: at once by kernel and server, after `GRACE_SECONDS` through a proxy.
    """
    study_name = study if isinstance(study, str) else study.study_name
    name = hashlib.sha256(f"{_place(url)} {study_name}".encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"codesign-{os.getuid()}-{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.nullcontext() if isinstance(study, str) else _of_all_hosts(study):
            yield


def _place(url: str) -> str:
    scheme, _, path = url.partition(":///")
    return f"{scheme}:///{Path(path).resolve()}" if is_local(url) else url


def _of_all_hosts(study: optuna.Study) -> contextlib.AbstractContextManager[None]:
    name = f"codesign {study.study_name}"
    if isinstance(study._storage, GrpcStorageProxy):
        return _by_study(study._storage, f"{name} (locked)")
    engine = getattr(getattr(study._storage, "_backend", None), "engine", None)
    if engine is None or engine.dialect.name not in _OF_SERVERS:
        return contextlib.nullcontext()
    return _by_server(engine, name)


@contextlib.contextmanager
def _by_server(engine: sqlalchemy.Engine, name: str) -> Iterator[None]:
    take, free = (sqlalchemy.text(statement) for statement in _OF_SERVERS[engine.dialect.name])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(take, {"name": name})
        try:
            yield
        finally:
            with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):  # a server that went away has let go
                connection.execute(free, {"name": name})


@contextlib.contextmanager
def _by_study(storage: BaseStorage, name: str) -> Iterator[None]:
    """A storage has one study of a name at most, and numbers are not used again: so whoever makes it holds the lock.

    One that stays the same for `GRACE_SECONDS` by this process's clock was left by a dead holder, and is removed.
    """
    held, seen, since = None, None, 0.0
    while held is None:
        try:
            held = storage.create_new_study([StudyDirection.MINIMIZE], name)
        except optuna.exceptions.DuplicatedStudyError:
            with contextlib.suppress(KeyError):  # it has just been let go
                holder = storage.get_study_id_from_name(name)
                if holder != seen:
                    seen, since = holder, time.monotonic()
                if holder in _left_behind or time.monotonic() - since > GRACE_SECONDS:
                    storage.delete_study(holder)
            time.sleep(random.uniform(0.02, 0.1))
    try:
        yield
    finally:
        try:
            storage.delete_study(held)
        except KeyError:  # taken for dead, since it took so long
            pass
        except Exception as error:
            _left_behind.add(held)
            if not is_away(error):
                raise
