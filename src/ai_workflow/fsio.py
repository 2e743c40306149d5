"""Every write to a file that matters: temporary, synced, renamed; and the reads that go with it (spec §7.1).

No other module opens a file for writing. Operating-system errors leave here as `AiwError(IO)` with the path named.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence

from ai_workflow.errors import AiwError, Kind
from ai_workflow.stamps import Stamp, stamp_of

_READ_CHUNK = 32 * 1024
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
_OWN_FLAGS = _READ_FLAGS | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_MANY_FILES = 8
"""From this many files on, one sync of the whole file system costs less than one per file."""


@contextlib.contextmanager
def translated(action: str, path: str) -> Iterator[None]:
    """Turns an `OSError` inside the block into a sentence.

    Args:
        action: infinitive, e.g. `write`.
        path: the path to name.

    Raises:
        AiwError: IO.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise AiwError(Kind.IO, f"cannot {action} {path}: {reason}", hint=_hint(error.errno)) from error


def _hint(code: int | None) -> str:
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "make room on the disk, then run the same command again; nothing is lost"
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "make the folder writable for you, then run the same command again; nothing is lost"
    if code == errno.ELOOP:
        return "a link stands in that place: remove it, then run the same command again; nothing is lost"
    if code in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY):
        return "something else stands in that place: move it away, then run the same command again; nothing is lost"
    return "run the same command again; nothing is lost"


def read_bytes(path: str) -> bytes:
    """The whole file.

    Raises:
        FileNotFoundError: it does not exist; callers decide what that means.
        AiwError: IO, for every other failure.
    """
    data = find_bytes(path)
    if data is None:
        raise FileNotFoundError(path)
    return data


def find_with_stamp(path: str) -> tuple[bytes, Stamp] | None:
    """The whole file, with time (ns), size and inode of what was read; None when it does not exist.

    For files that only aiw writes; see `find_own_bytes`. Raises AiwError(IO).
    """
    return _find(path, _OWN_FLAGS)


