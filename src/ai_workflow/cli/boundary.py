"""The one error boundary: expected errors become a sentence and a hint, unexpected ones a report (spec §8)."""

from __future__ import annotations

import os
import sys

from ai_workflow.cli.runtime import Globals
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def guarded(dispatch: Callable[[Sequence[str], Globals], int], words: Sequence[str]) -> int:
    """Runs the command and answers every exception with an exit code."""
    settings = Globals()
    try:
        _require_text(words)
        code = dispatch(words, settings)
        sys.stdout.flush()
    except AiwError as error:
        return _report(error, settings)
    except BrokenPipeError:
        return _closed_pipe()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; run the same command again to go on\n")
        return ExitCode.INTERRUPTED
    except SystemExit as error:
        # argparse ends `--help` this way.
        return error.code if isinstance(error.code, int) else ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the boundary: a defect of ours must not show a traceback
        return _crash(error, words)
    return code


def _require_text(words: Sequence[str]) -> None:
    for word in words:
        if not word.isascii() and any("\ud800" <= char <= "\udfff" for char in word):
            raise AiwError(Kind.USAGE, f"the argument {word!r} is not UTF-8 text")


def write_out(text: str) -> int:
    """Writes to stdout; a reader that went away is no error. Returns the exit code."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        return _closed_pipe()
    return ExitCode.OK


def _closed_pipe() -> int:
    # The interpreter would complain once more when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return ExitCode.OK


def _report(error: AiwError, settings: Globals) -> int:
    from ai_workflow.policy.secrets import mask
    from ai_workflow.rendering.inert import inert

    code = error.exit_code
    # Words of git, of hooks and of files may be in it.
    message = mask(error.message)
    try:
        if settings.is_json:
            from ai_workflow.cli.runtime import format_json

            document = {"kind": error.kind, "message": message, "hint": error.hint, "exit_code": code}
            sys.stdout.write(format_json({"error": document}))
            sys.stdout.flush()
        sys.stderr.write(f"error: {inert(message, keeps_lines=True)}\n")
        if error.hint:
            sys.stderr.write(f"hint: {inert(error.hint, keeps_lines=True)}\n")
    except BrokenPipeError:
        _closed_pipe()
    return code


def _crash(error: BaseException, words: Sequence[str]) -> int:
    import platform
    import tempfile
    import traceback

    from ai_workflow import __version__
    from ai_workflow.policy.secrets import mask

    text = "\n".join(
        (
            f"# aiw {__version__} stopped on a defect of its own",
            "",
            f"- python {platform.python_version()} on {platform.system()}",
            f"- command: aiw {' '.join(words)}",
            "",
            "```text",
            "".join(traceback.format_exception(error)).rstrip(),
            "```",
            "",
        )
    )
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="aiw-report-", suffix=".md", delete=False, encoding="utf-8"
        ) as stream:
            stream.write(mask(text))
            place = stream.name
    except OSError:
        place = "nowhere: the report could not be written"
    sys.stderr.write(f"error: aiw stopped on a defect of its own: {type(error).__name__}: {mask(str(error))}\n")
    sys.stderr.write(
        f"hint: nothing is lost, the next command completes or drops what was under way; the report is in {place}\n"
    )
    return ExitCode.INTERNAL
