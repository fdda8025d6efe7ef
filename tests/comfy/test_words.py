"""Every input and output has words: a tooltip, a translation, and a line with its default and range in a help page.

The pages hold lists, because the page's help panel is too narrow for a table.

English texts are those of the schema, and names are the inputs' own, as in help, README and prompts: `locales/en` holds
only what no schema can say, so nothing is written twice.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest

from gpen.faces.alignment import ALIGNMENTS
from gpen.faces.detectors import DETECTORS
from gpen.model.precision import DTYPES
from gpen.restorers.settings import VALUES
from tools.client import Client
from tools.comfyui import PACK_NAME, ROOT
from tools.workflow import inputs_of

LANGUAGES = ("en", "zh")
# Choices that are names or numbers, the same in every language.
NAMES = {*DETECTORS, *DTYPES, "fp8", "10%", "25%", "50%", *ALIGNMENTS, *VALUES}
WORDS = {
    "en": {"default": "default", "range": "range", "choices": "choices", "to": " to ", "and": ", ", "then": "; "},
    "zh": {"default": "默认", "range": "范围", "choices": "可选", "to": " 至 ", "and": "、", "then": "；"},
}
SWITCH = {"en": ("off", "on"), "zh": ("关", "开")}
# "- **name** (what is known of it): text", in Chinese with the input's own name before what is known of it.
LINE = {
    "en": re.compile(r"- \*\*(?P<name>.+?)\*\*(?: \((?P<facts>.*?)\))?: (?P<text>.+)"),
    "zh": re.compile(r"- \*\*(?P<shown>.+?)\*\*（(?P<name>\w+)(?:；(?P<facts>.*?))?）：(?P<text>.+)"),
}


class Input(NamedTuple):
    name: str
    type: str
    options: dict[str, Any]

    @property
    def choices(self) -> list[str]:
        # Model files are what lies on a person's disk.
        return [] if self.name == "file" else self.options.get("options", [])


@pytest.fixture
def nodes(client: Client) -> dict[str, dict[str, Any]]:
    """Our nodes: id → description."""
    module = f"custom_nodes.{PACK_NAME}"
    return {name: info for name, info in client.object_info().items() if info["python_module"] == module}


def inputs(info: dict[str, Any]) -> list[Input]:
    """Without those that nobody sees."""
    return [Input(name, spec[0], spec[1] if len(spec) > 1 else {}) for name, spec in inputs_of(info).items()]


def translations(language: str) -> dict[str, Any]:
    return json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))


def without(texts: dict[str, Any], fields: Iterable[str]) -> list[str]:
    return [field for field in fields if not texts.get(field)]


def test_tooltips(nodes: dict[str, dict[str, Any]]) -> None:
    assert nodes
    for name, info in nodes.items():
        assert info["description"], f"{name} has no description"
        for entry in inputs(info):
            assert entry.options.get("tooltip"), f"{name}.{entry.name} has no tooltip"
        for output, tooltip in zip(info["output_name"], info["output_tooltips"], strict=True):
            assert tooltip, f"output {name}.{output} has no tooltip"


def test_translations(nodes: dict[str, dict[str, Any]]) -> None:
    words = translations("zh")
    missing: list[str] = []
    for name, info in nodes.items():
        texts = words.get(name, {})
        missing += [f"{name}.{field}" for field in without(texts, ("display_name", "description"))]
        for entry in inputs(info):
            told = texts.get("inputs", {}).get(entry.name, {})
            missing += [f"{name}.{entry.name}.{field}" for field in without(told, ("name", "tooltip"))]
            missing += [
                f"{name}.{entry.name}={choice}"
                for choice in set(entry.choices) - NAMES
                if not told.get("options", {}).get(choice)
            ]
        for index, output in enumerate(info["output_name"]):
            told = texts.get("outputs", {}).get(str(index), {})
            missing += [f"{name} → {output}.{field}" for field in without(told, ("name", "tooltip"))]
    assert not missing, f"locales/zh/nodeDefs.json lacks: {', '.join(missing)}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_words_for_what_is_gone(nodes: dict[str, dict[str, Any]], language: str) -> None:
    words = translations(language)
    gone = set(words) - set(nodes)
    for name, info in nodes.items():
        texts = words.get(name, {})
        known = {entry.name: entry for entry in inputs(info)}
        gone |= {f"{name}.{field}" for field in set(texts.get("inputs", {})) - set(known)}
        gone |= {f"{name} → {index}" for index in list(texts.get("outputs", {}))[len(info["output_name"]) :]}
        for field, entry in known.items():
            told = texts.get("inputs", {}).get(field, {}).get("options", {})
            gone |= {f"{name}.{field}={choice}" for choice in set(told) - set(entry.choices)}
    pages = (ROOT / "web" / "docs").glob(f"*/{language}.md")
    gone |= {f"the page of {page.parent.name}" for page in pages} - {f"the page of {name}" for name in nodes}
    assert not gone, f"{language} has words for what is not there: {', '.join(sorted(gone))}"


def test_english_is_the_schema(nodes: dict[str, dict[str, Any]]) -> None:
    for name, texts in translations("en").items():
        assert not {"display_name", "description", "outputs"} & set(texts), f"{name}: change its schema instead"
        for field, told in texts["inputs"].items():
            assert "tooltip" not in told, f"{name}.{field}: change its schema instead"


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_pages(nodes: dict[str, dict[str, Any]], language: str) -> None:
    words = translations(language)
    wrong: list[str] = []
    for name, info in nodes.items():
        page = ROOT / "web" / "docs" / name / f"{language}.md"
        if not page.is_file():
            wrong.append(f"{page} is missing")
            continue
        text = page.read_text(encoding="utf-8")
        texts = words.get(name, {})
        heads = [line for line in text.splitlines() if line.startswith("## ")]
        told_inputs, told_outputs = (_lines(part, language) for part in re.split(r"^## .*$", text, flags=re.M)[1:])
        assert len(heads) == 2, page
        for entry in inputs(info):
            told = texts.get("inputs", {}).get(entry.name, {})
            expected = (told.get("name", entry.name), _facts(entry, told.get("options", {}), language))
            found = told_inputs.pop(entry.name, None)
            if found != expected:
                wrong.append(f"{page}: of {entry.name} it says {found}, and the schema {expected}")
        wrong += [f"{page}: {gone} is no input" for gone in told_inputs]
        shown = [
            texts.get("outputs", {}).get(str(index), {}).get("name", output)
            for index, output in enumerate(info["output_name"])
        ]
        if [said for said, _ in told_outputs.values()] != shown:
            wrong.append(f"{page}: the outputs are {shown}, and it says {told_outputs}")
        # The page looks for them from here.
        pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
        wrong += [f"{page}: no picture {path}" for path in pictures if not (page.parent.parent / path).is_file()]
    assert not wrong, "\n".join(wrong)


def test_search_aliases(nodes: dict[str, dict[str, Any]]) -> None:
    if not any("search_aliases" in info for info in nodes.values()):
        pytest.skip("this version of ComfyUI has no search aliases")
    assert {"face fix", "GFPGAN", "CodeFormer", "人脸修复"} <= set(nodes["GPENRestore"]["search_aliases"])


def _lines(text: str, language: str) -> dict[str, tuple[str, str]]:
    """A list of a page: name of an input or output → (the name that is shown, what is said of default and range)."""
    found = [LINE[language].fullmatch(line) for line in text.splitlines() if line.startswith("- ")]
    assert all(found), f"a line of another form in {text}"
    groups = [match.groupdict() for match in found if match]
    return {group["name"]: (group.get("shown") or group["name"], group["facts"] or "") for group in groups}


def _facts(entry: Input, labels: dict[str, str], language: str) -> str:
    """What a page must say of default and range; nothing of an input without."""
    words, options = WORDS[language], entry.options
    if entry.type in ("INT", "FLOAT"):
        limits = f"{options['min']:g}{words['to']}{options['max']:g}"
        return f"{words['default']} {options['default']:g}{words['then']}{words['range']} {limits}"
    if entry.type == "BOOLEAN":
        return f"{words['default']} {SWITCH[language][options['default']]}"
    default = labels.get(options.get("default", ""), options.get("default", ""))
    if entry.choices:
        choices = words["and"].join(labels.get(choice, choice) for choice in entry.choices)
        return f"{words['default']} {default}{words['then']}{words['choices']} {choices}"
    return f"{words['default']} {default}" if default else ""
