"""The webhook sender most people would write: httpx, 64 at a time, signed; as one process.

python -m bench.httpx_loop PORT COUNT
"""

import asyncio
import sys
from time import time

import httpx

from payments_sandbox.domain.signature import signed_headers

IN_FLIGHT = 64
BODY = b"x" * 700
SECRET = bytes(32)


async def main(port: int, count: int) -> None:
    """Send so many requests to the sink."""
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    left = iter(range(count))
    async with httpx.AsyncClient(limits=limits, timeout=15) as client:

        async def send() -> None:
            for number in left:
                headers = signed_headers(f"evt_{number}", int(time()), BODY, [SECRET])
                url = f"http://127.0.0.1:{port}/hooks"
                answer = await client.post(url, content=BODY, headers=headers)
                answer.raise_for_status()

        await asyncio.gather(*(send() for _ in range(IN_FLIGHT)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
