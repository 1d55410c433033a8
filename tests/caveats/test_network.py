"""Networks, and the addresses held against them."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caveats import BUILTIN, Network


def test_an_address_mapped_into_ipv6_is_read_as_ipv4() -> None:
    assert Network().fact("::ffff:10.1.2.3") == Network().fact("::FFFF:a01:203") == ip_address("10.1.2.3")


def test_the_zone_of_an_address_is_left_out() -> None:
    assert Network().fact("fe80::1%eth0") == ip_address("fe80::1")


@pytest.mark.parametrize(
    "value", ["", "10.0.0", "10.0.0.0/8", "10.0.0.1:80", "[::1]", "example.org", "010.0.0.1", " ::1"]
)
def test_what_is_no_address_is_the_callers_mistake(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Network().fact(value)


@pytest.mark.parametrize("value", [1, b"\x0a\0\0\1", ip_address("10.0.0.1"), None])
def test_an_address_is_a_str(value: Any) -> None:
    with pytest.raises(TypeError):
        Network().fact(value)


def test_a_network_in_another_spelling_is_told_its_own() -> None:
    with pytest.raises(ValueError, match=r"write this network as 2001:db8::/32"):
        Network().operand("in", ("2001:DB8::/32",))


def test_a_network_with_a_zone_is_refused_since_addresses_are_compared_without() -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Network().operand("in", ("fe80::%eth0/64",))


def test_an_unmet_network_says_the_address() -> None:
    networks = Network().operand("in", ("10.0.0.0/8",))
    assert Network().refusal("in", networks, Network().fact("2001:db8::1")) == "it is 2001:db8::1"


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 8)), min_size=1, max_size=40), st.booleans())
def test_a_meet_of_one_list_is_the_fewest_networks_that_say_the_same(made: list[tuple[int, int]], six: bool) -> None:
    kind, size = (IPv6Network, 128) if six else (IPv4Network, 32)
    networks = [kind((value << size - 8 >> size - bits << size - bits, bits)) for value, bits in made]
    demand = ("in", tuple(networks))
    assert BUILTIN["ip"].meet([demand]) == (("in", tuple(map(str, collapse_addresses(networks)))),)
