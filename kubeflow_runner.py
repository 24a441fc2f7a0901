"""What the tfx CLI is pointed at: the pipeline for a cluster, as HOWTO100M_RUN describes it.

It lies at the top, as in TFX's templates, because a script's own folder comes first on the import
path.
"""

from pipeline import kubeflow_runner

if __name__ == "__main__":
    kubeflow_runner.main()
