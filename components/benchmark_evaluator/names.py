"""Names that the command line needs before anything heavy is imported."""

# In the order of the papers' tables; `benchmarks.BENCHMARKS` has a benchmark for each.
BENCHMARKS = (
    "youcook2",
    "msrvtt",
    "lsmdc",
    "csv",
    "crosstask",
    "hmdb51",
    "ucf101",
    "hmdb51_fine_tuning",
    "ucf101_fine_tuning",
    "kinetics700",
    "coin",
    "youtube8m_segments",
)

RESULT_FILE = "result.json"
