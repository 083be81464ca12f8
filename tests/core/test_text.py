import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.common.text import printable, quoted, slug

everything = st.text(st.characters(exclude_categories=()), max_size=30)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("", ""),
        ("Löwe 狮子 🦁", "Löwe 狮子 🦁"),
        ("[red]not markup[/]", "[red]not markup[/]"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("two\nlines\r\tx", "two\\nlines\\r\\tx"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("gpj\u202e.exe", "gpj\\u202e.exe"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("caf\udce9", "caf\\udce9"),
        ("\ue000", "\\ue000"),
        ("\U000e0041", "\\U000e0041"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("❤\ufe0f", "❤\ufe0f"),
    ],
)
def test_printable_escapes_unsafe_characters(text: str, shown: str) -> None:
    assert printable(text) == shown


@settings(max_examples=200)
@given(text=everything)
def test_printable_is_one_safe_line(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown)
    shown.encode("utf-8")
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\\b", "'a\\b'"),
        ("C:\\photos\\new", "'C:\\photos\\new'"),
        ("a\x1b[2Jb", "'a\\x1b[2Jb'"),
        ("it's", '"it\'s"'),
        ("", "''"),
    ],
)
def test_quoted_doubles_no_backslash(text: str, shown: str) -> None:
    assert quoted(text) == shown
    assert quoted(printable(text)) == shown


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("run", "run"),
        ("my run 2", "my-run-2"),
        ("under_score-dash", "under_score-dash"),
        ("Übung für Äpfel", "Ubung-fur-Apfel"),
        ("a/b\\c:d", "a-b-c-d"),
        ("../../etc/passwd", "etc-passwd"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("狮子", "run"),
        ("", "run"),
        ("---", "run"),
        ("x" * 99, "x" * 40),
    ],
)
def test_slug_is_a_folder_name(name: str, folder: str) -> None:
    assert slug(name) == folder


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("run", "run"),
        ("狮子", "狮子"),
        ("狮子 v2/..", "狮子-v2"),
        ("Привет мир", "Привет-мир"),
        ("Straße Łódź", "Straße-Łodz"),
        ("ゲーム が", "ゲーム-が"),
        ("한국어 이름", "한국어-이름"),
        ("हिन्दी नाम", "हिन्दी-नाम"),
        ("ＡＢＣ①", "ABC1"),
        ("x\u0304 🦁 \u3164", "x"),
        ("猫\u202e\x1b[2J\ue000犬", "猫-2J-犬"),
        ("猫" * 40, "猫" * 20),
        ("🦁", "run"),
    ],
)
def test_slug_in_other_scripts(name: str, folder: str) -> None:
    assert slug(name, allow_unicode=True) == folder


@settings(max_examples=200)
@given(text=everything)
def test_slug_in_other_scripts_is_always_a_safe_name(text: str) -> None:
    name = slug(text, allow_unicode=True)
    assert name == unicodedata.normalize("NFC", name) == slug(name, allow_unicode=True)
    assert 1 <= len(name) <= 40
    assert len(name.encode()) <= 160
    assert name == printable(name)
    assert not name.startswith("-")
    assert all(c in "-_" or unicodedata.category(c)[0] in "LNM" for c in name)
    if slug(text) != "run" and text.isascii():
        assert name == slug(text)


@settings(max_examples=200)
@given(text=everything)
def test_slug_is_always_a_safe_name(text: str) -> None:
    name = slug(text)
    assert 1 <= len(name) <= 40
    assert all(c.isascii() and (c.isalnum() or c in "-_") for c in name)
    assert not name.startswith("-")
    assert slug(name) == name
