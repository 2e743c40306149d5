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
    try:
        code = _answer(dispatch, words)
    except Exception as error:  # noqa: BLE001 - the boundary: a defect of ours must not show a traceback
        code = _crash(error, words)
    return _leave(code)


def _answer(dispatch: Callable[[Sequence[str], Globals], int], words: Sequence[str]) -> int:
    settings = Globals()
    try:
        _require_text(words)
        code = dispatch(words, settings)
        sys.stdout.flush()
    except AiwError as error:
        return _report(error, settings)
    except BrokenPipeError:
        return ExitCode.OK
    except OSError as error:
        return _report(_explain(error), settings)
    except KeyboardInterrupt:
        tell("interrupted; run the same command again to go on\n")
        return ExitCode.INTERRUPTED
    except SystemExit as error:
        # argparse ends `--help` this way.
        return error.code if isinstance(error.code, int) else ExitCode.OK
    return code


def _require_text(words: Sequence[str]) -> None:
    for word in words:
        if not word.isascii() and any("\ud800" <= char <= "\udfff" for char in word):
            raise AiwError(Kind.USAGE, f"the argument {word!r} is not UTF-8 text")


def tell(text: str) -> None:
    """Writes to stderr; what cannot be said there must neither stop the work nor change how it ended."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        pass


def open_streams() -> None:
    """Gives a process that was started without stdin, stdout or stderr empty ones.

    Otherwise the first file opened would get that number, and what a child writes would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def write_out(text: str) -> int:
    """Writes to stdout; a reader that went away is no error. Returns the exit code."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        return _leave(ExitCode.OK)
    except OSError as error:
        return _leave(_report(_explain(error), Globals()))
    return ExitCode.OK


def _leave(code: int) -> int:
    """The exit code, once nothing is left that the interpreter could fail to write when it ends."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return code


def _explain(error: OSError) -> AiwError:
    """What the operating system refused where nobody else says it: as a rule, to write the result."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.filename is None:
        return AiwError(Kind.IO, f"the result cannot be written: {reason}", hint="look at it again: aiw status")
    return AiwError(
        Kind.IO,
        f"cannot use {os.fsdecode(error.filename)}: {reason}",
        hint="run the same command again; nothing is lost",
    )


def _report(error: AiwError, settings: Globals) -> int:
    from ai_workflow.policy.secrets import mask
    from ai_workflow.rendering.inert import inert

    code = error.exit_code
    # Words of git, of hooks and of files may be in it.
    message = mask(error.message)
    hint = mask(error.hint) if error.hint else error.hint
    try:
        if settings.is_json:
            from ai_workflow.cli.runtime import format_json

            document = {"kind": error.kind, "message": message, "hint": hint, "exit_code": code}
            sys.stdout.write(format_json({"error": document}))
            sys.stdout.flush()
    except OSError:
        pass  # Then stderr and the exit code say it.
    tell(f"error: {inert(message, keeps_lines=True)}\n")
    if hint:
        tell(f"hint: {inert(hint, keeps_lines=True)}\n")
    return code


def _crash(error: BaseException, words: Sequence[str]) -> int:
    # The defect may lie in what writes reports as well: then the kind of the error is all that is told.
    what, place = type(error).__name__, "nowhere: the report could not be written"
    try:
        from ai_workflow.policy.secrets import mask

        what = f"{what}: {mask(str(error))}"
        place = _write_report(mask(_format_report(error, words)))
    except Exception:  # noqa: BLE001, S110 - the boundary's own last resort
        pass
    tell(f"error: aiw stopped on a defect of its own: {what}\n")
    tell(f"hint: nothing is lost, the next command completes or drops what was under way; the report is in {place}\n")
    return ExitCode.INTERNAL


def _format_report(error: BaseException, words: Sequence[str]) -> str:
    import platform
    import traceback

    from ai_workflow import __version__

    return "\n".join(
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


def _write_report(text: str) -> str:
    """Where it was written. Raises OSError."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", prefix="aiw-report-", suffix=".md", delete=False, encoding="utf-8") as stream:
        stream.write(text)
        return stream.name
