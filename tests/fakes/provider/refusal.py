"""A request turned down, in words that fit every vendor."""


class Refusal(Exception):
    """A request the vendor answers with an error.

    `kind` and `code` are the vendor's own names for the error; empty means the usual one of the status.
    """

    def __init__(
        self, status: int, message: str, *, kind: str = "", code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.headers: dict[str, str] = {}
