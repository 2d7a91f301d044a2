# The environment is built apart, so that pip's traces stay out of the image.
FROM python:3.13-slim@sha256:6771159cd4fa5d9bba1258caf0b82e6b73458c694d178ad97c5e925c2d0e1a91 AS build
WORKDIR /build
COPY requirements.lock .
RUN python -m venv /opt/app \
    && /opt/app/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock

FROM python:3.13-slim@sha256:6771159cd4fa5d9bba1258caf0b82e6b73458c694d178ad97c5e925c2d0e1a91
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin app \
    && install --directory --owner=app /srv/app /srv/app/var
WORKDIR /srv/app
COPY --from=build /opt/app /opt/app
COPY alembic.ini pyproject.toml README.md ./
COPY docs docs
COPY migrations migrations
COPY app app
ENV HOST=0.0.0.0 \
    PATH=/opt/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, so that a cluster can tell that it is not root.
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT', '8000')}/livez\", timeout=2)"]
CMD ["python", "-m", "app", "serve"]
