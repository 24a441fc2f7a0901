"""What the tfx CLI is pointed at: the pipeline on this machine, as HOWTO100M_RUN describes it.

It lies at the top, as in TFX's templates, because a script's own folder comes first on the import
path.
"""

from pipeline import local_runner

if __name__ == "__main__":
    local_runner.main()
