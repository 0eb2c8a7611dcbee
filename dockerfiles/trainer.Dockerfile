# The image of trainers and scorers, CPU and CUDA alike: the lock decides which torch goes in.
#
# The same base, stages and wheelhouse as for a sandbox (sandbox.Dockerfile), other packages, and of this project the
# code that trains and scores. Nobody's candidate ever runs in it. Not covered: network, memory, mounts; those belong to
# the container and are set by whoever starts it.
#
# Built by `harness image build --for trainer` with no network.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS python
USER 0
COPY stages/harden.py /build/harden.py
RUN ["python3", "-I", "-B", "/build/harden.py"]

FROM python AS code
COPY stages/compile.py /build/compile.py
COPY code/ /opt/harness/
RUN ["python3", "-I", "-B", "/build/compile.py", "/opt/harness"]

FROM python AS packages
COPY stages/install.py lock.txt build.txt /build/
COPY wheelhouse/ /build/wheelhouse/
RUN ["python3", "-I", "-B", "/build/install.py"]

# Nothing of it goes into the image: it ends a build whose parts do not work together.
FROM packages AS probe
COPY --from=code /opt/harness/ /opt/harness/
COPY trainer/probe.py /build/
RUN ["python3", "-B", "/build/probe.py"]

# From scratch, so that what hardening removed is in no layer underneath. The harness itself does what stands here
# (harness/images/build.py): an engine would write today's date into each layer. Nothing but COPY --from, ENV, WORKDIR,
# USER and ENTRYPOINT may stand here.
FROM scratch
COPY --from=python / /
COPY --from=packages /opt/site-packages/ /opt/site-packages/
COPY --from=code /opt/harness/ /opt/harness/
ENV PATH=/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    HOME=/tmp \
    USER=trainer \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /
USER 65532:65532
ENTRYPOINT ["python3", "-s", "-P", "-B", "-m", "harness.trainer"]
