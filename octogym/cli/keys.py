"""`octogym keys`: the keys by which a rack's host and devices know each other."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from octogym.bridge.keys import KeyRing, public_key
from octogym.bridge.protocol.keyfile import fingerprint, to_text

_EPILOG = """\
Once per machine:  octogym keys new NAME      (NAME is host on the rack's host)
On the host:       octogym keys allow DEVICE KEY|FILE.pub
On each device:    octogym keys pair HOST KEY|FILE.pub
A private key never leaves the machine that made it; what is passed on is the .pub file."""


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "keys",
        help="make, show, admit and revoke the keys of a rack",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="the keys (default OCTOGYM_KEYS, or octogym/keys in ~/.config)"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="make a key pair; the private file is yours alone to read")
    show = actions.add_parser("show", help="print a pair's public key and fingerprint")
    for action in (new, show):
        action.add_argument("name", metavar="NAME")
    pair = actions.add_parser("pair", help="trust a host's public key, on a device")
    pair.add_argument("name", metavar="HOST")
    allow = actions.add_parser("allow", help="admit a device by its public key, on the host")
    allow.add_argument("name", metavar="DEVICE")
    for action in (pair, allow):
        action.add_argument("key", metavar="KEY|FILE.pub")
    revoke = actions.add_parser("revoke", help="admit a device or key no longer; a running host acts at once")
    revoke.add_argument("name", metavar="DEVICE|FINGERPRINT")
    listing = actions.add_parser("list", help="own keys, admitted devices, trusted hosts, revoked keys")
    listing.add_argument("--json", action="store_true", help="print JSON")
    runs = {new: _new, show: _show, pair: _pair, allow: _allow, revoke: _revoke, listing: _list}
    for action, run in runs.items():
        action.set_defaults(run=run)


def _new(options: argparse.Namespace) -> int:
    ring = KeyRing(options.folder)
    pair = ring.new(options.name)
    print(f"{ring.folder / options.name}.key: private, keep it here")
    print(f"{ring.folder / options.name}.pub: public, give it to the other side")
    print(f"{to_text(pair.public)}  {fingerprint(pair.public)}")
    return 0


def _show(options: argparse.Namespace) -> int:
    public = KeyRing(options.folder).public(options.name)
    print(f"{to_text(public)}  {fingerprint(public)}")
    return 0


def _pair(options: argparse.Namespace) -> int:
    public = public_key(options.key)
    KeyRing(options.folder).trust(options.name, public)
    print(f"this device connects to host {options.name} with {fingerprint(public)}")
    return 0


def _allow(options: argparse.Namespace) -> int:
    public = public_key(options.key)
    KeyRing(options.folder).allow(options.name, public)
    print(f"{options.name} may connect with {fingerprint(public)}")
    return 0


def _revoke(options: argparse.Namespace) -> int:
    for device, public in KeyRing(options.folder).revoke(options.name).items():
        print(f"{device} may no longer connect with {fingerprint(public)}")
    return 0


def _list(options: argparse.Namespace) -> int:
    ring = KeyRing(options.folder)
    tables = {
        "own": {name: ring.public(name) for name in ring.names()},
        "allowed": ring.allowed(),
        "hosts": ring.hosts(),
        "revoked": ring.revoked(),
    }
    if options.json:
        found = {
            table: {name: {"key": to_text(key), "fingerprint": fingerprint(key)} for name, key in keys.items()}
            for table, keys in tables.items()
        }
        print(json.dumps({"folder": str(ring.folder), **found}, indent=2))
        return 0
    print(f"keys in {ring.folder}")
    titles = {"own": "own pairs", "allowed": "devices that may connect", "hosts": "hosts trusted", "revoked": "revoked"}
    for table, keys in tables.items():
        print(f"{titles[table]}:" + ("" if keys else " none"))
        width = max((len(name) for name in keys), default=0)
        for name, key in sorted(keys.items()):
            print(f"  {to_text(key)}" if name == fingerprint(key) else f"  {name:<{width}}  {to_text(key)}", end="")
            print(f"  {fingerprint(key)}")
    return 0
