"""Setting `exit_code_file`: the exit code where a scheduler can read it, since `meltano run` replaces it by its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path

from target_chartmogul.failures import ConfigurationError

_VARIABLE = "TARGET_CHARTMOGUL_EXIT_CODE_FILE"
_files: list[Path] = []


def prepare(arguments: list[str]) -> None:
    """Remove what an earlier run left in the file, and see that it can be written.

    Args:
        arguments: of the command line. The setting is read before all others are, so that their errors are noted too.

    Raises:
        ConfigurationError: it cannot be written.
    """
    path = _path(arguments)
    if not path:
        return
    file = Path(path).expanduser()
    try:
        file.unlink(missing_ok=True)
        file.touch()
        file.unlink()
    except OSError as error:
        raise ConfigurationError(f"setting `exit_code_file` cannot be written: {error.strerror}") from None
    _files.append(file)


def note(code: int) -> None:
    """Write the exit code, if there is a file for it."""
    for file in _files:
        try:
            file.write_text(f"{code}\n", encoding="utf-8")
        except OSError as error:
            logging.getLogger("target-chartmogul").error(  # noqa: TRY400 - a traceback says nothing more
                "The exit code could not be written to `exit_code_file`: %s.", error.strerror
            )


def _path(arguments: list[str]) -> str | None:
    found = os.environ.get(_VARIABLE) if "ENV" in arguments or "--config=ENV" in arguments else None
    for flag, value in zip(arguments, [*arguments[1:], ""], strict=True):
        path = flag.removeprefix("--config=") if flag.startswith("--config=") else value if flag == "--config" else ""
        with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError):
            named = json.loads(Path(path).read_text(encoding="utf-8")).get("exit_code_file")
            found = named if isinstance(named, str) else found
    return found
