"""The pipeline on Kubeflow Pipelines and Vertex AI: what differs from one machine."""
