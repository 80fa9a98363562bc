"""The emulator of AWS, and clients that can reach nothing else."""

from typing import TYPE_CHECKING, Any, Literal, overload

from infra.emulator import REGION, emulated

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_ssm import SSMClient

__all__ = ["REGION", "client", "emulated"]


@overload
def client(service: Literal["dynamodb"], endpoint: str, **config: Any) -> "DynamoDBClient": ...
@overload
def client(service: Literal["apigateway"], endpoint: str, **config: Any) -> "APIGatewayClient": ...
@overload
def client(service: Literal["ssm"], endpoint: str, **config: Any) -> "SSMClient": ...
@overload
def client(service: str, endpoint: str, **config: Any) -> Any: ...
def client(service: str, endpoint: str, **config: Any) -> Any:
    """Return a client of `endpoint` alone; `config` is what botocore's Config takes."""
    # Imported here because it takes half a second, and most tests need none of it.
    from botocore.config import Config  # noqa: PLC0415 - see above
    from botocore.session import Session  # noqa: PLC0415 - see above

    return Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - the emulator takes any
        config=Config(proxies={}, **config),
    )
