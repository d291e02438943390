"""The host's keys: its own pair, and the devices whose public keys it admits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from octogym.bridge.protocol import keyfile
from octogym.bridge.protocol.keyfile import KeyFileError, KeyPair, fingerprint
from octogym.bridge.zeromq import load_zmq
from octogym.cluster.errors import OctoGymError

#: The host's own key file, where no other name is given.
HOST = "host"
ALLOWED, REVOKED, HOSTS = "allowed.toml", "revoked.toml", "hosts.toml"


def new_pair() -> KeyPair:
    """A fresh CURVE key pair from the system's random source."""
    zmq = load_zmq()
    from zmq.utils import z85

    public, secret = zmq.curve_keypair()
    return KeyPair(z85.decode(public), z85.decode(secret))


class KeyRing:
    """A folder of keys (default: `keyfile.default_folder()`).

    `NAME.key` are private pairs, `allowed.toml` the devices that a host admits, `revoked.toml` the keys that it never
    admits again, `hosts.toml` the hosts that a device trusts.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = Path(folder) if folder is not None else keyfile.default_folder()

    def new(self, name: str) -> KeyPair:
        """Make and write a pair; KeyFileError if there is one of this name."""
        pair = new_pair()
        keyfile.write_pair(self.folder, name, pair)
        return pair

    def pair(self, name: str = HOST) -> KeyPair:
        """A private pair; KeyFileError if it is not there or readable by others."""
        return keyfile.read_pair(self.folder / (keyfile.check_name(name) + ".key"))

    def public(self, name: str) -> bytes:
        """The public key of an own pair."""
        return keyfile.read_public(self.folder / (keyfile.check_name(name) + ".pub"))

    def names(self) -> list[str]:
        """Names of the pairs in the folder."""
        return sorted(file.stem for file in self.folder.glob("*.key"))

    def allowed(self) -> dict[str, bytes]:
        """Device -> public key of everything that may connect."""
        return keyfile.read_table(self.folder / ALLOWED)

    def revoked(self) -> dict[str, bytes]:
        """Fingerprint -> public key of everything that was revoked."""
        return keyfile.read_table(self.folder / REVOKED)

    def hosts(self) -> dict[str, bytes]:
        """Host -> public key of the hosts that a device trusts."""
        return keyfile.read_table(self.folder / HOSTS)

    def allow(self, device: str, public: bytes) -> None:
        """Admit a device by its key; a key that the device had before is no longer admitted.

        Raises:
            KeyFileError: the key was revoked, or is another device's.
        """
        if '"' in device or "\\" in device or not device.isprintable() or not device:
            raise KeyFileError(f"device {device!r}: expected printable text without quotes and backslashes")
        if fingerprint(public) in self.revoked():
            raise KeyFileError(f"{fingerprint(public)} was revoked: make a new key on {device} (octogym keys new)")
        allowed = self.allowed()
        for other, key in allowed.items():
            if key == public and other != device:
                raise KeyFileError(f"{fingerprint(public)} is the key of {other}: every device has a key of its own")
        keyfile.write_table(self.folder / ALLOWED, {**allowed, device: public})

    def revoke(self, which: str) -> dict[str, bytes]:
        """Admit a device (or the device of a fingerprint) no longer; returns what was revoked.

        A running host acts on it at once.

        Raises:
            KeyFileError: no such device or fingerprint.
        """
        allowed = self.allowed()
        gone = {device: key for device, key in allowed.items() if which in (device, fingerprint(key))}
        if not gone:
            raise KeyFileError(f"{which}: no such device; {', '.join(sorted(allowed)) or 'none'} may connect")
        keyfile.write_table(self.folder / REVOKED, {**self.revoked(), **{fingerprint(k): k for k in gone.values()}})
        keyfile.write_table(self.folder / ALLOWED, {d: key for d, key in allowed.items() if d not in gone})
        return gone

    def trust(self, host: str, public: bytes) -> None:
        """Let this device connect to a host by its key."""
        keyfile.check_name(host)
        keyfile.write_table(self.folder / HOSTS, {**self.hosts(), host: public})


def public_key(text: str) -> bytes:
    """A public key as people give it: its text, or a .pub file.

    Raises:
        KeyFileError: neither.
    """
    if len(text) == keyfile.KEY_TEXT and not os.path.exists(text):
        return keyfile.from_text(text)
    if text.endswith(".key"):
        raise KeyFileError(f"{text} is a private key; give the .pub file beside it")
    return keyfile.read_public(Path(text))


class Admission:
    """Who may connect now: a key ring's `allowed.toml`, read again whenever it changes.

    Where the file cannot be read nobody is admitted, and `problem` says why.

    Args:
        ring: the host's keys.
        pins: device -> fingerprint that its key must have ("" = any); other devices are not admitted. None: all are.
    """

    def __init__(self, ring: KeyRing, pins: Mapping[str, str] | None = None) -> None:
        self._file, self._pins = ring.folder / ALLOWED, pins
        self._stamp: tuple[int, int, int] | None = None
        self._devices: dict[bytes, str] = {}
        self.problem = ""
        self.refresh()

    @property
    def devices(self) -> Mapping[bytes, str]:
        """Public key -> device."""
        return self._devices

    def __contains__(self, public: bytes) -> bool:
        return public in self._devices

    def refresh(self) -> bool:
        """Look at the file; whether anything has changed."""
        try:
            found = os.stat(self._file)
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        except FileNotFoundError:
            stamp = (0, 0, 0)
        except OSError as error:
            return self._become({}, f"{self._file}: {error.strerror}")
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            table = keyfile.read_table(self._file)
        except OctoGymError as error:
            return self._become({}, str(error))
        return self._become({key: device for device, key in table.items() if self._fits(device, key)}, "")

    def _fits(self, device: str, key: bytes) -> bool:
        return self._pins is None or self._pins.get(device) in ("", fingerprint(key))

    def _become(self, devices: dict[bytes, str], problem: str) -> bool:
        before, self._devices, self.problem = self._devices, devices, problem
        return devices != before


class Fixed:
    """Who may connect, as given once: the keys of a rack that lives on this machine only."""

    def __init__(self, devices: Mapping[bytes, str]) -> None:
        self.devices: Mapping[bytes, str] = dict(devices)

    def __contains__(self, public: bytes) -> bool:
        return public in self.devices

    def refresh(self) -> bool:
        """Nothing changes by itself."""
        return False
