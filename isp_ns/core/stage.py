"""Stages: functions or modules from frames to a frame. The signature is the declaration.

    @stage("demosaic.malvar", reach=Local(halo=2, align=2))
    def malvar(raw: Mosaic) -> CameraRgb: ...

Positional arguments are ports, keyword-only arguments are parameters with their units in the name. A keyword `box` is
not a parameter: the runner fills it in for stages that must know which part of the image they make.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from isp_ns.core.parameters import Parameter, parameter
from isp_ns.core.ports import Port
from isp_ns.core.reach import Local, Reach, Reduce
from isp_ns.core.registry import register

__all__ = ["StageSpec", "stage"]

Declared = TypeVar("Declared", bound=Callable[..., Any])
Narrow = Callable[[Mapping[str, Any]], str | None]
ENGINE_KEYWORDS = frozenset({"box"})


@dataclass(frozen=True, eq=False)
class StageSpec:
    """What a stage declares: name, input ports, parameters, output port and reach."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[tuple[str, Port], ...]
    parameters: tuple[Parameter, ...]
    output: Port
    reach: Reach
    wants_box: bool
    narrow: Narrow | None
    doc: str

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return self.doc.strip().splitlines()[0] if self.doc.strip() else ""

    def bind(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """All parameters with defaults filled in, and what is wrong with the given ones."""
        known = {p.name: p for p in self.parameters}
        problems = [self._unknown(name, known) for name in given if name not in known]
        values: dict[str, Any] = {}
        for name, declared in known.items():
            if name not in given:
                if declared.required:
                    problems.append(f"{self.name} needs the parameter {name} ({declared.type_name})")
                values[name] = declared.default
                continue
            try:
                values[name] = declared.check(given[name])
            except ValueError as error:
                problems.append(str(error))
        return values, problems

    def ports(self, params: Mapping[str, Any]) -> tuple[tuple[Port, ...], Port]:
        """Input and output ports for these parameters, features narrowed to their space."""
        space = self.narrow(params) if self.narrow else None
        ports = [Port(p.kind, space) if p.kind == "features" else p for _, p in (*self.inputs, ("", self.output))]
        return tuple(ports[:-1]), ports[-1]

    def _unknown(self, name: str, known: Mapping[str, Parameter]) -> str:
        from isp_ns.core.registry import did_you_mean

        return f"{self.name} has no parameter {name}{did_you_mean(name, known)}"


def stage(name: str, *, reach: Reach | None = None, narrow: Narrow | None = None) -> Callable[[Declared], Declared]:
    """Declare a function, or a class of modules, as the stage `name` ("family.method").

    Args:
        name: unique; the family is the file of `isp_ns.stages` that it lives in.
        reach: how far the stage looks; by default each pixel for itself.
        narrow: from parameters to the space id of the features that the stage reads or makes.

    Raises:
        TypeError: if the signature does not declare ports.
        ValueError: if the name is taken.
    """

    def declare(declared: Declared) -> Declared:
        if inspect.isclass(declared):
            spec = _of_module(name, declared, reach or Local(), narrow)
            register(spec)
            return declared
        spec = _of_function(name, declared, reach or Local(), narrow)
        register(spec)
        return _finished(declared, spec)  # type: ignore[return-value]

    return declare


def _finished(function: Callable[..., Any], spec: StageSpec) -> Callable[..., Any]:
    """For direct calls of a measuring stage: the whole image is its only tile."""
    if not isinstance(spec.reach, Reduce):
        return function
    finish = spec.reach.finish

    @functools.wraps(function)
    def measured(*frames: Any, **params: Any) -> Any:
        values, _ = spec.bind(params)
        return finish(function(*frames, **params), values)

    return measured


def _of_function(name: str, function: Callable[..., Any], reach: Reach, narrow: Narrow | None) -> StageSpec:
    signature, hints = inspect.signature(function), get_type_hints(function, include_extras=True)
    return _spec(name, function, signature, hints, signature, hints, reach, narrow, function.__doc__ or "")


def _of_module(name: str, module: type, reach: Reach, narrow: Narrow | None) -> StageSpec:
    @functools.lru_cache(maxsize=8)
    def built(params: tuple[tuple[str, Any], ...]) -> Any:
        return module(**dict(params)).eval()

    def run(*frames: Any, **params: Any) -> Any:
        return built(tuple(sorted(params.items())))(*frames)

    # A name is refused to a second package by where its stage was declared.
    run.__module__ = module.__module__
    forward: Any = module.forward  # type: ignore[attr-defined]
    signature, hints = inspect.signature(forward), get_type_hints(forward, include_extras=True)
    signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    made = inspect.signature(module)
    made_hints = get_type_hints(module.__init__, include_extras=True)  # type: ignore[misc]
    return _spec(name, run, signature, hints, made, made_hints, reach, narrow, module.__doc__ or "")


def _spec(
    name: str,
    function: Callable[..., Any],
    signature: inspect.Signature,
    hints: dict[str, Any],
    options: inspect.Signature,
    option_hints: dict[str, Any],
    reach: Reach,
    narrow: Narrow | None,
    doc: str,
) -> StageSpec:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    inputs = tuple(
        (p.name, _port(name, p.name, hints.get(p.name))) for p in signature.parameters.values() if p.kind in positional
    )
    keywords = [p for p in options.parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    parameters = tuple(parameter(p, option_hints[p.name]) for p in keywords if p.name not in ENGINE_KEYWORDS)
    wants_box = any(p.name in ENGINE_KEYWORDS for p in keywords)
    output = _port(name, "return", hints.get("return"))
    return StageSpec(name, function, inputs, parameters, output, reach, wants_box, narrow, doc)


def _port(stage_name: str, argument: str, hint: Any) -> Port:
    if get_origin(hint) is Annotated:
        for note in get_args(hint)[1:]:
            if isinstance(note, Port):
                return note
    raise TypeError(f"stage {stage_name}: {argument} declares no port; annotate it with Mosaic, CameraRgb, Gains, …")
