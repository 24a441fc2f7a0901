# The current stack with the project, for each node of the pipeline and for `howto100m`.
# `make image` builds it, and `make image CUDA=1` with what NVIDIA's GPUs need besides their driver.
ARG PYTHON=python:3.13.9-slim-trixie

FROM ${PYTHON} AS build
# pyfarmhash, a part of TFX, comes as source and is compiled here.
RUN apt-get update && apt-get install --yes --no-install-recommends g++
WORKDIR /build
COPY requirements-uv.lock .
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements-uv.lock
RUN uv venv /opt/howto100m
ENV VIRTUAL_ENV=/opt/howto100m UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1
COPY pyproject.toml requirements.lock requirements-cuda.lock ./
# The lock file holds what the tests need as well. As constraints it gives versions and hashes alone.
RUN uv pip install --require-hashes --constraint requirements.lock \
      --requirement pyproject.toml --extra kubeflow
ARG CUDA
RUN test -z "$CUDA" \
 || uv pip install --no-deps --require-hashes --requirement requirements-cuda.lock
COPY LICENSE README.md ./
COPY components components
COPY models models
COPY pipeline pipeline
COPY schemas schemas
RUN uv pip install --no-deps --no-build-isolation .

FROM ${PYTHON}
RUN useradd --create-home --uid 1000 howto100m
COPY --from=build /opt/howto100m /opt/howto100m
ENV PATH=/opt/howto100m/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/home/howto100m \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=1
USER 1000
WORKDIR /home/howto100m
CMD ["howto100m", "--help"]
