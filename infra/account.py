"""Whose account of AWS it is, in which region, and what must be so before anything is built."""

import os
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.session import Session

from payments_sandbox.adapters.ssm_secrets import STAGE_NAME, STAGE_NAME_RULE

NOBODY: Final = "none"
"""In the place of an address: nobody is written to."""
BOOTSTRAP_PARAMETER: Final = "/cdk-bootstrap/hnb659fds/version"
"""What the CDK's bootstrap leaves in each region; the middle is the name it has if given none."""
ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
"""What may be an address of mail; only a message that arrives shows that it is one."""
_EXPIRED: Final = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_WRONG: Final = {"InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"}
_DENIED: Final = {"AccessDenied", "AccessDeniedException"}
# STS and SSM answer within moments; whoever has no network is to hear of it soon.
_QUICK: Final = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})


class Refused(Exception):
    """It is not done; the message says in one line why not and what helps."""


class Account(NamedTuple):
    """Where the credentials in use lead to."""

    account_id: str
    region: str


def check_stage(stage: str) -> None:
    """Raise Refused for what cannot be a stage's name."""
    if STAGE_NAME.fullmatch(stage) is None:
        raise Refused(f"STAGE={stage} cannot be: {STAGE_NAME_RULE}, for example STAGE=dev")


def address_of(email: str | None) -> str | None:
    """Return whom to write to, None for nobody; raise Refused if that was not said."""
    if not email:
        raise Refused(
            "Say whom alarms and the budget are to write to: EMAIL=you@example.com,"
            f" or EMAIL={NOBODY} for nobody"
        )
    if email == NOBODY:
        return None
    if ADDRESS.fullmatch(email) is None:
        raise Refused(f"EMAIL={email} is no address: EMAIL=you@example.com, or EMAIL={NOBODY}")
    return email


def account_in_use() -> Account:
    """Return the account and region that the environment leads to; raise Refused.

    The region is set for all that follows, whichever of its two names the environment has it by.
    """
    region = ""
    try:
        session = Session()
        region = os.environ.get("AWS_REGION") or session.get_config_variable("region") or ""
        account_id = _account_id(session, region)
    except ProfileNotFound:
        raise Refused(
            f"There is no profile {os.environ.get('AWS_PROFILE')!r}:"
            " `aws configure list-profiles` names those there are"
        ) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise Refused(
            "There are no credentials for AWS: export AWS_PROFILE, or AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, if you were given one)"
        ) from None
    except ClientError as error:
        raise Refused(_refusal(error)) from None
    except EndpointConnectionError:
        raise Refused(
            f"AWS cannot be reached in {region}: is there such a region, and a network?"
        ) from None
    except BotoCoreError as error:
        raise Refused(
            f"The credentials cannot be used ({type(error).__name__}):"
            " log in again, for example by `aws sso login`"
        ) from None
    os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = region
    return Account(account_id, region)


def regions_to_bootstrap(regions: Iterable[str]) -> list[str]:
    """Return the regions in which the CDK has no bucket and roles yet, in order.

    A role that may not look, as that of a pipeline, is believed: the CDK looks by its own roles.
    """
    return [region for region in sorted({*regions}) if not _is_bootstrapped(region)]


def said_of(error: ClientError | BotoCoreError) -> str:
    """Return in one line what AWS refused, and why."""
    return " ".join(f"Not done: {error}".split())


def _is_bootstrapped(region: str) -> bool:
    client: Any = Session().create_client("ssm", region_name=region, config=_QUICK)
    try:
        client.get_parameter(Name=BOOTSTRAP_PARAMETER)
    except client.exceptions.ParameterNotFound:
        return False
    except ClientError as error:
        if _code(error) not in _DENIED:
            raise
    return True


def _account_id(session: Session, region: str) -> str:
    if not region:
        raise Refused("There is no region: export AWS_REGION=eu-central-1, or another near you")
    if session.get_credentials() is None:
        raise NoCredentialsError
    client: Any = session.create_client("sts", region_name=region, config=_QUICK)
    return client.get_caller_identity()["Account"]


def _refusal(error: ClientError) -> str:
    code = _code(error)
    if code in _EXPIRED:
        return "The credentials have expired: log in again, for example by `aws sso login`"
    if code in _WRONG:
        return (
            "AWS does not know these credentials: look at AWS_ACCESS_KEY_ID,"
            " AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or at AWS_PROFILE"
        )
    return said_of(error)


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
