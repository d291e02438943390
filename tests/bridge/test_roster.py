"""The roster of a rack."""

from __future__ import annotations

import pytest

from octogym.bridge.roster import read_roster
from octogym.cluster.errors import ScenarioError
from octogym.cluster.registry import load_scenario

FINGERPRINT = "SHA256:" + "A" * 43


def roster(tmp_path, text):
    file = tmp_path / "rack.toml"
    file.write_text(text)
    return read_roster(file)


def test_a_roster_of_two_lines_is_enough(tmp_path):
    found = roster(tmp_path, 'scenario = "traffic-2"\nkeys = "keys"\n')
    cluster = load_scenario("traffic-2").cluster
    assert [device.id for device in found.devices] == [device.id for device in cluster.devices]
    assert found.scenario.cluster.instances == cluster.instances
    assert found.curve and found.period_ns == cluster.period_ns and found.keys == tmp_path / "keys"


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ("", "tcp://127.0.0.1:5761"),
        ('listen = "tcp://0.0.0.0:80"', "tcp://0.0.0.0:81"),
        ('listen = "tcp://[::1]:*"', "tcp://[::1]:*"),
        ('listen = "ipc:///run/octogym"', "tcp://127.0.0.1:*"),
        ('listen = "tcp://0.0.0.0:80"\nweights = "tcp://127.0.0.1:7"', "tcp://127.0.0.1:7"),
    ],
)
def test_where_weights_are_taken(tmp_path, lines, address):
    assert roster(tmp_path, f'scenario = "traffic-2"\n{lines}\n').weights == address


def test_what_a_roster_says_of_devices(tmp_path):
    found = roster(
        tmp_path,
        f"""
        scenario = "traffic-2"
        listen = "tcp://0.0.0.0:5760"
        period_s = 0.25
        grace_ms = 20
        [devices.cam-1]
        key = "{FINGERPRINT}"
        address = "tcp://10.0.0.4:5770"
        safe = {{ batch = 2, timeout_ms = "deadline" }}
        control = "agent"
        """,
    )
    device = next(device for device in found.devices if device.id == "cam-1")
    assert (device.key, device.address) == (FINGERPRINT, "tcp://10.0.0.4:5770")
    assert [device.control for device in found.devices] == ["agent", "host", "host"]
    assert (found.period_ns, found.grace_ns) == (250_000_000, 20_000_000)
    plain = load_scenario("traffic-2").cluster
    for instance, before in zip(found.scenario.cluster.instances, plain.instances, strict=True):
        mine = found.scenario.cluster.devices[instance.device].id == "cam-1"
        assert (instance.safe.batch, instance.safe.timeout_ns) == (
            (2, -2) if mine else (before.safe.batch, before.safe.timeout_ns)
        )
        assert instance.initial == before.initial


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('listen = "tcp://0.0.0.0:1"\ncurve = false', r"rack.toml: listen = .* or curve = true"),
        ('weights = "tcp://0.0.0.0:1"\ncurve = false', r"rack.toml: weights = .* or curve = true"),
        ('weights = "ipc:///run/w"', r"rack.toml: weights = 'ipc:///run/w': expected tcp://HOST:PORT"),
        ('listen = "tcp://127.0.0.1:65535"', r"rack.toml: weights = None: expected an address"),
        ('listen = "5760"', r"rack.toml: listen = '5760': .*tcp://HOST:PORT"),
        ("period_s = 0", r"rack.toml: period_s = 0: .*above 0"),
        ("grace_ms = 2000", r"rack.toml: grace_ms = 2000.*at most the window, 1000 ms"),
        ("[devices.cam-9]", r"rack.toml: devices.cam-9 = .*one of cam-1, cam-2, server"),
        ('[devices.cam-1]\nkey = "abc"', r"rack.toml: devices.cam-1.key = 'abc'.*SHA256"),
        ('[devices.cam-1]\ncontrol = "me"', r"rack.toml: devices.cam-1.control = 'me': .*one of 'host', 'agent'"),
        ('[devices.cam-1]\naddress = "there"', r"rack.toml: devices.cam-1.address = 'there'"),
        ("[devices.cam-1.safe]\nbatch = 999", r"rack.toml: devices.cam-1.safe.batch = 999: .*at most"),
        ("[devices.cam-1]\npasword = 1", r"rack.toml: devices.cam-1.pasword = 1: .*no such key here"),
    ],
)
def test_errors_name_file_key_value_and_what_is_allowed(tmp_path, line, message):
    with pytest.raises(ScenarioError, match=message):
        roster(tmp_path, f'scenario = "traffic-2"\n{line}\n')


def test_a_scenario_file_stands_beside_the_roster(tmp_path):
    with pytest.raises(ScenarioError, match="absent"):
        roster(tmp_path, 'scenario = "absent.toml"')
    with pytest.raises(ScenarioError, match="scenario = None"):
        roster(tmp_path, "curve = true")
