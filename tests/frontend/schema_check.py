#!/usr/bin/python3
"""Reads pipeline files with two independent YAML parsers and validates them with an independent
JSON Schema validator.

usage: schema_check.py SCHEMA [--verdicts] FILE...

Each FILE must give the same data to a YAML 1.1 reader (PyYAML) and to a YAML 1.2 reader
(ruamel.yaml), apart from how plain scalars are read, and must be valid. With --verdicts nothing
must be valid: the program prints `valid FILE` or `invalid FILE: why` for each.

exit: 0 all good, 1 something is not, 2 a module is missing.
"""

import datetime
import json
import sys

try:
    import jsonschema
    import ruamel.yaml
    import yaml
except ImportError as error:
    print(
        f"{error}: schema_check.py needs the Debian packages "
        "python3-yaml, python3-ruamel.yaml and python3-jsonschema",
        file=sys.stderr,
    )
    raise SystemExit(2) from error


def shape(value):
    """The data without what plain scalars were taken for: YAML 1.1 and 1.2 differ there by design."""
    if isinstance(value, dict):
        # Keys are compared by their order: `no` is a boolean to one reader and text to the other.
        return [shape(item) for item in value.values()]
    if isinstance(value, list):
        return [shape(item) for item in value]
    return value if isinstance(value, str) and not looks_plain(value) else "scalar"


def looks_plain(text):
    """Whether one of the readers may take the text for something else."""
    return len(text) <= 40 and "\n" not in text


def keys(value):
    """Every key that is text to both readers, with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key if isinstance(key, str) else "?"
            yield from keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


def as_json(value):
    """What YAML has and JSON has not, as text."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else json.dumps(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return value


def check(path, validator):
    """Why a file is not good, or None."""
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    try:
        new = ruamel.yaml.YAML(typ="safe", pure=True).load(text)
        old = yaml.safe_load(text)
    except (yaml.YAMLError, ruamel.yaml.error.YAMLError) as error:
        return f"not YAML: {error}"
    if shape(old) != shape(new):
        return "a YAML 1.1 reader and a YAML 1.2 reader see different data"
    for one, other in zip(keys(old), keys(new), strict=True):
        if one != other and one != "?":
            return f"a YAML 1.1 reader sees the key {one!r}, a YAML 1.2 reader {other!r}"
    errors = sorted(validator.iter_errors(as_json(new)), key=lambda error: list(map(str, error.path)))
    if errors:
        first = errors[0]
        return f"at {'/'.join(map(str, first.path)) or 'the root'}: {first.message[:300]}"
    return None


def main(arguments):
    verdicts = "--verdicts" in arguments
    schema_path, *files = [argument for argument in arguments if argument != "--verdicts"]
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    failed = False
    for path in files:
        why = check(path, validator)
        failed = failed or why is not None
        if why is None:
            print(f"valid {path}")
        else:
            print(f"invalid {path}: {' '.join(why.split())}")
    return 1 if failed and not verdicts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
