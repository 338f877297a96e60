"""The house rules that can be read off the imports: who may know whom, who reads the environment, what loads late."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A room and the rooms it may import: downhill only.
ROOMS = {
    "servers": {"servers", "graph", "agents"},
    "graph": {"graph", "agents"},
    "agents": {"agents"},
}
NOT_OURS_TO_IMPORT = {"tests", "benchmarks"}

# Libraries that a room leaves to the one above it, anywhere in its files.
UPSTAIRS = {
    "agents": {"langgraph", "fastapi", "starlette", "uvicorn", "typer", "pydantic_settings"},
    "graph": {"fastapi", "starlette", "uvicorn", "typer", "pydantic_settings"},
}

# Entrances that must be loaded in no time, and what may not come with them, directly or by way of our own modules.
LIGHT = {
    "servers": {
        "starlette",
        "fastapi",
        "uvicorn",
        "pydantic",
        "langgraph",
        "langchain_core",
        "langchain_openai",
        "openai",
    },
    "servers.server": {"fastapi", "langgraph", "langchain", "langchain_core", "langchain_openai", "openai", "tiktoken"},
    "servers.clients": {"langchain_core", "langchain_openai", "openai"},
    "servers.clients.openai": {"langchain_core", "langchain_openai", "langgraph", "fastapi"},
    "servers.cli": {"langgraph", "langchain", "langchain_core", "langchain_openai", "openai", "tiktoken", "rich"},
    "servers.openai_compat_server": {"langgraph", "langchain", "langchain_core", "langchain_openai", "openai"},
    "agents": {"langgraph", "langchain", "langchain_openai", "openai", "tiktoken"},
    "graph.tokens": {"tiktoken"},
}

# Folders so full that their door says in its docstring what each file is for.
FULL = ("graph", "servers", "servers/assistants", "servers/chat_completions")

READS_THE_ENVIRONMENT = "servers/settings.py"
LONGEST_FILE = 500

FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
DOORS = [path for path in FILES if path.name == "__init__.py"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def each_file(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=name_of)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Every module that is named, `from package import name` both as the package and as package.name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_module_level(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: no functions, nothing for the type checker alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_module_level(child)


def tops(modules: Iterator[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def file_of(module: str) -> Path | None:
    """Where a module of ours lives; None for a library's, and for a name that is no module."""
    base = ROOT.joinpath(*module.split("."))
    places = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in places if module.partition(".")[0] in ROOMS and path.exists()), None)


def loaded_with(module: str, seen: set[str]) -> Iterator[str]:
    """The top names of all that is loaded when `module` is imported, its packages' doors included."""
    parts = module.split(".")
    for name in (".".join(parts[:length]) for length in range(1, len(parts) + 1)):
        path = file_of(name)
        if name in seen or path is None:
            continue
        seen.add(name)
        for imported in imports(at_module_level(tree(path))):
            yield imported.partition(".")[0]
            yield from loaded_with(imported, seen)


def test_the_rooms_are_there() -> None:
    assert {name_of(path).partition("/")[0] for path in FILES} == set(ROOMS)


@each_file(FILES)
def test_imports_run_downhill(path: Path) -> None:
    room = name_of(path).partition("/")[0]
    found = tops(imports(ast.walk(tree(path))))
    assert found & set(ROOMS) <= ROOMS[room]
    assert not found & NOT_OURS_TO_IMPORT
    assert not found & UPSTAIRS.get(room, set())


@pytest.mark.parametrize("module", LIGHT)
def test_entrances_are_light(module: str) -> None:
    assert file_of(module), f"{module} is gone: mend the table"
    assert not set(loaded_with(module, set())) & LIGHT[module]


@each_file([path for path in FILES if name_of(path) != READS_THE_ENVIRONMENT])
def test_only_the_settings_read_the_environment(path: Path) -> None:
    readers = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "dotenv"}
    attributes = {ast.unparse(node) for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
    assert not readers & (attributes | set(imports(ast.walk(tree(path)))))


@each_file(DOORS)
def test_a_door_lists_who_lives_there(path: Path) -> None:
    body = tree(path).body
    statements = [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    if statements:
        namespace = {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}
        namespace |= {imported.rpartition(".")[2] for imported in imports(ast.walk(tree(path)))}
        namespace |= {
            node.name for node in statements if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        assert set(listed(statements)) <= namespace


@pytest.mark.parametrize("folder", FULL)
def test_the_door_of_a_full_room_names_everybody(folder: str) -> None:
    told = ast.get_docstring(tree(ROOT / folder / "__init__.py")) or ""
    files = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}
    folders = {f"{path.parent.name}/" for path in (ROOT / folder).glob("*/__init__.py")}
    assert {name for name in files | folders if f"`{name}`" not in told} == set()


def listed(statements: list[ast.stmt]) -> list[str]:
    for node in statements:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    raise AssertionError("a door with code in it needs an __all__")


@each_file(FILES)
def test_files_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
