"""The baseline of `authorize`: a FastAPI hello world that reads and answers an authorization."""

from fastapi import FastAPI
from pydantic import BaseModel

from bench.bare import serve

app = FastAPI()


class CardIn(BaseModel):
    """A card as sent."""

    number: str
    exp_month: int
    exp_year: int
    cvc: str | None = None


class AuthorizeIn(BaseModel):
    """A request to authorize."""

    card: CardIn
    amount: int
    currency: str
    reference: str | None = None
    metadata: dict[str, str] = {}


class CardOut(BaseModel):
    """A card as answered."""

    card_id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class Simulation(BaseModel):
    """Which rule decided."""

    rule: str
    source: str


class AuthorizeOut(BaseModel):
    """An authorization, field for field what the sandbox answers."""

    status: str
    auth_id: str
    transaction_id: str
    seq: int
    type: str
    amount: int
    approved_amount: int
    currency: str
    card: CardOut
    response_code: str
    approval_code: str
    capturable_amount: int
    capture_before: str
    simulation: Simulation
    metadata: dict[str, str]
    reference: str | None
    created_at: str


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that the server is ready."""
    return {"status": "ok"}


@app.post("/payments/authorize", status_code=201)
async def authorize(body: AuthorizeIn) -> AuthorizeOut:
    """Approve everything, remember nothing."""
    return AuthorizeOut(
        status="approved",
        auth_id="auth_01jd3w1x8r0000000000000000",
        transaction_id="auth_01jd3w1x8r0000000000000000",
        seq=1,
        type="authorization",
        amount=body.amount,
        approved_amount=body.amount,
        currency=body.currency,
        card=CardOut(
            card_id="card_7f0c2c4b9f0e4d0f8f6c",
            brand="visa",
            last4=body.card.number[-4:],
            exp_month=body.card.exp_month,
            exp_year=body.card.exp_year,
        ),
        response_code="00",
        approval_code="123456",
        capturable_amount=body.amount,
        capture_before="2035-01-08T00:00:00.000Z",
        simulation=Simulation(rule="approved", source="test_card"),
        metadata=body.metadata,
        reference=body.reference,
        created_at="2035-01-01T00:00:00.000Z",
    )


if __name__ == "__main__":
    serve(app)
