"""Addresses, retries, message limits, load balancing and TLS, against real servers."""

import shutil
import subprocess
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.servicer import MIB, Servicer, serving_in_thread
from vitscope import Client, DeadlineExceeded, InvalidRequest, RenderingOptions, Unavailable
from vitscope.client.channel import MAX_ATTEMPTS, target_of

PIXEL = np.zeros((1, 1, 3), np.uint8)


@pytest.mark.parametrize(
    ("server", "target"),
    [
        ("localhost:8500", "dns:///localhost:8500"),
        ("models.internal", "dns:///models.internal:8500"),
        ("10.0.0.7:9000", "dns:///10.0.0.7:9000"),
        ("[::1]:9000", "dns:///[::1]:9000"),
        ("[::1]", "dns:///[::1]:8500"),
        ("127.0.0.1:1, 127.0.0.2", "ipv4:127.0.0.1:1,127.0.0.2:8500"),
        ("localhost:1,127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2"),
        ("[::1]:1,[::2]:2", "ipv6:[::1]:1,[::2]:2"),
        ("dns:///name:1", "dns:///name:1"),
        ("ipv4:///127.0.0.1:1,127.0.0.1:2", "ipv4:///127.0.0.1:1,127.0.0.1:2"),
        ("unix:/run/vitscope.sock", "unix:/run/vitscope.sock"),
    ],
)
def test_target(server: str, target: str) -> None:
    assert target_of(server) == target


@pytest.mark.parametrize(
    "server", ["", ":1", "host:", "host:0", "host:65536", "host:http", "http://host:1", "a:1,,b:2"]
)
def test_a_wrong_address_is_named(server: str) -> None:
    with pytest.raises(InvalidRequest, match=r"server: .* is not an address; accepted: host, host:port"):
        target_of(server)


def test_a_list_that_cannot_be_used_is_named() -> None:
    with pytest.raises(InvalidRequest, match="mixes IPv4 and IPv6"):
        target_of("127.0.0.1:1,[::1]:1")
    with pytest.raises(InvalidRequest, match=r"no-such-host\.invalid"):
        target_of("127.0.0.1:1,no-such-host.invalid:1")


@given(st.text())
def test_any_text_gives_a_target_or_a_named_error(server: str) -> None:
    if "," not in server:  # names in a list are resolved
        try:
            assert server in target_of(server) or target_of(server).startswith("dns:///")
        except InvalidRequest as error:
            assert error.message.startswith("server: ")


def test_a_refused_call_is_repeated_after_the_pushback() -> None:
    servicer = Servicer(refuse=2, pushback_ms=400)
    with serving_in_thread(servicer) as [address], Client(address) as client:
        client.classify(PIXEL)
    waits = np.diff([at for at, _ in servicer.calls])
    # The client's own backoff would be under 0.25 s.
    assert len(waits) == 2
    assert all(0.4 <= wait < 0.8 for wait in waits)


def test_the_deadline_holds_while_waiting_for_a_retry() -> None:
    began = time.monotonic()
    with serving_in_thread(Servicer(refuse=1, pushback_ms=30_000)) as [address], Client(address, timeout=0.5) as client:
        with pytest.raises(DeadlineExceeded):
            client.classify(PIXEL)
        assert 0.5 <= time.monotonic() - began < 2


def test_a_call_that_a_closing_port_cancelled_is_repeated() -> None:
    servicer = Servicer(cut=2)
    with serving_in_thread(servicer) as [address], Client(address) as client:
        assert client.classify(PIXEL).classes
    assert len(servicer.calls) == 3


def test_a_negative_pushback_means_no_retry() -> None:
    servicer = Servicer(refuse=1, pushback_ms=-1)
    with (
        serving_in_thread(servicer) as [address],
        Client(address) as client,
        pytest.raises(Exception, match="queue is full"),
    ):
        client.classify(PIXEL)
    assert len(servicer.calls) == 1


def test_a_photo_larger_than_the_default_retry_buffer_is_retried() -> None:
    servicer = Servicer(refuse=1)
    with serving_in_thread(servicer) as [address], Client(address) as client:
        client.classify(np.zeros((1000, 1000, 3), np.uint8))
    assert len(servicer.calls) == 2


def test_messages_far_above_the_default_limit_pass_both_ways(server: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), np.uint8)
    with Client(server) as client:
        assert client.classify(np.tile(noise, (4, 1, 1))).geometry.image_size == (1500, 6000)
        (one,) = client.classify(noise, attention="last", rendering=RenderingOptions(opacity=0.01)).maps
    assert one.picture is not None
    assert len(one.picture.data) > 4 * MIB


def test_attempts_are_bounded() -> None:
    servicer = Servicer(refuse=100, pushback_ms=1)
    with (
        serving_in_thread(servicer) as [address],
        Client(address) as client,
        pytest.raises(Exception, match="queue is full"),
    ):
        client.classify(PIXEL)
    assert len(servicer.calls) == MAX_ATTEMPTS


def test_calls_go_round_robin_over_a_list_of_servers() -> None:
    one, two = Servicer(), Servicer()
    with serving_in_thread(one, two) as addresses, Client(",".join(addresses)) as client:
        for _ in range(40):
            client.classify(PIXEL)
    # All calls go to the first server until the second connection is up.
    assert len(one.calls) + len(two.calls) == 40
    assert min(len(one.calls), len(two.calls)) >= 15


def test_one_of_two_servers_may_be_down(unused_address: str) -> None:
    with serving_in_thread(Servicer()) as [address], Client(f"{unused_address},{address}") as client:
        for _ in range(10):
            client.classify(PIXEL)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command to make a certificate")
def test_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key,
         "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    with serving_in_thread(Servicer(), credentials=credentials) as [address]:
        with Client(address, root_certificates=certificate) as client:
            assert client.classify(PIXEL).model == "fashion"
        with Client(address, timeout=5) as plain, pytest.raises(Unavailable):
            plain.classify(PIXEL)


def test_a_missing_certificate_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"root_certificates: .*none.pem: No such file"):
        Client(root_certificates=tmp_path / "none.pem")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8", b"-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_certificates_is_refused_before_any_call(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "roots.pem").write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"roots\.pem: no certificate in it can be read; accepted: a PEM file"):
        Client(root_certificates=tmp_path / "roots.pem")
    with pytest.raises(InvalidRequest, match="/dev/zero: not a file"):
        Client(root_certificates=Path("/dev/zero"))
