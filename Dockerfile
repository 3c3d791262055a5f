# Three images. `cpu` and `gpu` serve the bundled example until a folder of bundles is mounted at /models; `load` is Locust, to
# put load on them.
#
#     docker build --target cpu --tag vitscope:cpu .
#     docker run --rm --read-only --tmpfs /tmp --publish 127.0.0.1:8500:8500 vitscope:cpu
#
# docs/images.md: sizes, what the building machine has to reach, and what was tried.

# The base by its exact tag. Add the digest that you have checked: --build-arg BASE=python:3.11.15-slim-trixie@sha256:…
ARG BASE=python:3.11.15-slim-trixie

FROM ${BASE} AS python
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore


FROM python AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY bundle bundle
COPY client client
COPY dataset dataset
COPY drawing drawing
COPY evaluate evaluate
COPY explorer explorer
COPY export export
COPY finetune finetune
COPY loadtest loadtest
COPY protos protos
COPY server server
COPY src src
RUN pip wheel --no-deps --wheel-dir /wheel .


# The only stage with torch; the images take the bundle alone. Its certificate covers what this machine's processor can run.
FROM python AS example
# PyPI's torch for x86-64 is the CUDA build, some gigabytes that nothing here uses; an index with the CPU build saves them.
ARG PIP_EXTRA_INDEX_URL
COPY requirements/common.txt requirements/serve.txt requirements/export.txt /requirements/
RUN pip install --requirement /requirements/export.txt
COPY --from=wheel /wheel /wheel
COPY examples/fashion /fashion
RUN pip install --no-deps /wheel/*.whl && \
    vitscope export /fashion --name fashion --out /models


# What both images are, whatever the engine.
FROM python AS service
# Compiled engines and measurements; without a volume here each new container makes them anew. /models may be read-only.
ENV XDG_CACHE_HOME=/cache
# Libraries report their use to their makers. vitscope switches that off; this is for whatever else is run in the image.
# OpenVINO's Python package asks a file at home.
ENV ORT_DISABLE_TELEMETRY=1 \
    DO_NOT_TRACK=1 \
    HOME=/home/vitscope
RUN install --directory --owner=10001 --group=10001 /cache && \
    install --directory "$HOME/intel" && \
    echo 0 > "$HOME/intel/openvino_telemetry"
VOLUME /cache
EXPOSE 8500 8501
STOPSIGNAL SIGTERM
# The start period is for compiling: TensorRT takes minutes for a large model the first time.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10m --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('VITSCOPE_HTTP_PORT', 8501)), timeout=2); c.request('GET', '/healthz/ready'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["vitscope"]
CMD ["serve", "/models"]


FROM service AS gpu
# TensorRT's libraries are fetched from NVIDIA's own index while this installs, or from a mirror of it that is named here.
ARG WHEEL_STUB_PIP_INDEX_URL
# NVIDIA's container runtime mounts the driver's libraries for these: CUDA, and NVML for the gauges.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
# Where the wheels put what a CUDA toolkit would put into the loader's path.
ENV LD_LIBRARY_PATH=/usr/local/lib/python3.11/site-packages/nvidia/cu13/lib:/usr/local/lib/python3.11/site-packages/tensorrt_libs
COPY requirements/common.txt requirements/gpu.txt /requirements/
RUN pip install --requirement /requirements/gpu.txt
COPY --from=example /models /models
COPY --from=wheel /wheel /wheel
RUN pip install --no-deps /wheel/*.whl
USER 10001:10001


FROM python AS load
# Its default, ~, is no folder for a user without one; matplotlib draws the ramp.
ENV MPLCONFIGDIR=/tmp/matplotlib
# So that `locust` alone finds it.
ENV LOCUST_LOCUSTFILE=/usr/local/lib/python3.11/site-packages/vitscope/loadtest/locustfile.py
COPY requirements/load.txt /requirements/
RUN pip install --requirement /requirements/load.txt
COPY --from=wheel /wheel /wheel
# A test leaves its report where it is run.
RUN pip install --no-deps /wheel/*.whl && \
    install --directory --owner=10001 --group=10001 /reports
WORKDIR /reports
EXPOSE 8089
CMD ["locust"]
USER 10001:10001


# Last, so that a build without --target makes it.
FROM service AS cpu
COPY requirements/common.txt requirements/serve.txt /requirements/
RUN pip install --requirement /requirements/serve.txt
COPY --from=example /models /models
COPY --from=wheel /wheel /wheel
RUN pip install --no-deps /wheel/*.whl
USER 10001:10001
