"""The names of a native module that sources use, checked against the members of the module.

Types are inferred as far as the bindings' docstrings tell them: from the name `trt` through attributes, calls,
assignments, `self.x = …`, and the arguments and results of the sources' own functions and classes, which are identified
by name alone. Expressions whose type cannot be inferred are not checked.
"""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.server.engines.tensorrt.signatures import mismatch, result
from tests.server.engines.tensorrt.stubs import Api

_ROOTS = ("trt", "_trt")
# Bodies are read repeatedly, so that the types of arguments propagate through calls of calls.
_PASSES = 4


class Fault(NamedTuple):
    """A use that the module does not support. place: file and line. name: like "Builder.build_serialized_network"."""

    place: str
    name: str
    why: str


@dataclass
class Uses:
    """The names that sources use, and the faults."""

    names: set[str] = field(default_factory=set)
    faults: set[Fault] = field(default_factory=set)


def uses(sources: Mapping[str, str], api: Api) -> Uses:
    """Check sources, given by file name."""
    reader = _Reader(api)
    for _ in range(_PASSES):
        reader.found = Uses()
        for reader.file, source in sources.items():
            reader.visit(ast.parse(source))
    return reader.found


class _Type(NamedTuple):
    """The type of an expression.

    kind: "module", "class", "instance" or "function", with its name and description, or "tuple" or "list" of `items`.
    """

    kind: str
    name: str = ""
    known: Mapping[str, Any] = {}
    items: tuple["_Type | None", ...] = ()


