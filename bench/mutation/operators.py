"""What is changed: every variant of an expression or a statement that differs from it in one place.

Texts for people (strings with a blank, f-strings, docstrings) and annotations are left alone: no promise
hangs on their wording. A number below a hundred is a count or an index and moves by one; a greater one is
a measure, and is doubled and halved: whether its very end belongs to it is what the comparisons are for.
"""

import ast
import copy
from collections.abc import Iterator
from typing import TypeVar

_Node = TypeVar("_Node", bound=ast.AST)

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_SWAPPED_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_DROPPED_CALLS = {"abs", "sorted", "reversed", "nearest_second"}
_ASSURANCES = {"strict"}  # of zip: says what is so anyway
_A_MEASURE = 100

# What of a statement is its own text, not that of the statements in it.
_HEAD = ("test", "iter", "value", "exc", "targets", "target", "items")


def with_field(node: _Node, field: str, value: object) -> _Node:
    """A copy of a node, sharing all but one field."""
    twin = copy.copy(node)
    setattr(twin, field, value)
    return twin


def changes(statement: ast.stmt, fresh: bool) -> Iterator[ast.stmt]:
    """Every variant of a statement's own text. ``fresh``: it is the first to bind its name, so that leaving
    it out could only raise NameError."""
    if isinstance(statement, ast.FunctionDef):
        for variant in _in_fields(statement.args, ("defaults", "kw_defaults")):
            yield with_field(statement, "args", variant)
        return
    yield from _left_out(statement, fresh)
    yield from _in_fields(statement, _HEAD)


def _left_out(statement: ast.stmt, fresh: bool) -> Iterator[ast.stmt]:
    match statement:
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Delete():
            yield ast.Pass()
        case ast.Assign() if not fresh:
            yield ast.Pass()
        case ast.Return(value=None):
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case _:
            pass
    if isinstance(statement, ast.AugAssign):
        yield ast.Assign([statement.target], statement.value, lineno=statement.lineno)
        for operator in _others(_ARITHMETIC, statement.op):
            yield with_field(statement, "op", operator())
    if isinstance(statement, ast.If | ast.While):
        yield with_field(statement, "test", ast.Constant(False))
    if isinstance(statement, ast.If):
        yield with_field(statement, "test", ast.Constant(True))


def _others(
    table: dict[type[ast.operator], type[ast.operator]], operator: ast.operator
) -> Iterator[type[ast.operator]]:
    if type(operator) in table:
        yield table[type(operator)]


def _in_fields(node: _Node, fields: tuple[str, ...]) -> Iterator[_Node]:
    """A node with one of its parts varied."""
    for field in fields:
        part = getattr(node, field, None)
        if isinstance(part, list):
            for index, one in enumerate(part):
                for variant in _variants(one) if isinstance(one, ast.AST) else ():
                    yield with_field(node, field, [*part[:index], variant, *part[index + 1 :]])
        elif isinstance(part, ast.AST):
            for variant in _variants(part):
                yield with_field(node, field, variant)


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    """Every variant of an expression (or of a keyword, a comprehension, a slice)."""
    if isinstance(node, ast.expr):
        yield from _of_expression(node)
    if isinstance(node, ast.comprehension) and node.ifs:
        for index in range(len(node.ifs)):
            yield with_field(node, "ifs", node.ifs[:index] + node.ifs[index + 1 :])
    if isinstance(node, ast.keyword) and node.arg in _ASSURANCES:
        return
    if isinstance(node, ast.JoinedStr):
        yield from _in_fields(with_field(node, "values", node.values), ("values",))
    elif isinstance(node, ast.FormattedValue):
        yield from _in_fields(node, ("value",))
    elif isinstance(node, ast.Lambda):
        yield from _in_fields(node, ("body",))
    else:
        yield from _in_fields(node, node._fields)


def _of_expression(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Constant(value=value):
            yield from (ast.Constant(other) for other in _other_values(value))
        case ast.Compare(ops=ops, comparators=sides):
            for index, operator in enumerate(ops):
                for other in _COMPARISONS[type(operator)]:
                    yield with_field(node, "ops", [*ops[:index], other(), *ops[index + 1 :]])
            if len(ops) == 1 and isinstance(ops[0], ast.In | ast.NotIn):
                yield from (with_field(node, "comparators", [less]) for less in _fewer(sides[0]))
        case ast.BinOp(op=operator):
            yield from (with_field(node, "op", other()) for other in _others(_ARITHMETIC, operator))
        case ast.BoolOp(op=operator, values=values):
            yield with_field(node, "op", ast.Or() if isinstance(operator, ast.And) else ast.And())
            for index in range(len(values)):
                left = values[:index] + values[index + 1 :]
                yield left[0] if len(left) == 1 else with_field(node, "values", left)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.Call():
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[ast.expr]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in _SWAPPED_CALLS:
        yield with_field(node, "func", ast.Name(_SWAPPED_CALLS[name], ast.Load()))
    if name in _DROPPED_CALLS:
        yield node.args[0]
    for index, keyword in enumerate(node.keywords):
        if keyword.arg not in _ASSURANCES:
            yield with_field(node, "keywords", node.keywords[:index] + node.keywords[index + 1 :])


def _other_values(value: object) -> tuple[bool | int | str, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return (value * 2, value // 2) if value >= _A_MEASURE else (value + 1, value - 1)
    if isinstance(value, str) and " " not in value:
        return (f"{value}?",)
    return ()


def _fewer(node: ast.expr) -> Iterator[ast.expr]:
    """A written-out collection without one of its members."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 1:
        for index in range(len(node.elts)):
            yield with_field(node, "elts", node.elts[:index] + node.elts[index + 1 :])
