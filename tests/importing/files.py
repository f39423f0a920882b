"""Files as an office would have them, made for a test; every enterprise in them is invented."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from openpyxl import Workbook

from ganchu_workflow.testing import credit_code_of

Rows = Sequence[Mapping[str, str]]
SHA = "5e" * 32
WHOLE = ("技术先进", "质量优良", "效益突出", "品牌知名", "特色鲜明")


def declaration(number: str, **changes: str) -> dict[str, str]:
    """A row of 申报汇总表 that is in order, with some cells changed."""
    credit_code = credit_code_of(number)
    return {
        "申报编号": number,
        "企业编号": f"E-{number}",
        "企业名称": f"{number}有限公司(虚构)",
        "统一社会信用代码": credit_code,
        "信用代码说明": "",
        "产品名称": f"{number}号产品",
        "所在地": "南昌市",
        "推荐单位": "360100",
        "商标注册号": "TM-1",
        "商标注册人": credit_code,
        "属强制性认证": "否",
        "属生产许可": "",
        "商标注册证": SHA,
        "强制性认证证书": "",
        "生产许可证": "",
        "联系人": "张三 0791-88886666",
        "真实性承诺": "是",
    } | changes


def accepted(number: str, opinion: str = "受理", **changes: str) -> dict[str, str]:
    """A row of 受理登记表."""
    return {"申报编号": number, "受理意见": opinion, "理由代码": "", "理由": ""} | changes


def ranked(
    number: str, rank: str, by: str = "南昌市", letter: str = "洪工信〔2022〕1号", **more: str
) -> dict[str, str]:
    """A row of 推荐汇总表."""
    return {"推荐单位": by, "推荐函文号": letter, "排序": rank, "申报编号": number} | more


def declined(number: str, **changes: str) -> dict[str, str]:
    """A row of 不予推荐登记表."""
    return {"推荐单位": "南昌市", "申报编号": number, "理由代码": "quality", "理由": "理由从略"} | changes


def checked(number: str, **changes: str) -> dict[str, str]:
    """A row of 资格核查登记表."""
    clean = dict.fromkeys(("经营异常", "失信或欠税", "安全质量环保事故", "停产"), "否")
    return {"申报编号": number} | clean | {"独立法人认定": "", "认定依据": ""} | changes


def grouped(number: str, **changes: str) -> dict[str, str]:
    """A row of 评审分组表."""
    return {"组别": "甲组", "申报编号": number, "入选名额": "3", "专家库": "e1、e2, e3"} | changes


def scored(number: str, seat: str = "1", points: str = "90", **changes: str) -> dict[str, str]:
    """A row of 评分表."""
    return {"席位号": seat, "专家编号": "", "申报编号": number} | dict.fromkeys(WHOLE, points) | {"回避": ""} | changes


def replied(number: str, department: str = "ENV", opinion: str = "无意见", **changes: str) -> dict[str, str]:
    """A row of 部门反馈表."""
    return {"部门": department, "申报编号": number, "意见": opinion, "文号": "环函〔2022〕1号", "内容": ""} | changes


def objected(number: str, objector: str = "P-1", **changes: str) -> dict[str, str]:
    """A row of 异议登记表."""
    return {
        "异议人编号": objector,
        "申报编号": number,
        "方式": "举报",
        "匿名": "否",
        "姓名或单位": "李四",
        "联系方式": "139-0000-0000",
        "签章": "签字",
        "内容": "产地不实",
    } | changes


def csv_bytes(rows: Rows, encoding: str = "utf-8-sig", newline: str = "\r\n") -> bytes:
    """The rows as CSV, under the headings of the first."""
    return cells_bytes([list(rows[0]), *(list(row.values()) for row in rows)], encoding, newline)


def cells_bytes(rows: Sequence[Sequence[str]], encoding: str = "utf-8-sig", newline: str = "\r\n") -> bytes:
    """Rows of cells as CSV."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=newline).writerows(rows)
    return out.getvalue().encode(encoding)


def xlsx_bytes(rows: Sequence[Sequence[Any]], merged: Sequence[str] = ()) -> bytes:
    """Rows of cells as the first sheet of an XLSX file."""
    book = Workbook()
    worksheet = book.active
    assert worksheet is not None
    for row in rows:
        worksheet.append(list(row))
    for cells in merged:
        worksheet.merge_cells(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def in_first_sheet(old: str, new: str, data: bytes) -> bytes:
    """An XLSX file in whose first sheet some XML stands for other."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as packed, zipfile.ZipFile(out, "w") as changed:
        for name in packed.namelist():
            part = packed.read(name)
            if name == "xl/worksheets/sheet1.xml":
                assert old.encode() in part
                part = part.replace(old.encode(), new.encode())
            changed.writestr(name, part)
    return out.getvalue()
