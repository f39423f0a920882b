"""What pydantic finds, in Chinese: of real errors of real models, and never the value itself."""

import string
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ganchu_workflow.engine.complaints import _WORDS, in_chinese


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


CASES: list[tuple[Any, Any, str]] = [
    (Form, {}, "必填,未填写"),
    (Form, {"name": "甲", "nmae": "乙"}, "没有这一项"),
    (str, 7, "应为文字"),
    (Annotated[str, Field(min_length=2)], "甲", "至少2个字符"),
    (Annotated[str, Field(max_length=1)], "甲乙", "至多1个字符"),
    (Annotated[str, Field(pattern="^[a-z]+$")], "甲", "格式不符,应匹配 ^[a-z]+$"),
    (int, None, "应为整数"),
    (int, "七", "应为整数"),
    (int, 7.5, "应为整数"),
    (Decimal, "七", "应为数"),
    (Decimal, [], "应为数"),
    (bool, [], "应为是(true)或否(false)"),
    (bool, "也许", "应为是(true)或否(false)"),
    (list[str], "甲", "应为列表"),
    (tuple[str, ...], "甲", "应为列表"),
    (dict[str, str], "甲", "应为名称与值的对照"),
    (Annotated[list[str], Field(min_length=1)], [], "至少1项"),
    (Annotated[list[str], Field(max_length=1)], ["甲", "乙"], "至多1项"),
    (Annotated[int, Field(gt=0)], 0, "应大于0"),
    (Annotated[int, Field(ge=1)], 0, "不得小于1"),
    (Annotated[int, Field(lt=5)], 5, "应小于5"),
    (Annotated[int, Field(le=5)], 6, "不得大于5"),
    (Literal["a", "b"], "c", "只能是'a' or 'b'"),
    (date, "昨天", "应为日期,如 2021-09-03"),
    (date, [], "应为日期,如 2021-09-03"),
    (AwareDatetime, "昨天", "应为带时差的时刻,如 2021-09-03T17:30:00+08:00"),
    (AwareDatetime, "2021-09-03T17:30:00", "应写明时分和时差,如 2021-09-03T17:30:00+08:00"),
]


@pytest.mark.parametrize(("type_", "value", "words"), CASES)
def test_what_is_wrong_is_said_in_chinese(type_: Any, value: Any, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(type_).validate_python(value)
    (error,) = caught.value.errors()
    assert in_chinese(dict(error)) == words


def test_what_has_no_words_stays_as_it_is() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(bytes).validate_python([])
    (error,) = caught.value.errors()
    assert in_chinese(dict(error)) == error["msg"]


def test_no_wording_repeats_the_value() -> None:
    named = {name for words in _WORDS.values() for _, name, _, _ in string.Formatter().parse(words) if name}
    assert named == {"min_length", "max_length", "pattern", "gt", "ge", "lt", "le", "expected"}
