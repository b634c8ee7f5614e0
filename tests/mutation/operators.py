"""Single faults in a source text: each operator says what it makes of a node of the syntax tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

# What changes no number and no message: typing, tuning of Python's own tools, examples that the tests read.
SKIPPED_KEYWORDS = {"strict", "stacklevel", "frozen", "slots", "kw_only", "maxsize", "repr"}
SKIPPED_TARGETS = {"EXAMPLES", "__all__", "__slots__"}
SKIPPED_FUNCTIONS = {"__repr__", "extra_repr"}
# Calls whose arguments are of different types: swapped ones end in a TypeError, which no test needs to look for.
UNLIKE_ARGUMENTS = {"isinstance", "issubclass", "getattr", "setattr", "hasattr", "enumerate", "map", "filter", "super"}
AXIS_KEYWORDS = {"dim", "axis", "dims", "axes", "start_dim", "end_dim"}
_AXIS_METHODS = """
    argsort cat chunk concatenate cumsum expand_dims flatten flip gather index_select mean movedim moveaxis narrow
    permute select softmax sort split squeeze stack sum swapaxes tensor_split transpose unbind unflatten unsqueeze
"""
AXIS_METHODS = frozenset(_AXIS_METHODS.split())
OTHER_AXIS = {0: 1, 1: 0, 2: 1, 3: 2, 4: 3, -1: -2, -2: -1, -3: -2}
OTHER_ORDER = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
OPPOSITE = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
REACHED = "_mutant_reached"  # a name among the builtins: what is called where a changed place is computed
CHECKS = ("check", "refuse", "require", "verify", "validate")  # functions that are there to raise
TERMS = (ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr)
ONE_WAY = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult, ast.RShift)


@dataclass(frozen=True)
class Site:
    """One fault at one place: `text[start:end]` (in bytes) becomes `after`."""

    operator: str
    function: str  # "Class.method", or "<module>"
    line: int
    start: int
    end: int
    before: str
    after: str
    noted: str = field(default="", compare=False)  # as `after`, and calls REACHED first; empty where no call can stand
    checks: bool = field(default=False, compare=False)  # whether it is a part of a check, which raises on purpose

    def apply(self, text: str, noted: bool = False) -> str:
        data = text.encode()
        return (data[: self.start] + (self.noted if noted else self.after).encode() + data[self.end :]).decode()


# ---------------------------------------------------------------------------- the operators: node -> changed nodes


def _integer(node: ast.expr | None) -> int | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    return sign * node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


def _changed(node: ast.AST, **fields: object) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _exchanged(node: ast.AST, name: str, i: int) -> ast.AST:
    items = list(getattr(node, name))
    items[i], items[i + 1] = items[i + 1], items[i]
    return _changed(node, **{name: items})


def _call() -> ast.expr:
    return ast.Call(ast.Name(REACHED, ast.Load()), [], [])


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _named(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def swapped_operands(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ONE_WAY) and not _is_text(node.left):
        yield _changed(node, left=node.right, right=node.left)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OTHER_ORDER:
        yield _changed(node, left=node.comparators[0], comparators=[node.left])
    if isinstance(node, ast.IfExp):
        yield _changed(node, body=node.orelse, orelse=node.body)
    if isinstance(node, ast.Call) and _called(node) == "where" and len(node.args) == 3:
        yield _exchanged(node, "args", 1)


def dropped_terms(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, TERMS) and not (_is_text(node.left) or _is_text(node.right)):
        yield node.left
        if not isinstance(node.op, ast.Sub):
            yield node.right
    if isinstance(node, ast.BoolOp):
        for i in range(len(node.values)):
            rest = node.values[:i] + node.values[i + 1 :]
            yield rest[0] if len(rest) == 1 else _changed(node, values=rest)
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd) and _integer(node) is None:
        yield node.operand
    if isinstance(node, ast.Call):
        for i, keyword in enumerate(node.keywords):
            if keyword.arg is not None and keyword.arg not in SKIPPED_KEYWORDS:
                yield _changed(node, keywords=node.keywords[:i] + node.keywords[i + 1 :])
    if isinstance(node, ast.Dict) and len(node.keys) > 1:
        for i in range(len(node.keys)):
            yield _changed(node, keys=node.keys[:i] + node.keys[i + 1 :], values=node.values[:i] + node.values[i + 1 :])
    if isinstance(node, ast.Set | ast.List | ast.Tuple) and len(node.elts) > 2 and not isinstance(node, ast.Tuple):
        for i in range(len(node.elts)):
            yield _changed(node, elts=node.elts[:i] + node.elts[i + 1 :])


def dropped_statements(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    if isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield ast.Pass()
    if isinstance(node, ast.If) and not node.orelse and all(isinstance(each, ast.Raise) for each in node.body):
        yield ast.Pass()


def shifted_indices(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    if not isinstance(node, ast.Subscript):
        return
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]

    def with_part(i: int, part: ast.expr) -> ast.AST:
        if not isinstance(node.slice, ast.Tuple):
            return _changed(node, slice=part)
        return _changed(node, slice=ast.Tuple([*parts[:i], part, *parts[i + 1 :]], ast.Load()))

    for i, part in enumerate(parts):
        if isinstance(part, ast.Slice):
            for name in ("lower", "upper", "step"):
                bound = getattr(part, name)
                if (value := _integer(bound)) is not None:
                    new = (value + 1, value - 1) if name != "step" else (-value,)
                    for each in new:
                        yield with_part(i, _changed(part, **{name: ast.Constant(each)}))  # type: ignore[arg-type]
                elif bound is not None and name != "step":
                    more = ast.BinOp(bound, ast.Add(), ast.Constant(1))
                    yield with_part(i, _changed(part, **{name: more}))  # type: ignore[arg-type]
        elif (value := _integer(part)) is not None:
            yield with_part(i, ast.Constant(value + 1))
            yield with_part(i, ast.Constant(value - 1))


def other_axes(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    if not isinstance(node, ast.Call):
        return
    for i, keyword in enumerate(node.keywords):
        if keyword.arg in AXIS_KEYWORDS and _integer(keyword.value) in OTHER_AXIS:
            new = _changed(keyword, value=ast.Constant(OTHER_AXIS[_integer(keyword.value)]))  # type: ignore[index]
            yield _changed(node, keywords=[*node.keywords[:i], new, *node.keywords[i + 1 :]])
    if _called(node) in AXIS_METHODS:
        for i, argument in enumerate(node.args):
            if (value := _integer(argument)) in OTHER_AXIS:
                yield _changed(node, args=[*node.args[:i], ast.Constant(OTHER_AXIS[value]), *node.args[i + 1 :]])  # type: ignore[index]
                break


def negated_conditions(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    if isinstance(node, ast.IfExp | ast.While):
        yield _changed(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.comprehension) and node.ifs:
        yield _changed(node, ifs=[ast.UnaryOp(ast.Not(), node.ifs[0]), *node.ifs[1:]])
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OPPOSITE:
        yield _changed(node, ops=[OPPOSITE[type(node.ops[0])]()])
    if id(node) in scope.conditions and not isinstance(node, ast.Compare):
        yield ast.UnaryOp(ast.Not(), node)  # type: ignore[arg-type]


def neighbouring_constants(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OTHER_ORDER:
        yield _changed(node, ops=[OTHER_ORDER[type(node.ops[0])]()])
    if isinstance(node, ast.Constant) and id(node) not in scope.indices:
        if type(node.value) is bool:
            yield ast.Constant(not node.value)
        elif type(node.value) is int:
            yield ast.Constant(node.value + 1)
            if node.value:
                yield ast.Constant(node.value - 1)
        elif type(node.value) is float:
            yield ast.Constant(node.value * 1.25 if node.value else 0.25)


def swapped_names(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call) and _called(node) not in UNLIKE_ARGUMENTS:
        for i in range(len(node.args) - 1):
            if _named(node.args[i]) and _named(node.args[i + 1]):
                yield _exchanged(node, "args", i)
    if isinstance(node, ast.Tuple | ast.List) and id(node) not in scope.unlike:
        for i in range(len(node.elts) - 1):
            if _named(node.elts[i]) and _named(node.elts[i + 1]):
                yield _exchanged(node, "elts", i)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        kind = scope.types.get(node.id)
        for other, its_kind in scope.types.items():
            if other != node.id and its_kind == kind:
                yield _changed(node, id=other)


OPERATORS: dict[str, Callable[[ast.AST, Scope], Iterator[ast.AST]]] = {
    "swapped operands": swapped_operands,
    "dropped term": dropped_terms,
    "dropped statement": dropped_statements,
    "shifted index": shifted_indices,
    "other axis": other_axes,
    "negated condition": negated_conditions,
    "neighbouring constant": neighbouring_constants,
    "swapped names": swapped_names,
}

# ---------------------------------------------------------------------------- where they are tried


class Scope:
    """What an operator has to know of a node's surroundings."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}  # the arguments of the function around, with their annotations
        self.conditions: set[int] = set()  # the tests of `if` statements
        self.indices: set[int] = set()  # constants that other operators change
        self.unlike: set[int] = set()  # displays whose elements are of different types
        self.checks: set[int] = set()  # what decides whether an error is raised


