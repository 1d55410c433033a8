"""Networks that a request may come from."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import lru_cache, reduce
from typing import TYPE_CHECKING

from caveats import prefixes
from caveats.attribute import AttributeType, Written, either

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_REMEMBERED = 1024
_MAPPED = f"6{'0' * 80}{'1' * 16}"
"""The bits of ::ffff:0:0/96, as :func:`_bits` writes them."""


class Network(AttributeType):
    """Networks in CIDR form, IPv4 and IPv6. A mapped address counts as IPv4, a zone is left out."""

    name = "network"
    operators = frozenset({"in"})
    __slots__ = ()

    def operand(self, operator: str, items: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(map(_read, items))

    def fact(self, value: str) -> IPv4Address | IPv6Address:
        from ipaddress import IPv6Address, ip_address

        if not isinstance(value, str):
            raise TypeError("an address is a str")
        address = ip_address(value.partition("%")[0])
        return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address

    def refusal(
        self, operator: str, operand: tuple[IPv4Network | IPv6Network, ...], fact: IPv4Address | IPv6Address
    ) -> str | None:
        return None if any(fact in network for network in operand) else f"it is {fact}"

    def meet(self, demands: Sequence[tuple[str, tuple[IPv4Network | IPv6Network, ...]]]) -> tuple[Written, ...] | None:
        met = reduce(prefixes.meet, (set(map(_bits, operand)) for _, operand in demands))
        # No fact is a mapped address, so whether these are among a network's says nothing.
        found = _joined({*met, _MAPPED}) - {_MAPPED}
        return (("in", tuple(str(_network(bits)) for bits in sorted(found))),) if found else None

    def cover(self, facts: Set[IPv4Address | IPv6Address], most: int) -> tuple[Written, ...] | None:
        from ipaddress import ip_network

        found = prefixes.cover((_bits(ip_network(each)) for each in facts), most)
        return None if found is None else (("in", tuple(str(_network(bits)) for bits in sorted(found))),)

    def instead(self, operator: str, items: tuple[str, ...], fact: IPv4Address | IPv6Address) -> str:
        return f"come from {either(items)}"


@lru_cache(_REMEMBERED)
def _read(item: str) -> IPv4Network | IPv6Network:
    """Read a network. Raises ValueError. One takes 20 µs, and a scope reads each three times."""
    from ipaddress import ip_network  # loaded when first used: it is slow to import

    try:
        network = ip_network(item)
    except ValueError:
        raise ValueError("a network is like 10.0.0.0/8 or 2001:db8::/32, no bits beyond its mask") from None
    if "%" in item or _is_mapped(network):
        raise ValueError("a network has no zone, and one of mapped IPv4 addresses is written as IPv4")
    if str(network) != item:
        raise ValueError(f"write this network as {network}")
    return network


def _joined(networks: Set[str]) -> set[str]:
    """Put two networks together wherever they are the halves of one, and leave out what lies in another."""
    by_length: dict[int, set[str]] = {}
    for bits in networks:
        by_length.setdefault(len(bits), set()).add(bits)
    for length in range(max(by_length, default=0), 1, -1):  # what is put together may be half of the next
        some = by_length.get(length, set())
        for bits in [each for each in some if each.endswith("0") and each[:-1] + "1" in some]:
            some -= {bits, bits[:-1] + "1"}
            by_length.setdefault(length - 1, set()).add(bits[:-1])
    return prefixes.outermost(set().union(*by_length.values()))


def _is_mapped(network: IPv4Network | IPv6Network) -> bool:
    return network.prefixlen >= 96 and getattr(network.network_address, "ipv4_mapped", None) is not None


def _network(bits: str) -> IPv4Network | IPv6Network:
    """Read what :func:`_bits` writes."""
    from ipaddress import IPv4Network, IPv6Network

    kind, size = (IPv4Network, 32) if bits[0] == "4" else (IPv6Network, 128)
    return kind((int(bits[1:].ljust(size, "0"), 2), len(bits) - 1))


def _bits(network: IPv4Network | IPv6Network) -> str:
    """The version and the bits of a network: it lies in every one whose bits its own begin with."""
    bits = f"{int(network.network_address):0{network.max_prefixlen}b}"
    return f"{network.version}{bits[: network.prefixlen]}"
