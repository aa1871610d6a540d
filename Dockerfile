FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

# The slim image has no CA bundle of its own; the relay then trusts the roots that come with Node.
FROM node:24-bookworm-slim
ENV NODE_ENV=production SEALPOST_STATE_DIR=/var/lib/sealpost
# Written to only if the relay issues certificates of its own (SEALPOST_LISTEN_TLS, SEALPOST_LISTEN_STARTTLS):
# without these the whole root can be read-only.
RUN install -d -o node -g node -m 700 /var/lib/sealpost
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
EXPOSE 2525
ENTRYPOINT ["node", "/app/dist/cli.js"]
CMD ["serve"]
