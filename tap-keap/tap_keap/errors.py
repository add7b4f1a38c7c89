"""What can go wrong, each with its exit code. Messages never hold credentials or personal data."""

from __future__ import annotations

import signal

from tap_keap.exit_codes import ExitCode


class TapKeapError(Exception):
    """Ends the run with one line in the log and `exit_code`."""

    exit_code = ExitCode.UNEXPECTED


class ConfigurationError(TapKeapError):
    """A setting, the catalog or the state cannot be used."""

    exit_code = ExitCode.CONFIGURATION


class CredentialsError(TapKeapError):
    """Keap refuses the credentials, or their user lacks a right."""

    exit_code = ExitCode.CREDENTIALS


class ServiceError(TapKeapError):
    """Keap does not answer, or answers with errors, after all retries."""

    exit_code = ExitCode.SERVICE


class RefusedRequestError(ServiceError):
    """Keap refuses one request for good (a 3xx, or a 4xx other than 401 and 429).

    Attributes:
        status: HTTP status of the answer.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class OutputError(TapKeapError):
    """This tap's output cannot be written: its reader is gone, the disk is full, or it is closed."""

    exit_code = ExitCode.SERVICE


class PlannedStopError(TapKeapError):
    """The run ends early on purpose; its state is good and the next run continues from it."""


class QuotaSpentError(PlannedStopError):
    """Keap's daily quota is spent, or down to the reserve, or Keap asks to come back much later."""

    exit_code = ExitCode.QUOTA


class TimeUpError(PlannedStopError):
    """`max_run_minutes` is over."""

    exit_code = ExitCode.UNFINISHED


class InterruptedRunError(PlannedStopError):
    """A signal ended the run between two pages."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"Stopped by {signal.Signals(signum).name}; the next run continues from the state.")
        self.exit_code = ExitCode.INTERRUPTED if signum == signal.SIGINT else ExitCode.TERMINATED


class RejectedRowsError(TapKeapError):
    """Raised at the end of a complete run that left rows out."""

    exit_code = ExitCode.REJECTS
