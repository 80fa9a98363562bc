"""Hostile values, as JSON texts by name, for each field that takes one."""

import json

from tests.hostile.marks import (
    ARABIC_ZERO,
    CVC,
    FULL_WIDTH_ZERO,
    PAN,
    TOKEN,
    grouped,
    in_script,
)

_AMEX = "378282246310005"
_MADE_UP_CORE = "0" * 26
Texts = dict[str, str]


def _text(value: str) -> str:
    return json.dumps(value)


def _each(*values: str) -> Texts:
    return {repr(value): _text(value) for value in values}


AMOUNTS: Texts = {
    "zero": "0",
    "minus zero": "-0",
    "minus zero as a float": "-0.0",
    "negative": "-100",
    "a fraction": "100.5",
    "a fraction that a float loses": "100.00000000000000001",
    "a float near an integer": "99.99999999999999999999",
    "10 to the 12th": "1000000000000",
    "10 to the 12th, short": "1e12",
    "2 to the 80th": str(2**80),
    "4,000 digits": "9" * 4000,
    "a float past all floats": "1e999",
    "a negative one": "-1e999",
    "a float below all floats": "1e-999",
    "zero with a huge exponent": "0e999999999",
    "zero with an exponent past all decimals": "0e99999999999999999999",
    "zero with an exponent below all decimals": "0.0e-99999999999999999999",
    "an exponent below all decimals": "1e-99999999999999999999",
    "an exponent past all decimals": "1e99999999999999999999",
    "30,000 zeros and a one": "0." + "0" * 30_000 + "1",
    "true": "true",
    "a text": '"100"',
    "a list": "[100]",
    "an object": '{"value":100}',
}
BROKEN_NUMBERS: Texts = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "5,000 digits": "9" * 5000,
    "a leading zero": "0100",
    "a plus": "+100",
    "no digit before the point": ".5",
    "no digit after the point": "100.",
    "hexadecimal": "0x64",
    "an underscore": "1_000",
    "Arabic digits": in_script("100", ARABIC_ZERO),
    "full-width digits": in_script("100", FULL_WIDTH_ZERO),
}
IDS: Texts = {
    "empty": '""',
    "null": "null",
    "a number": "1",
    "65 characters": _text("a" * 65),
    "60,000 characters": _text("a" * 60_000),
    "a NUL": r'"auth_\u0000"',
    "a new line": r'"@id@\n"',
    "a space": '"@id@ "',
    "not ASCII": r'"auth_\u00e9"',
}
REFUND_IDS: Texts = {
    "a void": _text(f"void_{_MADE_UP_CORE}_2"),
    "a refund": _text(f"ref_{_MADE_UP_CORE}_2"),
}
# Unicode's other decimal digits pass `isdigit` and `\d`; only ten characters are digits of a card.
_NUMBERS: Texts = {
    "with spaces": _text(grouped(PAN, " ")),
    "with dashes": _text(grouped(PAN, "-")),
    "with a new line after": _text(PAN + "\n"),
    "with a space before": _text(" " + PAN),
    "with a NUL": _text(PAN + "\0"),
    "full-width": _text(in_script(PAN, FULL_WIDTH_ZERO)),
    "Arabic": _text(in_script(PAN, ARABIC_ZERO)),
    "as a number": PAN,
    "failing the Luhn check": _text(PAN[:-1] + str((int(PAN[-1]) + 1) % 10)),
    "11 digits": _text("4" * 11),
    "20 digits": _text("4" * 20),
    "60,000 digits": _text("4" * 60_000),
    "letters": _text(TOKEN),
    "empty": '""',
    "null": "null",
    "a list": f'["{PAN}"]',
}
_MONTHS: Texts = {
    "a text": '"12"', "zero": "0", "13": "13", "negative": "-1", "a fraction": "1.5",
    "true": "true", "null": "null", "huge": "1" + "0" * 300,
}  # fmt: skip
_YEARS: Texts = {
    "two digits": "35", "a text": '"2035"', "1999": "1999", "2100": "2100", "true": "true",
    "null": "null", "an exponent past all decimals": "0e99999999999999999999",
}  # fmt: skip
_CVCS: Texts = {
    "two digits": '"12"', "five digits": '"12345"', "four, but not Amex": _text(CVC + "0"),
    "a letter": '"12a"', "a number": CVC, "empty": '""', "a space": _text(CVC + " "),
    "a new line": _text(CVC + "\n"), "full-width": _text(in_script(CVC, FULL_WIDTH_ZERO)),
}  # fmt: skip
_CARDS: Texts = {
    "Amex with three digits": json.dumps(
        {"number": _AMEX, "exp_month": 12, "exp_year": 2035, "cvc": CVC}
    ),
    "a number": PAN,
    "a text": _text(PAN),
    "a list": f'["{PAN}","{CVC}"]',
    "null": "null",
}
_CURRENCIES: Texts = {
    **_each("XXX", "XTS", "XAU", "HRK", "usd", "Usd", "US", "USDD", "USD ", "USD\n", "US\0", ""),
    "full-width": r'"\uff35\uff33\uff24"',
    "a number": "840",
    "null": "null",
    "a token": _text(TOKEN),
}
_CONTROL: Texts = {
    f"control character {code:#04x}": _text(f"{TOKEN}{chr(code)}")
    for code in (0x00, 0x01, 0x0A, 0x0D, 0x1B, 0x1F, 0x7F, 0x80, 0x9F)
}
_CARD_NUMBERS: Texts = {
    "a card number": _text(PAN),
    "a card number in a sentence": _text(f"card {PAN}, paid"),
    "a card number with dashes": _text(grouped(PAN, "-")),
    "a card number with spaces": _text(grouped(PAN, " ")),
    "a card number with no-break spaces": _text(grouped(PAN, "\u00a0")),
    "a card number with en dashes": _text(grouped(PAN, "\u2013")),
    "a card number with dots": _text(grouped(PAN, ".")),
    "a card number in full width": _text(in_script(PAN, FULL_WIDTH_ZERO)),
    "a card number in Arabic": _text(in_script(PAN, ARABIC_ZERO)),
    "a card number beside a number": _text(f"12 {PAN} 2035"),
}
_NOT_TEXTS: Texts = {"a number": "1", "true": "true", "a list": "[]", "an object": "{}"}
_TEXTS: Texts = {
    **_CONTROL,
    **_CARD_NUMBERS,
    **_NOT_TEXTS,
    "60,000 characters": _text("x" * 60_000),
}
_METADATA: Texts = {
    "51 entries": json.dumps({f"name {number}": "x" for number in range(51)}),
    "5,000 entries": json.dumps({str(number): "" for number in range(5_000)}),
    "a name of 41 characters": json.dumps({"x" * 41: "x"}),
    "an empty name": json.dumps({"": "x"}),
    "a value of 501 characters": json.dumps({"x": "x" * 501}),
    "900 brackets": f'{{"x":{"[" * 900}{"]" * 900}}}',
    "null": "null",
    "a text": _text(TOKEN),
    "a list": "[]",
    **{f"{name} as a name": f'{{{text}:"x"}}' for name, text in (_CONTROL | _CARD_NUMBERS).items()},
    **{f"{name} as a value": f'{{"x":{text}}}' for name, text in _TEXTS.items()},
    "null as a value": '{"x":null}',
}
_SIMULATE: Texts = {
    "a code that is not listed": '{"response_code":"ZZ"}',
    "a number as code": '{"response_code":5}',
    "one digit as code": '{"response_code":"5"}',
    "an amount with another code": '{"response_code":"05","approved_amount":1}',
    "the whole amount": '{"response_code":"10","approved_amount":1000}',
    "null as code": '{"response_code":null}',
    "a text": _text(TOKEN),
    "a list": "[]",
}
AUTHORIZE_FIELDS: dict[str, Texts] = {
    "card": _CARDS,
    "card.number": _NUMBERS,
    "card.exp_month": _MONTHS,
    "card.exp_year": _YEARS,
    "card.cvc": _CVCS,
    "currency": _CURRENCIES,
    "reference": {**_TEXTS, "256 characters": _text("x" * 256)},
    "metadata": _METADATA,
    "partial_approval": {"a text": '"true"', "one": "1", "null": "null"},
    "simulate": _SIMULATE,
}
SETTINGS_FIELDS: dict[str, Texts] = {
    "amount_rule": {
        "upper case": '"OFF"', "null": "null", "false": "false", "a token": _text(TOKEN),
    },
    "test_cards_only": {"a text": '"true"', "one": "1", "null": "null"},
    "retention_days": {
        "zero": "0", "negative": "-1", "ten years and a day": "3651", "a fraction": "1.5",
        "a text": '"7"', "true": "true", "huge": "1" + "0" * 300,
        "an exponent past all decimals": "0e99999999999999999999",
    },
}  # fmt: skip
SETTLEMENT_FIELDS: dict[str, Texts] = {
    "settlement_cutoff": _each(
        "", "24:00", "5:00", "17:60", "17:00:00", "17:00Z", "17.00", " 17:00", "17:00\n", "17:00\0",
        in_script("17", FULL_WIDTH_ZERO) + ":00", TOKEN, PAN, "0" * 60_000,
    ),
    "settlement_days": _each("", "WEEKDAYS", "weekdays ", "weekdays\n", "monday", TOKEN, PAN),
    "settlement_holidays": {
        "null": "null", "a text": '"2026-12-25"', "an object": '{"2026-12-25":1}',
        "twice": '["2026-12-25","2026-12-25"]', "null within": "[null]", "a number": "[20261225]",
        "a list within": '[["2026-12-25"]]', "deep": "[" * 900 + "]" * 900,
        "51 days": json.dumps([f"2026-{1 + at // 28:02}-{1 + at % 28:02}" for at in range(51)]),
        "4,000 of one": json.dumps(["2026-12-25"] * 4_000),
        **{
            repr(day): json.dumps([day])
            for day in (
                "", "2026-02-29", "2026-13-01", "20261225", "2026-W52-5", "2026-12-25 ", "25.12.",
                "2026-12-25T00:00:00Z", "2026-12-25\n", "2026-12-25\0", "0000-01-01", "10000-01-01",
                in_script("2026", ARABIC_ZERO) + "-12-25", "-2026-12-25", TOKEN, PAN,
            )
        },
    },
    "fee_rate_bps": {**{one: AMOUNTS[one] for one in AMOUNTS if "zero" not in one}, "null": "null",
        "all and a point": "10001",
    },
    "fee_fixed": {**{one: AMOUNTS[one] for one in AMOUNTS if "zero" not in one}, "null": "null",
        "a million and one": "1000001",
    },
    "fee_on_refund": _each("", "KEPT", "kept ", "returned\0", "half", TOKEN, PAN)
    | {"null": "null", "true": "true", "a list": '["kept"]'},
}  # fmt: skip
