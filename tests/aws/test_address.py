"""The address of a ledger in a table: what it may hold, and what it says when it is wrong."""

from pathlib import Path

import pytest

from payments_sandbox.adapters.dynamodb_open import (
    EMULATOR_REGION,
    LedgerTableRefused,
    TableAddress,
    parse_address,
)
from payments_sandbox.entrypoints.table_home import TableHome

AT = "http://127.0.0.1:4566"
FORM = "dynamodb://TABLE"
EACH = "endpoint, region, secrets, stage at most once and with a value"

GOOD = [
    ("dynamodb://PaymentsLedger", TableAddress("PaymentsLedger")),
    ("dynamodb://PaymentsLedger/", TableAddress("PaymentsLedger")),
    ("dynamodb://PaymentsLedger?", TableAddress("PaymentsLedger")),
    ("DynamoDB://PaymentsLedger", TableAddress("PaymentsLedger")),
    ("dynamodb://a.B-c_9", TableAddress("a.B-c_9")),
    ("dynamodb://-_-", TableAddress("-_-")),
    (f"dynamodb://{'t' * 255}", TableAddress("t" * 255)),
    (f"dynamodb://one?endpoint={AT}", TableAddress("one", AT, EMULATOR_REGION)),
    (f"dynamodb://one?endpoint={AT}/", TableAddress("one", f"{AT}/", EMULATOR_REGION)),
    (
        "dynamodb://one?endpoint=https%3A%2F%2Fdb.example%3A1",
        TableAddress("one", "https://db.example:1", EMULATOR_REGION),
    ),
    (
        "dynamodb://one?endpoint=http://[::1]:4566",
        TableAddress("one", "http://[::1]:4566", EMULATOR_REGION),
    ),
    ("dynamodb://one?region=eu-west-1", TableAddress("one", None, "eu-west-1")),
    (
        f"dynamodb://one?region=eu-west-1&endpoint={AT}",
        TableAddress("one", AT, "eu-west-1"),
    ),
    ("dynamodb://one?stage=dev", TableAddress("one", stage="dev")),
    ("dynamodb://one?secrets=dir/a", TableAddress("one", secrets=Path("dir/a"))),
    ("dynamodb://one?secrets=/a%20b%26c", TableAddress("one", secrets=Path("/a b&c"))),
    (
        f"dynamodb://one?secrets=/s&endpoint={AT}&region=r",
        TableAddress("one", AT, "r", secrets=Path("/s")),
    ),
    (
        f"dynamodb://one?endpoint={AT}&region=r&stage=dev",
        TableAddress("one", AT, "r", "dev"),
    ),
]
BAD = [
    ("", FORM),
    ("PaymentsLedger", FORM),
    ("dynamodb", FORM),
    ("dynamodb:", FORM),
    ("dynamodb:PaymentsLedger", FORM),
    ("dynamodb:/PaymentsLedger", FORM),
    ("dynamodb://", FORM),
    ("dynamodb://?stage=dev", FORM),
    ("dynamodb:///PaymentsLedger", FORM),
    ("dynamodb://one/two", FORM),
    ("dynamodb://one//", FORM),
    ("sqlite://one", FORM),
    ("http://127.0.0.1:4566/one", FORM),
    ("file:///ledger.db", FORM),
    ("dynamodb://one?colour=red", "not 'colour'"),
    ("dynamodb://one?colour", "not 'colour'"),
    ("dynamodb://one?Endpoint=http://127.0.0.1:1", "not 'Endpoint'"),
    ("dynamodb://one?endpoint", EACH),
    ("dynamodb://one?endpoint=", EACH),
    ("dynamodb://one?region=", EACH),
    ("dynamodb://one?stage=", EACH),
    ("dynamodb://one?secrets=", EACH),
    ("dynamodb://one?=dev", "not ''"),
    ("dynamodb://one?stage=dev&stage=dev", EACH),
    ("dynamodb://one?stage=dev&stage=prod", EACH),
    ("dynamodb://one?stage=dev&stage=", EACH),
    (f"dynamodb://one?endpoint={AT}&endpoint={AT}", EACH),
    ("dynamodb://one?stage=dev&secrets=/s", "stage or secrets, not both"),
    ("dynamodb://one?secrets=/s&stage=dev", "stage or secrets, not both"),
    ("dynamodb://one?endpoint=127.0.0.1:4566", "http or https URL"),
    ("dynamodb://one?endpoint=localhost", "http or https URL"),
    ("dynamodb://one?endpoint=ftp://127.0.0.1", "http or https URL"),
    ("dynamodb://one?endpoint=//127.0.0.1:4566", "http or https URL"),
]
UNPARSABLE = [
    ("dynamodb://[one", FORM),
    ("dynamodb://one]?stage=dev", FORM),
    ("dynamodb://one\N{DOUBLE-STRUCK ITALIC SMALL D}\N{CARE OF}", FORM),
    ("dynamodb://one?endpoint=http://[", "http or https URL"),
    ("dynamodb://one?endpoint=http://", "http or https URL"),
    ("dynamodb://one?endpoint=http:///one", "http or https URL"),
    ("dynamodb://one?stage=dev#prod", FORM),
]
NO_TABLES = ["a", "ab", "t" * 256, "a b", "user@one", "one:80", "one%20two", "t\u00e4ble", "one\\"]


@pytest.mark.parametrize(("text", "address"), GOOD)
def test_a_good_address(text: str, address: TableAddress) -> None:
    """Each part is taken as it stands, and what is not named is left to the environment."""
    assert address == parse_address(text)


@pytest.mark.parametrize(("text", "told"), BAD + UNPARSABLE)
def test_a_wrong_address(text: str, told: str) -> None:
    """It is refused in one line that says what belongs there."""
    with pytest.raises(LedgerTableRefused) as refused:
        parse_address(text)

    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("table", NO_TABLES)
def test_a_name_that_no_table_has(table: str) -> None:
    """It is refused before anybody is asked, with the characters that a name may have."""
    with pytest.raises(LedgerTableRefused, match="3 to 255"):
        parse_address(f"dynamodb://{table}?endpoint={AT}")


def test_the_region_is_the_environments_without_an_endpoint() -> None:
    """Only an emulator, which has no region of its own, is given one."""
    assert parse_address("dynamodb://one?stage=dev").region is None
    assert parse_address(f"dynamodb://one?endpoint={AT}").region == EMULATOR_REGION


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dynamodb://one", "DynamoDB table one at AWS"),
        ("dynamodb://one?region=eu-west-1", "DynamoDB table one at eu-west-1"),
        (f"dynamodb://one?endpoint={AT}&region=r", f"DynamoDB table one at {AT}"),
    ],
)
def test_the_name_says_where(text: str, name: str) -> None:
    """A reader learns the table and the nearest thing to a place that the address has."""
    assert name == TableHome(text).name


@pytest.mark.parametrize("text", [text for text, _ in GOOD])
def test_the_option_names_it_again(text: str) -> None:
    """The option holds the address as it was given, quoted as its `&` needs it."""
    assert f'--ledger "{text}"' == TableHome(text).option
