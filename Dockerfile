# The default matrix on any machine with a container engine: six CPythons built alike, the engine `native` ready built.
#
#   docker build --tag microgpt-bench . && docker run --rm --volume "$PWD/results:/measured/results" microgpt-bench
#
# Other commands follow the name: docker run --rm … microgpt-bench check --help

FROM python:3.14-slim AS uv
RUN pip install --no-cache-dir "uv==0.9.*"

FROM debian:trixie-slim AS wheel
COPY --from=uv /usr/local/bin/uv /usr/local/bin/
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev python3-dev
WORKDIR /source
COPY . .
RUN uv build --wheel --python /usr/bin/python3 --out-dir /wheel \
 && sed -n 's/.*:: Python :: \(3\.[0-9]*\)".*/\1/p' pyproject.toml > /wheel/versions

FROM debian:trixie-slim
COPY --from=uv /usr/local/bin/uv /usr/local/bin/
# git for `check --against`, valgrind for exact counts
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git valgrind \
 && rm -rf /var/lib/apt/lists/*
ENV UV_PYTHON_INSTALL_DIR=/opt/python UV_PYTHON_BIN_DIR=/usr/local/bin UV_TOOL_DIR=/opt/tools UV_TOOL_BIN_DIR=/usr/local/bin
COPY --from=wheel /wheel /wheel
RUN xargs uv python install < /wheel/versions \
 && uv tool install --python 3.14 "$(echo /wheel/*.whl)[report,profile]"
WORKDIR /measured
ENTRYPOINT ["microgpt-bench"]
CMD ["run"]