class _Reader(ast.NodeVisitor):
    file = ""

    def __init__(self, api: Api) -> None:
        self.found = Uses()
        self._module = _Type("module", known=api)
        self._classes = dict(_classes(api))
        self._names: dict[str, _Type | None] = {}
        self._attributes: dict[str, _Type | None] = {}  # of self, of all classes together
        self._functions: dict[str, ast.FunctionDef] = {}
        self._arguments: dict[tuple[str, str], _Type] = {}
        self._results: dict[str, _Type] = {}
        self._inside = ""

    # Expressions: each method returns the type, or None where it is unknown.

    def visit_Name(self, node: ast.Name) -> _Type | None:
        return self._module if node.id in _ROOTS else self._names.get(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> _Type | None:
        if node.attr in _ROOTS:
            return self._module
        if _of_self(node):
            return self._attributes.get(node.attr)
        owner = self.visit(node.value)
        if owner is None or owner.kind not in ("module", "class", "instance"):
            return None
        name = f"{owner.name}.{node.attr}".strip(".")
        member = owner.known["members"].get(node.attr)
        if member is None:
            self._fault(node, name, "there is no such name")
            return None
        self.found.names.add(name)
        if isinstance(node.ctx, ast.Store) and not member.get("settable"):
            self._fault(node, name, "it cannot be set")
        if "class" in member:
            return _Type("class", name, member)
        if "value" in member:
            return self._instance(member["value"])
        if "settable" in member:
            return self._instance(result(member["doc"]))
        return _Type("function", name, member)

    def visit_Call(self, node: ast.Call) -> _Type | None:
        called = self.visit(node.func)
        arguments = [self.visit(argument) for argument in node.args]
        keywords = {keyword.arg or "**": self.visit(keyword.value) for keyword in node.keywords}
        if called is None or called.kind not in ("class", "function"):
            return self._own_call(node.func, arguments, keywords)
        doc = called.known["members"]["__init__"]["doc"] if called.kind == "class" else called.known["doc"]
        spread = any(isinstance(argument, ast.Starred) for argument in node.args)
        # A method that is called on a class has its object among the arguments.
        owner = self.visit(node.func.value) if isinstance(node.func, ast.Attribute) else None
        bound = called.kind == "class" or (owner is not None and owner.kind == "instance")
        why = mismatch(doc, len(arguments) + bound, spread, keywords)
        if why:
            self._fault(node, called.name, why)
        return self._instance(called.name if called.kind == "class" else result(doc))

    def visit_Tuple(self, node: ast.Tuple) -> _Type | None:
        return _Type("tuple", items=tuple(self.visit(item) for item in node.elts))

    def visit_ListComp(self, node: ast.ListComp) -> _Type | None:
        for generator in node.generators:
            self.visit(generator)
        return _Type("list", items=(self.visit(node.elt),))

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._bind_item(node.target, self.visit(node.iter))
        for condition in node.ifs:
            self.visit(condition)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        for generator in node.generators:
            self.visit(generator)
        self.visit(node.elt)

    def visit_Subscript(self, node: ast.Subscript) -> _Type | None:
        of = self.visit(node.value)
        self.visit(node.slice)
        return of.items[0] if of and of.kind == "list" else None

    def visit_BoolOp(self, node: ast.BoolOp) -> _Type | None:
        return _first([self.visit(value) for value in node.values])

    def visit_IfExp(self, node: ast.IfExp) -> _Type | None:
        self.visit(node.test)
        return _first([self.visit(node.body), self.visit(node.orelse)])

    # Statements: they bind names to types.

    def visit_Assign(self, node: ast.Assign) -> None:
        value = self.visit(node.value)
        for target in node.targets:
            self._bind(target, value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self._bind(node.target, self.visit(node.value))

    def visit_For(self, node: ast.For) -> None:
        self._bind_item(node.target, self.visit(node.iter))
        for statement in (*node.body, *node.orelse):
            self.visit(statement)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value and (value := self.visit(node.value)):
            self._results[self._inside] = value

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = [base for base in map(self.visit, node.bases) if base]
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef) and not statement.name.startswith("_"):
                for base in bases:
                    self._overrides(base, statement)
            self._define(statement, node.name) if _is_init(statement) else self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._define(node, node.name)

    def _define(self, node: Any, name: str) -> None:
        """Read the body of a function, or of a class's __init__, which is called by the name of the class."""
        self._functions.setdefault(name, node)
        outer, around = dict(self._names), self._inside
        self._inside = name
        for parameter in (*node.args.args, *node.args.kwonlyargs):
            self._names[parameter.arg] = self._arguments.get((name, parameter.arg))
        for statement in node.body:
            self.visit(statement)
        self._names, self._inside = outer, around

    def _overrides(self, base: _Type, method: ast.FunctionDef) -> None:
        name = f"{base.name}.{method.name}"
        member = base.known["members"].get(method.name)
        if member is None:
            self._fault(method, name, "nothing calls a method of that name")
            return
        self.found.names.add(name)
        if why := mismatch(member["doc"], len(method.args.args), False, {}):
            self._fault(method, name, why)

    def _bind(self, target: ast.expr, value: _Type | None) -> None:
        if isinstance(target, ast.Tuple):
            items = value.items if value and value.kind == "tuple" else ()
            for part, item in zip(target.elts, items, strict=False):
                self._bind(part, item)
        elif isinstance(target, ast.Name):
            self._names[target.id] = value
        elif isinstance(target, ast.Attribute) and _of_self(target):
            self._attributes[target.attr] = value or self._attributes.get(target.attr)
        else:
            self.visit(target)

    def _bind_item(self, target: ast.expr, iterable: _Type | None) -> None:
        self._bind(target, iterable.items[0] if iterable and iterable.kind == "list" else None)

    def _own_call(
        self, function: ast.expr, arguments: Iterable[_Type | None], keywords: Mapping[str, _Type | None]
    ) -> _Type | None:
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        if name not in self._functions:
            return None
        parameters = [p.arg for p in self._functions[name].args.args if p.arg not in ("self", "cls")]
        for parameter, argument in (*zip(parameters, arguments, strict=False), *keywords.items()):
            if argument is not None:
                self._arguments[name, parameter] = argument
        return self._results.get(name)

    def _instance(self, name: str) -> _Type | None:
        # A class that is bound after the function that returns it appears under its C++ name.
        name = name if name in self._classes else name.removeprefix("I")
        return _Type("instance", name, self._classes[name]) if name in self._classes else None

    def _fault(self, node: ast.expr | ast.stmt, name: str, why: str) -> None:
        self.found.faults.add(Fault(f"{self.file}:{node.lineno}", name, why))


def _first(found: Iterable[_Type | None]) -> _Type | None:
    return next((one for one in found if one), None)


def _of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def _is_init(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _classes(owner: Api) -> Iterable[tuple[str, Api]]:
    for member in owner["members"].values():
        if "class" in member:
            yield member["class"], member
            yield from _classes(member)
