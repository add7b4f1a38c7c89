"""Command line of `target-chartmogul`: quick answers without the SDK, one line and an exit code for every failure."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from traceback import walk_tb

from target_chartmogul.singer.pipes import widen_input


def main() -> None:
    """Run the command line and end the process with one of `exit_codes`."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from importlib.metadata import version  # noqa: PLC0415  keeps --version quick

        print(f"target-chartmogul v{version('target-chartmogul')}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201
        return
    from target_chartmogul.log_lines import OneLineRecord  # noqa: PLC0415

    logging.setLogRecordFactory(OneLineRecord)
    widen_input()
    code = _run_and_note(arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    # Not sys.exit: a thread may still wait for an answer that nobody needs any more.
    os._exit(code)


def _run_and_note(arguments: list[str]) -> int:
    """Run, and write the exit code where `exit_code_file` says."""
    from target_chartmogul import exit_code_file  # noqa: PLC0415
    from target_chartmogul.failures import ConfigurationError  # noqa: PLC0415

    try:
        exit_code_file.prepare(arguments)
    except ConfigurationError as error:
        return _fail(str(error), error.exit_code)
    code = _run(arguments)
    exit_code_file.note(code)
    return code


def _run(arguments: list[str]) -> int:
    import click  # noqa: PLC0415

    from target_chartmogul import exit_codes  # noqa: PLC0415
    from target_chartmogul.failures import TargetChartMogulError  # noqa: PLC0415

    try:
        from target_chartmogul.cli import command  # noqa: PLC0415

        result = command().main(arguments, prog_name="target-chartmogul", standalone_mode=False)
    except TargetChartMogulError as error:
        return _fail(str(error), error.exit_code, error.report)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        return _fail(error.format_message(), exit_codes.CONFIGURATION)
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped", exit_codes.INTERRUPTED)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else exit_codes.UNEXPECTED
    except Exception as error:  # noqa: BLE001  the last line of defence: no traceback with data in it
        return _other(error)
    return result if isinstance(result, int) else exit_codes.OK


def _other(error: Exception) -> int:
    """What the machine, a file or a stream map did, or a defect: without the values that may be in its message."""
    from target_chartmogul import exit_codes  # noqa: PLC0415
    from target_chartmogul.machine import lack_of_machine  # noqa: PLC0415

    if (lack := lack_of_machine(error)) is not None:
        return _fail(str(lack), lack.exit_code)
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError):
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return _fail(what, exit_codes.CONFIGURATION)
    name = type(error).__name__
    if name in {"JSONDecodeError", "UnicodeDecodeError", "RecursionError"}:
        return _fail("the config file is not valid JSON", exit_codes.CONFIGURATION)
    if name in {"OperationalError", "DatabaseError"}:  # SQLite's, while records arrive
        return _fail(
            "the scratch files of the run cannot be written: is the disk full, or a file system without locks? Set "
            "`TMPDIR` to a local disk",
            exit_codes.SERVICE,
        )
    if stream := _stream_with_a_bad_map(error):
        return _fail(f"setting `stream_maps`: a record of {stream} cannot be mapped ({name})", exit_codes.CONFIGURATION)
    places = [f"{frame.f_code.co_filename.rpartition('/')[2]}:{line}" for frame, line in walk_tb(error.__traceback__)]
    return _fail(f"unexpected {name} at {' > '.join(places[-4:])}", exit_codes.UNEXPECTED)


def _stream_with_a_bad_map(error: BaseException) -> str | None:
    """The stream whose map failed, if that is where the error comes from: a mistake in the user's expression."""
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == "singer_sdk.mapper":
            return str(getattr(frame.f_locals.get("self"), "stream_alias", "a stream"))
    return None


def _fail(message: str, code: int, report: str | None = None) -> int:
    """The last line of a failed run."""
    from target_chartmogul.log_lines import sentence  # noqa: PLC0415

    more = f" {report}" if report else ""
    _logger().error("%s%s (exit code %d)", sentence(message), more, code)
    return code


def _logger() -> logging.Logger:
    """The target's log, on stderr also where the failure came before the SDK set it up."""
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    return logging.getLogger("target-chartmogul")


if __name__ == "__main__":
    main()
