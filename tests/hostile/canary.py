"""Looks for a card in bytes, in every form in which it could have been written there."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator

from tests.hostile.marks import FULL_WIDTH_ZERO, in_script

_TAIL_DIGITS = 12
"""Brand and first digits may be shown; the last twelve together may not."""


class Canary:
    """A card number and its CVC, to be found."""

    def __init__(self, number: str, cvc: str) -> None:
        self._forms = {name: re.compile(form) for name, form in _forms(number, cvc)}

    def found_in(self, data: bytes) -> list[str]:
        """Return the names of the forms in which the card is there."""
        return [name for name, form in self._forms.items() if form.search(data)]


def _forms(number: str, cvc: str) -> Iterator[tuple[str, bytes]]:
    tail = number[-_TAIL_DIGITS:]
    # Three bytes between digits cover spaces, dashes, UTF-16, UTF-32 and no-break spaces.
    yield "digits", rb"[^0-9A-Za-z%]{0,3}".join(digit.encode() for digit in tail)
    yield "full-width digits", re.escape(in_script(tail, FULL_WIDTH_ZERO).encode())
    yield "JSON escapes", b"".join(rb"\\u00%02x" % ord(digit) for digit in tail)
    yield "percent encoding", b"".join(b"%%%02x" % ord(digit) for digit in tail)
    yield "hexadecimal", b"(?i)" + tail.encode().hex().encode()
    for shift in range(3):
        yield f"base 64, shifted by {shift}", re.escape(_base64_of(number, shift))
    yield "an integer", re.escape(int(number).to_bytes(8, "big"))
    yield "an integer, little end first", re.escape(int(number).to_bytes(8, "little"))
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, number.encode(), usedforsecurity=False).digest()[:15]
        yield f"{name} without a key", re.escape(digest)
        yield f"{name} without a key, hexadecimal", b"(?i)" + digest.hex().encode()
        yield f"{name} without a key, base 64", re.escape(base64.b64encode(digest))
        yield f"{name} without a key, base 32", b"(?i)" + base64.b32encode(digest)
    yield "CVC", rb"(?i)cv[cv2][^0-9]{0,12}" + cvc.encode() + rb"(?![0-9])"


def _base64_of(number: str, shift: int) -> bytes:
    """Return what of the number's base 64 stays the same whatever stands around it."""
    whole = base64.b64encode(b"\0" * shift + number.encode())
    return whole[4 if shift else 0 : (shift + len(number)) // 3 * 4]


def planted(number: str, cvc: str) -> dict[str, bytes]:
    """Return the card as careless programs write it, to try the search with."""
    card = json.dumps({"number": number, "cvc": cvc})
    grouped = [number[at : at + 4] for at in range(0, len(number), 4)]
    return {
        "plain": number.encode(),
        "in a sentence": f"declined {number}!".encode(),
        "without its beginning": number[-_TAIL_DIGITS:].encode(),
        "dashes": "-".join(grouped).encode(),
        "spaces": " ".join(grouped).encode(),
        "no-break spaces": "\u00a0".join(grouped).encode(),
        "UTF-16": number.encode("utf-16"),
        "UTF-32": number.encode("utf-32-be"),
        "full width": in_script(number, FULL_WIDTH_ZERO).encode(),
        "escapes": "".join(f"\\u{ord(digit):04x}" for digit in number).encode(),
        "percent": "".join(f"%{ord(digit):02x}" for digit in number).encode(),
        "hexadecimal": number.encode().hex().upper().encode(),
        "base 64": base64.b64encode(card.encode()),
        "base 64, a byte later": base64.b64encode(b"x" + card.encode()),
        "base 64, two bytes later": base64.b64encode(b"xy" + card.encode()),
        "sha256": hashlib.sha256(number.encode()).hexdigest().encode(),
        "a CVC in JSON": json.dumps({"cvc": cvc}).encode(),
        "a CVC in a representation": f"PresentedCard(cvc='{cvc}')".encode(),
        "a CVC in words": f"the CVC was {cvc}.".encode(),
    }
