"""Requests of an async client take turns, without a server."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from vstore_chroma.clients import _AT_ONCE, _in_turn


def test_requests_beyond_so_many_wait_in_the_order_they_came() -> None:
    running = most = 0
    begun: list[int] = []

    async def request(number: int, *, doubled: bool) -> int:
        nonlocal running, most
        begun.append(number)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number * (2 if doubled else 1)

    async def main() -> None:
        make = _in_turn(request, 30.0)
        found = await asyncio.gather(*(make(number, doubled=True) for number in range(3 * _AT_ONCE)))
        assert found == [2 * number for number in range(3 * _AT_ONCE)]

    asyncio.run(main())
    assert most == _AT_ONCE
    assert begun == sorted(begun)


def test_who_gets_no_turn_times_out_and_keeps_none() -> None:
    async def main() -> None:
        over = asyncio.Event()
        make = _in_turn(over.wait, 0.05)
        under_way = [asyncio.create_task(make()) for _ in range(_AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(httpx.PoolTimeout, match="none of them has ended"):
            await make()
        given_up = asyncio.create_task(make())
        await asyncio.sleep(0)
        given_up.cancel()
        over.set()
        assert await asyncio.gather(*under_way, make()) == [True] * (_AT_ONCE + 1)
        assert given_up.cancelled()

    asyncio.run(main())
