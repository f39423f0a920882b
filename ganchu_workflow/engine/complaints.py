"""What pydantic finds wrong with data, in words for an official; pydantic itself speaks English only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "missing": "必填,未填写",
    "extra_forbidden": "没有这一项",
    "string_type": "应为文字",
    "string_too_short": "至少{min_length}个字符",
    "string_too_long": "至多{max_length}个字符",
    "string_pattern_mismatch": "格式不符,应匹配 {pattern}",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "decimal_parsing": "应为数",
    "decimal_type": "应为数",
    "bool_type": "应为是(true)或否(false)",
    "bool_parsing": "应为是(true)或否(false)",
    "list_type": "应为列表",
    "tuple_type": "应为列表",
    "dict_type": "应为名称与值的对照",
    "too_short": "至少{min_length}项",
    "too_long": "至多{max_length}项",
    "greater_than": "应大于{gt}",
    "greater_than_equal": "不得小于{ge}",
    "less_than": "应小于{lt}",
    "less_than_equal": "不得大于{le}",
    "literal_error": "只能是{expected}",
    "date_parsing": "应为日期,如 2021-09-03",
    "date_from_datetime_parsing": "应为日期,如 2021-09-03",
    "date_type": "应为日期,如 2021-09-03",
    "datetime_parsing": "应为带时差的时刻,如 2021-09-03T17:30:00+08:00",
    "datetime_from_date_parsing": "应为带时差的时刻,如 2021-09-03T17:30:00+08:00",
    "timezone_aware": "应写明时分和时差,如 2021-09-03T17:30:00+08:00",
}


def in_chinese(error: Mapping[str, Any]) -> str:
    """One entry of `ValidationError.errors()`; what there are no words for stays as pydantic says it.

    The value itself is never repeated: it may be private.
    """
    words = _WORDS.get(error["type"])
    if words is None:
        return str(error["msg"])
    return words.format_map({k: v for k, v in error.get("ctx", {}).items() if isinstance(v, str | int | float)})
