"""Key files: a CURVE key pair in a private file of its own, and names by which people tell keys apart."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping

from octogym.cluster.errors import OctoGymError
from octogym.cluster.loading.document import parse_toml

#: Bytes of a CURVE key (Curve25519); digits of one as text.
KEY_BYTES, KEY_TEXT = 32, 64
_KEY = re.compile(r"[0-9a-fA-F]{64}\Z")
#: What may name a key: it becomes the name of a file.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


class KeyFileError(OctoGymError, ValueError):
    """A key or key file that cannot be used; the message says which and what is expected."""


@dataclass(frozen=True)
class KeyPair:
    """`public` and `secret`: 32 bytes each."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"KeyPair({fingerprint(self.public)})"


def to_text(key: bytes) -> str:
    """A key as people and files write it: 64 hexadecimal digits, which no shell takes for anything else."""
    return key.hex()


def from_text(text: str, where: str = "key") -> bytes:
    """The inverse of `to_text`.

    Raises:
        KeyFileError: not a key.
    """
    if not _KEY.match(text):
        raise KeyFileError(f"{where} = {text!r}: expected {KEY_TEXT} hexadecimal digits, as `octogym keys show` prints")
    return bytes.fromhex(text)


def fingerprint(public: bytes) -> str:
    """`SHA256:` and 43 characters of Base64, the form that SSH users know."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")


def check_name(name: str) -> str:
    """KeyFileError unless `name` may name a key file."""
    if not NAME.match(name):
        raise KeyFileError(
            f"key name {name!r}: expected a letter or digit, then letters, digits, dots, dashes and underscores, "
            "64 characters at most"
        )
    return name


def default_folder() -> Path:
    """`OCTOGYM_KEYS`, or `octogym/keys` in the user's configuration folder."""
    if os.environ.get("OCTOGYM_KEYS"):
        return Path(os.environ["OCTOGYM_KEYS"])
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "octogym" / "keys"


def write_pair(folder: Path, name: str, pair: KeyPair) -> Path:
    """Write NAME.key, which only its owner may read, and NAME.pub.

    Raises:
        KeyFileError: there is such a key already (it is never overwritten), or the folder cannot be written.
    """
    file = folder / (check_name(name) + ".key")
    text = f'# Private key of {name}. Copy it nowhere.\npublic = "{to_text(pair.public)}"\n'
    text += f'secret = "{to_text(pair.secret)}"\n'
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created with its final rights: at no time can anybody else open it.
        with os.fdopen(os.open(str(file), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(text)
        (folder / (name + ".pub")).write_text(f'public = "{to_text(pair.public)}"\n')
    except FileExistsError:
        raise KeyFileError(
            f"{file} exists: a key is never overwritten; remove it first, or take another name"
        ) from None
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}") from None
    return file


def read_pair(file: Path) -> KeyPair:
    """Read a private key.

    Raises:
        KeyFileError: no such file, one that others may read, or one that holds no key pair.
    """
    try:
        mode = file.stat().st_mode & 0o777
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}; make a key with: octogym keys new {file.stem}") from None
    if mode & 0o077:
        raise KeyFileError(f"{file}: mode {mode:o} lets others read a private key; run: chmod 600 {file}")
    data = parse_toml(file, str(file))
    return KeyPair(_key(data, "public", file), _key(data, "secret", file))


def read_public(file: Path) -> bytes:
    """The public key of a .pub or .key file."""
    if not file.is_file():
        raise KeyFileError(f"{file}: no such file")
    return _key(parse_toml(file, str(file)), "public", file)


def read_table(file: Path) -> Dict[str, bytes]:
    """Name -> public key of a table such as `allowed.toml`; empty where there is no file."""
    if not file.exists():
        return {}
    return {str(name): from_text(str(text), f"{file}: {name}") for name, text in parse_toml(file, str(file)).items()}


def write_table(file: Path, keys: Mapping[str, bytes]) -> None:
    """Replace a table as a whole, so that a reader sees the old one or the new one."""
    text = "".join(f'"{name}" = "{to_text(key)}"\n' for name, key in sorted(keys.items()))
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.write_text(text)
        os.replace(str(beside), str(file))
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}") from None


def _key(data: Mapping[str, Any], name: str, file: Path) -> bytes:
    return from_text(str(data.get(name)), f"{file}: {name}")


def is_fingerprint(text: str) -> bool:
    """Whether `text` has the form that `fingerprint` gives."""
    if not text.startswith("SHA256:") or len(text) != 50:
        return False
    try:
        return len(base64.b64decode(text[7:] + "=", validate=True)) == 32
    except binascii.Error:
        return False
