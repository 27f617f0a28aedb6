"""Entries on disk: one LMDB environment for each folder and process."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

from labelassign import checks
from labelassign.caching.identity import WHO

READERS = 4096
"""At once: ranks times workers. LMDB's own 126 are few."""
LEAST = 1 << 16

_LOCK = threading.Lock()  # one thread at a time in LMDB, and none of them while the process forks
_STORES: WeakValueDictionary[str, Store] = WeakValueDictionary()


def lmdb() -> Any:
    """The library.

    Raises: ImportError with the line that installs it.
    """
    try:
        import lmdb
    except ImportError as error:
        checks.fail(WHO, "the package lmdb", str(error), "Install it: pip install 'labelassign[cache]'", ImportError)
    return lmdb


def store_in(folder: str, size: int) -> Store:
    """The store of a folder: LMDB does not allow one process to open a folder twice."""
    with _LOCK:
        store = _STORES.get(folder)
        if store is None:
            _STORES[folder] = store = Store(folder)
        store.grow(size)
    return store


class Store:
    """The entries of a folder, of any number of processes; opened when first used.

    An environment must not live on in a forked process: it is closed before a fork, and opened again where it is used.

    Arguments:
        folder: of the database; made if it is missing.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lmdb = lmdb()
        self._size = LEAST
        self._environment: Any = None
        self._opened: tuple[int, int] = (0, 0)

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is there under each key, at one moment."""
        with _LOCK, self._begin(write=False) as look:
            return [look.get(key) for key in keys]

    def write(self, entries: Mapping[bytes, bytes]) -> bool:
        """Keep all of the entries, or none where there is no room left; on disk when this returns."""
        with _LOCK:
            try:
                with self._begin(write=True) as change:
                    for key, entry in entries.items():
                        change.put(key, entry)
            except (self._lmdb.MapFullError, self._lmdb.DiskError):
                return False
        return True

    @property
    def taken(self) -> int:
        """Bytes of the database, free pages in between included."""
        with _LOCK:
            environment = self._open()
            return (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]

    def grow(self, size: int) -> None:
        """Allow this size, if it is larger than before."""
        if size > self._size:
            self._size = size
            if self._environment is not None:
                self._open().set_mapsize(size)

    def close(self) -> None:
        """Close the environment until it is used again."""
        if self._environment is not None:
            self._environment.close()
        self._environment = None

    def _begin(self, *, write: bool) -> Any:
        environment = self._open()
        try:
            return environment.begin(write=write)
        except self._lmdb.MapResizedError:  # another process was allowed more
            environment.set_mapsize(0)
            return environment.begin(write=write)

    def _open(self) -> Any:
        """The environment of this process and of the file that is there now."""
        if self._environment is not None and self._opened != self._here():
            self.close()
        if self._environment is None:
            try:
                os.makedirs(self.folder, exist_ok=True)
                # the pages are flushed with every transaction, the pointer to them with the next one: a power cut may
                # undo the last one and harms nothing else
                options = {"max_readers": READERS, "metasync": False, "readahead": False, "max_spare_txns": 0}
                self._environment = self._lmdb.open(self.folder, map_size=self._size, **options)
                self._environment.reader_check()  # slots of killed processes
            except (OSError, self._lmdb.Error) as error:
                fix = "Choose another folder, or delete it."
                checks.fail(WHO, "a new folder or that of a cache", f"{self.folder} ({error})", fix, OSError)
            self._opened = self._here()
        return self._environment

    def _here(self) -> tuple[int, int]:
        try:
            return os.getpid(), os.stat(os.path.join(self.folder, "data.mdb")).st_ino
        except FileNotFoundError:
            return os.getpid(), -1


def _before_fork() -> None:
    _LOCK.acquire()
    for store in list(_STORES.values()):
        store.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)
