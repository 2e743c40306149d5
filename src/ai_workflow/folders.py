"""Whole folders: made at once, moved aside, and removed as far as they are ours (spec §7.1).

As `fsio`, which the writing of files is left to; errors of the operating system leave here as `AiwError(IO)`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping

from ai_workflow.errors import AiwError
from ai_workflow.fsio import create_file, make_directory, remove_file, sync_directory, translated

_UNFINISHED_S = 10.0
"""From this age on, in seconds, nobody is writing a temporary any more."""


def write_folder(path: str, files: Mapping[str, bytes], *, temp_dir: str) -> None:
    """Makes a folder with these files appear whole; synced.

    Args:
        path: where; nothing may be there but an empty folder.
        files: POSIX path below it → content.
        temp_dir: folder for the unfinished one, on the same file system.

    Raises:
        AiwError: IO.
    """
    make_directory(temp_dir)
    make_directory(os.path.dirname(path))
    temp = os.path.join(temp_dir, f"folder.{os.getpid()}.{os.urandom(4).hex()}")
    with translated("write", path):
        try:
            for rel, data in files.items():
                target = os.path.join(temp, *rel.split("/"))
                create_file(target, data, durable=True)
            os.replace(temp, path)
        except BaseException:
            import shutil

            shutil.rmtree(temp, ignore_errors=True)
            raise
    sync_directory(os.path.dirname(path))


def move_aside(path: str, target: str) -> None:
    """Moves a file or folder to where nothing is yet; `-2`, `-3` … is added to the name while something is there.

    Raises AiwError(IO).
    """
    make_directory(os.path.dirname(target))
    with translated("move", path):
        free, number = target, 2
        while os.path.lexists(free):
            free, number = f"{target}-{number}", number + 1
        os.replace(path, free)


def clear_unfinished(temp_dir: str, *, prefix: str | None = None) -> None:
    """Removes what killed processes left in a folder of temporaries; a missing folder is fine.

    Young ones stay: in a container that shares the folder, their process may be alive and not be seen from here. Among
    other files only those count whose names begin with `prefix`.
    """
    try:
        names = os.listdir(temp_dir)
    except OSError:
        return
    for name in names:
        stem = name.rpartition(".")[0]
        if prefix is not None and not (name.startswith(prefix) and stem.rpartition(".")[2].isdigit()):
            continue
        path = os.path.join(temp_dir, name)
        with contextlib.suppress(OSError, AiwError):
            if time.time() - os.lstat(path).st_mtime > _UNFINISHED_S and not _is_alive(stem):
                remove_tree(path)


def _is_alive(stem: str) -> bool:
    """Whether the process whose id ends the name of a temporary runs."""
    pid = stem.rpartition(".")[2]
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def remove_empty_folders(path: str) -> None:
    """Removes the folder and those below it, as far as nothing lies in them; links are not followed."""
    for parent, _folders, _names in os.walk(path, topdown=False, followlinks=False):
        with contextlib.suppress(OSError):
            os.rmdir(parent)


def remove_empty_folder(path: str) -> None:
    """Removes the folder if nothing lies in it; one that is missing, or is not empty, is fine."""
    with contextlib.suppress(OSError):
        os.rmdir(path)


def remove_tree(path: str) -> None:
    """Removes a folder with everything in it, or a file; a missing one is fine, a link goes without what it leads to.

    Killed half-way it can be repeated. Raises AiwError(IO).
    """
    if os.path.islink(path) or not os.path.isdir(path):
        remove_file(path)
        return
    for parent, folders, names in os.walk(path, topdown=False, followlinks=False):
        for name in names:
            remove_file(os.path.join(parent, name))
        for name in folders:
            _remove_folder(os.path.join(parent, name))
    _remove_folder(path)


def _remove_folder(path: str) -> None:
    """Removes an empty folder, or a link to one; a missing one is fine. Raises AiwError(IO)."""
    if os.path.islink(path):
        remove_file(path)
        return
    with translated("remove", path), contextlib.suppress(FileNotFoundError):
        os.rmdir(path)
