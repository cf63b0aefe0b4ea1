"""One line for every failure that is not a defect of the program: what, where, what to do."""

import errno
import sqlite3

from codesign.errors import CodesignError

_OF_THE_MACHINE = {
    errno.ENOSPC: "no space left on the device; free some and go on with the same command",
    errno.EDQUOT: "disk quota exceeded; free some space and go on with the same command",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "permission denied; choose another folder or mend its permissions",
    errno.EPERM: "not permitted; choose another folder or mend its permissions",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "is a folder, but a file is needed",
    errno.ENOENT: "no such file or folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EIO: "the device reports an input/output error",
    errno.EMFILE: "too many open files; raise `ulimit -n`",
    errno.EADDRINUSE: "the port is already in use; choose another with --port",
}

_OF_SQLITE = (
    ("locked", "the database is locked by another process; wait until it has finished, or use PostgreSQL"),
    ("readonly", "the database is read-only; mend its permissions, or copy it to another folder"),
    ("read-only", "the database is read-only; mend its permissions, or copy it to another folder"),
    ("disk is full", "no space left for the database; free some and go on with --resume"),
    ("not a database", "the file is not an SQLite database; name another with --storage"),
    ("malformed", "the database file is damaged; restore a copy of it"),
    ("unable to open", "the database file cannot be opened; does its folder exist, and may you write there?"),
    ("disk i/o error", "the device of the database reports an input/output error"),
)


def one_line(error: BaseException) -> str | None:
    """The line to show for `error`, or None where it is a defect that needs its traceback.

    The causes are looked at too: Optuna and SQLAlchemy wrap what SQLite says.
    """
    for cause in _chain(error):
        if isinstance(cause, CodesignError):
            return " ".join(str(cause).split())
        if isinstance(cause, sqlite3.Error):
            text = str(cause).lower()
            for sign, line in _OF_SQLITE:
                if sign in text:
                    return f"storage: {line}"
        if isinstance(cause, OSError) and cause.errno in _OF_THE_MACHINE:
            place = f"{cause.filename}: " if cause.filename else ""
            return place + _OF_THE_MACHINE[cause.errno]
        if isinstance(cause, MemoryError):
            return "not enough memory; choose a smaller space or fewer workers"
    return None


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain
