"""Where enterprises are, and who recommends them: the cities of Jiangxi, and 赣江新区."""

from __future__ import annotations

CITIES = {
    "360100": "南昌市",
    "360200": "景德镇市",
    "360300": "萍乡市",
    "360400": "九江市",
    "360500": "新余市",
    "360600": "鹰潭市",
    "360700": "赣州市",
    "360800": "吉安市",
    "360900": "宜春市",
    "361000": "抚州市",
    "361100": "上饶市",
    "X-GJXQ": "赣江新区",
}
"""The cities of Jiangxi (GB/T 2260), and 赣江新区, which that list does not have: its code is our own."""
