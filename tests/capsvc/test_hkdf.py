"""HKDF: the published cases of RFC 5869, and how parts of info are kept apart."""

from __future__ import annotations

import pytest

from capsvc.hkdf import expand, extract, hkdf_sha256

# RFC 5869, appendix A: input key material, salt, info, pseudorandom key, and the first block of the output.
CASES = {
    "A.1 basic": (
        bytes([0x0B]) * 22,
        bytes(range(13)),
        bytes(range(0xF0, 0xFA)),
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
    ),
    "A.2 longer inputs": (
        bytes(range(0x50)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
    ),
    "A.3 no salt and no info": (
        bytes([0x0B]) * 22,
        b"",
        b"",
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rfc_5869_extract_gives_the_published_key(case: str) -> None:
    material, salt, _, key, _ = CASES[case]
    assert extract(salt, material).hex() == key


@pytest.mark.parametrize("case", CASES)
def test_rfc_5869_expand_gives_the_published_first_block(case: str) -> None:
    _, _, info, key, block = CASES[case]
    assert expand(bytes.fromhex(key), info).hex() == block


def test_a_key_is_extracted_without_salt_and_expanded_with_packed_info() -> None:
    packed = b"\x00\x07purpose\x00\x02k1\x00\x00"
    assert hkdf_sha256(bytes(range(32)), "purpose", "k1", "") == expand(extract(b"", bytes(range(32))), packed)


def test_text_and_its_utf_8_are_the_same_part() -> None:
    assert hkdf_sha256(bytes(32), "Zoë") == hkdf_sha256(bytes(32), "Zoë".encode())


def test_section_7_no_two_lists_of_parts_give_one_key() -> None:
    lists: list[tuple[str, ...]] = [
        (),
        ("",),
        ("", ""),
        ("ab",),
        ("a", "b"),
        ("b", "a"),
        ("", "ab"),
        ("ab", ""),
        ("a\x00\x01b",),
    ]
    assert len({hkdf_sha256(bytes(32), *parts) for parts in lists}) == len(lists)


def test_another_secret_gives_another_key() -> None:
    assert hkdf_sha256(bytes(32), "purpose") != hkdf_sha256(bytes(31) + b"\x01", "purpose")