class _Walk:
    """Goes through a module, outermost first, past what no operator may touch."""

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        self.lines = [0]
        for line in self.text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.scope = Scope()
        self.names: list[str] = []
        self.found: list[Site] = []

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.Assert):
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node, ast.Call) and _called(node) in {"warn", "TypeVar", "cast"}:
            return
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            self.visit_definition(node)
            return
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(each, ast.Name) and each.id in SKIPPED_TARGETS for each in targets):
                return
        self.note(node)
        if not isinstance(node, ast.Slice | ast.keyword):
            self.try_operators(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "ctx", "decorator_list", "returns", "args") and isinstance(value, ast.AST):
                if isinstance(value, ast.arguments):
                    self.visit(value)
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child)

    def visit_definition(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        if node.name in SKIPPED_FUNCTIONS:
            return
        types = self.scope.types
        self.names.append(node.name)
        if isinstance(node, ast.FunctionDef):
            for default in (*node.args.defaults, *node.args.kw_defaults):
                if default is not None:
                    self.visit(default)
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            self.scope.types = {each.arg: ast.unparse(each.annotation) for each in arguments if each.annotation}
        for child in node.body:
            self.visit(child)
        self.names.pop()
        self.scope.types = types

    def note(self, node: ast.AST) -> None:
        """Remember what the operators need when they come to the children."""
        scope = self.scope
        if isinstance(node, ast.If):
            scope.conditions.add(id(node.test))
            if any(isinstance(each, ast.Raise) for each in node.body):
                scope.checks.update(id(each) for each in (node, *ast.walk(node.test)))
        if isinstance(node, ast.Subscript):
            scope.indices.update(id(each) for each in ast.walk(node.slice) if isinstance(each, ast.Constant))
        if isinstance(node, ast.Call) and _called(node) in AXIS_METHODS:
            scope.indices.update(id(each) for each in node.args)
        if isinstance(node, ast.keyword) and node.arg in AXIS_KEYWORDS | SKIPPED_KEYWORDS:
            scope.indices.update(id(each) for each in ast.walk(node.value))
        if isinstance(node, ast.For | ast.comprehension):
            scope.unlike.add(id(node.target))  # names of unlike things, as a key and its value
        if isinstance(node, ast.Call) and _called(node) in UNLIKE_ARGUMENTS:
            scope.unlike.update(id(each) for each in node.args)  # the order of types in isinstance says nothing

    def try_operators(self, node: ast.AST) -> None:
        if not hasattr(node, "lineno") and not isinstance(node, ast.comprehension):
            return
        for name, operator in OPERATORS.items():
            for new in operator(node, self.scope):
                self.add(name, node, new)

    def add(self, operator: str, node: ast.AST, new: ast.AST) -> None:
        if isinstance(node, ast.comprehension):
            first, last = node.target, node.ifs[-1]
            start, end = self.offset(first.lineno, first.col_offset), self.offset(last.end_lineno, last.end_col_offset)
            before, after = self.text[start:end].decode(), ast.unparse(new).strip().removeprefix("for ")
            first, *rest = new.ifs  # type: ignore[attr-defined]
            wrapped = ast.unparse(_changed(new, ifs=[ast.BoolOp(ast.Or(), [_call(), first]), *rest]))
            noted = wrapped.strip().removeprefix("for ")
        else:
            # Of a statement with a body, the head alone is shown.
            start = self.offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]
            end = self.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
            before, after = ast.unparse(node), ast.unparse(new)
            noted = ""
            if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
                noted = f"({REACHED}() or ({after}))"
            if isinstance(node, ast.expr) and not isinstance(new, ast.Name | ast.Constant):
                after = f"({after})"
            if isinstance(node, ast.While):
                end = self.offset(node.test.end_lineno, node.test.end_col_offset)
                before, after = f"while {ast.unparse(node.test)}", f"while not ({ast.unparse(node.test)})"
                noted = f"while {REACHED}() or not ({ast.unparse(node.test)})"
            if isinstance(new, ast.Pass):
                noted = f"{REACHED}()"
        line = self.text[:start].count(b"\n") + 1
        checks = id(node) in self.scope.checks or any(name.strip("_").startswith(CHECKS) for name in self.names)
        self.found.append(
            Site(operator, ".".join(self.names) or "<module>", line, start, end, before, after, noted, checks)
        )

    def offset(self, line: int | None, column: int | None) -> int:
        assert line is not None
        assert column is not None
        return self.lines[line - 1] + column


def sites(text: str) -> list[Site]:
    """Every fault that the operators can plant in a module's source. Not every one compiles: see `is_program`."""
    walk = _Walk(text)
    walk.visit(ast.parse(text))
    found: dict[tuple[int, int, str], Site] = {}
    for site in walk.found:
        found.setdefault((site.start, site.end, site.after), site)
    return list(found.values())


def is_program(site: Site, text: str) -> bool:
    """Whether the changed source compiles and is not the same program as before."""
    try:
        changed = ast.parse(site.apply(text))
        compile(changed, "<mutant>", "exec")
    except SyntaxError:
        return False
    return ast.dump(changed) != ast.dump(ast.parse(text))
