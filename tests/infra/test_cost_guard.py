"""What the template of the cost guard says: what is watched, and who is told, when."""

import pytest
from aws_cdk import App

from infra.cdk.cost_guard import CostGuard
from infra.cdk.deployment import Deployment
from tests.infra.templates import EMAIL, Synthesised

GUARD = "cost-guard"


def test_ten_dollars_a_month_are_watched(dev_stacks: dict[str, Synthesised]) -> None:
    """Of the whole account, without what credits take off it."""
    budget = dev_stacks[f"payments-sandbox-dev-{GUARD}"].one("Budgets::Budget")["Budget"]

    assert budget["BudgetLimit"] == {"Amount": 10, "Unit": "USD"}
    assert (budget["BudgetType"], budget["TimeUnit"]) == ("COST", "MONTHLY")
    assert budget["CostTypes"] == {"IncludeCredit": False, "IncludeRefund": False}
    assert {"CostFilters", "FilterExpression"} & set(budget) == set()


def test_the_address_is_told_before_it_is_spent(dev_stacks: dict[str, Synthesised]) -> None:
    """At 80 percent spent, and when the month is on its way beyond all of it."""
    budget = dev_stacks[f"payments-sandbox-dev-{GUARD}"].one("Budgets::Budget")
    told = [
        (one["Notification"]["NotificationType"], one["Notification"]["Threshold"])
        for one in budget["NotificationsWithSubscribers"]
    ]
    rules = {
        (one["Notification"]["ComparisonOperator"], one["Notification"]["ThresholdType"])
        for one in budget["NotificationsWithSubscribers"]
    }
    subscribers = [one["Subscribers"] for one in budget["NotificationsWithSubscribers"]]

    assert told == [("ACTUAL", 80), ("FORECASTED", 100)]
    assert rules == {("GREATER_THAN", "PERCENTAGE")}
    assert subscribers == [[{"SubscriptionType": "EMAIL", "Address": EMAIL}]] * 2


def test_another_address_is_another_budget(dev_stacks: dict[str, Synthesised]) -> None:
    """CloudFormation makes the new one before the old one goes, which a name would not let it."""
    budget = dev_stacks[f"payments-sandbox-dev-{GUARD}"].one("Budgets::Budget")["Budget"]

    assert "BudgetName" not in budget


def test_without_an_address_nobody_is_told(prod_stacks: dict[str, Synthesised]) -> None:
    """The budget is there, to be looked at and destroyed, and deploying says what is missing."""
    guard = prod_stacks[f"payments-sandbox-prod-{GUARD}"]

    assert "NotificationsWithSubscribers" not in guard.one("Budgets::Budget")
    assert [one for one in guard.said if "--email ADDRESS" in one] != []


def test_with_an_address_nothing_is_missing(dev_stacks: dict[str, Synthesised]) -> None:
    """Deploying says nothing of it."""
    assert dev_stacks[f"payments-sandbox-dev-{GUARD}"].said == []


def test_it_is_made_where_budgets_are_known(dev_stacks: dict[str, Synthesised]) -> None:
    """In us-east-1 wherever the stage is: other regions do not all know the type."""
    assert dev_stacks[f"payments-sandbox-dev-{GUARD}"].region == "us-east-1"


@pytest.mark.parametrize(
    ("region", "expected"),
    [("us-east-1", GUARD), ("eu-central-1", f"{GUARD}-eu-central-1"), (None, GUARD)],
)
@pytest.mark.usefixtures("_quiet")
def test_the_stage_in_another_region_has_its_own(
    region: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As all of an account's are in one region, and one that is destroyed takes only its own."""
    monkeypatch.delenv("CDK_DEFAULT_REGION", raising=False)
    if region is not None:
        monkeypatch.setenv("CDK_DEFAULT_REGION", region)

    guard = CostGuard(App(analytics_reporting=False), Deployment("dev"))

    assert guard.stack_name == f"payments-sandbox-dev-{expected}"
