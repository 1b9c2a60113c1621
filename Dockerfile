# Two images from one build: `monitor` (the default) and `example`, the small application that the tutorial monitors.
# Packages come from tools/packages, as everywhere.

FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Makefile ./
COPY tools/packages tools/install-packages tools/
RUN make deps-build
COPY . .
RUN make install PREFIX=/usr DESTDIR=/stage

FROM debian:12-slim AS runtime
COPY tools/packages tools/install-packages /tmp/tools/
RUN /tmp/tools/install-packages runtime && rm -rf /var/lib/apt/lists/* /tmp/tools

FROM runtime AS example
COPY --from=build /source/build/release/monitor_example /usr/bin/
USER nobody
EXPOSE 8000
ENTRYPOINT ["/usr/bin/monitor_example"]
CMD ["--bind", "0.0.0.0", "--port", "8000"]

# The configuration and the local database live in one folder, so that a volume keeps both and a save can rename.
FROM runtime AS monitor
RUN groupadd --gid 10001 monitor \
    && useradd --uid 10001 --gid monitor --home-dir /var/lib/monitor --no-create-home --shell /usr/sbin/nologin monitor \
    && install -d -o monitor -g monitor -m 0700 /var/lib/monitor /var/lib/monitor/.monitoring
COPY --from=build /stage/usr/bin/monitor /usr/bin/
USER monitor
ENV HOME=/var/lib/monitor
WORKDIR /var/lib/monitor
VOLUME /var/lib/monitor
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["/usr/bin/monitor", "health"]
ENTRYPOINT ["/usr/bin/monitor"]
CMD ["start", "-vvvv", "--yes"]
