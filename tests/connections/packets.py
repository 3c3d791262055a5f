"""What an IP packet asks of whom."""

import ipaddress
import struct

_TCP, _UDP, _SYN, _ACK = 6, 17, 0x02, 0x10
_FRAGMENT = 44
DNS, MULTICAST_DNS = 53, 5353


def asked(packet: bytes) -> str | None:
    """Return "tcp <address> <port>", "udp <address> <port>" or "name <name>" for a packet that asks for something.

    None for what only carries on: TCP after its first segment, ICMP, and replies to look-ups.
    """
    version = packet[0] >> 4
    if version == 4:
        protocol, head, address = packet[9], (packet[0] & 15) * 4, packet[16:20]
    elif version == 6 and packet[6] != _FRAGMENT:
        protocol, head, address = packet[6], 40, packet[24:40]
    else:
        return None
    to, rest = ipaddress.ip_address(address), packet[head:]
    if protocol == _TCP and rest[13] & (_SYN | _ACK) == _SYN:
        return f"tcp {to} {_port(rest)}"
    if protocol != _UDP or struct.unpack_from("!H", rest)[0] == DNS:
        return None
    port = _port(rest)
    return f"name {name_of(rest[8:])}" if port in (DNS, MULTICAST_DNS) else f"udp {to} {port}"


def name_of(query: bytes) -> str:
    """Return the name that a DNS message asks for."""
    labels, at = [], 12
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode(errors="replace"))
        at += 1 + query[at]
    return ".".join(labels)


def answer(query: bytes) -> bytes:
    """Return the reply to a DNS query: the name has one address, which documentation uses and nobody has."""
    end = query.index(b"\0", 12) + 5
    kind = struct.unpack_from("!H", query, end - 4)[0]
    address = {1: ipaddress.ip_address("192.0.2.1"), 28: ipaddress.ip_address("2001:db8::1")}.get(kind)
    head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if address else 0, 0, 0)
    record = struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(address.packed)) + address.packed if address else b""
    return head + query[12:end] + record


def _port(segment: bytes) -> int:
    return int(struct.unpack_from("!H", segment, 2)[0])
