"""ISO 4217 currencies and their exponents, from the published table."""

from iso4217 import Currency

# Codes without an exponent are metals, units of account and test codes: no card is charged in one.
EXPONENTS: dict[str, int] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}
NAMES: dict[str, str] = {
    currency.code: currency.currency_name for currency in Currency if currency.exponent is not None
}
CODES = sorted(EXPONENTS)
