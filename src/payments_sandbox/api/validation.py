"""From a pydantic error to a problem that names the field and the remedy, never the value."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from payments_sandbox.api.problems import Problem

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], value: object) -> Model:
    """Return the value as the model; raise Problem for the first thing wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise problem_from(model, error) from None


def problem_from(model: type[BaseModel], error: ValidationError) -> Problem:
    """Return the problem for the first error, in the words of the field's own description."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    names = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        return _unknown_field(names[:-1])
    known, description = _described(model, names)
    if not known:
        return Problem("validation_failed", detail=f"The body must be {an_object_of(model)}.")
    param = ".".join(known)
    verb = "is required" if first["type"] == "missing" else "is not valid"
    return Problem("validation_failed", param=param, detail=f"{param} {verb}: {description}")


def an_object_of(model: type[BaseModel]) -> str:
    """Return what a body must be, in words that name its fields."""
    return f"a JSON object; its fields are: {', '.join(model.model_fields)}"


def _unknown_field(parents: list[str]) -> Problem:
    where = ".".join(parents) or "The request"
    detail = f"{where} holds a field that is not known. Remove it; the reference lists them all."
    return Problem("validation_failed", param=".".join(parents) or None, detail=detail)


def _described(model: type[BaseModel], names: list[str]) -> tuple[list[str], str]:
    """Follow the names as far as they are ours, so that no name a caller made up is repeated."""
    known: list[str] = []
    description = ""
    at: type[BaseModel] | None = model
    for name in names:
        field = at.model_fields.get(name) if at is not None else None
        if field is None:
            break
        known.append(name)
        description = field.description or ""
        at = _nested(field.annotation)
    return known, description


def _nested(annotation: object) -> type[BaseModel] | None:
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    for one in candidates:
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None
