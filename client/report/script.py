"""The modules of the explorer's page as one script."""

import re
from pathlib import Path

_IMPORT = re.compile(r'^import ([\w{}\s,]+?) from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|class|function\*?) (\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)


def one_script(entry: Path, instead: dict[Path, Path]) -> str:
    """Return a script that does what the module `entry` does, with those that it imports in it.

    instead: modules that others stand for. Each module becomes a function that is called once; the entry stays at the
    top, where it may wait. The modules must import in one direction, each on lines of its own at the top.
    """
    names: dict[Path, str] = {}
    parts: list[str] = []

    def body(path: Path) -> str:
        source = instead.get(path, path)
        text = source.read_text(encoding="utf-8")

        def imported(found: re.Match[str]) -> str:
            wanted, name = found[1], module((source.parent / found[2]).resolve())
            if wanted.startswith("{"):
                return f"const {wanted.replace(' as ', ': ')} = {name};\n"
            return f"const {wanted} = {name}.$default;\n"

        return _IMPORT.sub(imported, text)

    def module(path: Path) -> str:
        if path not in names:
            text = body(path)
            exported = ", ".join([*(found[1] for found in _EXPORT.finditer(text)), *_DEFAULT.findall(text)[:1]])
            exported = exported.replace("export default ", "$default")
            text = _DEFAULT.sub("const $default = ", _EXPORT.sub("", text))
            names[path] = f"$module{len(names)}"
            parts.append(f"const {names[path]} = (() => {{\n{text}return {{ {exported} }};\n}})();\n")
        return names[path]

    last = body(entry.resolve())
    script = "".join(parts) + last
    if "</script" in script:
        raise ValueError(f"{entry}: a script that ends its own element")
    return script
