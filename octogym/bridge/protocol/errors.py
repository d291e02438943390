"""What is refused, and by which rule."""

from __future__ import annotations

from octogym.cluster.errors import OctoGymError

#: Every rule by which frames are refused. Each refusal is counted under its rule (docs/protocol.md, "What is refused").
RULES = (
    "frames",  # number of frames of a message
    "size",  # bytes of a message
    "msgpack",  # the header frame is no msgpack map
    "type",  # unknown message, or one that only the other side sends
    "field",  # a field is missing, mistyped, too long or out of range
    "table",  # a table's name, dtype or shape
    "bytes",  # the tables speak of more or fewer bytes than arrived
    "finite",  # a float that is not finite
    "hash",  # a deployment or weights that are not what their SHA-256 says
    "stranger",  # a key that the roster does not hold, or that was revoked
    "rate",  # more than a key may send
    "version",  # no version of the protocol in common
    "identity",  # a device that is not the key's
    "superseded",  # an earlier boot of a device that has booted again
    "session",  # another session of the host
    "epoch",  # an epoch that is over
    "order",  # a sequence number that was passed, or a message that the state does not allow
)


class ProtocolError(OctoGymError, ValueError):
    """Frames that are refused. `rule` is one of `RULES`."""

    def __init__(self, rule: str, problem: str) -> None:
        super().__init__(rule, problem)
        self.rule, self.problem = rule, problem

    def __str__(self) -> str:
        return f"refused ({self.rule}): {self.problem}"


class DeployError(OctoGymError):
    """A node cannot run what it was given. `code` is one word for the host's tables, `text` says what to do."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code, self.text = code, text

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"
