"""The record, checked from outside."""
