"""The CDK's app, which `python -m infra.toolkit` runs: the stacks, and what is asked of them."""

import sys
from collections.abc import Mapping
from typing import Any

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from infra.cdk.acknowledged import MEANT, MEANT_OF_SITE, acknowledge
from infra.cdk.cost_guard import CostGuard
from infra.cdk.deployment import DeploymentRefused, deployment_of
from infra.cdk.docs_site import DocsSite
from infra.cdk.stack import PaymentsSandbox


def app_of(context: Mapping[str, Any] | None = None, folder: str | None = None) -> App:
    """Return the app of the stage that the context names; raise DeploymentRefused."""
    app = App(analytics_reporting=False, context=context, outdir=folder)
    deployment = deployment_of(app.node.try_get_context)
    sandbox = PaymentsSandbox(app, deployment)
    acknowledge(sandbox, MEANT)
    if not deployment.is_emulated:
        guard = CostGuard(app, deployment)
        site = DocsSite(app, deployment)
        # First what is needed, last what a new account is most likely refused.
        guard.add_stack_dependency(sandbox)
        site.add_stack_dependency(guard)
        acknowledge(site, MEANT_OF_SITE)
        Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    return app


def main() -> None:
    """Write the templates."""
    try:
        app_of().synth()
    except DeploymentRefused as refused:
        sys.exit(str(refused))


if __name__ == "__main__":
    main()
