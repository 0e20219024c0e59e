"""Charset decisions: chardet's test files, each in a folder that is named after its encoding.

A file is right when it is decoded to the same text as by the encoding of its folder; where Python has no codec for
that, when the decoder names it. Encodings are judged by the web's tables, as textmill reads them (iso-8859-1 is
windows-1252, gb2312 is gb18030, and so on)."""
import json
import os
import subprocess

# What the folder's name means to Python, where that differs or is wider on the web.
CODECS = {"GB2312": "gb18030", "EUC-KR": "cp949", "SHIFT_JIS": "cp932", "TIS-620": "cp874", "IBM855": "cp855",
          "IBM866": "cp866", "MacCyrillic": "mac_cyrillic", "ascii": "ascii", "iso-8859-1": "cp1252",
          "UTF-16BE": "utf-16-be", "UTF-16LE": "utf-16-le", "UTF-32BE": "utf-32-be", "UTF-32LE": "utf-32-le",
          "Big5": "big5hkscs"}


def codec_of(folder):
    if folder in CODECS:
        return CODECS[folder]
    parts = folder.split("-")
    return "-".join(parts[:2] if parts[0] == "windows" else parts[:3] if parts[0] == "iso" else parts)


def files(data):
    """[(folder, path)]"""
    root = os.path.join(data, "datasets", "encodings-chardet")
    return [(folder, os.path.join(root, folder, name)) for folder in sorted(os.listdir(root))
            if os.path.isdir(os.path.join(root, folder)) for name in sorted(os.listdir(os.path.join(root, folder)))]


def decode(data, codec):
    """Lossy, without byte order mark and line ends' differences; None: no such codec."""
    try:
        text = data.decode(codec, "replace")
    except LookupError:
        return None
    return text.lstrip("\ufeff").replace("\r\n", "\n")


def is_right(folder, data, named):
    """named: the encoding that a decoder chose, as Python knows it or as it calls it."""
    expected = decode(data, codec_of(folder))
    if expected is None:
        return named.lower() == folder.lower()
    told = decode(data, {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc-kr": "cp949",
                         "windows-874": "cp874", "iso-8859-1": "cp1252", "big5": "big5hkscs",
                         "x-mac-cyrillic": "mac_cyrillic"}.get(named.lower(), named))
    return told == expected


def run_textmill(tool, paths):
    """{path: name of the encoding}"""
    run = subprocess.run([tool, "extract", "--mode", "raw", *paths], stdout=subprocess.PIPE, check=False)
    lines = [json.loads(line) for line in run.stdout.decode("utf-8").splitlines()]
    return {line["source"]: line["cleaning"]["encoding"] for line in lines if "cleaning" in line}
