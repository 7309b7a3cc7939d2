"""What the API server may answer instead of what was asked for.

ApiError
├── NotFoundError      404: it is not there, or not any more
├── ConflictError      409 on a write: somebody else wrote first; drop the plan
├── ExistsError        409 on a create: the name is taken
├── RefusedError       4xx: the same request will never pass
└── UnavailableError   401, 429, 5xx, no answer: later; a write may have happened all the same
    └── ForbiddenError 403 by quota or role: later, when other things have gone or our role is mended
"""

FORBIDDEN = 403
TOO_LARGE = 413
"""Code of a RefusedError for an object that the server cannot keep, whoever of it has said so."""


class ApiError(Exception):
    """The API server did not do what was asked."""

    def __init__(self, message: str, *, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class NotFoundError(ApiError):
    """It is not there, or not any more."""


class ConflictError(ApiError):
    """Somebody else wrote first."""


class ExistsError(ApiError):
    """The name is taken."""


class RefusedError(ApiError):
    """The same request will never pass: invalid, forbidden, or too large."""


class UnavailableError(ApiError):
    """The server is overloaded or out of reach; nobody knows whether a write has happened."""

    def __init__(self, message: str, *, code: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after
        """Seconds that the server asks to wait."""


class ForbiddenError(UnavailableError):
    """A quota or a missing right forbids it for now."""
