"""Key rings, admission, and `octogym keys`."""

from __future__ import annotations

import json
import os
import stat

import pytest

from octogym.bridge.keys import Admission, KeyRing, new_pair, public_key
from octogym.bridge.protocol.keyfile import KeyFileError, fingerprint, from_text, is_fingerprint, to_text
from octogym.cli import main


@pytest.fixture
def ring(tmp_path):
    return KeyRing(tmp_path / "keys")


def test_a_private_key_is_for_its_owner_alone_and_never_overwritten(ring):
    pair = ring.new("host")
    file = ring.folder / "host.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(ring.folder.stat().st_mode) == 0o700
    assert ring.pair("host") == pair and ring.public("host") == pair.public
    assert to_text(pair.secret) in file.read_text()
    assert to_text(pair.secret) not in (ring.folder / "host.pub").read_text()
    with pytest.raises(KeyFileError, match="never overwritten"):
        ring.new("host")
    assert ring.pair("host") == pair


def test_the_rights_of_a_new_key_do_not_depend_on_the_umask(ring):
    before = os.umask(0)
    try:
        ring.new("loose")
    finally:
        os.umask(before)
    assert stat.S_IMODE((ring.folder / "loose.key").stat().st_mode) == 0o600


def test_a_private_key_that_others_may_read_is_refused(ring):
    ring.new("host")
    (ring.folder / "host.key").chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        ring.pair("host")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 65, "a b"])
def test_a_name_cannot_leave_the_folder(ring, name):
    with pytest.raises(KeyFileError, match="key name"):
        ring.new(name)


def test_a_damaged_key_file_is_named_with_what_is_expected(ring, tmp_path):
    file = tmp_path / "bad.pub"
    file.write_text('public = "123"\n')
    with pytest.raises(KeyFileError, match=r"bad\.pub: public = '123': expected 64 hexadecimal digits"):
        public_key(str(file))
    with pytest.raises(KeyFileError, match=r"absent\.pub: no such file"):
        public_key("absent.pub")
    ring.new("host")
    with pytest.raises(KeyFileError, match=r"private key; give the \.pub"):
        public_key(str(ring.folder / "host.key"))


def test_secrets_do_not_show_in_messages():
    pair = new_pair()
    assert to_text(pair.secret) not in repr(pair) and repr(pair.secret) not in repr(pair)
    assert from_text(to_text(pair.public)) == pair.public and is_fingerprint(fingerprint(pair.public))
    assert not is_fingerprint("SHA256:x") and not is_fingerprint("SHA256:" + "!" * 43)


def test_one_key_is_one_device_and_a_revoked_key_never_returns(ring):
    one, two = new_pair().public, new_pair().public
    ring.allow("cam-1", one)
    with pytest.raises(KeyFileError, match="is the key of cam-1"):
        ring.allow("cam-2", one)
    ring.allow("cam-2", two)
    assert ring.revoke(fingerprint(one)) == {"cam-1": one}
    assert ring.allowed() == {"cam-2": two}
    with pytest.raises(KeyFileError, match="was revoked"):
        ring.allow("cam-1", one)
    with pytest.raises(KeyFileError, match="no such device; cam-2 may connect"):
        ring.revoke("cam-9")
    with pytest.raises(KeyFileError, match="without quotes"):
        ring.allow('a"b', new_pair().public)


def test_admission_follows_the_file_and_closes_where_it_cannot_be_read(ring):
    one, two = new_pair().public, new_pair().public
    admission = Admission(ring)
    assert one not in admission
    ring.allow("cam-1", one)
    ring.allow("cam-2", two)
    assert admission.refresh() and not admission.refresh()
    assert admission.devices == {one: "cam-1", two: "cam-2"}
    ring.revoke("cam-1")
    assert admission.refresh() and one not in admission and two in admission
    (ring.folder / "allowed.toml").write_text("cam-2 = broken")
    assert admission.refresh() and two not in admission
    assert "allowed.toml" in admission.problem
    ring.folder.joinpath("allowed.toml").unlink()
    ring.allow("cam-2", two)
    admission.refresh()
    assert two in admission and admission.problem == ""


def test_a_roster_names_who_may_come_and_by_which_key(ring):
    one, two, three = (new_pair().public for _ in range(3))
    for device, key in (("cam-1", one), ("cam-2", two), ("guest", three)):
        ring.allow(device, key)
    admission = Admission(ring, {"cam-1": fingerprint(one), "cam-2": fingerprint(one)})
    assert admission.devices == {one: "cam-1"}
    assert Admission(ring, {"cam-1": "", "cam-2": ""}).devices == {one: "cam-1", two: "cam-2"}


def test_the_command_makes_pairs_admits_and_revokes(tmp_path, capsys):
    host, device = tmp_path / "host", tmp_path / "device"

    def keys(folder, *words):
        status = main(["keys", "--folder", str(folder), *words])
        return status, capsys.readouterr()

    assert keys(host, "new", "host")[0] == 0 and keys(device, "new", "cam-1")[0] == 0
    shown = keys(device, "show", "cam-1")[1].out.split()
    assert len(shown) == 2 and is_fingerprint(shown[1])
    assert keys(host, "allow", "cam-1", shown[0])[0] == 0
    assert keys(device, "pair", "rig", str(host / "host.pub"))[0] == 0
    listed = json.loads(keys(host, "list", "--json")[1].out)
    assert listed["allowed"]["cam-1"] == {"key": shown[0], "fingerprint": shown[1]}
    secret = KeyRing(host).pair("host").secret
    text = keys(host, "list")[1].out + keys(device, "list")[1].out
    assert shown[1] in text and to_text(secret) not in text
    assert KeyRing(device).hosts() == {"rig": KeyRing(host).public("host")}
    assert keys(host, "revoke", "cam-1")[0] == 0
    assert "cam-1" not in json.loads(keys(host, "list", "--json")[1].out)["allowed"]
    status, said = keys(host, "revoke", "cam-1")
    assert status == 2 and said.err.startswith("octogym: error: cam-1: no such device")
    assert keys(host, "new", "host")[0] == 2
