"""House sizes: what fits on two screens can be read in one go."""

import ast
import io
import tokenize

from tests.architecture.source import ROOT, python_files, shown, text_files, tree

FILES = python_files("labelassign", "tests", "benchmarks", "examples", "docs")
FILE_LINES, TEST_LINES, FUNCTION_LINES, KERNEL_LINES = 150, 300, 40, 120  # a test file is a list of cases
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
# Spelled in two halves, so that this file does not find itself.
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "XX" + "X")


def is_kernel_file(path):
    return path.name == "triton.py" and path.parent.parent.name == "ops"


def code_lines(text):
    """Numbers of the lines that hold code: not blank, not only a comment."""
    skip = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skip:
            found.update(range(token.start[0], token.end[0] + 1))
    return found


def function_sizes(source, text):
    """Name, line and number of code lines of each function, its docstring not counted."""
    code = code_lines(text)
    for node in ast.walk(source):
        if isinstance(node, FUNCTION):
            own = code & set(range(node.lineno, node.end_lineno + 1))
            if ast.get_docstring(node, clean=False) is not None:
                own -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
            yield node.name, node.lineno, len(own)


def bare_not_implemented(source):
    """Lines that raise NotImplementedError without saying what is not implemented."""
    for node in ast.walk(source):
        if isinstance(node, ast.Raise) and node.exc is not None:
            call = isinstance(node.exc, ast.Call)
            name = node.exc.func if call else node.exc
            says = call and bool(node.exc.args)
            if isinstance(name, ast.Name) and name.id == "NotImplementedError" and not says:
                yield node.lineno


def test_files_are_short():
    sizes = {shown(p): len(p.read_text(encoding="utf-8").splitlines()) for p in FILES if not is_kernel_file(p)}
    limits = {name: TEST_LINES if name.startswith("tests/") else FILE_LINES for name in sizes}
    assert not {name: size for name, size in sizes.items() if size > limits[name]}


def test_functions_are_short():
    long = []
    for path in FILES:
        limit = KERNEL_LINES if is_kernel_file(path) else FUNCTION_LINES
        sizes = function_sizes(tree(path), path.read_text(encoding="utf-8"))
        long += [f"{shown(path)}:{line} {name}: {size} > {limit}" for name, line, size in sizes if size > limit]
    assert not long


def test_nothing_is_left_unfinished():
    texts = [*FILES, *text_files(".cpp", ".h", ".md", ".toml", ".yaml", ".cff"), ROOT / "Makefile"]
    found = [(shown(p), word) for p in texts for word in UNFINISHED if word in p.read_text(encoding="utf-8")]
    assert not found
    assert not [f"{shown(path)}:{line}" for path in FILES for line in bare_not_implemented(tree(path))]


def test_contributing_is_short():
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= FILE_LINES


def test_counting_leaves_out_docstring_blank_and_comment():
    text = 'def f(a,\n      b):\n    """Two\n    lines."""\n\n    # why\n    return (a +\n\n            b)\n'
    assert [size for _, _, size in function_sizes(ast.parse(text), text)] == [4]


def test_a_bare_raise_is_seen():
    code = "raise NotImplementedError\nraise NotImplementedError()\nraise NotImplementedError('why')\nraise\n"
    assert list(bare_not_implemented(ast.parse(code))) == [1, 2]
