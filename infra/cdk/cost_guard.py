"""The stack of the cost guard: a budget of 10 USD a month that writes before it is spent.

It watches the whole account, as a budget of what bears our tags alone sees nothing until somebody
has activated them in the billing console, and never what cannot be tagged.
"""

from typing import Final

from aws_cdk import Annotations, Environment, Stack
from aws_cdk import aws_budgets as budgets
from constructs import Construct

from infra.cdk.deployment import Deployment

BUDGET_USD: Final = 10
# Of the budget, in percent: what is spent, and what the month is on its way to.
NOTICES: Final = (("ACTUAL", 80), ("FORECASTED", 100))
BUDGETS_REGION: Final = "us-east-1"
"""A budget is the account's; CloudFormation makes one here, but not in Stockholm or Zurich."""


class CostGuard(Stack):
    """The budget of a stage's account; it goes with the stage, and touches no other's."""

    def __init__(self, scope: Construct, deployment: Deployment) -> None:
        super().__init__(
            scope,
            _name(deployment),
            env=Environment(account=deployment.environment.account, region=BUDGETS_REGION),
            description="Writes before the account costs 10 USD a month",
            tags=deployment.tags,
        )
        # No name: other addressees are another budget, which is made before the old one goes.
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=BUDGET_USD, unit="USD"),
                # Credits end one day; what they pay for counts.
                cost_types=budgets.CfnBudget.CostTypesProperty(
                    include_credit=False, include_refund=False
                ),
            ),
            notifications_with_subscribers=_notices(deployment.email),
        )
        if deployment.email is None:
            Annotations.of(self).add_info(
                "Nobody is written to: --email ADDRESS has the budget tell of what is spent."
            )


def _name(deployment: Deployment) -> str:
    """Return a name that the stage has to itself among those of its name in other regions."""
    region = deployment.environment.region
    elsewhere = "" if region in {None, BUDGETS_REGION} else f"-{region}"
    return f"{deployment.name}-cost-guard{elsewhere}"


def _notices(
    email: str | None,
) -> list[budgets.CfnBudget.NotificationWithSubscribersProperty] | None:
    if email is None:
        return None
    return [
        budgets.CfnBudget.NotificationWithSubscribersProperty(
            notification=budgets.CfnBudget.NotificationProperty(
                notification_type=kind,
                comparison_operator="GREATER_THAN",
                threshold=percent,
                threshold_type="PERCENTAGE",
            ),
            subscribers=[
                budgets.CfnBudget.SubscriberProperty(subscription_type="EMAIL", address=email)
            ],
        )
        for kind, percent in NOTICES
    ]
