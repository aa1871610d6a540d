# The image that runs holds Node, the relay and a C++ runtime; no shell, no npm, no package manager.
# Both bases can be exchanged, for a mirror or for one of your own:
#   docker build --build-arg RUNTIME_IMAGE=debian:bookworm-slim .
ARG BUILD_IMAGE=node:24-bookworm-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12

FROM ${BUILD_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
# What the image is made of, for scanners. npm leaves out what tools for development need as well, unless there are none.
RUN npm pkg delete devDependencies && npm sbom --sbom-format=cyclonedx > sealpost.cdx.json
# What the relay may write, and nobody else read. Made here, because there is no shell below.
RUN install -d -o 1000 -g 1000 -m 700 /state/sealpost

FROM ${BUILD_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sealpost" \
  org.opencontainers.image.description="A submission proxy: plain SMTP in, verified TLS out" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production SEALPOST_STATE_DIR=/var/lib/sealpost
COPY --from=packages /usr/local/bin/node /usr/local/bin/node
COPY --from=packages --chown=1000:1000 /state/ /var/lib/
COPY --from=packages /app/package.json /app/sealpost.cdx.json /app/
COPY --from=packages /app/node_modules /app/node_modules
COPY --from=build /app/dist /app/dist
# By number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 1000:1000
WORKDIR /app
# The only place that is written to; the root can be read-only.
VOLUME /var/lib/sealpost
EXPOSE 2525
STOPSIGNAL SIGTERM
# Whether a hop to the upstream can be secured; opening one may take SEALPOST_CONNECT_TIMEOUT.
HEALTHCHECK --interval=30s --timeout=40s --start-period=30s CMD ["node", "/app/dist/cli.js", "health"]
ENTRYPOINT ["node", "/app/dist/cli.js"]
CMD ["serve"]
