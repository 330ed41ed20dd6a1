"""Arguments of the functions in ``bench`` are of the types that their signatures say; anything else is bad input too."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from bench.host.system.errors import UsageError


@functools.cache
def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, but an argument of another type than its signature says raises UsageError, as any wrong value does.

    Names that it does not have, and arguments that are missing, raise TypeError, as in any call.
    """
    signature, types = inspect.signature(function), typing.get_type_hints(function)

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        for name, value in signature.bind(*arguments, **named).arguments.items():
            parameter = signature.parameters[name]
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                continue  # they are checked where they are read
            for one in value if parameter.kind is inspect.Parameter.VAR_POSITIONAL else [value]:
                try:
                    check_type(one, types[name], collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
                except TypeCheckError:
                    raise UsageError(f"{name} is {f'{one!r}':.60}: give {parameter.annotation}") from None
        return function(*arguments, **named)

    return call
