"""Against the network: no socket of any family, so nothing to talk to and nobody to listen."""

from tracegen.sandbox.attacks import CALL, Attack

OPEN = "import socket\nsocket.socket({family}, {kind}, {protocol})\n"


def _opens(name: str, what: str, family: int | str, kind: int | str, protocol: int = 0) -> Attack:
    return Attack(
        f"network/{name}", f"opens {what}", OPEN.format(family=str(family), kind=str(kind), protocol=protocol)
    )


ATTACKS = [
    _opens("tcp", "a TCP socket", "socket.AF_INET", "socket.SOCK_STREAM"),
    _opens("tcp6", "a TCP socket over IPv6", "socket.AF_INET6", "socket.SOCK_STREAM"),
    _opens("udp", "a UDP socket, as for a name server", "socket.AF_INET", "socket.SOCK_DGRAM"),
    _opens("unix", "a unix socket", "socket.AF_UNIX", "socket.SOCK_STREAM"),
    _opens("netlink", "a netlink socket to the kernel", "socket.AF_NETLINK", "socket.SOCK_RAW"),
    _opens("packet", "a packet socket, to read the wire", "socket.AF_PACKET", "socket.SOCK_RAW", 0x300),
    _opens("vsock", "a socket to the machine's host", 40, "socket.SOCK_STREAM"),
    _opens("alg", "a socket to the kernel's cryptography", 38, 5),
    Attack(
        "network/abstract",
        "sends to an abstract unix address over a pair of sockets, which it may have",
        "import socket\none, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\none.bind('\\0name')\n",
    ),
    Attack(
        "network/pair",
        "makes a pair of sockets that are no unix sockets",
        CALL + "call('socketpair', 2, 1, 0, (ctypes.c_int * 2)())\n",
    ),
]
