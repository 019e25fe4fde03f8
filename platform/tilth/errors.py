"""The one error that Tilth shows to people: what went wrong and what to change.

Every layer raises ``TilthError`` (or a subclass) for a fault that a user, a script or an operator can
act on; pages, the API, forms and commands all turn it into the same message. Anything else that
escapes is a bug and becomes a 500.
"""


class TilthError(Exception):
    """A fault that somebody can act on.

    ``message`` tells the reader what to change; ``code`` is a stable word for programs; ``status`` is
    the HTTP status of the answer; ``retryable`` says whether trying again unchanged can help;
    ``field`` names the form field or setting at fault, where there is one.
    """

    code = "error"
    status = 400
    retryable = False

    def __init__(
        self,
        message: str,
        code: str | None = None,
        status: int | None = None,
        retryable: bool | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return self.message


class InvalidInput(TilthError):
    """What was typed or sent cannot be used as it is."""

    code = "invalid"


class PermissionDenied(TilthError):
    """The actor's role does not allow this."""

    code = "forbidden"
    status = 403


class NotFound(TilthError):
    """There is no such object, or the actor may not know of it."""

    code = "not_found"
    status = 404


class Conflict(TilthError):
    """Somebody else changed the object first, or the name is taken."""

    code = "conflict"
    status = 409
