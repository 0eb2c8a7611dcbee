# The sandbox image, CPU and CUDA alike: the lock decides which torch goes in.
#
# Covered here: a base without shell, package manager, compiler or setuid file; packages from the wheelhouse
# alone, each with its digest; a fixed user. Not covered: network, memory, seccomp, time. Those belong to the
# container and are set by whoever starts it.
#
# Built by `harness image build` with no network. Every command is in exec form because the base, once
# hardened, has no shell. `code` stands before `packages`: the engine makes all that stands above a stage, and
# a change in `sandbox/` is to need no wheel.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS python
USER 0
COPY stages/harden.py /build/harden.py
RUN ["python3", "-I", "-B", "/build/harden.py"]

FROM python AS code
COPY stages/compile.py /build/compile.py
COPY sandbox/ /opt/harness/sandbox/
RUN ["python3", "-I", "-B", "/build/compile.py", "/opt/harness/sandbox"]

FROM python AS packages
COPY stages/install.py lock.txt build.txt /build/
COPY wheelhouse/ /build/wheelhouse/
RUN ["python3", "-I", "-B", "/build/install.py"]

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
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /
USER 65532:65532
ENTRYPOINT ["python3", "-I", "-B", "-m", "sandbox"]
