"""The sections of the report, in their order on the page."""

from skmlp.report.section import Section
from skmlp.report.sections.calibration import describe_calibration
from skmlp.report.sections.classes import describe_classes
from skmlp.report.sections.confusion import describe_confusion
from skmlp.report.sections.cost import describe_cost
from skmlp.report.sections.findings import describe_findings
from skmlp.report.sections.label_errors import describe_label_errors
from skmlp.report.sections.members import describe_members
from skmlp.report.sections.mistakes import describe_mistakes
from skmlp.report.sections.network import describe_network
from skmlp.report.sections.reproducibility import describe_reproducibility
from skmlp.report.sections.robustness import describe_robustness
from skmlp.report.sections.summary import describe_summary
from skmlp.report.sections.training import describe_training

SECTIONS = (
    Section("summary", "Summary", describe_summary),
    Section("members", "Members", describe_members),
    Section("reproducibility", "Reproducibility", describe_reproducibility),
    Section("training", "Training curves", describe_training),
    Section("classes", "Classes", describe_classes),
    Section("confusion", "Confusion matrix", describe_confusion),
    Section("calibration", "Calibration", describe_calibration),
    Section("mistakes", "Worst mistakes", describe_mistakes),
    Section("label_errors", "Possible label errors", describe_label_errors),
    Section("network", "Network", describe_network),
    Section("robustness", "Robustness", describe_robustness),
    Section("cost", "Cost", describe_cost),
)
FINDINGS = "findings"  # the last section, which uses the figures of the others


def describe_all(evaluation):
    """Return the Content of each section, or None if it is left out, by its name."""
    contents = {section.name: section.describe(evaluation) for section in SECTIONS}
    figures = {name: content and content.figures for name, content in contents.items()}
    return contents | {FINDINGS: describe_findings(evaluation, figures)}
