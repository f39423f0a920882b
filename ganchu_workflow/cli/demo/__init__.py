"""`ganchu demo`: a small, complete round in simulated time. Everything in it is invented."""

MARK = "演示数据·非官方文件"
"""Stands on everything the demonstration prints or writes."""
