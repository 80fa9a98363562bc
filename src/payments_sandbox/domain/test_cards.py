"""The published test cards and what each makes the issuer say.

The numbers are the ones Stripe, Adyen and Braintree publish, so that suites can keep them.
"""

from typing import NamedTuple


class PublishedCard(NamedTuple):
    """A published number and its outcome.

    `only_with_cvc`: the outcome shows only when a CVC was sent, as an issuer cannot check
    what it was not given. CVC results: M match, N no match. AVS results: A street only,
    Z postal code only, N neither, U unavailable.
    """

    number: str
    outcome: str
    response_code: str = "00"
    decline_code: str | None = None
    cvc_result: str | None = None
    avs_result: str | None = None
    only_with_cvc: bool = False


_TABLE = (
    PublishedCard("4242424242424242", "approved"),
    PublishedCard("4111111111111111", "approved"),
    PublishedCard("4012888888881881", "approved"),
    PublishedCard("5555555555554444", "approved"),
    PublishedCard("2223003122003222", "approved"),
    PublishedCard("378282246310005", "approved"),
    PublishedCard("371449635398431", "approved"),
    PublishedCard("6011111111111117", "approved"),
    PublishedCard("3566002020360505", "approved"),
    PublishedCard("3056930009020004", "approved"),
    PublishedCard("6200000000000005", "approved"),
    PublishedCard("4000000000000002", "declined, no reason given", "05", "generic_decline"),
    PublishedCard("4000000000000341", "declined on every charge", "05", "generic_decline"),
    PublishedCard("4000000000009995", "declined, insufficient funds", "51"),
    PublishedCard("4000000000009987", "declined, lost card", "41"),
    PublishedCard("4000000000009979", "declined, stolen card", "43"),
    PublishedCard("4000000000000069", "declined, expired card", "54"),
    PublishedCard(
        "4000000000000127",
        "declined, CVC mismatch (approved when no CVC is sent)",
        "N7",
        cvc_result="N",
        only_with_cvc=True,
    ),
    PublishedCard("4000000000000119", "declined, processing error", "96"),
    PublishedCard("4000000000006975", "declined, used too often", "65"),
    PublishedCard("4100000000000019", "declined, suspected fraud", "59"),
    PublishedCard(
        "4000000000000101",
        "approved, CVC mismatch (when a CVC is sent)",
        cvc_result="N",
        only_with_cvc=True,
    ),
    PublishedCard("4000000000000036", "approved, postal code mismatch", avs_result="A"),
    PublishedCard("4000000000000028", "approved, street mismatch", avs_result="Z"),
    PublishedCard("4000000000000010", "approved, street and postal code mismatch", avs_result="N"),
    PublishedCard("4000000000000044", "approved, address check unavailable", avs_result="U"),
)
TEST_CARDS = {card.number: card for card in _TABLE}
