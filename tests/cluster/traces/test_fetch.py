"""Fetching from a mirror folder and from upstream: everything is checked, nothing damaged is kept."""

from __future__ import annotations

import hashlib
import http.server
import threading

import pytest

from octogym.cluster.errors import OctoGymError, TraceError
from octogym.cluster.traces.fetch import fetch, summary, verify
from octogym.cluster.traces.sources import FCPO, RATES_SCRIPT, SOURCES, Source

COUNTS = b'{"a": {"person": [1, 2]}}'
SCRIPT = b"timestamps1 = ['10.00.00', '10.00.01']\nbandwidths1 = [1000, 2000]\n"
RATES = b"second,kbit_per_s\n0,1000\n1,2000\n"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


FEW = (
    Source("fcpo/object_count.json", FCPO, "jsons/object_count.json", sha256(COUNTS)),
    Source("bandwidth-1hz/static-01.csv", FCPO, RATES_SCRIPT, sha256(RATES), 1),
)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr("octogym.cluster.traces.fetch.SOURCES", FEW)
    monkeypatch.delenv("OCTOGYM_DATA", raising=False)


@pytest.fixture
def mirror(write, tmp_path):
    write("mirror/fcpo/object_count.json", COUNTS)
    write("mirror/bandwidth-1hz/static-01.csv", RATES)
    return tmp_path / "mirror"


@pytest.fixture
def upstream(few, write, tmp_path, monkeypatch):
    """A web server with the two published files; returns its folder and the list of what was asked for."""
    pytest.importorskip("pooch", reason="downloading needs pooch")
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path / "web"))

        def log_message(self, form, *arguments):
            asked.append(self.path)

    write(f"web/{FCPO}/jsons/object_count.json", COUNTS)
    write(f"web/{FCPO}/{RATES_SCRIPT}", SCRIPT)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr("octogym.cluster.traces.sources.REPOSITORY", f"http://127.0.0.1:{server.server_port}")
    yield tmp_path / "web", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_table_of_sources_is_complete():
    assert len(SOURCES) == 36
    assert len({source.path for source in SOURCES}) == 36
    for source in SOURCES:
        assert len(source.sha256) == 64
        assert len(source.commit) == 40
        assert (
            source.url
            == f"https://raw.githubusercontent.com/tungngreen/PipelineScheduler/{source.commit}/{source.upstream}"
        )


def test_from_a_mirror(few, mirror, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setenv("OCTOGYM_DATA", str(mirror))
    folder = fetch(tmp_path / "here", progress=lambda *step: seen.append(step))
    assert (folder / "fcpo/object_count.json").read_bytes() == COUNTS
    assert (folder / "bandwidth-1hz/static-01.csv").read_bytes() == RATES
    assert seen == [("fcpo/object_count.json", 0, 2), ("bandwidth-1hz/static-01.csv", 1, 2)]
    assert summary(verify(folder)) == "2 ok, 0 missing, 0 differs"


def test_a_tampered_mirror_is_refused_and_nothing_of_it_kept(few, mirror, tmp_path):
    (mirror / "fcpo/object_count.json").write_bytes(COUNTS.replace(b"1", b"7"))
    with pytest.raises(TraceError, match=r"SHA-256 .* refused"):
        fetch(tmp_path / "here", mirror)
    assert not list((tmp_path / "here").rglob("*.*"))


def test_a_mirror_that_lacks_a_file_is_named(few, mirror, tmp_path):
    (mirror / "bandwidth-1hz/static-01.csv").unlink()
    with pytest.raises(TraceError, match=r"static-01\.csv: cannot be read"):
        fetch(tmp_path / "here", mirror)


def test_a_broken_fetch_goes_on_and_damaged_files_are_replaced(few, mirror, tmp_path):
    folder = fetch(tmp_path / "here", mirror)
    (folder / "fcpo/object_count.json").write_bytes(b"half")
    assert verify(folder)["fcpo/object_count.json"] == "differs"
    (mirror / "bandwidth-1hz/static-01.csv").unlink()  # it is here already, so it is not asked for
    fetch(folder, mirror)
    assert summary(verify(folder)) == "2 ok, 0 missing, 0 differs"


def test_from_upstream(upstream, tmp_path):
    folder = fetch(tmp_path / "here")
    assert summary(verify(folder)) == "2 ok, 0 missing, 0 differs"
    asked = upstream[1]
    assert asked == [f"/{FCPO}/jsons/object_count.json", f"/{FCPO}/{RATES_SCRIPT}"]
    fetch(tmp_path / "here")
    assert len(asked) == 2, "what is there is not asked for again"


def test_a_changed_upstream_file_is_refused(upstream, tmp_path):
    web, _asked = upstream
    (web / FCPO / "jsons/object_count.json").write_bytes(b"{}")
    with pytest.raises(TraceError, match="hash"):
        fetch(tmp_path / "here")
    (web / FCPO / "jsons/object_count.json").write_bytes(COUNTS)
    (web / FCPO / RATES_SCRIPT).write_bytes(SCRIPT.replace(b"2000", b"2001"))
    with pytest.raises(TraceError, match="SHA-256"):
        fetch(tmp_path / "here")
    assert verify(tmp_path / "here")["bandwidth-1hz/static-01.csv"] == "missing"


def test_without_a_connection_the_error_says_what_to_do(few, tmp_path, monkeypatch):
    pytest.importorskip("pooch", reason="downloading needs pooch")
    monkeypatch.setattr("octogym.cluster.traces.sources.REPOSITORY", "http://127.0.0.1:9")
    with pytest.raises(OctoGymError, match=r"cannot download .* set OCTOGYM_DATA"):
        fetch(tmp_path / "here")
