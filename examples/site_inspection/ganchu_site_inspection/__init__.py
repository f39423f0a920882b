"""现场核查: a stage for ganchu-workflow, put into a plan by one line, `use = "site_inspection"`."""

from ganchu_site_inspection.stage import SiteInspection, SiteInspectionSettings, SiteVisit

__all__ = ["SiteInspection", "SiteInspectionSettings", "SiteVisit"]
