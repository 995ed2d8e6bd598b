"""Names that pages and other modules rely on: commands, files, networks."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from xonn_scripts.nets.number_recipes import NUMBERS, UNFINISHED
from xonn_scripts.nets.recipes import DIGITS, PHOTOGRAPHS, TABULAR
from xonn_scripts.paths import MODELS, REPO_ROOT
from xonn_scripts.plot.training import TITLES
from xonn_scripts.published import XONN_HIDDEN

SCRIPTS = REPO_ROOT / "scripts"
# Commands that answer without TensorFlow.
COMMANDS = (
    "train",
    "train.numbers",
    "train.table_widths",
    "trim",
    "measure",
    "plot",
    "two_hosts",
    "two_hosts.relay",
    "two_hosts.probe",
)


def pages() -> list[Path]:
    """Every text that names scripts."""
    found = [REPO_ROOT / name for name in ("README.md", "CHANGELOG.md", "justfile", ".ci/run")]
    for pattern in (
        "docs/*.md",
        "models/*/README.md",
        "scripts/*.md",
        "scripts/*.sh",
        "*/tests/data/README.md",
        "xonn-*/tests/all/*.rs",
    ):
        found += REPO_ROOT.glob(pattern)
    return found


def names_of(tree: ast.Module) -> set[str]:
    """What a module defines at its top level, imports left out: a name is imported from where it is made."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {
                leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)
            }
    return found


class Pages(unittest.TestCase):
    """What pages tell people to type or to read."""

    def test_modules_that_are_named_are_there(self) -> None:
        count = 0
        for page in pages():
            # A path of one of their files is checked below.
            text = re.sub(r"scripts/xonn_scripts\S*", "", page.read_text())
            for name in re.findall(r"xonn_scripts((?:\.\w+)+)", text):
                path = SCRIPTS / "xonn_scripts" / name[1:].replace(".", "/")
                runs = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
                self.assertTrue(runs, f"{page.relative_to(REPO_ROOT)} names xonn_scripts{name}")
                count += 1
        self.assertGreater(count, 60)

    def test_files_that_are_named_are_there(self) -> None:
        count = 0
        for page in pages():
            for name in re.findall(r"\bscripts/[\w/.-]*\w", page.read_text()):
                if "requirements" in name:  # The change log says what they became.
                    continue
                self.assertTrue((REPO_ROOT / name).exists(), f"{page.relative_to(REPO_ROOT)} names {name}")
                count += 1
        self.assertGreater(count, 20)

    def test_groups_of_packages_that_are_named_are_there(self) -> None:
        groups = (SCRIPTS / "pyproject.toml").read_text()
        for page in [*pages(), *(SCRIPTS / "xonn_scripts").rglob("*.py")]:
            for group in re.findall(r'"scripts\[(\w+)\]"', page.read_text()):
                self.assertRegex(groups, rf"(?m)^{group} = \[", str(page.relative_to(REPO_ROOT)))


class Imports(unittest.TestCase):
    """Modules that need TensorFlow or PyTorch are not imported here, but what they import is read."""

    def test_names_that_modules_import_from_each_other_are_there(self) -> None:
        sources = {
            ".".join(path.relative_to(SCRIPTS).with_suffix("").parts).removesuffix(".__init__"): path
            for path in (SCRIPTS / "xonn_scripts").rglob("*.py")
        }
        trees = {name: ast.parse(path.read_text()) for name, path in sources.items()}
        count = 0
        for name, tree in trees.items():
            for node in ast.walk(tree):
                if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("xonn_scripts"):
                    continue
                asked = node.module or ""
                self.assertIn(asked, trees, f"{name} imports from it")
                for alias in node.names:
                    known = alias.name in names_of(trees[asked]) or f"{asked}.{alias.name}" in trees
                    self.assertTrue(known, f"{name} imports {alias.name} from {asked}")
                    count += 1
        self.assertGreater(count, 100)


class Networks(unittest.TestCase):
    """Networks have the same names everywhere."""

    def test_every_network_that_can_be_trained_is_in_models(self) -> None:
        self.assertLessEqual({*UNFINISHED}, {*NUMBERS})
        names = {*DIGITS, *PHOTOGRAPHS, *TABULAR, *NUMBERS} - {*UNFINISHED}
        self.assertEqual(names, {path.parent.name for path in MODELS.glob("*/model.keras")})
        self.assertEqual(set(TITLES), set(PHOTOGRAPHS))
        self.assertEqual(set(XONN_HIDDEN), set(TABULAR))


class Commands(unittest.TestCase):
    """Command lines answer."""

    def help_of(self, *command: str) -> str:
        """What a command says of itself."""
        environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
        done = subprocess.run([*command, "--help"], capture_output=True, text=True, env=environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""), command)
        return done.stdout

    def test_help_without_tensorflow(self) -> None:
        for name in COMMANDS:
            with self.subTest(name):
                self.assertIn("usage:", self.help_of(sys.executable, "-m", f"xonn_scripts.{name}"))

    def test_two_hosts_sh(self) -> None:
        self.assertIn("usage: two-hosts.sh", self.help_of("bash", str(SCRIPTS / "two-hosts.sh")))


if __name__ == "__main__":
    unittest.main()
