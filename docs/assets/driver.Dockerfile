# An agent as a driver of AlpaSim, in the form of its challenge: one image that serves the egodriver
# contract where ALPASIM_DRIVER_HOST and ALPASIM_DRIVER_PORT say. From the root of a checkout:
#
#   docker build -f docs/assets/driver.Dockerfile -t reworld-driver:0.2.0 .
#   docker run --rm --read-only --network none --tmpfs /tmp:size=2g --tmpfs /run:size=64m --gpus all reworld-driver:0.2.0
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY . /opt/reworld
RUN python -m pip install --constraint /opt/reworld/constraints.txt "/opt/reworld[loop,model]"

# Weights of your own go into the image too: nothing is downloaded where it runs.
# COPY outputs/3/weights /opt/weights

# The root is read-only there, and /tmp holds 2 GiB: what libraries keep goes there.
ENV HOME=/tmp TMPDIR=/tmp XDG_CACHE_HOME=/tmp/cache NUMBA_CACHE_DIR=/tmp/numba CUDA_CACHE_PATH=/tmp/nv
ENV TORCHINDUCTOR_CACHE_DIR=/tmp/inductor HF_HUB_OFFLINE=1
# Sixteen replicas share the evaluator's processors.
ENV OMP_NUM_THREADS=1
WORKDIR /tmp
USER 10001:10001
STOPSIGNAL SIGTERM

# Until the evaluator says otherwise.
ENV ALPASIM_DRIVER_HOST=0.0.0.0 ALPASIM_DRIVER_PORT=50051
EXPOSE 50051
CMD ["reworld", "serve", "driver", "agent=reworld"]
