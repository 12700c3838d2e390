"""Flax modules as models: their variables as data, and what they refuse in one line."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, cast

import flax.linen as nn
from flax.errors import (
    FlaxError,
    InvalidRngError,
    ModifyScopeVariableError,
    TraceContextError,
)
from jax.tree_util import Partial

from rtickets.errors import InputError


def without_modules(logits_fn: Any, given: bool = False) -> Callable[..., Any]:
    """Take the variables out of bound flax modules.

    `given` says that positional arguments precede the images, as variables do those of `apply`.
    """
    if isinstance(logits_fn, functools.partial):  # a Partial is one, too
        inner = without_modules(logits_fn.func, given or bool(logits_fn.args))
        if inner is logits_fn.func:
            return logits_fn
        assert isinstance(inner, Partial)  # as all that follows
        if isinstance(logits_fn, Partial):
            return Partial(inner.func, *inner.args, *logits_fn.args, **logits_fn.keywords)
        settings = logits_fn.args, tuple(logits_fn.keywords.items())
        return Partial(_shared(_with_settings, inner.func, *settings), *inner.args)
    module = getattr(logits_fn, "__self__", logits_fn)
    return _of_module(module, logits_fn, given) if isinstance(module, nn.Module) else logits_fn


def _of_module(module: nn.Module, logits_fn: Any, given: bool) -> Callable[..., Any]:
    """Take the variables out of a flax module, itself the model or one of its methods."""
    name, method = type(module).__name__, "__call__"
    if module is not logits_fn:
        method = logits_fn.__name__
    if method == "apply" and not given:
        raise InputError(
            f"{name}.apply takes variables before images; give functools.partial(module.apply, "
            "variables)"
        )
    if method == "apply" or (module.scope is None and method != "__call__" and given):
        return logits_fn  # weights come as an argument
    if module.scope is None:
        raise InputError(
            f"{name} is a module without weights; give module.bind(variables), or a function that "
            "calls module.apply"
        )
    if module.scope.rngs or module.scope.mutable:
        raise InputError(
            f"{name} is bound with rngs or mutable variables, which would change from call to "
            "call; bind its variables alone, or give a function of images and keys (B,) and "
            "samples > 0"
        )
    unbound, variables = module.unbind()
    return Partial(_shared(_applied, unbound, method), variables)


def _shared(make: Any, *arguments: Any) -> Callable[..., Any]:
    """Return what a cached function makes of arguments, anew where they have no hash."""
    try:
        hash(arguments)
    except TypeError:  # arrays among a module's attributes, lists among settings
        return cast(Callable[..., Any], make.__wrapped__(*arguments))
    return cast(Callable[..., Any], make(*arguments))


@functools.lru_cache(maxsize=64)
def _applied(module: nn.Module, method: str) -> Callable[..., Any]:
    """Return one function for all weights of a module, so that they share what is compiled."""

    def apply(variables: Any, *args: Any, **keywords: Any) -> Any:
        return module.apply(variables, *args, method=method, **keywords)

    return apply


@functools.lru_cache(maxsize=64)
def _with_settings(
    function: Callable[..., Any], args: tuple[Any, ...], keywords: tuple[tuple[str, Any], ...]
) -> Callable[..., Any]:
    """Return a function with settings, such as `train=False`, that are no data."""

    def call(variables: Any, *inputs: Any) -> Any:
        return function(variables, *args, *inputs, **dict(keywords))

    return call


def applying(model: Any) -> Any:
    """Return the method that a `functools.partial` of `apply` calls, whose own takes anything."""
    function = getattr(model, "func", None)
    module = getattr(function, "__self__", None)
    if not isinstance(model, functools.partial) or not isinstance(module, nn.Module):
        return model
    named = model.keywords.get("method") or "__call__"  # flax takes functions, too
    method = getattr(module, named, None) if isinstance(named, str) else None
    if getattr(function, "__name__", "") != "apply" or method is None:
        return model
    own = inspect.signature(nn.Module.apply).parameters
    keywords = {name: value for name, value in model.keywords.items() if name not in own}
    return functools.partial(method, *model.args[1:], **keywords)


def why_flax(error: FlaxError) -> str:
    """Return a line about what flax refused, and what to do."""
    first = str(error).strip().splitlines()[0]
    if isinstance(error, InvalidRngError | ModifyScopeVariableError | TraceContextError):
        return (
            f"the flax module of the model draws or changes variables, as in training ({first}): "
            "call it as in evaluation, such as with train=False or after model.eval(), without an "
            "nnx.jit of its own, or give a function of images and keys (B,) and samples > 0"
        )
    return f"the flax module of the model cannot be called with its variables ({first})"
