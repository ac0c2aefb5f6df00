"""Puts a mutant into the program that runs: in a child of the process that has imported everything.

A function gets another code object, so that everybody who holds the function has the change too. What a
module binds when it is imported is bound anew, in every module that took it over by name.
"""

import ast
import importlib
import sys
from types import CodeType, FunctionType, ModuleType

from mutation.mutants import MODULE, Mutant

PACKAGE = "refclock"


class GraftError(Exception):
    """The change cannot be brought into a running program."""


def graft(mutant: Mutant) -> None:
    """Make the running program the mutant. Raises GraftError; SyntaxError where it is no program."""
    file = mutant.name.file.removesuffix(".py").removesuffix("/__init__")
    module = importlib.import_module(f"{PACKAGE}.{file.replace('/', '.')}")
    tree = ast.fix_missing_locations(mutant.tree)
    if mutant.kind == "module":
        _rebind(module, tree)
    elif mutant.kind == "class":
        _redefine(module, tree, mutant.name.where)
    else:
        code = compile(tree, module.__file__ or "", "exec")
        _recode(module, code, tree, mutant)


def _recode(module: ModuleType, code: CodeType, tree: ast.Module, mutant: Mutant) -> None:
    where = mutant.name.where
    function = _function(module, where, mutant.first_line)
    if mutant.kind == "defaults":
        node = _definition(tree, where)
        namespace = dict(vars(module))
        values = [eval(_expression(one), namespace) for one in node.args.defaults]
        named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        function.__defaults__ = tuple(values) or None
        function.__kwdefaults__ = {
            arg.arg: eval(_expression(one), namespace) for arg, one in named if one is not None
        }
        return
    found = _code(code, where, mutant.first_line)
    try:
        function.__code__ = found
    except ValueError as error:  # another number of variables of an enclosing function
        raise GraftError(str(error)) from error


def _expression(node: ast.expr) -> CodeType:
    return compile(ast.Expression(node), "<default>", "eval")


def _function(module: ModuleType, where: str, first_line: int) -> FunctionType:
    *outer, last = where.split(".")
    holder: object = module
    for name in outer:
        holder = getattr(holder, name)
    found = vars(holder)[last]
    if isinstance(found, property):
        found = next(
            one for one in (found.fget, found.fset) if one and one.__code__.co_firstlineno == first_line
        )
    found = getattr(found, "__func__", found)
    if not isinstance(found, FunctionType):
        raise GraftError(f"{where} is a {type(found).__name__}")
    return found


def _code(code: CodeType, where: str, first_line: int) -> CodeType:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            if one.co_qualname == where and one.co_firstlineno == first_line:
                return one
            if where.startswith(f"{one.co_qualname}."):
                return _code(one, where, first_line)
    raise GraftError(f"no code of {where}")


def _definition(tree: ast.Module, where: str) -> ast.FunctionDef:
    body: list[ast.stmt] = tree.body
    *outer, last = where.split(".")
    for name in outer:
        body = next(one.body for one in body if isinstance(one, ast.ClassDef) and one.name == name)
    return next(one for one in body if isinstance(one, ast.FunctionDef) and one.name == last)


def _rebind(module: ModuleType, tree: ast.Module) -> None:
    """Run the module's assignments anew, and hand on what differs."""
    kept: list[ast.stmt] = [
        one for one in tree.body if isinstance(one, ast.Assign | ast.AnnAssign | ast.AugAssign)
    ]
    namespace = dict(vars(module))
    exec(compile(ast.Module(kept, []), module.__file__ or "", "exec"), namespace)
    for name in {one for statement in kept for one in names(statement, ast.Store)}:
        old, new = vars(module).get(name), namespace.get(name)
        if old == new and type(old) is type(new):
            continue
        for other in list(sys.modules.values()):
            held = getattr(other, "__dict__", {})  # a program may put anything there
            if held.get(name) is old:
                setattr(other, name, new)


def names(statement: ast.stmt, context: type[ast.expr_context]) -> set[str]:
    """The plain names that a statement reads, or binds."""
    return {
        one.id for one in ast.walk(statement) if isinstance(one, ast.Name) and isinstance(one.ctx, context)
    }


def _redefine(module: ModuleType, tree: ast.Module, where: str) -> None:
    """A dataclass's own defaults, which live in its ``__init__``."""
    if where == MODULE or "." in where:
        raise GraftError(where)
    node = next(one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == where)
    given = [one for one in node.body if isinstance(one, ast.AnnAssign) and one.value is not None]
    if any(isinstance(one, ast.Assign) for one in node.body):
        raise GraftError(f"{where} is no dataclass")
    initialiser = getattr(module, where).__init__
    values = tuple(eval(_expression(one.value), dict(vars(module))) for one in given if one.value is not None)
    if len(values) != len(initialiser.__defaults__ or ()):
        raise GraftError(f"{where}: its fields' defaults are not simple")
    initialiser.__defaults__ = values