def _find(path: str, flags: int) -> tuple[bytes, Stamp] | None:
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise AiwError(Kind.IO, f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
    try:
        info = os.fstat(descriptor)
        # As a rule one call reads it all; files of the kernel, and such as grow meanwhile, take more.
        data = os.read(descriptor, info.st_size + 1)
        while len(data) != info.st_size and (more := os.read(descriptor, _READ_CHUNK)):
            data += more
    except OSError as error:
        raise AiwError(
            Kind.IO, f"cannot read {path}: {os.strerror(error.errno or 0)}", hint=_hint(error.errno)
        ) from error
    finally:
        os.close(descriptor)
    return data, stamp_of(info)


def find_bytes(path: str) -> bytes | None:
    """The whole file, or None when it does not exist. Raises AiwError(IO) otherwise."""
    found = _find(path, _READ_FLAGS)
    return None if found is None else found[0]


def find_own_bytes(path: str) -> bytes | None:
    """As `find_bytes`, for a file that only aiw writes: a link in its place, or a pipe, is not read.

    Such a thing may have come with a clone, and lead to somebody's private file or to one without an end.
    """
    found = find_with_stamp(path)
    return None if found is None else found[0]


def sha256_of(data: bytes) -> str:
    """Hexadecimal digest of the bytes. Pure."""
    return hashlib.sha256(data).hexdigest()


def make_directory(path: str) -> None:
    """Makes the folder and its parents; an existing one is fine. Raises AiwError(IO)."""
    with translated("create folder", path):
        os.makedirs(path, exist_ok=True)


def sync_directory(path: str) -> None:
    """Makes the names in the folder survive a power cut. Raises AiwError(IO)."""
    with translated("sync folder", path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_file(path: str, data: bytes, *, temp_dir: str, durable: bool, mode: int | None = None) -> Stamp:
    """Replaces the file whole: readers see the old bytes or the new ones, never a mixture.

    Args:
        path: where; parent folders are made.
        data: the new content.
        temp_dir: folder for the unfinished file, git-ignored, so that a killed process leaves no dirt in the work tree.
        durable: whether file and name are synced, so that they survive a power cut.
        mode: permission bits; None keeps those of the file replaced (0o644 under the umask for a new one).

    Returns:
        The stamp of exactly these bytes; somebody may have written others since.

    Raises:
        AiwError: IO.
    """
    parent = os.path.dirname(path)
    make_directory(parent)
    make_directory(temp_dir)
    with translated("write", path):
        temp = os.path.join(temp_dir, f"{os.path.basename(path)[:100]}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            stamp = _write_new(temp, data, durable=durable, mode=mode if mode is not None else _mode_of(path))
            try:
                os.replace(temp, path)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                sibling = os.path.join(parent, f".{os.path.basename(temp)}")
                stamp = _write_new(sibling, data, durable=durable, mode=mode if mode is not None else _mode_of(path))
                os.replace(sibling, path)
                os.unlink(temp)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temp)
            raise
    if durable:
        sync_directory(parent)
    return stamp


def create_file(path: str, data: bytes, *, durable: bool = False) -> Stamp | None:
    """Makes a file that is not there yet, in place; parent folders are made. Half the cost of `write_file`.

    Torn while it is written, and when the process is killed on the way: only for documents that follow a change of the
    state and are written again then, and for what lies in a folder of temporaries.

    Args:
        durable: whether its bytes are synced; its name is not.

    Returns:
        The stamp of exactly these bytes; None when something stands there, which is left alone.

    Raises:
        AiwError: IO.
    """
    for is_last in (False, True):
        with translated("write", path):
            try:
                return _write_new(path, data, durable=durable, mode=None)
            except FileExistsError:
                return None
            except FileNotFoundError:
                if is_last:
                    raise
        make_directory(os.path.dirname(path))
    return None


def _mode_of(path: str) -> int | None:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None


def _write_new(path: str, data: bytes, *, durable: bool, mode: int | None) -> Stamp:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if mode is not None:
            os.fchmod(descriptor, mode)
        if durable:
            os.fsync(descriptor)
        return stamp_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def write_if_changed(path: str, data: bytes, *, temp_dir: str) -> bool:
    """Writes a derived file only when its bytes differ; returns whether it wrote. Not synced. Raises AiwError(IO)."""
    if find_bytes(path) == data:
        return False
    write_file(path, data, temp_dir=temp_dir, durable=False)
    return True


def append_at(path: str, offset_bytes: int, data: bytes) -> None:
    """Makes the file end with `data` at `offset_bytes`, whatever stood behind that offset. Not synced.

    Repeating it gives the same file, so a journal can replay it. A link is not followed. Raises AiwError(IO).
    """
    make_directory(os.path.dirname(path))
    with translated("append to", path):
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags, 0o666)
        try:
            os.ftruncate(descriptor, offset_bytes)
            os.lseek(descriptor, offset_bytes, os.SEEK_SET)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)


def remove_file(path: str) -> None:
    """Removes the file; a missing one is fine. Not synced. Raises AiwError(IO)."""
    with translated("remove", path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


def sync_files(paths: Sequence[str]) -> None:
    """Makes files and their names survive a power cut: each for a few, the whole file system for many.

    Paths that no longer exist count by their folder. Raises AiwError(IO).
    """
    if not paths:
        return
    if len(paths) > _MANY_FILES and _sync_file_system(os.path.dirname(paths[0])):
        return
    for path in paths:
        with translated("sync", path), contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    for folder in sorted({os.path.dirname(path) for path in paths}):
        if os.path.isdir(folder):
            sync_directory(folder)


def _sync_file_system(path: str) -> bool:
    """One `syncfs(2)`; False where the platform has none."""
    import ctypes

    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (AttributeError, OSError):
        return False
    with translated("sync", path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            if syncfs(descriptor) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))
        finally:
            os.close(descriptor)
    return True
