"""What can go wrong, each with its exit code. Messages never hold credentials or personal data."""

from __future__ import annotations

from tap_keap import exit_codes


class TapKeapError(Exception):
    """Ends the run with one line on stderr and `exit_code`."""

    exit_code = exit_codes.UNEXPECTED


class ConfigurationError(TapKeapError):
    """A setting, the catalog or the state cannot be used."""

    exit_code = exit_codes.CONFIGURATION


class CredentialsError(TapKeapError):
    """Keap refuses the credentials."""

    exit_code = exit_codes.CREDENTIALS


class ServiceError(TapKeapError):
    """Keap does not answer, or answers with errors, after all retries."""

    exit_code = exit_codes.SERVICE


class RefusedRequestError(ServiceError):
    """Keap refuses one request for good (a 4xx other than 401 and 429).

    Attributes:
        status: HTTP status of the answer.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class PlannedStopError(TapKeapError):
    """The run ends early on purpose; its state is good and the next run goes on from it."""


class QuotaSpentError(PlannedStopError):
    """Keap's daily quota is spent, or down to the reserve."""

    exit_code = exit_codes.QUOTA


class TimeUpError(PlannedStopError):
    """`max_run_minutes` is over."""

    exit_code = exit_codes.TIME_UP


class ReaderGoneError(TapKeapError):
    """Whoever reads this tap's output has closed it."""


class RejectedRowsError(TapKeapError):
    """Raised at the end of a complete run that left rows out."""

    exit_code = exit_codes.REJECTS
